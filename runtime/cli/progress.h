/* Progress: what a run shows while it runs, on stderr. On a terminal a line for each VM that
 * changes in place, a bar and a status line; elsewhere a line for each event, which greps well. */
#ifndef DRC_CLI_PROGRESS_H
#define DRC_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"
#include "runtime/engine/executor.h"
#include "runtime/world/world.h"

struct history;
struct progress;

enum progress_style {
    PROGRESS_AUTO,     /* by what `out` is; NO_COLOR, CLICOLOR_FORCE, TERM=dumb, COLUMNS count */
    PROGRESS_PLAIN,    /* a line for each event */
    PROGRESS_TERMINAL, /* in place, with colour */
};

struct progress_options {
    FILE *out; /* stderr */
    enum progress_style style;
    struct world *world; /* clock, timer, environment, SIGWINCH */
    const struct graph *graph;
    const struct schedule *schedule; /* NULL: nothing is predicted */
    const char *doing;               /* "cleanup"; NULL: the graph's workflow */
    double speed; /* of the world's clock against a person's; 0: the same. For refreshing */
};

/* Everything in the options has to outlive it. */
struct progress *progress_create(const struct progress_options *options);

/* The executor comes later than the observer that it is given. For what a resumed run has done
 * already, and the counters of calls and throttling. Optional; NULL detaches. */
void progress_attach(struct progress *progress, const struct executor *executor);

/* The same of a run that another process carries out: its counters are those of the journal. */
void progress_attach_history(struct progress *progress, const struct history *history);
/* What happened before it was looked at: on a terminal nothing is drawn yet, elsewhere only what
 * matters is told: sessions, VMs that are recovered, what failed. */
void progress_catch_up(void *progress, const struct executor_event *event);
/* That is all of it; the run's alive time is that now. Shows where it stands. */
void progress_caught_up(struct progress *progress, int64_t alive_ms);

/* The executor_observer, with the progress as its context. */
void progress_observe(void *progress, const struct executor_event *event);

/* Something is to be printed between: takes the display off; it comes back by itself. */
void progress_clear(struct progress *progress);

/* On a terminal somebody is asked something: nothing is drawn until that is over. */
void progress_hold(struct progress *progress, bool held);

/* Draws the last state, which stays on the screen, stops its timer and frees. NULL is allowed.
 * Before the executor and the world are destroyed. */
void progress_finish(struct progress *progress);

#endif
