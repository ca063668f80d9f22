#include "runtime/report/verdict.h"

#include <stddef.h>

#include "compiler/graph/graph.h"
#include "runtime/report/history.h"

static const char *const names[] = {
    [VERDICT_NONE] = NULL, [VERDICT_PASSED] = "passed", [VERDICT_FAILED] = "failed"};

const char *verdict_name(enum verdict verdict)
{
    return names[verdict];
}

/* The last node of a test's graph; NULL: this is none. */
static const struct graph_node *approval_of(const struct graph *graph)
{
    const struct graph_node *last =
        graph->node_count ? &graph->nodes[graph->node_count - 1] : NULL;
    return last && graph->workflow == WORKFLOW_TEST && last->action == ACTION_APPROVE ? last : NULL;
}

/* As the executor's policy_run_failed has it. */
static bool counts_against(const struct history *history, uint32_t index)
{
    const struct graph *graph = history->graph;
    const struct history_node *node = &history->nodes[index];
    int32_t vm = graph->nodes[index].vm;
    bool critical = vm == NO_VM || graph->vms[vm].critical;
    return (node->status.state == NODE_FAILED && !node->forgiven && critical) ||
           (node->status.state == NODE_SKIPPED && vm != NO_VM && critical);
}

enum verdict verdict_of(const struct history *history, int64_t *at_ms)
{
    const struct graph_node *approval = approval_of(history->graph);
    enum verdict verdict = VERDICT_PASSED;
    *at_ms = -1;
    for (uint32_t i = 0; approval && i < approval->index; i++) {
        const struct node_status *status = &history->nodes[i].status;
        if (status->state != NODE_DONE && status->state != NODE_FAILED &&
            status->state != NODE_SKIPPED) {
            *at_ms = -1;
            return VERDICT_NONE;
        }
        *at_ms = status->ended_ms > *at_ms ? status->ended_ms : *at_ms;
        verdict = counts_against(history, i) ? VERDICT_FAILED : verdict;
    }
    return approval ? verdict : VERDICT_NONE;
}

bool verdict_cleanup_approved(const struct history *history)
{
    const struct graph_node *approval = approval_of(history->graph);
    return approval && history->nodes[approval->index].status.state == NODE_DONE;
}
