/* Provider: who carries out actions: AWS, the host, later vCenter and DNS. A struct of named
 * operations; the executor (engine/) calls them, a provider never includes engine/. */
#ifndef DRC_WORLD_PROVIDER_H
#define DRC_WORLD_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/graph/graph.h"

enum outcome {
    OUTCOME_OK,
    OUTCOME_PENDING,   /* poll only: not yet; `error.message` says what was seen */
    OUTCOME_RETRY,     /* nothing happened, for a passing reason */
    OUTCOME_THROTTLED, /* nothing happened: refused for its rate */
    OUTCOME_ABSENT,    /* the object is not there (yet, or any more) */
    OUTCOME_CONFLICT,  /* the object's state does not allow it now */
    OUTCOME_EXHAUSTED, /* no capacity for this choice: the next alternative may have some */
    OUTCOME_FATAL,     /* refused for good */
    OUTCOME_UNKNOWN,   /* it may have happened: has to be looked up */
};
const char *outcome_name(enum outcome outcome);

/* Why, for a person and for the journal. Texts are valid during the callback only. */
struct call_error {
    const char *service;    /* "ec2"; NULL: no service was involved */
    const char *code;       /* "InvalidVolume.NotFound"; NULL */
    const char *message;    /* one line */
    const char *request_id; /* NULL */
    const char *help;       /* what to do; NULL */
    int http_status;        /* 0: none */
    bool gone;              /* FATAL, of a wait: its object has come to its end, and no waiting brings
                               it back: it has to be made anew; of a script on the runner (also of its
                               lookup): it has ended, and only another one could end otherwise */
};

struct call_output {
    const char *name, *value; /* as action.def types it: text, or decimal, or JSON */
};

struct call_result {
    enum outcome outcome;
    struct call_error error;
    struct call_output outputs[ACTION_PORTS_MAX];
    size_t output_count;
    int64_t retry_after_ms; /* 0: as usual */
    bool told_gate;         /* THROTTLED: another request than the executor's own; the gate knows */
    int requests;           /* API requests that were sent for it, but for those that notes told */
};

struct call;

/* What a call that takes long tells while it works. Texts are copied. */
struct call_note {
    int64_t done, total; /* of its work, in bytes; total 0: not known */
    int64_t requests;    /* that were sent for it since the last note */
    const char *text;    /* "412 MiB of 2.0 GiB, 180 MiB/s": the node's detail from now on; NULL: as before */
    const char *keep;    /* how far it is: takes the place of what was told before, becomes part of the
                            journal soon, and is call->kept when the node is tried again, also by
                            another process: printable ASCII, at most CALL_KEEP_MAX bytes; NULL: as
                            before */
};
enum { CALL_KEEP_MAX = 4096 };

/* One node on its way. Made by the executor, alive until its `done` has come. Inputs are resolved:
 * no OUTPUT, BIND, SLOT, TEMPLATE is left; SECRETs are still references. */
struct call {
    const struct graph *graph;
    const struct graph_node *node;
    const struct input *inputs;
    size_t input_count;
    const char *run_id;
    const char *token;   /* idempotency token: from run, node, generation; <= 64 ASCII */
    int generation;      /* grows only on proof that nothing exists */
    int choice;          /* index into alternatives (instance_types) */
    int attempt;         /* 0, 1, … */
    int64_t deadline_ms; /* monotonic */
    double priority;     /* for gates: smaller first */
    bool elsewhere;      /* lookups: its request was made by a process with another folder for the run, on
                            another machine: what is not to be seen here may be there */
    const char *kept;    /* what an attempt of this generation told last to keep; NULL */
    void (*note)(struct call *call, const struct call_note *note); /* NULL: nobody listens */
    /* What a script wrote, in order; length 0: that was all. What comes behind that, or from another call
     * of this node, takes its place. NULL: nobody listens. */
    void (*output)(struct call *call, const void *bytes, size_t length);
    void *context;       /* the executor's */
};

/* Resolved inputs. call_text: NULL when absent; call_int, call_bool: the fallback when absent. */
const struct value *call_input(const struct call *call, const char *name);
const char *call_text(const struct call *call, const char *name);
int64_t call_int(const struct call *call, const char *name, int64_t fallback);
bool call_bool(const struct call *call, const char *name, bool fallback);
/* A member of a MAP value; NULL when absent. */
const struct value *value_member(const struct value *map, const char *key);
const char *value_text(const struct value *value); /* NULL unless TEXT */

/* Comes once for each call of a batch, from the loop, never from within start, lookup or poll. */
typedef void (*call_done)(void *context, struct call *call, const struct call_result *result);

/* Lets requests through at the rates of the services. Implemented by engine/limits; used by
 * providers for requests that the executor did not admit itself: polls, lookups, facts. */
struct gate {
    void (*enter)(struct gate *gate, enum bucket bucket, double cost, double priority,
                  void (*go)(void *context), void *context);
    void (*throttled)(struct gate *gate, enum bucket bucket);
    void (*leave)(struct gate *gate, void *context); /* withdraws a waiting enter */
};

struct provider {
    const char *name;
    /* Carries the calls (all of one action; n > 1 only up to batch_max) out with one request, which
     * the executor has let through the gate already. */
    void (*start)(struct provider *provider, struct call **calls, size_t n, call_done done,
                  void *context);
    /* What became of a request whose answer was lost: OK with its outputs, ABSENT when nothing of
     * it is to be seen, UNKNOWN when that cannot be told now. Only for TOKEN, NAME, LOOKUP actions.
     */
    void (*lookup)(struct provider *provider, struct call *call, call_done done, void *context);
    /* Asks once for the state of all calls (waits of one poll kind of action.def, perhaps of several
     * actions), in as few requests as possible. */
    void (*poll)(struct provider *provider, struct call **calls, size_t n, call_done done,
                 void *context);
    /* Whether b can share a's request (both of one action). NULL: all can. */
    bool (*together)(const struct call *a, const struct call *b);
    /* The run is to end soon: calls that take long end with RETRY as soon as they can. NULL: it has none. */
    void (*interrupt)(struct provider *provider);
    void (*destroy)(struct provider *provider);
};

/* True when every mandatory operation is there: checked once, when the executor gets it. */
bool provider_check(const struct provider *provider, struct error *error);

#endif
