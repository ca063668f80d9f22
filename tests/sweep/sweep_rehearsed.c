/* Crash sweep on the simulated world: a failover killed after every single event (a turn of the
 * executor with its commit, a request's arrival, an answer, a timer), with the requests then on their
 * way lost; again with all of them still arriving; and again with the resume beginning before they do,
 * in a cloud that is long in showing what was made in it.
 * Some are killed once more during the resume.
 * The cloud, what was ever made in it and the journal have to be those of an undisturbed run.
 *
 *   sweep_rehearsed --plan FILE [--stride N] [--at EVENT [--again EVENT] [--lost|--late|--soon] [--tell]]
 */
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "runtime/report/events.h"
#include "runtime/simulation/rehearsal.h"
#include "runtime/state/journal.h"

enum {
    SETTLE_MS = 600000,  /* what is shutting down or detaching has come to rest */
    BETWEEN_MS = 3000,   /* between a death and the resume */
    AGAIN_EVERY = 13,    /* each so manyth point also dies during its resume */
    IDS_MAX = 4096,
};

/* What was ever made: ids that the cloud answered with, each once. */
struct made {
    char *ids[IDS_MAX];
    size_t count, requests;
};

/* What becomes of the requests that are on their way when the process dies. */
enum fate { LOST, LATE, SOON /* they arrive, and the resume is there before them */ };
static const char *const fates[] = {"lost", "late", "soon"};

struct point {
    const char *plan;
    int64_t at, again; /* events of the first and the second process; -1: it lives */
    enum fate fate;
    bool tell; /* the events of the run */
};

/* How a rehearsal ended. */
struct ending {
    char *cloud; /* sorted lines */
    size_t made, requests;
    int64_t groups;
    bool died, died_again;
};

struct sweep {
    int64_t stride;
    const char *folder;
    size_t points, wrong;
};

/* --- what the cloud was asked for --- */

static void note_id(struct made *made, const char *id, size_t length)
{
    for (size_t i = 0; i < made->count; i++) {
        if (strlen(made->ids[i]) == length && memcmp(made->ids[i], id, length) == 0) {
            return;
        }
    }
    if (made->count == IDS_MAX) {
        abort();
    }
    made->ids[made->count++] = strndup(id, length);
}

static void note_made(void *context, int64_t utc_ms, const struct http_request *request,
                      const struct http_response *response)
{
    static const struct {
        const char *request, *before, *after;
    } makers[] = {
        {"Action=RunInstances", "<instanceId>", "<"},
        {"Action=CreateVolume", "<volumeId>", "<"},
        {"Action=RegisterImage", "<imageId>", "<"},
        {"DocumentName", "\"CommandId\":\"", "\""},
    };
    struct made *made = context;
    (void)utc_ms;
    made->requests++;
    for (size_t i = 0; i < sizeof makers / sizeof *makers && response->status == 200; i++) {
        const char *asked = makers[i].request;
        if (request->body_length == 0 ||
            !memmem(request->body, request->body_length, asked, strlen(asked))) {
            continue;
        }
        const char *id = strstr(response->body, makers[i].before);
        if (id) {
            id += strlen(makers[i].before);
            note_id(made, id, strcspn(id, makers[i].after));
        }
    }
}

static void made_clear(struct made *made)
{
    for (size_t i = 0; i < made->count; i++) {
        free(made->ids[i]);
    }
    made->count = 0;
}

static void tell_event(void *context, const struct executor_event *event)
{
    char when[32];
    (void)context;
    printf("%s %s %s %s\n", format_time(when, event->utc_ms), executor_event_name(event->type),
           event->node ? event->node->id : "-",
           event->status && event->status->detail ? event->status->detail
           : event->text                          ? event->text
                                                  : "");
}

/* --- the cloud as lines --- */

