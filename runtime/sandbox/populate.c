#include "runtime/sandbox/populate.h"

#include <string.h>

#include "runtime/sandbox/internal.h"

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

static bool populate(struct request *r, const struct plan *plan, const struct facts *facts,
                     struct error *error)
{
    if (!settle_owner(r, plan, error)) {
        return false;
    }
    populate_networks(r, plan);
    populate_images(r, plan);
    populate_conversions(r, plan);
    populate_copies(r, plan, facts);
    if (r->failure.code) {
        return error_set(error, "the plan does not fit into the sandbox: %s", r->failure.message);
    }
    return !state_failed(r->state) ||
           error_set(error, "the sandbox's database failed: %s", state_failure(r->state));
}

bool sandbox_populate(struct sandbox *sandbox, const struct plan *plan, struct error *error)
{
    return sandbox_populate_as(sandbox, plan, NULL, error);
}

bool sandbox_populate_as(struct sandbox *sandbox, const struct plan *plan,
                         const struct facts *facts, struct error *error)
{
    struct state *state = sandbox->state;
    pthread_mutex_lock(&sandbox->lock);
    struct arena *arena = arena_create();
    bool ok = state_begin(state);
    if (ok) {
        struct request r = sandbox_own_request(sandbox, arena, sandbox->options.utc_base_ms);
        ok = populate(&r, plan, facts, error);
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
