/* The state of the RPO in Prometheus' text format. What is not known has no sample. */
#include "compiler/base/buffer.h"
#include "runtime/report/exposition.h"
#include "runtime/report/rpo.h"

struct page {
    const struct rpo_report *report;
    struct buffer *out;
};

enum { NOTHING = -1 };

static void put_sample(struct buffer *out, const char *name, const char *plan, const char *vm,
                       double value)
{
    exposition_begin(out, name);
    exposition_label(out, "plan", plan, "");
    if (vm) {
        exposition_label(out, "vm", vm, ",");
    }
    exposition_end(out, value);
}

typedef double (*vm_value)(const struct rpo_report *report, const struct rpo_vm *vm);

static void put_vms(const struct page *page, const char *name, const char *help, vm_value value)
{
    bool first = true;
    for (size_t i = 0; i < page->report->plan_count; i++) {
        const struct rpo_plan *plan = &page->report->plans[i];
        for (size_t v = 0; v < plan->vm_count && !plan->problem; v++) {
            double number = value(page->report, &plan->vms[v]);
            if (number < 0) {
                continue;
            }
            if (first) {
                exposition_family(page->out, name, help);
                first = false;
            }
            put_sample(page->out, name, plan->name, plan->vms[v].name, number);
        }
    }
}

typedef double (*plan_value)(const struct rpo_report *report, const struct rpo_plan *plan);

static void put_plans(const struct page *page, const char *name, const char *help, plan_value value)
{
    bool first = true;
    for (size_t i = 0; i < page->report->plan_count; i++) {
        const struct rpo_plan *plan = &page->report->plans[i];
        double number = value(page->report, plan);
        if (number < 0) {
            continue;
        }
        if (first) {
            exposition_family(page->out, name, help);
            first = false;
        }
        put_sample(page->out, name, plan->name, NULL, number);
    }
}

static double seconds(int64_t ms)
{
    return ms < 0 ? NOTHING : (double)ms / 1000;
}

static double age(const struct rpo_report *report, int64_t utc_ms)
{
    if (utc_ms < 0 || utc_ms > report->now_utc_ms + RPO_SKEW_MS) {
        return NOTHING;
    }
    return utc_ms > report->now_utc_ms ? 0 : seconds(report->now_utc_ms - utc_ms);
}

/* --- of VMs --- */

static double met(const struct rpo_report *report, const struct rpo_vm *vm)
{
    (void)report;
    return rpo_is_bad(vm->state) ? 0 : vm->state == RPO_MET ? 1 : NOTHING;
}

static double loss(const struct rpo_report *report, const struct rpo_vm *vm)
{
    (void)report;
    return seconds(vm->loss_ms);
}

static double copy_age(const struct rpo_report *report, const struct rpo_vm *vm)
{
    return age(report, vm->copied_utc_ms);
}

static double point_age(const struct rpo_report *report, const struct rpo_vm *vm)
{
    return age(report, vm->point_utc_ms);
}

static double usable(const struct rpo_report *report, const struct rpo_vm *vm)
{
    (void)report;
    return vm->copy_point_utc_ms >= 0;
}

static double copy_point(const struct rpo_report *report, const struct rpo_vm *vm)
{
    (void)report;
    return seconds(vm->copy_point_utc_ms);
}

static double over(const struct rpo_report *report, const struct rpo_vm *vm)
{
    (void)report;
    return vm->state == RPO_AT_RECOVERY;
}

/* --- of plans --- */

static double objective(const struct rpo_report *report, const struct rpo_plan *plan)
{
    (void)report;
    return seconds(plan->objective_ms);
}

static double checked(const struct rpo_report *report, const struct rpo_plan *plan)
{
    (void)plan;
    return seconds(report->now_utc_ms);
}

static double up(const struct rpo_report *report, const struct rpo_plan *plan)
{
    (void)report;
    return !plan->problem;
}

static double repository(const struct rpo_report *report, const struct rpo_plan *plan)
{
    (void)report;
    return !plan->repository || plan->problem ? NOTHING : !plan->repository_problem;
}

static double replicate_next(const struct rpo_report *report, const struct rpo_plan *plan)
{
    (void)report;
    return plan->problem ? NOTHING : seconds(plan->replicate.next_utc_ms);
}

static double backup_next(const struct rpo_report *report, const struct rpo_plan *plan)
{
    (void)report;
    return plan->problem ? NOTHING : seconds(plan->backup.next_utc_ms);
}

/* By the plan's own word: without test_every there is nothing that could be missed. */
static double tested(const struct rpo_report *report, const struct rpo_plan *plan)
{
    (void)report;
    bool known = !plan->problem && !plan->state_problem && plan->test_every_ms > 0;
    return known ? plan->test_due == TEST_IN_TIME : NOTHING;
}

static double test_every(const struct rpo_report *report, const struct rpo_plan *plan)
{
    (void)report;
    return plan->test_every_ms > 0 ? seconds(plan->test_every_ms) : NOTHING;
}

static double test_passed(const struct rpo_report *report, const struct rpo_plan *plan)
{
    (void)report;
    return plan->problem || plan->state_problem ? NOTHING : seconds(plan->passed_utc_ms);
}

void rpo_write_prometheus(const struct rpo_report *report, struct buffer *out)
{
    struct page page = {report, out};
    put_plans(&page, "rpo_checked_timestamp_seconds", "When drc rpo looked.", checked);
    put_plans(&page, "rpo_up", "1: AWS answered; 0: nothing is known of the plan's DR copies.", up);
    put_plans(&page, "rpo_objective_seconds", "The plan's objectives.rpo.", objective);
    put_vms(&page, "rpo_met",
            "1: a failover now loses no more than the objective; 0: more, or there is no usable DR "
            "copy; absent: the VM runs at the recovery site.",
            met);
    put_vms(&page, "rpo_loss_seconds", "What a failover now would lose.", loss);
    put_vms(&page, "dr_copy_usable", "1: there is a DR copy that a failover can use.", usable);
    put_vms(&page, "dr_copy_age_seconds", "Since the newest usable DR copy was made.", copy_age);
    put_vms(&page, "dr_copy_recovery_point_timestamp_seconds",
            "The recovery point that the newest usable DR copy holds.", copy_point);
    put_vms(&page, "recovery_point_age_seconds",
            "Age of the newest recovery point in the repository.", point_age);
    put_vms(&page, "vm_at_recovery_site", "1: the VM runs at the recovery site.", over);
    put_plans(&page, "repository_up", "1: the backup repository could be read.", repository);
    put_plans(&page, "replicate_due_timestamp_seconds", "When replicate has to run again.",
              replicate_next);
    put_plans(&page, "backup_due_timestamp_seconds", "When the next recovery points are due.",
              backup_next);
    put_plans(&page, "test_in_time",
              "1: the plan as it is passed its last test, within objectives.test_every; 0: not.", tested);
    put_plans(&page, "test_objective_seconds", "The plan's objectives.test_every.", test_every);
    put_plans(&page, "test_passed_timestamp_seconds", "When a test of the plan passed last.",
              test_passed);
}
