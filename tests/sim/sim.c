/* sim: rehearses seeds and prints what was violated, with the command that replays it.
 *   sim [--from N] [--seeds N] [--jobs N] [--twice N]   many, each Nth of them twice: byte for byte
 * the same sim [--from N] [--seeds N] --until-violated         to the first that is sim --seed N
 * one, told in full */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/source.h"
#include "tests/sim/trial.h"

static const char *const plan_names[] = {
    "plans/erp",
    "plans/shop",
    "tests/sim/plans/pair.yaml",
    "tests/sim/plans/trio.yaml",
    "tests/sim/plans/slots.yaml",
    "tests/sim/plans/chain.yaml",
    "tests/sim/plans/crowd.yaml",
};
enum { PLANS = sizeof plan_names / sizeof *plan_names, VIOLATIONS_SHOWN = 20, JOBS_MAX = 16 };

struct settings {
    uint64_t from, seeds, twice; /* twice: each Nth; 0: none */
    int jobs;
    bool one, until_violated;
};

static const struct plan *load_plan(struct arena *arena, const char *name)
{
    struct error error = {0};
    bool file = strstr(name, ".yaml") != NULL;
    const char *path = file ? name : arena_printf(arena, "%s/plan.yaml", name);
    struct source *source = source_read(arena, path, &error);
    struct diagnostics *diagnostics = diagnostics_create(arena);
    const struct plan *plan = source ? compile_plan(arena, source, NULL, 0, diagnostics) : NULL;
    if (!plan) {
        fprintf(stderr, "sim: %s cannot be used: %s\n", path,
                error.message ? error.message : "it is not sound (drc plan check)");
        exit(2);
    }
    return plan;
}

static struct trial_plans load_plans(struct arena *arena)
{
    struct trial_plans plans = {.plans = ARENA_ARRAY(arena, const struct plan *, PLANS),
                                .names = (const char **)plan_names,
                                .count = PLANS,
                                .replicate = load_plan(arena, "tests/sim/plans/replicate.yaml")};
    for (size_t i = 0; i < PLANS; i++) {
        plans.plans[i] = load_plan(arena, plan_names[i]);
    }
    return plans;
}

static void make_directory(char path[64])
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    snprintf(path, 64, "%s/drc-sim-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path)) {
        fprintf(stderr, "sim: %s: %s\n", path, strerror(errno));
        exit(2);
    }
}

static void show_violation(uint64_t seed, struct trial_result *result)
{
    printf("seed %" PRIu64 " violated:\n%s  replay: build/tests/sim/sim --seed %" PRIu64 "\n", seed,
           buffer_text(&result->text), seed);
    fflush(stdout);
}

/* The same seed once more has to give the same bytes. */
static void check_replay(const struct trial_plans *plans, uint64_t seed, const char *directory,
                         struct trial_counts *counts, const struct trial_result *first)
{
    struct trial_counts ignored = {0};
    struct trial_result second = {0};
    trial_run(plans, seed, directory, false, &ignored, &second);
    counts->replayed++;
    if (strcmp(first->hash, second.hash) != 0) {
        printf("seed %" PRIu64 " is not the same twice: %s, then %s\n", seed, first->hash,
               second.hash);
        counts->violated++;
    }
    buffer_free(&second.text);
}

static void run_share(const struct trial_plans *plans, const struct settings *settings, int job,
                      struct trial_counts *counts)
{
    char directory[64];
    make_directory(directory);
    for (uint64_t i = (uint64_t)job; i < settings->seeds; i += (uint64_t)settings->jobs) {
        struct trial_result result = {0};
        uint64_t seed = settings->from + i;
        trial_run(plans, seed, directory, settings->one, counts, &result);
        if (result.violated && counts->violated <= VIOLATIONS_SHOWN) {
            show_violation(seed, &result);
        } else if (settings->one) {
            printf("seed %" PRIu64 ":\n%s", seed, buffer_text(&result.text));
        }
        if (settings->one) {
            printf("trace %s\n", result.hash);
        }
        if (settings->twice && i % settings->twice == 0) {
            check_replay(plans, seed, directory, counts, &result);
        }
        buffer_free(&result.text);
        if (settings->until_violated && counts->violated > 0) {
            break;
        }
    }
    rmdir(directory);
}

