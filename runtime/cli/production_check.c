/* Where production is before a failover: what the state says, verified against tags. */
#include "runtime/cli/session.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/state/production.h"

static bool lives(const struct aws_resource *resource)
{
    return resource->kind == AWS_INSTANCE && resource->workflow &&
           strcmp(resource->workflow, "failover") == 0 && resource->state &&
           strcmp(resource->state, "terminated") != 0 &&
           strcmp(resource->state, "shutting-down") != 0;
}

const struct aws_resource *session_instance_of(const struct aws_resource *resources, size_t count,
                                               const char *vm)
{
    for (size_t i = 0; i < count; i++) {
        if (lives(&resources[i]) && resources[i].vm && strcmp(resources[i].vm, vm) == 0) {
            return &resources[i];
        }
    }
    return NULL;
}

/* Instances that a rollback kept have the addresses that the new ones need. */
static bool is_kept(struct session *session, const char *id)
{
    struct run_info *runs = NULL;
    size_t count = 0;
    struct error ignored = {0};
    bool kept = false;
    run_list(session->invocation->arena, session->state, session->plan->name, &runs, &count,
             &ignored);
    error_clear(&ignored);
    for (size_t i = 0; i < count; i++) {
        kept = kept || (strcmp(runs[i].id, id) == 0 &&
                        (runs[i].status == RUN_ROLLED_BACK || runs[i].status == RUN_CANCELLED));
    }
    return kept;
}

static enum production_verdict state_lost(struct session *session,
                                          const struct aws_resource *instance, struct error *error)
{
    const char *run = instance->run ? instance->run : "?";
    if (instance->run && is_kept(session, run)) {
        error_set(error, "%s has an instance (%s, %s) that run %s has left", instance->vm,
                  instance->id, instance->state, run);
        error_help(error, "drc run cleanup %s deletes what is left of it", run);
        return PRODUCTION_REFUSED;
    }
    error_set(
        error,
        "%s has an instance of run %s already (%s, %s), of which the state directory does not know",
        instance->vm, run, instance->id, instance->state);
    error_help(error,
               "give the --state that run %s was made with; if that is lost, drc run cleanup %s --plan "
               "PLAN deletes what it made, running VMs too",
               run, run);
    return PRODUCTION_REFUSED;
}

static enum production_verdict instance_lost(const struct production_vm *vm, struct error *error)
{
    error_set(error,
              "the state says that %s runs at the recovery site since run %s, but its instance %s "
              "is not there",
              vm->name, vm->run ? vm->run : "?", vm->instance_id ? vm->instance_id : "");
    error_help(error, "drc run cleanup %s deletes what is left of that run; then fail over again",
               vm->run ? vm->run : "RUN");
    return PRODUCTION_REFUSED;
}

/* `over` and `rest` as --only takes them: "db,app". */
static enum production_verdict partly_over(const char *over, const char *rest, const char *run,
                                           struct error *error)
{
    error_set(error, "at the recovery site already: %s; not yet: %s", over, rest);
    error_help(error, "--only %s goes on with the rest; what failed in run %s: drc run retry %s VM",
               rest, run, run);
    return PRODUCTION_REFUSED;
}

bool session_is_over(struct session *session, struct error *error)
{
    const struct plan *plan = session->plan;
    struct production *production =
        production_read(session->invocation->arena, session->state, plan->name, error);
    for (size_t i = 0; production && i < plan->vm_count; i++) {
        if (production_of(production, plan->vms[i].name).place == PRODUCTION_RECOVERY) {
            return true;
        }
    }
    return false;
}

enum production_verdict session_check_production(struct session *session, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    const struct plan *plan = session->plan;
    if (session_is_replicate(session)) {
        return session_replicate_leave_recovered(session, error) ? PRODUCTION_GO : PRODUCTION_REFUSED;
    }
    struct production *production = production_read(arena, session->state, plan->name, error);
    struct aws_resource *resources = NULL;
    size_t count = 0;
    if (!production || !aws_list_resources(session->site.aws, arena, plan->name, NULL, &resources,
                                           &count, error)) {
        return PRODUCTION_REFUSED;
    }
    const char *rest = NULL, *there = NULL;
    struct production_vm over = {0};
    size_t over_count = 0;
    for (size_t i = 0; i < plan->vm_count; i++) {
        const char *name = plan->vms[i].name;
        struct production_vm vm = production_of(production, name);
        const struct aws_resource *instance = session_instance_of(resources, count, name);
        if (vm.place == PRODUCTION_RECOVERY && !instance) {
            return instance_lost(&vm, error);
        }
        if (vm.place == PRODUCTION_PRIMARY && instance) {
            return state_lost(session, instance, error);
        }
        if (vm.place == PRODUCTION_RECOVERY) {
            over = vm;
            over_count++;
            there = there ? arena_printf(arena, "%s,%s", there, name) : name;
        } else {
            rest = rest ? arena_printf(arena, "%s,%s", rest, name) : name;
        }
    }
    if (over_count == 0) {
        return PRODUCTION_GO;
    }
    if (rest) {
        return partly_over(there, rest, over.run ? over.run : "RUN", error);
    }
    printf("%s: nothing to do: all %zu VMs run at the recovery site since run %s\n", plan->name,
           over_count, over.run ? over.run : "?");
    return PRODUCTION_NOTHING_TO_DO;
}
