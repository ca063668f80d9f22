#include "runtime/sandbox/populate.h"

#include <string.h>

#include "runtime/sandbox/guests.h"
#include "runtime/sandbox/internal.h"
#include "runtime/sandbox/kms.h"
#include "runtime/sandbox/s3.h"

/* The first plan decides account and region; others have to agree. */
static bool settle(struct request *r, const char *name, const char *wanted, struct error *error)
{
    const char *held = state_setting(r->state, r->arena, name);
    if (held && wanted && strcmp(held, wanted) != 0) {
        error_set(error, "the sandbox holds the %s %s, the plan is for %s", name, held, wanted);
        return error_help(error, "make another sandbox for that plan");
    }
    return !wanted || state_set(r->state, name, wanted);
}

static bool settle_owner(struct request *r, const struct plan *plan, struct error *error)
{
    const char *account = plan->aws.account.value ? plan->aws.account.value : r->caller.account;
    if (!settle(r, "account", account, error) ||
        !settle(r, "region", plan->aws.region.value, error)) {
        return false;
    }
    r->caller.account = account;
    r->region = plan->aws.region.value ? plan->aws.region.value : r->region;
    return state_run(r->state,
                     "UPDATE credentials SET account = ?, arn = ? WHERE access_key = "
                     "'sandbox'",
                     "ss", account,
                     arena_printf(r->arena, "arn:aws:iam::%s:user/sandbox", account));
}

/* The bucket of "s3://BUCKET/PREFIX". */
static void make_bucket(struct request *r, const char *address)
{
    static const char scheme[] = "s3://";
    if (!address || strncmp(address, scheme, sizeof scheme - 1) != 0) {
        return;
    }
    const char *name = address + sizeof scheme - 1;
    name = arena_strndup(r->arena, name, strcspn(name, "/"));
    if (s3_bucket_name_is_valid(name)) {
        s3_bucket_make(r, name);
    }
}

/* Where backups and state go, and the key that they are encrypted with. */
static void populate_stores(struct request *r, const struct plan *plan)
{
    make_bucket(r, plan->backup.repository.value);
    make_bucket(r, plan->state.value);
    if (plan->aws.kms_key.value) {
        kms_make_key(r, plan->aws.kms_key.value);
    }
}

/* How the VMs' copies come about. */
struct copies {
    bool none;
    const struct facts *facts; /* NULL: by the seed */
};

static bool populate(struct request *r, const struct plan *plan, const struct copies *copies,
                     struct error *error)
{
    if (!settle_owner(r, plan, error)) {
        return false;
    }
    populate_networks(r, plan);
    populate_stores(r, plan);
    populate_images(r, plan);
    populate_conversions(r, plan);
    populate_dns(r, plan);
    populate_guests(r, plan);
    populate_route53(r, plan);
    populate_target_groups(r, plan);
    if (!copies->none) {
        populate_copies(r, plan, copies->facts);
    }
    if (r->failure.code) {
        return error_set(error, "the plan does not fit into the sandbox: %s", r->failure.message);
    }
    return !state_failed(r->state) ||
           error_set(error, "the sandbox's database failed: %s", state_failure(r->state));
}

static bool populate_locked(struct sandbox *sandbox, const struct plan *plan,
                            const struct copies *copies, struct error *error)
{
    struct state *state = sandbox->state;
    pthread_mutex_lock(&sandbox->lock);
    struct arena *arena = arena_create();
    bool ok = state_begin(state);
    if (ok) {
        struct request r = sandbox_own_request(sandbox, arena, sandbox->options.utc_base_ms);
        ok = populate(&r, plan, copies, error);
        bool kept = state_end(state, ok);
        ok = ok &&
             (kept || error_set(error, "the sandbox's database failed: %s", state_failure(state)));
    } else {
        error_set(error, "the sandbox's database failed: %s", state_failure(state));
    }
    arena_destroy(arena);
    pthread_mutex_unlock(&sandbox->lock);
    return ok;
}

bool sandbox_populate(struct sandbox *sandbox, const struct plan *plan, struct error *error)
{
    return populate_locked(sandbox, plan, &(struct copies){0}, error);
}

bool sandbox_populate_without_copies(struct sandbox *sandbox, const struct plan *plan,
                                     struct error *error)
{
    return populate_locked(sandbox, plan, &(struct copies){.none = true}, error);
}

bool sandbox_populate_as(struct sandbox *sandbox, const struct plan *plan,
                         const struct facts *facts, struct error *error)
{
    return populate_locked(sandbox, plan, &(struct copies){.facts = facts}, error);
}
