#include "runtime/report/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "runtime/report/exposition.h"
#include "runtime/report/history.h"
#include "runtime/report/report_parts.h"

struct page {
    const struct report *report;
    struct buffer *out;
};

static void put_family(const struct page *page, const char *name, const char *help)
{
    exposition_family(page->out, name, help);
}

static void begin_sample(const struct page *page, const char *name)
{
    exposition_begin(page->out, name);
    exposition_label(page->out, "plan", page->report->graph->plan_name, "");
    exposition_label(page->out, "workflow", workflow_name(page->report->graph->workflow), ",");
}

static void end_sample(const struct page *page, double value)
{
    exposition_end(page->out, value);
}

static void put(const struct page *page, const char *name, const char *help, double value)
{
    put_family(page, name, help);
    begin_sample(page, name);
    end_sample(page, value);
}

/* What is not known has no sample. */
static void put_ms(const struct page *page, const char *name, const char *help, int64_t ms)
{
    if (ms >= 0) {
        put(page, name, help, (double)ms / 1000);
    }
}

static void put_status(const struct page *page)
{
    static const char name[] = "run_status", info[] = "run_info";
    put_family(page, info, "The last run; always 1.");
    begin_sample(page, info);
    exposition_label(page->out, "run", page->report->run_id, ",");
    exposition_label(page->out, "owner", page->report->options.owner, ",");
    exposition_label(page->out, "region", page->report->graph->region, ",");
    end_sample(page, 1);
    put_family(page, name, "The status of the last run: 1 for the one that it has.");
    for (int i = RUN_PREPARING; i < RUN_STATUS_COUNT; i++) {
        begin_sample(page, name);
        exposition_label(page->out, "status", run_status_name((enum run_status)i), ",");
        end_sample(page, i == (int)page->report->status);
    }
}

static void put_times(const struct page *page)
{
    const struct report *report = page->report;
    int64_t ended = report->history ? report->history->last_utc_ms : 0;
    put_ms(page, "run_start_timestamp_seconds", "When the last run began.", report->started_utc_ms);
    put_ms(page, "run_end_timestamp_seconds", "When the last run did something last.", ended);
    put_ms(page, "run_duration_seconds", "How long the last run took, outages of drc included.",
           report->elapsed_ms);
    put_ms(page, "run_rto_seconds", "Until every critical VM was recovered; absent: they are not.",
           report->rto_ms);
    put_ms(page, "run_predicted_rto_seconds", "The RTO that was predicted.",
           report->schedule->rto_ms);
    put_ms(page, "run_loss_seconds", "The worst age of a recovery point when the disaster came.",
           report->loss_ms);
    if (report->options.rto_ms > 0) {
        put_ms(page, "plan_rto_objective_seconds", "The plan's RTO.", report->options.rto_ms);
    }
    if (report->options.rpo_ms > 0) {
        put_ms(page, "plan_rpo_objective_seconds", "The plan's RPO.", report->options.rpo_ms);
    }
}

static void put_counts(const struct page *page)
{
    const struct report *report = page->report;
    const struct executor_counters *counters = &report->counters;
    static const char actions[] = "run_actions";
    const struct {
        const char *state;
        size_t count;
    } states[] = {
        {"done", counters->done},
        {"failed", counters->failed},
        {"skipped", counters->skipped},
        {"left", counters->total - counters->done - counters->failed - counters->skipped},
    };
    put_family(page, actions, "Actions of the last run, by what became of them.");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        begin_sample(page, actions);
        exposition_label(page->out, "state", states[i].state, ",");
        end_sample(page, (double)states[i].count);
    }
    put(page, "run_vms", "VMs of the last run.", (double)report->graph->vm_count);
    if (report_is_replicate(report)) {
        put(page, "run_vms_copied", "VMs of which a DR copy was made.", (double)report->recovered);
    } else {
        put(page, "run_vms_recovered", "VMs that were recovered.", (double)report->recovered);
    }
    put(page, "run_requests", "API requests that were sent.", (double)counters->requests);
    put(page, "run_requests_throttled", "API requests refused for their rate.",
        (double)counters->throttled);
    put(page, "run_retries", "Attempts that were made again.", (double)counters->retries);
    put(page, "run_resumes", "How often it was resumed.",
        (double)(report->sessions > 0 ? report->sessions - 1 : 0));
    put(page, "run_things_left_over", "Things made in the cloud that are in no use.",
        (double)report->left_over);
}

static void put_vms(const struct page *page, const char *name, const char *help,
                    int64_t (*value)(const struct report_vm *vm), double unit)
{
    bool first = true;
    for (size_t i = 0; i < page->report->graph->vm_count; i++) {
        const struct report_vm *vm = &page->report->vms[i];
        if (value(vm) < 0) {
            continue;
        }
        if (first) {
            put_family(page, name, help);
            first = false;
        }
        begin_sample(page, name);
        exposition_label(page->out, "vm", vm->name, ",");
        end_sample(page, (double)value(vm) / unit);
    }
}

static int64_t recovered(const struct report_vm *vm)
{
    return vm->outcome == VM_RECOVERED;
}

static int64_t copied(const struct report_vm *vm)
{
    return vm->outcome == VM_COPIED;
}

static int64_t recovery_ms(const struct report_vm *vm)
{
    return vm->recovered_ms;
}

static int64_t loss_ms(const struct report_vm *vm)
{
    return vm->loss_ms;
}

static int64_t waited_ms(const struct report_vm *vm)
{
    return vm->waited_ms;
}

void metrics_write(const struct report *report, struct buffer *out)
{
    struct page page = {report, out};
    put_status(&page);
    put_times(&page);
    put_counts(&page);
    if (report_is_replicate(report)) {
        put_vms(&page, "vm_copied", "1: a DR copy of the VM was made by the last run.", copied, 1);
        put_vms(&page, "vm_copy_seconds", "From the run's start until the VM's DR copy was made.",
                recovery_ms, 1000);
    } else {
        put_vms(&page, "vm_recovered", "1: the VM was recovered by the last run.", recovered, 1);
        put_vms(&page, "vm_recovery_seconds", "From the run's start until the VM was recovered.",
                recovery_ms, 1000);
    }
    put_vms(&page, "vm_loss_seconds", "Age of its recovery point when the disaster came.", loss_ms,
            1000);
    put_vms(&page, "vm_waited_seconds", "Ready to start, and waiting for a VM that it depends on.",
            waited_ms, 1000);
}
