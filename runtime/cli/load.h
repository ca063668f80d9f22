/* Load: from a command's arguments to what they name: a sound plan, facts, a graph, a schedule.
 * Diagnostics are told on stderr as they come up. */
#ifndef DRC_CLI_LOAD_H
#define DRC_CLI_LOAD_H

#include <stdbool.h>

#include "compiler/base/error.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"
#include "compiler/plan/plan.h"
#include "runtime/cli/command.h"

/* Everything lies in the invocation's arena. */
struct loaded {
    struct plan *plan; /* NULL when a compiled graph was given and no plan was needed */
    struct facts *facts; /* NULL: none given */
    struct graph *graph;
    struct schedule *schedule;
};

/* Human diagnostics on stderr; nothing when there are none. */
struct diagnostics;
void tell_diagnostics(const struct diagnostics *diagnostics);

/* PLAN as a file: a directory stands for its plan.yaml. */
const char *plan_file(struct arena *arena, const char *path);

/* The text of PLAN, GRAPH, a plan's directory, or a published plan's URL (which is fetched into the
 * cache: its path is the one there). It is read once, because it may be a pipe. */
struct source *load_source(const struct invocation *invocation, const char *path,
                           struct error *error);

/* Whether the text is a compiled graph rather than a plan. */
bool is_graph(const struct source *source);

/* Reads and checks a plan; false when it is not sound, all told. */
bool load_plan(const struct invocation *invocation, const char *path, struct plan **plan);
bool load_plan_text(const struct invocation *invocation, const struct source *source,
                    struct plan **plan);

/* The digest of the plan at `path` as it is now; NULL when it cannot be read or is not sound, of
 * which nothing is told. */
struct variable;
const char *load_digest(struct arena *arena, const char *path, const struct variable *variables,
                        size_t variable_count);

/* Reads a compiled graph, which no WORKFLOW may follow. */
struct graph *load_graph_text(const struct invocation *invocation, const struct source *source,
                              struct error *error);

/* --facts; true with *facts NULL when the flag is absent. */
bool load_facts(const struct invocation *invocation, struct facts **facts, struct error *error);
/* The same; without --facts those that were published with the plan at `plan_path`, if any: for all that
 * asks nobody. */
bool load_facts_of(const struct invocation *invocation, const char *plan_path, struct facts **facts,
                   struct error *error);

/* --state, or the state under which the plan that is named was published; NULL: neither. */
const char *load_state_option(const struct invocation *invocation);

/* --only: *plan becomes the part that was selected, and what was added is told on stderr. `there`: by
 * VM, what is at the recovery site already; NULL: nothing is known to be. With nothing left to do the
 * plan has no VM. True where the flag is absent. */
bool load_selection(const struct invocation *invocation, const bool *there, struct plan **plan,
                    struct error *error);

/* --auto-cleanup in ms; 0: not given. Of tests only. */
bool load_auto_cleanup(const struct invocation *invocation, enum workflow workflow, int64_t *after_ms,
                       struct error *error);

bool load_workflow(const char *word, enum workflow *workflow, struct error *error);

/* Lowers the plan; tells diagnostics; NULL when there was an error. */
struct graph *load_compiled(const struct invocation *invocation, const struct plan *plan,
                            enum workflow workflow, const struct facts *facts);

/* PLAN|GRAPH [WORKFLOW] with --facts: fills graph and schedule. False: all is told. */
bool load_graph(const struct invocation *invocation, struct loaded *loaded);

#endif
