#include "runtime/report/throughput.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/report/history.h"
#include "runtime/report/report.h"
#include "runtime/state/journal.h"

enum { RUNS_MAX = 5 };

struct interval {
    int64_t from_ms, until_ms;
};

static int by_start(const void *left, const void *right)
{
    const struct interval *a = left, *b = right;
    return (a->from_ms > b->from_ms) - (a->from_ms < b->from_ms);
}

/* The time that at least one of them covers. */
static int64_t covered_ms(struct interval *intervals, size_t count)
{
    int64_t sum = 0, until = INT64_MIN;
    if (count > 1) {
        qsort(intervals, count, sizeof *intervals, by_start);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t from = intervals[i].from_ms > until ? intervals[i].from_ms : until;
        if (intervals[i].until_ms > from) {
            sum += intervals[i].until_ms - from;
            until = intervals[i].until_ms;
        }
    }
    return sum;
}

void throughput_add(struct throughput *throughput, const struct history *history)
{
    if (history->sessions > 1) {
        return;
    }
    struct arena *arena = arena_create();
    struct interval *intervals =
        ARENA_ARRAY(arena, struct interval, history->graph->node_count + 1);
    size_t count = 0;
    for (uint32_t i = 0; i < history->graph->node_count; i++) {
        const struct history_node *node = &history->nodes[i];
        const char *bytes = ledger_output(history->ledger, i, "bytes");
        int64_t sent = bytes ? strtoll(bytes, NULL, 10) : 0;
        if (history->graph->nodes[i].action == ACTION_PUT_BLOCKS && sent > 0 &&
            node->started_utc_ms >= 0 && node->ended_utc_ms >= node->started_utc_ms) {
            intervals[count++] = (struct interval){node->started_utc_ms, node->ended_utc_ms};
            throughput->bytes += sent;
        }
    }
    throughput->busy_ms += covered_ms(intervals, count);
    arena_destroy(arena);
}

int64_t throughput_bytes_per_s(const struct throughput *throughput)
{
    if (throughput->bytes <= 0 || throughput->busy_ms <= 0) {
        return 0;
    }
    return (int64_t)((double)throughput->bytes * 1000 / (double)throughput->busy_ms);
}

static void add_run(struct throughput *throughput, const struct run_info *run, struct world *world)
{
    struct arena *arena = arena_create();
    struct error ignored = {0};
    struct journal *journal = run_open(run, world, true, &ignored);
    struct report *report = journal ? report_load(arena, journal, NULL, &ignored) : NULL;
    if (report) {
        throughput_add(throughput, report->history);
    }
    journal_close(journal);
    error_clear(&ignored);
    arena_destroy(arena);
}

struct throughput throughput_of_runs(const char *state, const char *plan, struct world *world)
{
    struct throughput throughput = {0};
    struct arena *arena = arena_create();
    struct run_info *runs = NULL;
    struct error ignored = {0};
    size_t count = 0, taken = 0;
    run_list(arena, state, plan, &runs, &count, &ignored);
    for (size_t i = 0; i < count && taken < RUNS_MAX; i++) {
        if (strcmp(runs[i].workflow, workflow_name(WORKFLOW_REPLICATE)) == 0 &&
            runs[i].status == RUN_SUCCEEDED) {
            add_run(&throughput, &runs[i], world);
            taken++;
        }
    }
    error_clear(&ignored);
    arena_destroy(arena);
    return throughput;
}
