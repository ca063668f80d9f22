/* A small graph of three VMs in a row (db, app, web) with its schedule, and events made by hand:
 * for tests of what is shown of a run. */
#ifndef DRC_TEST_SMALL_RUN_H
#define DRC_TEST_SMALL_RUN_H

#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"
#include "runtime/engine/executor.h"

enum {
    DB_VOLUME,
    DB_START,
    DB_RUNNING,
    DB_RECOVERED,
    APP_VOLUME,
    APP_START,
    APP_READY,
    APP_RECOVERED,
    WEB_START,
    WEB_RECOVERED,
    SMALL_NODES,
};

struct small_run {
    struct graph graph;
    struct graph_node nodes[SMALL_NODES];
    struct edge edges[SMALL_NODES][2];
    struct graph_vm vms[3];
    struct schedule schedule;
    struct schedule_entry entries[SMALL_NODES];
    uint32_t path[SMALL_NODES];
    struct node_status statuses[SMALL_NODES];
};

void small_run_fill(struct small_run *run);

/* An event of a node at that moment of the run; its status is kept in `run`. */
struct executor_event small_run_event(struct small_run *run, enum executor_event_type type,
                                      uint32_t node, int64_t at_ms, const char *detail);

#endif