static int compare_lines(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Of what something is attached to, only whose it is counts: ids differ. */
static const char *owner_of(struct rehearsal *rehearsal, struct arena *arena, const char *instance)
{
    struct sandbox_item *items = NULL;
    size_t count = sandbox_list(rehearsal_sandbox(rehearsal), arena,
                                world_utc_ms(rehearsal_world(rehearsal)), SANDBOX_INSTANCE, &items);
    for (size_t i = 0; instance && i < count; i++) {
        if (strcmp(items[i].id, instance) == 0) {
            return items[i].vm ? items[i].vm : "given";
        }
    }
    return instance ? "gone" : "-";
}

static const char *or_none(const char *text)
{
    return text ? text : "-";
}

static char *cloud_lines(struct rehearsal *rehearsal)
{
    static const char *const kinds[] = {"instance", "volume", "snapshot", "image"};
    struct arena *arena = arena_create();
    char **lines = NULL;
    size_t count = 0, capacity = 0;
    for (int kind = 0; kind < SANDBOX_KIND_COUNT; kind++) {
        struct sandbox_item *items = NULL;
        size_t found = sandbox_list(rehearsal_sandbox(rehearsal), arena,
                                    world_utc_ms(rehearsal_world(rehearsal)),
                                    (enum sandbox_kind)kind, &items);
        for (size_t i = 0; i < found; i++) {
            const struct sandbox_item *item = &items[i];
            bool mine = item->run && strcmp(item->run, rehearsal_run_id(rehearsal)) == 0;
            lines = arena_grow(arena, lines, count, &capacity, sizeof *lines);
            lines[count++] = arena_printf(
                arena, "%s %s %s vm %s role %s of %s, attached to %s, from %s, %lld GiB", kinds[kind],
                item->run ? (mine ? "made" : "of another run") : "given", item->state,
                or_none(item->vm), or_none(item->role),
                mine && kind == SANDBOX_IMAGE ? "an image" : or_none(item->detail),
                owner_of(rehearsal, arena, item->attached_to), or_none(item->snapshot),
                (long long)item->size_gib);
        }
    }
    qsort(lines, count, sizeof *lines, compare_lines);
    struct buffer text = {0};
    for (size_t i = 0; i < count; i++) {
        buffer_printf(&text, "%s\n", lines[i]);
    }
    arena_destroy(arena);
    return text.data;
}

/* --- the journal --- */

struct tally {
    int *done;
    size_t count;
};

static bool count_done(void *context, int64_t number, const char *record)
{
    struct tally *tally = context;
    char kind[16] = "";
    unsigned long node = 0;
    (void)number;
    if (sscanf(record, "{\"r\":\"%15[a-z]\",\"n\":%lu", kind, &node) == 2 && node < tally->count) {
        tally->done[node] += strcmp(kind, "done") == 0 ? 1 : strcmp(kind, "redo") == 0 ? -1 : 0;
    }
    return true;
}

/* Every node done, once for each time that it was to be done. */
static bool check_journal(struct rehearsal *rehearsal, int64_t *groups, struct error *error)
{
    const struct graph *graph = rehearsal_graph(rehearsal);
    struct journal *journal = journal_open(rehearsal_journal_path(rehearsal), true, error);
    if (!journal) {
        return false;
    }
    struct tally tally = {base_alloc(graph->node_count * sizeof(int)), graph->node_count};
    bool ok = journal_replay(journal, count_done, &tally, error);
    for (size_t i = 0; ok && i < tally.count; i++) {
        if (tally.done[i] != 1) {
            ok = error_set(error, "the journal has %s as done %d times", graph->nodes[i].id,
                           tally.done[i]);
        }
    }
    *groups = journal_number(journal);
    free(tally.done);
    journal_close(journal);
    return ok;
}

/* --- one point --- */

static struct plan *read_plan(struct arena *arena, const char *path, struct error *error)
{
    struct source *source = source_read(arena, path, error);
    struct diagnostics *diagnostics = diagnostics_create(arena);
    struct plan *plan = source ? compile_plan(arena, source, NULL, 0, diagnostics) : NULL;
    if (source && !plan) {
        error_set(error, "%s has errors", path);
    }
    return plan;
}

/* The processes of one point, until the run has succeeded. */
static bool live_and_die(struct rehearsal *rehearsal, const struct point *point,
                         struct ending *ending, struct error *error)
{
    const int64_t deaths[] = {point->at, point->again, -1};
    rehearsal_pass(rehearsal, SETTLE_MS); /* what was given is seen by everybody */
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        enum rehearsal_end end = rehearsal_process(rehearsal, deaths[i], error);
        if (end == REHEARSAL_SUCCEEDED) {
            rehearsal_pass(rehearsal, SETTLE_MS);
            return true;
        }
        if (end != REHEARSAL_KILLED) {
            return error->message ? false : error_set(error, "the run ended as %d", (int)end);
        }
        ending->died = true;
        ending->died_again = i == 1;
        if (point->fate != SOON) {
            rehearsal_pass(rehearsal, BETWEEN_MS);
        }
    }
    return error_set(error, "it was killed without having to be");
}