/* Each job a process of its own, which sends what it has counted. */
static bool run_jobs(const struct trial_plans *plans, const struct settings *settings,
                     struct trial_counts *sum)
{
    int pipes[JOBS_MAX];
    bool ok = true;
    for (int job = 0; job < settings->jobs; job++) {
        int ends[2];
        if (pipe(ends) != 0) {
            return false;
        }
        pid_t child = fork();
        if (child == 0) {
            struct trial_counts counts = {0};
            close(ends[0]);
            run_share(plans, settings, job, &counts);
            ssize_t sent = write(ends[1], &counts, sizeof counts);
            _exit(sent == (ssize_t)sizeof counts ? 0 : 2);
        }
        close(ends[1]);
        pipes[job] = ends[0];
    }
    for (int job = 0; job < settings->jobs; job++) {
        struct trial_counts counts = {0};
        size_t got = 0;
        ssize_t more;
        while (got < sizeof counts &&
               (more = read(pipes[job], (char *)&counts + got, sizeof counts - got)) > 0) {
            got += (size_t)more;
        }
        close(pipes[job]);
        ok = ok && got == sizeof counts;
        trial_counts_add(sum, &counts);
    }
    for (int status; wait(&status) > 0;) {
        ok = ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return ok;
}

static void line(const char *what, int64_t count)
{
    printf("  %-50s %10" PRId64 "\n", what, count);
}

static void show_counts(const struct trial_counts *c)
{
    printf("%" PRId64 " seeds, %" PRId64 " requests\n", c->seeds, c->requests);
    printf("injected, and come through:\n");
    line("connections refused", c->unreachable + c->refused_dials);
    line("requests lost", c->lost_requests);
    line("answers lost", c->lost_answers);
    line("500 pages, nothing done", c->errors_before + c->internal_errors);
    line("500 pages, and yet done", c->errors_after);
    line("requests delivered twice", c->duplicated);
    line("requests of killed processes that arrived", c->ghosts);
    line("requests and dials into silence", c->silenced);
    line("throttled", c->throttled);
    line("not found, because just made", c->not_found);
    line("no capacity", c->no_capacity);
    line("injections failed", c->no_injection);
    line("clock jumps", c->jumps);
    line("processes killed", c->killed);
    line("interrupted", c->interrupted);
    printf("runs:\n");
    line("resumed", c->resumed);
    line("succeeded", c->succeeded);
    line("failed, with the fault named", c->failed);
    line("resumed and recovered when faults were over", c->healed);
    line("stayed failed: a fixed address went to another VM", c->addresses);
    line("cleaned up without leftovers", c->cleaned);
    line("without any fault: nothing refused", c->calm);
    line("with rates held against the cloud's", c->exact);
    line("replicated, each copy right", c->replicated);
    line("blocks sent for them", c->blocks_sent);
    line("of which a process that died left word", c->blocks_kept);
    line("run twice, byte for byte the same", c->replayed);
    printf("  slowest: seed %" PRId64 ", %.0f ms; longest: seed %" PRId64
           ", %.0f min of its own time\n",
           c->slowest_seed, (double)c->slowest_us / 1000, c->longest_seed,
           (double)c->longest_virtual_ms / 60000);
    printf("violated: %" PRId64 "\n", c->violated);
}

static void usage(void)
{
    fputs(
        "usage: sim [--from N] [--seeds N] [--jobs N] [--twice N] [--until-violated] | --seed N\n",
        stderr);
    exit(2);
}

static struct settings read_arguments(int argc, char **argv)
{
    struct settings settings = {.from = 1, .seeds = 100, .jobs = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--until-violated") == 0) {
            settings.until_violated = true;
        } else if (!value) {
            usage();
        } else if (strcmp(argv[i], "--from") == 0) {
            settings.from = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seeds") == 0) {
            settings.seeds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--twice") == 0) {
            settings.twice = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--jobs") == 0) {
            settings.jobs = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--seed") == 0) {
            settings.from = strtoull(argv[++i], NULL, 10);
            settings.seeds = 1;
            settings.one = true;
        } else {
            usage();
        }
    }
    if (settings.jobs < 1 || settings.jobs > JOBS_MAX) {
        usage();
    }
    return settings;
}

int main(int argc, char **argv)
{
    struct settings settings = read_arguments(argc, argv);
    struct arena *arena = arena_create();
    struct trial_plans plans = load_plans(arena);
    struct trial_counts counts = {0};
    bool ok = true;
    if (settings.jobs > 1) {
        ok = run_jobs(&plans, &settings, &counts);
    } else {
        run_share(&plans, &settings, 0, &counts);
    }
    show_counts(&counts);
    arena_destroy(arena);
    if (!ok) {
        fputs("sim: a process died before it was done\n", stderr);
    }
    return ok && counts.violated == 0 ? 0 : 1;
}
