/* Witness: watches one graph being carried out from the cloud's side and in the journal's file, and
 * speaks up when what it sees is not what was promised. It shares nothing with the executor but the
 * graph and the journal's format.
 *
 * For each request that changes something, at the moment at which it arrives: a node asks for it;
 * its intent is durable; whatever has to come before that node is done by the journal and has
 * really happened in the cloud, as far as the cloud itself has said so; nothing else is touched.
 * For each result in the journal: it really happened, and what it yielded is what the cloud gave.
 */
#ifndef DRC_TESTS_SIM_WITNESS_H
#define DRC_TESTS_SIM_WITNESS_H

#include "compiler/base/buffer.h"
#include "compiler/graph/facts.h"
#include "runtime/sandbox/sandbox.h"
#include "tests/sim/cloud.h"
#include "tests/sim/diary.h"

struct witness_node {
    int64_t happened_ms; /* the cloud's time at which it was seen to have happened; -1 */
    const char *id;      /* what it made last; NULL */
    const char *twin;    /* what it made before that, which may be the one whose id drc was told; NULL */
    int made;            /* different things made by it */
    int refused_for_capacity;
    int refused_offline; /* inject: the conversion instance's agent was not there */
    bool command_failed; /* inject: the cloud said that the command failed */
};

struct visitor { /* a volume at an instance */
    const char *volume, *instance, *device;
};

struct witness {
    struct arena *arena;
    const struct graph *graph;
    const struct facts *facts; /* whose bindings the graph has; NULL: it has none */
    const char *run_id;
    struct diary diary;
    struct witness_node *nodes;
    struct visitor *visitors;
    size_t visitor_count, visitor_capacity;
    const char **own; /* ids of what this run has made */
    size_t own_count, own_capacity;
    /* What is strange without being wrong, where the network is bad or the process was killed: */
    bool duplicates;  /* requests may arrive twice */
    bool killed;      /* a process has died: things of it may arrive late */
    int64_t dangling; /* requests while the diary could not be read */
    struct buffer violations;
    int violation_count;
};

/* The journal has to have been made. `killed`, `duplicates`, `own`, `facts` may be set afterwards. */
bool witness_open(struct witness *witness, struct arena *arena, const struct graph *graph,
                  const char *run_id, const char *journal_path, struct error *error);
void witness_close(struct witness *witness);

void witness_exchange(struct witness *witness, const struct exchange_seen *seen);
void witness_dial(struct witness *witness, int64_t utc_ms, const char *host, int port,
                  const char *failure);
/* The process has ended: reads the journal to its end. */
void witness_catch_up(struct witness *witness, int64_t utc_ms);

/* node NO_NODE: of the run; seen NULL: no request. Also for other checkers. */
void witness_complain(struct witness *witness, int64_t utc_ms, int32_t node,
                      const struct exchange_seen *seen, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

void witness_own(struct witness *witness, const char *id);
bool witness_owns(const struct witness *witness, const char *id);

/* witness_requests.c: which nodes ask for such a request. Returns how many were put into `nodes`.
 */
enum { WITNESS_TARGETS_MAX = 256 };
size_t witness_targets(const struct witness *witness, const struct exchange_seen *seen,
                       uint32_t nodes[WITNESS_TARGETS_MAX]);
/* A text input as the journal's outputs resolve it; NULL when that is not known. */
const char *witness_input(const struct witness *witness, uint32_t node, const char *name);

#endif