static bool carry_out(const struct point *point, const char *folder, struct ending *ending,
                      struct error *error)
{
    struct arena *arena = arena_create();
    struct made made = {.count = 0};
    static const struct rehearsal_fault slow_to_show[] = {{"consistency", 0.7},
                                                          {"consistency_ms", 15000}};
    struct rehearsal_options options = {
        .plan = read_plan(arena, point->plan, error),
        .workflow = WORKFLOW_FAILOVER,
        .seed = 7,
        .directory = folder,
        .limits = LIMITS_AWS,
        .throttle = true,
        .link = {.latency_min_ms = 10, .latency_max_ms = 90},
        .ghosts = point->fate == LOST ? 0 : 1,
        .faults = slow_to_show,
        .fault_count = point->fate == SOON ? 2 : 0,
        .tap = note_made,
        .tap_context = &made,
        .observer = point->tell ? tell_event : NULL,
    };
    struct rehearsal *rehearsal = options.plan ? rehearsal_create(&options, error) : NULL;
    bool ok = rehearsal && live_and_die(rehearsal, point, ending, error) &&
              check_journal(rehearsal, &ending->groups, error);
    if (ok) {
        ending->cloud = cloud_lines(rehearsal);
        ending->made = made.count;
        ending->requests = made.requests;
    }
    rehearsal_destroy(rehearsal);
    made_clear(&made);
    arena_destroy(arena);
    return ok;
}

static void remove_folder(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            struct buffer below = {0};
            buffer_printf(&below, "%s/%s", path, entry->d_name);
            if (unlink(below.data) != 0) {
                remove_folder(below.data);
            }
            buffer_free(&below);
        }
    }
    if (directory) {
        closedir(directory);
    }
    rmdir(path);
}

/* In a folder of its own, which goes with it. */
static bool try_point(const struct sweep *sweep, const struct point *point, struct ending *ending,
                      struct error *error)
{
    struct buffer folder = {0};
    buffer_printf(&folder, "%s/point-%ld", sweep->folder, (long)getpid());
    bool ok = carry_out(point, folder.data, ending, error);
    remove_folder(folder.data);
    buffer_free(&folder);
    return ok;
}

/* --- all of them --- */

static void tell_again(const struct point *point)
{
    printf("    again: build/tests/sweep/sweep_rehearsed --plan %s --at %lld --again %lld --%s\n", point->plan,
           (long long)point->at, (long long)point->again, fates[point->fate]);
}

