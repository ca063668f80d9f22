/* Ledger: what a run has made in the cloud and what of it is still there, told from the journal's
 * records as they are replayed. */
#ifndef DRC_REPORT_LEDGER_H
#define DRC_REPORT_LEDGER_H

#include <cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "compiler/graph/graph.h"
#include "runtime/world/provider.h"

struct arena;

enum ledger_kind { LEDGER_INSTANCE, LEDGER_VOLUME, LEDGER_IMAGE, LEDGER_SNAPSHOT };
const char *ledger_kind_name(enum ledger_kind kind); /* "instance" */

struct ledger_thing {
    enum ledger_kind kind;
    const char *id;
    int32_t node;            /* that made it */
    const char *attached_to; /* volumes: instance id; NULL */
    bool with_instance;      /* goes when the instance that it is attached to goes */
    bool finished; /* snapshots: a DR copy, which stays whatever becomes of the run */
    bool gone;
};

struct ledger_outputs {
    struct call_output *items;
    size_t count;
};

/* Lies in an arena. */
struct ledger {
    struct arena *arena;
    const struct graph *graph;
    struct ledger_outputs *outputs; /* by node: what done nodes yielded */
    struct ledger_thing *things;
    size_t count, capacity;
};

struct ledger *ledger_create(struct arena *arena, const struct graph *graph);
/* A "done" record: `outputs` is its "o", NULL when there is none. */
void ledger_done(struct ledger *ledger, uint32_t node, const cJSON *outputs);
/* The same from a record's text: for journal_replay, with the ledger as its context. True. */
bool ledger_replay(void *ledger, int64_t number, const char *text);
/* What a done node yielded; NULL when it did not. */
const char *ledger_output(const struct ledger *ledger, uint32_t node, const char *name);

#endif
