#include "compiler/plan/check.h"

/* Objectives against the schedules that have to meet them. The copies' own time is not known here;
 * with measured throughput, rpo reports say more. */

static void check_rpo(const struct plan *plan, struct diagnostics *diagnostics)
{
    const struct duration *rpo = &plan->objectives.rpo;
    int64_t worst_ms = (plan->backup.given ? plan->backup.every.ms : 0) +
                       (plan->replication.given ? plan->replication.every.ms : 0);
    if (!rpo->given || worst_ms <= rpo->ms) {
        return;
    }
    struct diagnostic *found = diagnose(
        diagnostics, DIAG_RPO_UNREACHABLE, rpo->at, "an rpo of %s cannot be met: up to %s are lost",
        duration_text(plan, rpo->ms), duration_text(plan, worst_ms));
    if (plan->backup.every.given) {
        diagnostic_secondary(diagnostics, found, plan->backup.every.at,
                             "a recovery point is up to %s old …",
                             duration_text(plan, plan->backup.every.ms));
    }
    if (plan->replication.every.given) {
        diagnostic_secondary(diagnostics, found, plan->replication.every.at,
                             "… and up to %s pass until the next copy",
                             duration_text(plan, plan->replication.every.ms));
    }
    diagnostic_help(diagnostics, found,
                    "shorten the intervals so that together they stay below %s (the copies take "
                    "time too), or promise less",
                    duration_text(plan, rpo->ms));
}

static void check_keep(const struct plan *plan, struct diagnostics *diagnostics)
{
    if (!plan->backup.given || plan->backup.keep.ms >= plan->backup.every.ms) {
        return;
    }
    struct span at = plan->backup.keep.given ? plan->backup.keep.at : plan->backup.every.at;
    struct diagnostic *found = diagnose(diagnostics, DIAG_KEEP_UNDER_INTERVAL, at,
                                        "recovery points are kept for %s, and one is made every %s",
                                        duration_text(plan, plan->backup.keep.ms),
                                        duration_text(plan, plan->backup.every.ms));
    diagnostic_help(diagnostics, found, "keep them for at least %s",
                    duration_text(plan, plan->backup.every.ms));
}

void check_objectives(const struct plan *plan, struct diagnostics *diagnostics)
{
    check_rpo(plan, diagnostics);
    check_keep(plan, diagnostics);
}
