/* The state of the RPO as JSON (schemas/rpo.schema.json). */
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/report/rpo.h"
#include "runtime/world/world.h"

static void put_time(struct json_writer *json, const char *key, int64_t utc_ms)
{
    char time[32];
    if (utc_ms >= 0) {
        json_key_string(json, key, format_time(time, utc_ms));
    }
}

static void put_known(struct json_writer *json, const char *key, int64_t value)
{
    if (value >= 0) {
        json_key_int(json, key, value);
    }
}

static int64_t age(const struct rpo_report *report, int64_t utc_ms)
{
    int64_t ms = report->now_utc_ms - utc_ms;
    return utc_ms < 0 ? -1 : ms < 0 ? 0 : ms;
}

static void put_copy(const struct rpo_report *report, const struct rpo_vm *vm,
                     struct json_writer *json)
{
    if (vm->copy_point_utc_ms >= 0) {
        json_key(json, "dr_copy");
        json_begin_object(json);
        put_time(json, "recovery_point", vm->copy_point_utc_ms);
        put_time(json, "copied_at", vm->copied_utc_ms);
        put_known(json, "age_ms", age(report, vm->copied_utc_ms));
        json_key_int(json, "disks", vm->disks);
        json_end_object(json);
    }
    if (vm->flaw) {
        json_key(json, "unusable_copy");
        json_begin_object(json);
        put_time(json, "recovery_point", vm->flawed_point_utc_ms);
        json_key_string(json, "why", vm->flaw);
        json_end_object(json);
    }
}

static void put_vm(const struct rpo_report *report, const struct rpo_vm *vm,
                   struct json_writer *json)
{
    json_begin_object(json);
    json_key_string(json, "vm", vm->name);
    json_key_string(json, "state", rpo_state_name(vm->state));
    json_key_string(json, "place", production_place_name(vm->place));
    json_key_string(json, "place_run", vm->place_run);
    put_known(json, "loss_ms", vm->loss_ms);
    put_time(json, "missed_since", vm->missed_since_utc_ms);
    if (vm->point_utc_ms >= 0 || vm->point_damaged) {
        json_key(json, "recovery_point");
        json_begin_object(json);
        put_time(json, "time", vm->point_utc_ms);
        put_known(json, "age_ms", age(report, vm->point_utc_ms));
        json_key_string(json, "damaged", vm->point_damaged);
        json_end_object(json);
    }
    put_copy(report, vm, json);
    json_end_object(json);
}

static void put_round(const struct rpo_report *report, const struct rpo_round *round,
                      struct json_writer *json)
{
    if (round->every_ms > 0) {
        json_key_int(json, "every_ms", round->every_ms);
    }
    put_time(json, "last", round->last_utc_ms);
    put_time(json, "next_by", round->next_utc_ms);
    if (round->next_utc_ms >= 0) {
        json_key_bool(json, "overdue", round->next_utc_ms < report->now_utc_ms);
    }
}

static void put_stages(const struct rpo_report *report, const struct rpo_plan *plan,
                       struct json_writer *json)
{
    json_key(json, "backup");
    json_begin_object(json);
    json_key_string(json, "repository", plan->repository);
    json_key_string(json, "problem", plan->repository_problem);
    json_key_string(json, "help", plan->repository_help);
    put_round(report, &plan->backup, json);
    json_end_object(json);
    json_key(json, "replicate");
    json_begin_object(json);
    json_key_string(json, "run", plan->run);
    json_key_string(json, "status", plan->run_status);
    if (plan->run) {
        json_key_bool(json, "alive", plan->run_alive);
        put_time(json, "started", plan->run_started_utc_ms);
        put_time(json, "ended", plan->run_ended_utc_ms > 0 ? plan->run_ended_utc_ms : -1);
    }
    json_key_string(json, "problem", plan->state_problem);
    put_round(report, &plan->replicate, json);
    json_end_object(json);
}

static void put_test(const struct rpo_plan *plan, struct json_writer *json)
{
    json_key(json, "test");
    json_begin_object(json);
    if (plan->test_every_ms > 0) {
        json_key_int(json, "every_ms", plan->test_every_ms);
    }
    if (!plan->state_problem) {
        json_key_string(json, "state", test_due_name(plan->test_due));
        json_key_string(json, "run", plan->test_run);
        put_time(json, "last", plan->test.at_utc_ms);
        put_time(json, "passed", plan->passed_utc_ms);
    }
    json_end_object(json);
}

static void put_plan(const struct rpo_report *report, const struct rpo_plan *plan,
                     struct json_writer *json)
{
    json_begin_object(json);
    json_key_string(json, "plan", plan->name);
    json_key_string(json, "file", plan->file);
    json_key_string(json, "region", plan->region);
    json_key_string(json, "account", plan->account);
    json_key_string(json, "problem", plan->problem);
    json_key_string(json, "state", rpo_state_name(plan->state));
    json_key_int(json, "objective_ms", plan->objective_ms);
    if (plan->problem) {
        json_end_object(json);
        return;
    }
    put_stages(report, plan, json);
    put_test(plan, json);
    json_key(json, "vms");
    json_begin_array(json);
    for (size_t i = 0; i < plan->vm_count; i++) {
        put_vm(report, &plan->vms[i], json);
    }
    json_end_array(json);
    json_key(json, "unknown_vms");
    json_begin_array(json);
    for (size_t i = 0; i < plan->stranger_count; i++) {
        json_string(json, plan->strangers[i]);
    }
    json_end_array(json);
    json_end_object(json);
}

void rpo_write_json(const struct rpo_report *report, struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json_begin_object(&json);
    json_key_string(&json, "format", "drc-rpo/1");
    put_time(&json, "checked_at", report->now_utc_ms);
    if (report->clock_ms != 0) {
        json_key_int(&json, "clock_ahead_ms", report->clock_ms);
    }
    json_key_string(&json, "state", rpo_state_name(report->state));
    json_key(&json, "plans");
    json_begin_array(&json);
    for (size_t i = 0; i < report->plan_count; i++) {
        put_plan(report, &report->plans[i], &json);
    }
    json_end_array(&json);
    json_end_object(&json);
    buffer_putc(out, '\n');
}
