/* Advice: what in the plan would make the RTO shorter or surer, where the plan has a knob for it.
 */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/summary.h"
#include "compiler/lower/lower.h"
#include "runtime/simulation/forecast.h"

enum { WORTH_TELLING_MS = 5000, ADVICE_MAX = 6 };

struct advice {
    struct arena *arena;
    struct forecast *forecast;
    size_t capacity;
};

static void advise(struct advice *advice, const char *sentence)
{
    struct forecast *forecast = advice->forecast;
    for (size_t i = 0; i < forecast->suggestion_count; i++) {
        if (strcmp(forecast->suggestions[i], sentence) == 0) {
            return;
        }
    }
    if (forecast->suggestion_count == ADVICE_MAX) {
        return;
    }
    forecast->suggestions =
        arena_grow(advice->arena, forecast->suggestions, forecast->suggestion_count,
                   &advice->capacity, sizeof *forecast->suggestions);
    forecast->suggestions[forecast->suggestion_count++] = sentence;
}

/* Whether it matters: in the p95 run, or in half of all. */
static bool matters(const struct forecast *forecast, const struct forecast_binding *binding)
{
    return binding->p95_ms >= WORTH_TELLING_MS ||
           (binding->runs * 2 >= forecast->runs && binding->median_ms >= WORTH_TELLING_MS);
}

static bool is_injection(const struct forecast_binding *binding)
{
    return binding->action == ACTION_INJECT || binding->action == ACTION_WAIT_INJECTED;
}

static void advise_on(struct advice *advice, const struct forecast_binding *binding)
{
    const struct forecast *forecast = advice->forecast;
    char text[32];
    if (binding->kind == PIECE_POOL) {
        advise(advice, "more conversion instances in the zone "
                       "(sites.recovery.aws.conversion.instances), so that no disk waits for a "
                       "place");
    } else if (binding->kind == PIECE_LIMIT) {
        advise(advice, arena_printf(advice->arena,
                                    "a higher request rate for %s (ask AWS Support), or fewer VMs "
                                    "in one run",
                                    action_info(binding->action)->permission));
    } else if (binding->kind == PIECE_WORK && is_injection(binding) &&
               !forecast->input.scenario->plan->replication.prepare) {
        int64_t gain_ms =
            summary_gain_of_prepare_ms(forecast->input.graph, forecast->input.schedule);
        if (gain_ms > 0) {
            advise(advice, arena_printf(advice->arena,
                                        "replication.prepare: replication (drivers injected "
                                        "ahead): %s less by the estimate",
                                        format_duration(text, gain_ms)));
        }
    } else if (binding->kind == PIECE_AWAY) {
        advise(advice, "a second runner, or one that is started again at once: drc run resume goes "
                       "on where it was");
    }
}

/* It was given up when its time was over ("did not hold within 15m", node_failed_late): nothing
 * refused it for good. */
static bool is_late(const struct forecast_cause *cause)
{
    return strncmp(cause->text, "did not ", 8) == 0 && strstr(cause->text, " within ");
}

static void advise_on_cause(struct advice *advice, const struct forecast_cause *cause)
{
    const struct graph *graph = advice->forecast->input.graph;
    const struct graph_node *node = cause->node;
    const char *vm = node->vm == NO_VM ? "VM" : graph->vms[node->vm].name;
    enum timeout_kind timeout = lower_timeout_of(node->action);
    if (cause->code && strcmp(cause->code, "InsufficientInstanceCapacity") == 0) {
        advise(advice, arena_printf(advice->arena,
                                    "another type behind the others in vms.%s.instance_type, or a "
                                    "capacity_reservation",
                                    vm));
    } else if (is_late(cause) && timeout != TIMEOUT_COUNT) {
        advise(advice, arena_printf(advice->arena,
                                    "more time in vms.%s.timeouts.%s (or for all VMs in defaults), "
                                    "where it is only slow",
                                    vm, timeout_name(timeout)));
    }
}

void forecast_advise(struct arena *arena, struct forecast *forecast)
{
    struct advice advice = {.arena = arena, .forecast = forecast};
    for (size_t i = 0; i < forecast->binding_count; i++) {
        if (matters(forecast, &forecast->bindings[i])) {
            advise_on(&advice, &forecast->bindings[i]);
        }
    }
    for (size_t i = 0; i < forecast->cause_count; i++) {
        advise_on_cause(&advice, &forecast->causes[i]);
    }
}
