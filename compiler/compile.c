#include "compiler/compile.h"

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/utc.h"
#include "compiler/emit/emit.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema.h"
#include "compiler/front/tree.h"
#include "compiler/graph/estimate.h"
#include "compiler/lower/lower.h"
#include "compiler/plan/expand.h"
#include "compiler/plan/files.h"
#include "compiler/plan/test_due.h"

struct plan *compile_plan(struct arena *arena, const struct source *source,
                          const struct variable *variables, size_t variable_count,
                          struct diagnostics *diagnostics)
{
    struct tree *tree = yaml_parse(arena, source, diagnostics);
    if (!tree || !plan_expand(arena, source, tree, variables, variable_count, diagnostics) ||
        !schema_validate(schema_plan(arena), tree, diagnostics)) {
        return NULL;
    }
    struct plan *plan = plan_bind(arena, source, tree, variables, variable_count, diagnostics);
    if (!plan || !plan_check(plan, diagnostics) ||
        !plan_digest(plan, variables, variable_count, diagnostics)) {
        return NULL;
    }
    return plan;
}

struct graph *compile_graph(struct arena *arena, const struct plan *plan, enum workflow workflow,
                            const struct facts *facts, struct diagnostics *diagnostics)
{
    return lower(arena, plan, workflow, facts, diagnostics);
}

/* The VM whose recovery ends the critical path. */
static const char *last_vm(const struct graph *graph, const struct schedule *schedule)
{
    for (size_t i = schedule->critical_path_count; i > 0; i--) {
        int32_t vm = graph->nodes[schedule->critical_path[i - 1]].vm;
        if (vm != NO_VM) {
            return graph->vms[vm].name;
        }
    }
    return NULL;
}

void compile_check_rto(struct arena *arena, const struct plan *plan, const struct facts *facts,
                       struct diagnostics *diagnostics)
{
    const struct duration *rto = &plan->objectives.rto;
    struct diagnostics *unheard = diagnostics_create(arena);
    struct graph *graph = compile_graph(arena, plan, WORKFLOW_FAILOVER, facts, unheard);
    const struct schedule *schedule = graph ? estimate(arena, graph, facts, true) : NULL;
    char predicted[32];
    if (!schedule || !rto->given || schedule->rto_ms <= rto->ms) {
        return;
    }
    struct diagnostic *found = diagnose(diagnostics, DIAG_RTO_EXCEEDED, rto->at,
                                        "a failover is predicted to take %s, longer than the rto",
                                        format_duration(predicted, schedule->rto_ms));
    const char *vm = last_vm(graph, schedule);
    if (vm) {
        diagnostic_label(diagnostics, found, "%s is recovered last", vm);
    }
    diagnostic_help(diagnostics, found,
                    "drc plan show %s failover lists the critical path and what would shorten it",
                    plan->source->path);
}

/* What the next copies take, by what has to be sent and how fast that went; -1: not known. */
static int64_t copies_ms(struct arena *arena, const struct plan *plan, const struct facts *facts,
                         struct diagnostics *diagnostics)
{
    if (!facts || facts->throughput.copy_bytes_per_s <= 0 || !plan->objectives.rpo.given ||
        !plan->replication.given || !plan->backup.given) {
        return -1;
    }
    struct graph *graph = compile_graph(arena, plan, WORKFLOW_REPLICATE, facts, diagnostics);
    const struct schedule *schedule = graph ? estimate(arena, graph, facts, true) : NULL;
    return schedule ? schedule->makespan_ms : -1;
}

static void label_intervals(const struct plan *plan, int64_t copies,
                            struct diagnostics *diagnostics, struct diagnostic *found)
{
    char every[32];
    diagnostic_secondary(diagnostics, found, plan->backup.every.at,
                         "a recovery point is up to %s old …",
                         format_duration(every, plan->backup.every.ms));
    if (copies > plan->replication.every.ms) {
        diagnostic_secondary(diagnostics, found, plan->replication.every.at,
                             "… the copies before it take longer than %s, so it waits for them …",
                             format_duration(every, plan->replication.every.ms));
    } else {
        diagnostic_secondary(diagnostics, found, plan->replication.every.at,
                             "… and waits up to %s for the next copy …",
                             format_duration(every, plan->replication.every.ms));
    }
}

void compile_check_rpo(struct arena *arena, const struct plan *plan, const struct facts *facts,
                       struct diagnostics *diagnostics)
{
    char took[32], lost[32], rpo[32];
    int64_t copies = copies_ms(arena, plan, facts, diagnostics);
    int64_t every = plan->replication.every.ms;
    int64_t worst = plan->backup.every.ms + (copies > every ? copies : every) + copies;
    if (copies < 0 || worst <= plan->objectives.rpo.ms) {
        return;
    }
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_RPO_EXCEEDED, plan->objectives.rpo.at,
                 "up to %s are predicted to be lost, more than the rpo of %s",
                 format_duration(lost, worst), format_duration(rpo, plan->objectives.rpo.ms));
    diagnostic_label(diagnostics, found, "the copies take %s", format_duration(took, copies));
    label_intervals(plan, copies, diagnostics, found);
    diagnostic_help(
        diagnostics, found,
        "shorten the intervals, give drc plan apply %s replicate more bandwidth, or promise "
        "less; drc plan show %s replicate --facts FILE lists what takes how long",
        plan->source->path, plan->source->path);
}

void compile_check_test(const struct plan *plan, const struct facts *facts,
                        struct diagnostics *diagnostics)
{
    const struct duration *every = &plan->objectives.test_every;
    int64_t now = facts ? parse_time(facts->observed_at) : -1;
    if (!every->given || now < 0) {
        return;
    }
    struct last_test last = {.at_utc_ms = facts->last_test.at ? parse_time(facts->last_test.at) : -1,
                             .digest = facts->last_test.digest,
                             .passed = facts->last_test.passed};
    enum test_due due = test_due(&last, every->ms, plan->digest, now);
    if (due == TEST_IN_TIME) {
        return;
    }
    struct buffer text = {0};
    test_due_put(due, &last, every->ms, now, &text);
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_TEST_DUE, every->at, "%s: %s", plan->name, buffer_text(&text));
    diagnostic_help(diagnostics, found, "drc plan apply %s test", plan->source->path);
    buffer_free(&text);
}

const char *drc_version(void)
{
    return "drc " DRC_VERSION;
}