/* False: the run was over before it died, so there are no points behind this one. */
static bool compare(struct sweep *sweep, const struct point *point, const struct ending *expected)
{
    struct ending ending = {0};
    struct error error = {0};
    sweep->points++;
    bool ok = try_point(sweep, point, &ending, &error);
    if (!ok) {
        printf("*** %s\n", error.message ? error.message : "?");
    } else if (ending.made != expected->made) {
        printf("*** %zu things were made, not %zu\n", ending.made, expected->made);
        ok = false;
    } else if (strcmp(ending.cloud, expected->cloud) != 0) {
        printf("*** the cloud is not that of the undisturbed run:\n%s--- but:\n%s", ending.cloud,
               expected->cloud);
        ok = false;
    }
    if (!ok) {
        sweep->wrong++;
        tell_again(point);
    }
    bool died = ending.died;
    free(ending.cloud);
    error_clear(&error);
    return died;
}

static bool sweep_plan(struct sweep *sweep, const char *plan)
{
    struct error error = {0};
    struct point alive = {plan, -1, -1, LOST, false};
    struct ending expected = {0};
    if (!try_point(sweep, &alive, &expected, &error)) {
        printf("%s, undisturbed: %s\n", plan, error.message);
        sweep->wrong++;
        return false;
    }
    size_t twice = 0;
    for (int fate = LOST; fate <= SOON; fate++) {
        int64_t at = fate;
        for (int64_t n = 0;; at += sweep->stride, n++) {
            struct point point = {plan, at, -1, (enum fate)fate, false};
            if (!compare(sweep, &point, &expected)) {
                sweep->points--; /* it did not die any more */
                break;
            }
            if (n % AGAIN_EVERY == 5) {
                point.again = (at * 7 + n) % 97; /* not long: a resume begins anew */
                compare(sweep, &point, &expected);
                twice++;
            }
        }
    }
    printf("%5zu of %5zu deaths equal (%zu died twice; %lld commits, %zu requests undisturbed)\n",
           sweep->points - sweep->wrong, sweep->points, twice, (long long)expected.groups,
           expected.requests);
    free(expected.cloud);
    return true;
}

static int sweep_one(struct sweep *sweep, const struct point *point)
{
    struct ending expected = {0};
    struct error error = {0};
    struct point alive = {point->plan, -1, -1, LOST, false};
    if (!try_point(sweep, &alive, &expected, &error)) {
        printf("undisturbed: %s\n", error.message);
        return 1;
    }
    bool died = compare(sweep, point, &expected);
    printf("%s\n", sweep->wrong ? "not equal" : died ? "equal" : "equal, but it did not die");
    return sweep->wrong != 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"stride", required_argument, NULL, 's'}, {"plan", required_argument, NULL, 'p'},
        {"at", required_argument, NULL, 'a'},     {"again", required_argument, NULL, 'g'},
        {"lost", no_argument, NULL, LOST},        {"late", no_argument, NULL, LATE},
        {"soon", no_argument, NULL, SOON},        {"tell", no_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    char folder[] = "/tmp/drc-sweep-XXXXXX";
    struct sweep sweep = {.stride = 1};
    struct point point = {NULL, -1, -1, LOST, false};
    for (int given; (given = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        switch (given) {
        case 's':
            sweep.stride = strtoll(optarg, NULL, 10);
            break;
        case 'p':
            point.plan = optarg;
            break;
        case 'a':
            point.at = strtoll(optarg, NULL, 10);
            break;
        case 'g':
            point.again = strtoll(optarg, NULL, 10);
            break;
        case 't':
            point.tell = true;
            break;
        case LOST:
        case LATE:
        case SOON:
            point.fate = (enum fate)given;
            break;
        default:
            return 1;
        }
    }
    if (!point.plan || sweep.stride < 1 || !(sweep.folder = mkdtemp(folder))) {
        fputs("sweep_rehearsed: --plan FILE, --stride N (at least 1), and a /tmp to write to\n", stderr);
        return 1;
    }
    int status = 0;
    if (point.plan && point.at >= 0) {
        status = sweep_one(&sweep, &point);
    } else {
        sweep_plan(&sweep, point.plan);
        status = sweep.wrong != 0;
    }
    remove_folder(folder);
    return status;
}
