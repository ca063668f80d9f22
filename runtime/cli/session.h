/* Session: one process's work on one run: its record, lease, world, plan, facts and graph. apply
 * makes a new run, resume opens one; from `session_prepare` on they are the same. */
#ifndef DRC_CLI_SESSION_H
#define DRC_CLI_SESSION_H

#include <stdbool.h>

#include "compiler/base/error.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"
#include "compiler/plan/plan.h"
#include "runtime/aws/aws.h"
#include "runtime/cli/command.h"
#include "runtime/site/replicate_facts.h"
#include "runtime/site/site.h"
#include "runtime/state/run.h"
#include "runtime/state/run_options.h"

struct journal;
struct lease;
struct shared;

/* Zero-initialise, set invocation; session_close takes it apart. */
struct session {
    const struct invocation *invocation;
    const char *state;     /* of a shared one: this host's copy */
    struct shared *shared; /* NULL: local */
    struct run_options options;
    struct run_info run;
    struct journal *journal;
    struct lease *lease;
    struct site site;
    struct plan *plan;
    const struct graph *reviewed; /* apply GRAPH; NULL */
    struct facts *facts;
    struct graph *graph;
    struct schedule *schedule;
    struct aws_identity identity;
    struct findings findings;
    struct replicate_notes notes; /* of replicate: beside its facts */
    struct aws_replication replication;
};

/* --bandwidth, --mover-memory: on a resume in place of those that the run began with. */
bool options_take_mover(const struct invocation *invocation, struct run_options *options,
                        struct error *error);

/* What the invocation and the plan say. False: a path or a flag is wrong. */
bool options_from(const struct invocation *invocation, const struct plan *plan,
                  enum workflow workflow, struct run_options *options, struct error *error);

/* The providers of options, in the site's world; warns of an endpoint without TLS. */
bool session_open_providers(struct session *session, struct error *error);
/* The world of options: real or sandbox; stores with the plan's region and profile. */
bool session_open_world(struct session *session, struct error *error);
/* The world, then the providers, of options. */
bool session_open_site(struct session *session, struct error *error);

/* --- session_state.c: where the run is kept; the world is open --- */
/* Opens the shared state that session->state is a copy of, and brings the copy up to date; nothing to
 * do for a local one. */
bool session_open_shared(struct session *session, struct error *error);
/* The lease of the options' workflow, for session->run. --take-over counts. */
bool session_take_lease(struct session *session, struct error *error);
/* A journal that has just been made (the run's, a cleanup's) is others' to see from now on. */
bool session_publish(struct session *session, struct journal *journal, struct error *error);
/* Opens the journal of a run that was there already; the lease is held. */
bool session_open_journal(struct session *session, struct error *error);
/* Where production is has been written. */
bool session_share_production(struct session *session, struct error *error);

/* Asks the sites, read-only, for what the options' workflow needs to know: session->facts. The site is
 * open. */
bool session_gather_facts(struct session *session, struct error *error);
/* Facts, graph (held against the reviewed one), schedule, preflight. False: told on
 * stderr already, or in `error` (then it has a message). */
bool session_prepare(struct session *session, struct error *error);

/* --- session_test.c: what a test does otherwise than a failover --- */
bool session_is_test(const struct session *session);
/* The lease that the session's run needs; in the arena. */
const char *session_lease_name(const struct session *session);
/* Refused while another test, of any plan, is in the same network, or has left things there. */
bool session_check_test_network(struct session *session, struct error *error);
/* A reviewed graph says when its cleanup comes by itself: into the run's options. */
void session_take_reviewed_cleanup(struct session *session);
/* --auto-cleanup of the run's options into its graph. */
bool session_set_auto_cleanup(struct session *session, struct error *error);
/* The cleanup is approved: there is nothing more to carry out, only to take back. The graph is loaded. */
bool session_test_is_over(struct session *session, struct error *error);
/* Records the verdict, then takes everything back. agreed: nobody is asked. */
enum exit_status session_take_back_test(struct session *session, bool agreed);
/* Nothing is left of it: into the record of its verdict, if it has one. */
bool session_note_test_cleaned(struct session *session, struct error *error);

/* What tests of the plan came to, as the state has it, into the facts. A state that cannot be read is a
 * warning: the facts do not depend on it. */
void session_note_last_test(struct session *session);
/* objectives.test_every, by the facts, among what a failover's preflight found. */
void session_judge_last_test(struct session *session);

/* --- session_replicate.c: what replicate does otherwise than a failover --- */
bool session_is_replicate(const struct session *session);
/* Of the repository and the DR copies. brief: only what VMs there are and whether they are copied. */
/* That of the plan, read-only; NULL: `error` says why. */
struct repository *session_open_repository(struct session *session, struct error *error);
struct facts *session_replicate_facts(struct session *session, bool brief, struct error *error);
bool session_replicate_preflight(struct session *session, struct error *error);
/* Whether anything has to be copied, without a record of it; told on stdout when there is nothing.
 * False: *status says how the command ends. */
bool session_replicate_has_work(struct session *session, enum exit_status *status);
/* VMs of which there is nothing to copy: an error for critical ones, told at the end. */
enum exit_status session_replicate_end(struct session *session, enum exit_status status);
/* Leaves the VMs out that run at the recovery site. False: all do, or the state cannot be read. */
bool session_replicate_leave_recovered(struct session *session, struct error *error);

/* From the journal: graph, facts, schedule. False with an empty error: the run had not come that
 * far. */
bool session_load_graph(struct session *session, struct error *error);
/* The graph in a blob ("graph", "reviewed"). NULL with an empty error: there is none. */
struct graph *session_read_graph(struct session *session, const char *blob, struct error *error);
/* Into the journal. */
bool session_store_graph(struct session *session, struct error *error);

/* As session_execute, for the VMs and actions that are named only. */
enum exit_status session_execute_named(struct session *session, const char *const *names,
                                       size_t count);
/* A test whose cleanup is approved is taken back, and nothing else is done. */
enum exit_status session_end_test(struct session *session);
/* Carries the graph out, sets the run's status and where production is, tells the report. */
enum exit_status session_execute(struct session *session);

/* Sets the status and forgets a failure to do so: for the way out. */
void session_give_up(struct session *session, enum run_status status);
void session_close(struct session *session);

/* What the run brought over lives at home again, as far as the state goes. */
bool session_note_cleaned(struct session *session, struct error *error);
/* What the run was bringing over and has not lives at home. */
bool session_note_cancelled(struct session *session, struct error *error);

/* Where production is, by state and by tags. NOTHING_TO_DO: every VM runs at the recovery site
 * already (told on stdout). REFUSED: `error` says why. */
enum production_verdict { PRODUCTION_GO, PRODUCTION_NOTHING_TO_DO, PRODUCTION_REFUSED };
/* The instance that a failover has made of the VM, and that is there; NULL: none. */
const struct aws_resource *session_instance_of(const struct aws_resource *resources, size_t count,
                                               const char *vm);
/* Whether the state says of any VM that it is over already. */
bool session_is_over(struct session *session, struct error *error);
enum production_verdict session_check_production(struct session *session, struct error *error);

#endif
