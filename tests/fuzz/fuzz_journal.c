/* Hostile journals: someone's file in place of a run's journal. The first byte: 0, any bytes as the file;
 * else a sound file with forged records (lines of JSON), a forged summary and a forged lone blob. Then
 * everything that reads one: listing, report in each form, events, a resume. Refused with a reason, or
 * read; never more than the graph has, never a crash. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/source.h"
#include "compiler/graph/estimate.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/limits.h"
#include "runtime/report/report.h"
#include "runtime/state/journal.h"
#include "runtime/world/world.h"
#include "tests/fuzz/fuzz_plan_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char plan_text[] =
    FUZZ_PLAN(", web: {source: /DC0/vm/web, instance_type: r6i.xlarge, subnet: app, "
              "security_groups: [web], depends_on: [db]}");

static void expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Made once; never changed. */
static const struct graph *the_graph(const struct schedule **schedule)
{
    static const struct graph *graph;
    static const struct schedule *planned;
    static struct arena *arena; /* reachable, so that it is no leak */
    if (!graph) {
        arena = arena_create();
        struct diagnostics *diagnostics = diagnostics_create(arena);
        struct source *source =
            source_from_text(arena, "plan.yaml", plan_text, sizeof plan_text - 1);
        struct plan *plan = compile_plan(arena, source, NULL, 0, diagnostics);
        expect(plan != NULL);
        graph = compile_graph(arena, plan, WORKFLOW_FAILOVER, NULL, diagnostics);
        expect(graph != NULL);
        planned = estimate(arena, graph, NULL, true);
    }
    *schedule = planned;
    return graph;
}

static const char *path_of_journal(struct arena *arena)
{
    const char *folder = arena_printf(arena, "/dev/shm/drc-fuzz-%ld", (long)getpid());
    mkdir(folder, 0700);
    return arena_printf(arena, "%s/journal.db", folder);
}

static void remove_journal(struct arena *arena, const char *path)
{
    unlink(path);
    unlink(arena_printf(arena, "%s-wal", path));
    unlink(arena_printf(arena, "%s-shm", path));
    unlink(arena_printf(arena, "%s.new", path));
}

static void write_bytes(const char *path, const uint8_t *data, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    expect(file >= 0 && write(file, data, size) == (ssize_t)size && close(file) == 0);
}

/* Each line is a record; "=NAME VALUE" a line of the summary, ">NAME VALUE" a blob. */
static void forge(struct arena *arena, const char *path, const char *text)
{
    struct journal *journal = journal_create(path, NULL);
    expect(journal != NULL);
    while (*text) {
        size_t length = strcspn(text, "\n");
        char *line = arena_strndup(arena, text, length);
        char *value = strchr(line, ' ');
        if ((*line == '=' || *line == '>') && value) {
            *value++ = '\0';
            if (*line == '=') {
                journal_summarize(journal, line + 1, value);
            } else {
                journal_put_blob(journal, line + 1, value, strlen(value), NULL);
            }
        } else {
            journal_append(journal, line);
        }
        text += length + (text[length] == '\n');
    }
    journal_commit(journal, NULL);
    journal_close(journal);
}

static void tell(struct arena *arena, struct journal *journal, const struct graph *graph,
                 const struct schedule *schedule)
{
    struct error error = {0};
    struct report_known known = {graph, NULL, schedule};
    struct report *report = report_load(arena, journal, graph ? &known : NULL, &error);
    expect((report != NULL) == (error.message == NULL));
    if (report) {
        struct buffer out = {0};
        report_write_text(report, 80, false, &out);
        report_write_json(report, &out);
        buffer_free(&out);
    }
    error_clear(&error);
}

/* A provider to which everything is refused: the records are what is tried. */
static void refuse(struct provider *provider, struct call **calls, size_t n, call_done done,
                   void *context);

struct refusing {
    struct provider base;
    struct world *world;
};

struct refusal {
    struct call *call;
    call_done done;
    void *context;
};

static void on_refusal(void *context)
{
    struct refusal *refusal = context;
    struct call_result result = {.outcome = OUTCOME_FATAL, .error = {.message = "no"}};
    refusal->done(refusal->context, refusal->call, &result);
    free(refusal);
}

static void refuse(struct provider *provider, struct call **calls, size_t n, call_done done,
                   void *context)
{
    for (size_t i = 0; i < n; i++) {
        struct refusal *refusal = base_alloc(sizeof *refusal);
        *refusal = (struct refusal){calls[i], done, context};
        world_defer(((struct refusing *)provider)->world, on_refusal, refusal);
    }
}

static void refuse_one(struct provider *provider, struct call *call, call_done done, void *context)
{
    refuse(provider, &call, 1, done, context);
}

static void resume(struct journal *journal, const struct graph *graph,
                   const struct schedule *schedule)
{
    struct world_responder nobody = {0};
    struct world *world = world_simulated_create(1, 1795341600000, nobody);
    struct refusing refusing = {
        {.name = "fuzz", .start = refuse, .lookup = refuse_one, .poll = refuse}, world};
    struct limits *limits = limits_create(world, LIMITS_NONE);
    struct executor_options options = {.world = world,
                                       .graph = graph,
                                       .schedule = schedule,
                                       .journal = journal,
                                       .limits = limits,
                                       .run_id = "r1"};
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        options.providers[i] = &refusing.base;
    }
    struct error error = {0};
    journal_use_clock(journal, world);
    struct executor *executor = executor_create(&options, &error);
    expect(executor || error.message);
    if (executor) {
        enum executor_result result = executor_run(executor, &error);
        bool failed = result == EXECUTOR_BROKEN || result == EXECUTOR_DAMAGED;
        expect(!failed || error.message);
        executor_destroy(executor);
    }
    error_clear(&error);
    limits_destroy(limits);
    world_destroy(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct arena *arena = arena_create();
    const char *path = path_of_journal(arena);
    const struct schedule *schedule;
    const struct graph *graph = the_graph(&schedule);
    remove_journal(arena, path);
    if (data[0] == 0) {
        write_bytes(path, data + 1, size - 1);
    } else {
        forge(arena, path, arena_strndup(arena, (const char *)data + 1, size - 1));
    }
    struct error error = {0};
    struct journal *journal = journal_open(path, false, &error);
    expect((journal != NULL) == (error.message == NULL));
    if (journal) {
        journal_summary(journal, arena, "status");
        tell(arena, journal, graph, schedule);
        tell(arena, journal, NULL, NULL);
        resume(journal, graph, schedule);
    }
    error_clear(&error);
    journal_close(journal);
    remove_journal(arena, path);
    rmdir(arena_printf(arena, "/dev/shm/drc-fuzz-%ld", (long)getpid()));
    arena_destroy(arena);
    return 0;
}
