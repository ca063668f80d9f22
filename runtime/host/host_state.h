/* What the parts of the host share. For the host's own files only. */
#ifndef DRC_HOST_HOST_STATE_H
#define DRC_HOST_HOST_STATE_H

#include "compiler/base/buffer.h"
#include "runtime/host/host.h"

struct ask;

struct host {
    struct provider provider; /* first: the provider is the host */
    struct world *world;
    struct script_source scripts;
    char *folder;
    struct ask *asks; /* under way */
    bool interrupted;
};

/* One call being answered. */
struct ask {
    struct host *host;
    struct call *call;
    call_done done;
    void *context;
    struct world_task *task;
    struct http_request request;
    struct buffer url, detail, help;
    enum outcome outcome; /* known beforehand: see ask_settle */
    bool gone;            /* see call_error */
    /* Of a script: */
    struct buffer folder;    /* of its job */
    struct buffer last;      /* the end of what it wrote */
    struct world_task *patience; /* after an interrupt */
    bool cut;                /* more than that was written */
    bool said;
    struct ask *prev, *next;
};

/* Tells the outcome with `detail` and `help`, and frees it. From a callback of `task`. */
void ask_tell(struct ask *ask, enum outcome outcome);
/* The outcome needs no asking, but must not come from within the call. */
void ask_settle(struct ask *ask, enum outcome outcome);
/* The graph asks for what cannot be done. */
void ask_settle_bad(struct ask *ask, const char *text);
void ask_free(struct ask *ask);

/* script.c */
void host_script_run(struct ask *ask);
void host_script_look_up(struct ask *ask);
void host_script_check(struct ask *ask);
/* Its run is to end: it is awaited a little longer, then left alone. */
void host_script_interrupt(struct ask *ask);

#endif
