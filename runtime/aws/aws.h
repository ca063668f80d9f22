/* AWS: one account and region as a provider, and what else drc asks of it: identity, facts,
 * preflight, what is left over. */
#ifndef DRC_AWS_AWS_H
#define DRC_AWS_AWS_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler/base/error.h"
#include "compiler/graph/facts.h"
#include "compiler/plan/plan.h"
#include "runtime/world/provider.h"
#include "runtime/world/script_source.h"
#include "runtime/world/world.h"

struct arena;
struct aws;

struct aws_options {
    struct world *world;
    struct gate *gate;
    const char *region;
    const char *account;  /* NULL: any */
    const char *profile;  /* NULL: the usual chain */
    const char *role_arn; /* NULL: none */
};

/* Resolves nothing yet. Destroys what it made; the gate and world are the caller's. */
struct aws *aws_create(const struct aws_options *options, struct error *error);
void aws_destroy(struct aws *aws);

/* The provider of PROVIDER_AWS actions; lives as long as the aws. */
struct provider *aws_provider(struct aws *aws);

/* Where the scripts come from that are sent to instances; until then there are none. */
void aws_use_scripts(struct aws *aws, struct script_source scripts);

/* Whether any endpoint but S3's is overridden (AWS_ENDPOINT_URL …): then limits start unlimited. */
bool aws_endpoint_overridden(struct aws *aws);

/* The URL of an endpoint that is asked without TLS and is not this machine; NULL: there is none. As
 * with AWS's own tools that is the user's choice, but one to be told. */
const char *aws_unencrypted_endpoint(struct aws *aws);

/* The calls below run the loop until they have an answer (or 60 s have passed without a proper
 * one). */

/* sts:GetCallerIdentity: credentials work and the account is the plan's. */
struct aws_identity {
    const char *account, *arn;
};
bool aws_identify(struct aws *aws, struct arena *arena, struct aws_identity *identity,
                  struct error *error);

/* Facts of `workflow` (failover), read-only. recovery_point: "latest", or an RFC 3339 time: for
 * each VM the newest at or before it. */
struct facts *aws_gather_facts(struct aws *aws, struct arena *arena, const struct plan *plan,
                               enum workflow workflow, const char *recovery_point,
                               struct error *error);

/* Preflight: read-only checks before the first change. */
enum finding_severity { FINDING_PASSED, FINDING_UNKNOWN, FINDING_WARNING, FINDING_FATAL };
struct finding {
    enum finding_severity severity;
    const char *subject; /* "placeholder image ami-0c…" */
    const char *text;    /* what was found */
    const char *help;    /* NULL */
};
struct findings {
    struct finding *items;
    size_t count, capacity;
    size_t passed, unknown, warnings, fatal;
};
/* Adds one; all texts are copied into the arena. help may be NULL. */
void findings_add(struct findings *findings, struct arena *arena, enum finding_severity severity,
                  const char *subject, const char *help, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* What a failover may lose. */
struct loss_terms {
    int64_t disaster_utc_ms; /* --disaster-at: loss is counted from here; 0: from now */
    bool accepted;           /* --accept-data-loss: more than the objective is no error */
};
/* terms NULL: from now, nothing accepted. */
bool aws_preflight(struct aws *aws, struct arena *arena, const struct plan *plan,
                   const struct graph *graph, const struct facts *facts,
                   const struct loss_terms *terms, struct findings *findings, struct error *error);
/* Of replicate: only the conversion instances that its graph injects drivers on. */
bool aws_preflight_conversions(struct aws *aws, struct arena *arena, const struct plan *plan,
                               const struct graph *graph, const struct facts *facts,
                               struct findings *findings, struct error *error);

/* What exists by tag for a plan (run NULL) or a run: for cleanup, orphans and where production is.
 */
enum aws_kind {
    AWS_INSTANCE,
    AWS_VOLUME,
    AWS_SNAPSHOT,
    AWS_IMAGE,
    AWS_HOLD, /* a run's hold on a DR copy: id is the snapshot's, run the holder */
};
struct aws_resource {
    enum aws_kind kind;
    const char *id, *state, *plan, *vm, *run, *node, *workflow, *role;
    const char *attached_to; /* volumes */
    bool committed;          /* drc:committed: production for good */
};
bool aws_list_resources(struct aws *aws, struct arena *arena, const char *plan, const char *run,
                        struct aws_resource **resources, size_t *count, struct error *error);

/* The DR copies of a plan by VM (in the order of their names), the newest recovery point first: what a
 * failover could be made from. bootable: it takes a boot disk whose drivers are injected already. All
 * in the arena. */
struct aws_copy {
    const char *vm, *recovery_point; /* as in its tag */
    int64_t recovery_point_utc_ms;
    int64_t copied_utc_ms; /* when the last of its snapshots was begun; 0: not told */
    int64_t disks;         /* of the VM; 0: not told */
    int64_t completed;     /* of these, completely copied */
    const char *flaw;      /* why it cannot be used; NULL: it can */
};
bool aws_list_copies(struct aws *aws, struct arena *arena, const char *plan, bool bootable,
                     struct aws_copy **copies, size_t *count, struct error *error);

/* Which of these instances, volumes and images there are without carrying drc:plan=PLAN: not drc's to
 * change, whatever a journal says. Those that are gone, and unknown ids, are not among them. `ids` are
 * told by kind and id; the others' fields are not read. In the arena. */
bool aws_find_foreign(struct aws *aws, struct arena *arena, const char *plan,
                      const struct aws_resource *ids, size_t id_count,
                      struct aws_resource **foreign, size_t *count, struct error *error);

/* Tags them KEY=VALUE, which is no harm twice. */
bool aws_tag_resources(struct aws *aws, const char *const *ids, size_t count, const char *key,
                       const char *value, struct error *error);

/* Now by AWS's clock, as far as its last answer told it; by this host's where they agree to a minute. */
int64_t aws_utc_ms(const struct aws *aws);
/* Takes the tag off them, which is no harm where it is not there. */
bool aws_untag_resources(struct aws *aws, const char *const *ids, size_t count, const char *key,
                         struct error *error);

/* Calls made so far, by "service:Operation", for the report. */
int64_t aws_request_count(const struct aws *aws);

#endif
