#include "tests/unit/support/told_history.h"

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/graph_maker.h"

struct history *told_history(struct arena *arena)
{
    struct graph *graph = maker_graph(arena, TOLD_NODES);
    maker_vm(graph, "db", true);
    maker_vm(graph, "app", false);
    maker_node(graph, "db/disk-0/create-volume", ACTION_CREATE_VOLUME, 0);
    maker_node(graph, "db/run-instance", ACTION_RUN_INSTANCE, 0);
    maker_node(graph, "db/recovered", ACTION_RECOVERED, 0);
    maker_node(graph, "app/check-http", ACTION_CHECK_HTTP, 0);
    maker_edge(graph, TOLD_VOLUME, TOLD_RECOVERED);
    maker_edge(graph, TOLD_RUN, TOLD_RECOVERED);
    maker_edge(graph, TOLD_RECOVERED, TOLD_CHECK);
    graph->nodes[TOLD_VOLUME].because = (struct because){.file = "plan.yaml", .line = 7};
    return history_create(arena, graph, true);
}

void told_record(struct history *history, const char *record)
{
    if (!history_take(history, history->number + 1, record)) {
        fail_msg("not taken: %s", record);
    }
}

void told_two_sessions(struct history *history)
{
    static const char *const records[] = {
        "{\"r\":\"run\",\"id\":\"run00001\",\"at\":1000000}",
        "{\"r\":\"status\",\"status\":\"running\"}",
        "{\"r\":\"start\",\"at\":1000000,\"t\":0}",
        "{\"r\":\"intent\",\"n\":0,\"g\":0,\"c\":0,\"a\":0,\"t\":100,\"at\":1000100,\"k\":\"t0\"}",
        ("{\"r\":\"retry\",\"n\":0,\"t\":200,\"o\":\"throttled\",\"w\":50,\"message\":\"slow \\\"down\\\"\","
         "\"code\":\"RequestLimitExceeded\",\"request_id\":\"r-1\"}"),
        "{\"r\":\"intent\",\"n\":0,\"g\":0,\"c\":0,\"a\":1,\"t\":250,\"at\":1000250,\"k\":\"t0\"}",
        "{\"r\":\"done\",\"n\":0,\"t\":900,\"o\":{\"volume_id\":\"vol-1\"}}",
        "{\"r\":\"intent\",\"n\":1,\"g\":0,\"c\":0,\"a\":0,\"t\":300,\"at\":1000300,\"k\":\"t1\"}",
        "{\"r\":\"done\",\"n\":1,\"t\":1000,\"o\":{\"instance_id\":\"i-1\",\"instance_type\":\"m6i.large\"}}",
        "{\"r\":\"done\",\"n\":2,\"t\":1000}",
        "{\"r\":\"tick\",\"t\":1000,\"q\":3,\"th\":1,\"re\":1,\"lo\":0}",
        "{\"r\":\"resume\",\"at\":1060000,\"t\":1000}",
        "{\"r\":\"wait\",\"n\":3,\"t\":1500}",
        "{\"r\":\"seen\",\"n\":3,\"t\":2000,\"a\":1,\"message\":\"503\"}",
        "{\"r\":\"fail\",\"n\":3,\"t\":61500,\"message\":\"did not hold within 1m\",\"code\":\"503\"}",
        "{\"r\":\"end\",\"result\":\"failed\",\"t\":61500,\"at\":1120500}",
        "{\"r\":\"status\",\"status\":\"failed\"}",
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        told_record(history, records[i]);
    }
}
