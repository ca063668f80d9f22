#include "runtime/report/rpo.h"

#include <string.h>

static const char *const names[RPO_STATE_COUNT] = {
    [RPO_MET] = "met",
    [RPO_UNKNOWN] = "unknown",
    [RPO_MISSED] = "missed",
    [RPO_NEVER] = "never",
    [RPO_AT_RECOVERY] = "at recovery site",
};

const char *rpo_state_name(enum rpo_state state)
{
    return names[state];
}

bool rpo_is_bad(enum rpo_state state)
{
    return state == RPO_MISSED || state == RPO_NEVER || state == RPO_UNKNOWN;
}

static void judge_vm(struct rpo_vm *vm, int64_t objective_ms, int64_t now_utc_ms)
{
    vm->loss_ms = vm->missed_since_utc_ms = -1;
    if (vm->place == PRODUCTION_RECOVERY) {
        vm->state = RPO_AT_RECOVERY;
        return;
    }
    if (vm->copy_point_utc_ms < 0) {
        vm->state = RPO_NEVER;
        return;
    }
    if (vm->copy_point_utc_ms > now_utc_ms + RPO_SKEW_MS) {
        vm->state = RPO_UNKNOWN;
        return;
    }
    int64_t loss_ms = now_utc_ms - vm->copy_point_utc_ms;
    vm->loss_ms = loss_ms > 0 ? loss_ms : 0;
    vm->state = vm->loss_ms > objective_ms ? RPO_MISSED : RPO_MET;
    if (vm->state == RPO_MISSED) {
        vm->missed_since_utc_ms = vm->copy_point_utc_ms + objective_ms;
    }
}

static int64_t newer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t next_of(const struct rpo_round *round)
{
    return round->every_ms > 0 && round->last_utc_ms >= 0 ? round->last_utc_ms + round->every_ms
                                                          : -1;
}

/* The round of the whole plan is that of its VM which is furthest behind. */
static int64_t oldest(int64_t so_far, int64_t time)
{
    return so_far < 0 || time < so_far ? time : so_far;
}

static void judge_rounds(struct rpo_plan *plan)
{
    int64_t point = -1, copied = -1;
    bool points = true, copies = true, due = false;
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct rpo_vm *vm = &plan->vms[i];
        if (vm->place == PRODUCTION_RECOVERY) {
            continue;
        }
        due = true;
        points = points && vm->point_utc_ms >= 0;
        copies = copies && vm->copied_utc_ms >= 0;
        point = oldest(point, vm->point_utc_ms);
        copied = oldest(copied, vm->copied_utc_ms);
    }
    plan->backup.last_utc_ms = points && due ? point : -1;
    plan->replicate.last_utc_ms = copies && due ? copied : -1;
    if (plan->run) { /* one that had nothing to copy has made no copy, and is a run */
        plan->replicate.last_utc_ms = newer(plan->replicate.last_utc_ms, plan->run_started_utc_ms);
    }
    plan->backup.next_utc_ms = due ? next_of(&plan->backup) : -1; /* nobody is at home: nothing is */
    plan->replicate.next_utc_ms = due ? next_of(&plan->replicate) : -1;
}

/* Of two: the one that a person wants to hear of first. */
static enum rpo_state worse(enum rpo_state a, enum rpo_state b)
{
    static const int weight[RPO_STATE_COUNT] = {
        [RPO_AT_RECOVERY] = 0, [RPO_MET] = 1, [RPO_UNKNOWN] = 2, [RPO_MISSED] = 3, [RPO_NEVER] = 4,
    };
    return weight[a] >= weight[b] ? a : b;
}

static void judge_plan(struct rpo_plan *plan, int64_t now_utc_ms)
{
    plan->state = RPO_AT_RECOVERY;
    memset(plan->counts, 0, sizeof plan->counts);
    for (size_t i = 0; i < plan->vm_count; i++) {
        struct rpo_vm *vm = &plan->vms[i];
        judge_vm(vm, plan->objective_ms, now_utc_ms);
        plan->counts[vm->state]++;
        plan->state = worse(plan->state, vm->state);
    }
    judge_rounds(plan);
    if (plan->problem) {
        plan->state = RPO_UNKNOWN;
    }
}

/* Beside the RPO: it does not make its state worse. Where the state cannot be read, it is not known. */
static void judge_test(struct rpo_plan *plan, int64_t now_utc_ms)
{
    plan->test_due = plan->state_problem ? TEST_IN_TIME
                                         : test_due(&plan->test, plan->test_every_ms, plan->digest,
                                                    now_utc_ms);
}

void rpo_judge(struct rpo_report *report)
{
    report->state = RPO_AT_RECOVERY;
    for (size_t i = 0; i < report->plan_count; i++) {
        judge_plan(&report->plans[i], report->now_utc_ms);
        judge_test(&report->plans[i], report->now_utc_ms);
        report->state = worse(report->state, report->plans[i].state);
    }
}
