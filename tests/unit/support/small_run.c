#include "tests/unit/support/small_run.h"

static void node(struct small_run *run, uint32_t index, const char *id, enum action action,
                 int32_t vm, int32_t before, int32_t also_before)
{
    struct graph_node *made = &run->nodes[index];
    int32_t befores[] = {before, also_before};
    *made = (struct graph_node){.id = id,
                                .action = action,
                                .index = index,
                                .vm = vm,
                                .after = run->edges[index],
                                .guards = NO_NODE,
                                .acquire = NO_POOL,
                                .release = NO_POOL,
                                .timeout_ms = 300000};
    for (int i = 0; i < 2; i++) {
        if (befores[i] != NO_NODE) {
            run->edges[index][made->after_count++] = (struct edge){(uint32_t)befores[i], WHEN_OK};
        }
    }
    made->expected_ms = action_info(action)->expected_ms;
    run->entries[index] = (struct schedule_entry){.start_ms = index * 10000,
                                                  .end_ms = index * 10000 + 10000,
                                                  .binding_node = before,
                                                  .critical = true};
    run->path[index] = index;
    run->statuses[index] = (struct node_status){.started_ms = -1, .ended_ms = -1, .cause = NO_NODE};
}

void small_run_fill(struct small_run *run)
{
    *run = (struct small_run){.vms = {{"db", true}, {"app", true}, {"web", true}}};
    node(run, DB_VOLUME, "db/disk-0/create-volume", ACTION_CREATE_VOLUME, 0, NO_NODE, NO_NODE);
    node(run, DB_START, "db/start-instance", ACTION_START_INSTANCE, 0, DB_VOLUME, NO_NODE);
    node(run, DB_RUNNING, "db/wait-running", ACTION_WAIT_RUNNING, 0, DB_START, NO_NODE);
    node(run, DB_RECOVERED, "db/recovered", ACTION_RECOVERED, 0, DB_RUNNING, NO_NODE);
    node(run, APP_VOLUME, "app/disk-0/create-volume", ACTION_CREATE_VOLUME, 1, NO_NODE, NO_NODE);
    node(run, APP_START, "app/start-instance", ACTION_START_INSTANCE, 1, APP_VOLUME, DB_RECOVERED);
    node(run, APP_READY, "app/ready/check-http", ACTION_CHECK_HTTP, 1, APP_START, NO_NODE);
    node(run, APP_RECOVERED, "app/recovered", ACTION_RECOVERED, 1, APP_READY, NO_NODE);
    node(run, WEB_START, "web/start-instance", ACTION_START_INSTANCE, 2, APP_RECOVERED, NO_NODE);
    node(run, WEB_RECOVERED, "web/recovered", ACTION_RECOVERED, 2, WEB_START, NO_NODE);
    run->schedule = (struct schedule){.entries = run->entries,
                                      .rto_ms = 100000,
                                      .makespan_ms = 100000,
                                      .critical_path = run->path,
                                      .critical_path_count = SMALL_NODES};
    run->graph = (struct graph){.plan_name = "shop",
                                .workflow = WORKFLOW_FAILOVER,
                                .vms = run->vms,
                                .vm_count = 3,
                                .nodes = run->nodes,
                                .node_count = SMALL_NODES};
}

static enum node_state state_after(enum executor_event_type type, enum node_state before)
{
    switch (type) {
    case EVENT_NODE_STARTED:
        return NODE_RUNNING;
    case EVENT_NODE_RETRY:
        return NODE_RETRYING;
    case EVENT_NODE_DONE:
        return NODE_DONE;
    case EVENT_NODE_FAILED:
        return NODE_FAILED;
    case EVENT_NODE_SKIPPED:
        return NODE_SKIPPED;
    default:
        return before;
    }
}

struct executor_event small_run_event(struct small_run *run, enum executor_event_type type,
                                      uint32_t node_index, int64_t at_ms, const char *detail)
{
    struct node_status *status = &run->statuses[node_index];
    bool ends = type == EVENT_NODE_DONE || type == EVENT_NODE_FAILED || type == EVENT_NODE_SKIPPED;
    status->state = state_after(type, status->state);
    status->started_ms = type == EVENT_NODE_STARTED ? at_ms : status->started_ms;
    status->ended_ms = ends ? at_ms : status->ended_ms;
    status->detail = detail ? detail : status->detail;
    return (struct executor_event){.type = type, .node = &run->nodes[node_index], .status = status};
}
