/* A forecast as drc-simulation/1 (schemas/simulation.schema.json). What is not known is absent. */
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/simulation/forecast.h"

static void put_ms(struct json_writer *json, const char *key, int64_t ms)
{
    if (ms >= 0) {
        json_key_int(json, key, ms);
    }
}

static void put_spread(struct json_writer *json, const struct spread *spread)
{
    put_ms(json, "p50_ms", spread->p50_ms);
    put_ms(json, "p95_ms", spread->p95_ms);
    put_ms(json, "p99_ms", spread->p99_ms);
    put_ms(json, "worst_ms", spread->worst_ms);
    put_ms(json, "estimate_ms", spread->estimate_ms);
}

static void put_scenario(struct json_writer *json, const struct forecast *forecast)
{
    const struct forecast_input *input = &forecast->input;
    json_key_string(json, "format", "drc-simulation/1");
    json_key_string(json, "plan", input->graph->plan_name);
    json_key_string(json, "workflow", workflow_name(input->graph->workflow));
    json_key_int(json, "seed", (int64_t)input->first_seed);
    json_key_int(json, "asked", (int64_t)input->asked);
    json_key_int(json, "runs", (int64_t)forecast->runs);
    json_key_string(json, "faults", input->scenario->profile->name);
    put_ms(json, "outage_ms", input->scenario->outage_ms);
    json_key(json, "capacity_missing");
    json_begin_array(json);
    for (size_t i = 0; i < input->capacity_missing_count; i++) {
        json_string(json, input->capacity_missing[i]);
    }
    json_end_array(json);
}

static void put_rto(struct json_writer *json, const struct forecast *forecast)
{
    const struct histogram *histogram = &forecast->histogram;
    json_key(json, "rto");
    json_begin_object(json);
    put_spread(json, &forecast->rto);
    if (forecast->objective_ms > 0) {
        json_key_int(json, "objective_ms", forecast->objective_ms);
        json_key_int(json, "within", (int64_t)forecast->within);
    }
    json_key_int(json, "recovered", (int64_t)forecast->recovered);
    json_key(json, "histogram");
    json_begin_array(json);
    for (size_t i = 0; i < histogram->bins; i++) {
        json_begin_object(json);
        json_key_int(json, "from_ms", histogram->from_ms + (int64_t)i * histogram->step_ms);
        json_key_int(json, "to_ms", histogram->from_ms + ((int64_t)i + 1) * histogram->step_ms);
        json_key_int(json, "runs", (int64_t)histogram->counts[i]);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

static void put_vms(struct json_writer *json, const struct forecast *forecast)
{
    json_key(json, "vms");
    json_begin_array(json);
    for (size_t i = 0; i < forecast->input.graph->vm_count; i++) {
        const struct forecast_vm *vm = &forecast->vms[i];
        json_begin_object(json);
        json_key_string(json, "name", vm->name);
        json_key_bool(json, "critical", vm->critical);
        json_key_int(json, "recovered", (int64_t)vm->recovered);
        put_spread(json, &vm->spread);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_bindings(struct json_writer *json, const struct forecast *forecast)
{
    json_key(json, "binds");
    json_begin_array(json);
    for (size_t i = 0; i < forecast->binding_count; i++) {
        const struct forecast_binding *binding = &forecast->bindings[i];
        json_begin_object(json);
        json_key_string(json, "what", binding->what);
        json_key_string(json, "kind", piece_kind_name(binding->kind));
        if (binding->vm != NO_VM) {
            json_key_string(json, "vm", forecast->input.graph->vms[binding->vm].name);
        }
        json_key_int(json, "runs", (int64_t)binding->runs);
        json_key_int(json, "median_ms", binding->median_ms);
        json_key_int(json, "p95_run_ms", binding->p95_ms);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_causes(struct json_writer *json, const struct forecast *forecast)
{
    json_key(json, "causes");
    json_begin_array(json);
    for (size_t i = 0; i < forecast->cause_count; i++) {
        const struct forecast_cause *cause = &forecast->causes[i];
        size_t seeds = sizeof cause->seeds / sizeof *cause->seeds;
        json_begin_object(json);
        json_key_string(json, "node", cause->node->id);
        json_key_string(json, "code", cause->code);
        json_key_string(json, "message", cause->text);
        json_key_int(json, "runs", (int64_t)cause->runs);
        json_key(json, "seeds");
        json_begin_array(json);
        for (size_t s = 0; s < cause->runs && s < seeds; s++) {
            json_int(json, (int64_t)cause->seeds[s]);
        }
        json_end_array(json);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_samples(struct json_writer *json, const struct forecast *forecast)
{
    json_key(json, "samples");
    json_begin_array(json);
    for (size_t i = 0; i < forecast->input.asked; i++) {
        const struct sample *sample = forecast->input.samples[i];
        if (sample) {
            json_begin_object(json);
            json_key_int(json, "seed", (int64_t)sample->seed);
            json_key_bool(json, "succeeded", sample->succeeded);
            put_ms(json, "rto_ms", sample->rto_ms);
            json_key_int(json, "requests", sample->requests);
            json_key_int(json, "throttled", sample->throttled);
            json_key_int(json, "retries", sample->retries);
            json_key_int(json, "sessions", sample->sessions);
            json_end_object(json);
        }
    }
    json_end_array(json);
}

void forecast_write_json(const struct forecast *forecast, struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json.compact_from = 3;
    json_begin_object(&json);
    put_scenario(&json, forecast);
    json_key_int(&json, "failed", (int64_t)forecast->failed);
    put_rto(&json, forecast);
    put_vms(&json, forecast);
    if (forecast->slow) {
        json_key_int(&json, "p95_run_seed", (int64_t)forecast->slow->seed);
    }
    put_bindings(&json, forecast);
    put_causes(&json, forecast);
    json_key(&json, "suggestions");
    json_begin_array(&json);
    for (size_t i = 0; i < forecast->suggestion_count; i++) {
        json_string(&json, forecast->suggestions[i]);
    }
    json_end_array(&json);
    put_samples(&json, forecast);
    json_end_object(&json);
    buffer_putc(out, '\n');
}
