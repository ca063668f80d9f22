/* Scripts: on the runner, and on instances by their SSM agent. */
#include "compiler/lower/step_parts.h"

#include "compiler/base/arena.h"

enum { SCRIPT_EXPECTED_MS = 10000 };

/* ---- the agent ---- */

static bool runs(const struct lowering *l, const struct step *step)
{
    return (step->during & (1U << l->workflow)) != 0;
}

static bool needs_agent(const struct step *step)
{
    return (step->kind == STEP_SCRIPT && step->on_instance) ||
           (step->kind == STEP_CHECK && step->check.on_instance);
}

void lower_agent(struct lowering *l, struct vm_lowering *v)
{
    const struct plan_vm *vm = v->vm;
    bool needed = false, may_fail = true;
    for (size_t i = 0; i < vm->ready_count; i++) {
        needed |= vm->ready[i].on_instance;
        may_fail &= !vm->ready[i].on_instance;
    }
    for (size_t i = 0; i < vm->post_boot_count; i++) {
        const struct step *step = &vm->post_boot[i];
        if (runs(l, step) && needs_agent(step)) {
            needed = true;
            may_fail &= step->continue_on_failure;
        }
    }
    if (!needed) {
        return;
    }
    v->agent = lowering_node(l, v, ACTION_WAIT_AGENT, vm->name, vm->at,
                             "run_on: instance reaches it by its SSM agent");
    builder_current(l->builder)->continue_on_failure = may_fail;
    builder_input(l->builder, "instance_id", output_value(v->instance, "instance_id"));
    builder_after(l->builder, v->milestones[STAGE_RUNNING], WHEN_OK);
}

/* ---- parts that scripts and checks share ---- */

void step_input_instance(struct lowering *l, const struct step_nodes *nodes)
{
    const struct vm_lowering *v = nodes->v;
    builder_after(l->builder, (uint32_t)v->agent, WHEN_OK);
    builder_input(l->builder, "instance_id", output_value(v->instance, "instance_id"));
    builder_input(l->builder, "os", text_value(v->hardware.os));
}

void step_wait_sent(struct lowering *l, struct step_nodes *nodes, int64_t timeout_ms,
                    int64_t expected_ms)
{
    uint32_t sent = (uint32_t)nodes->last;
    step_node(l, nodes, ACTION_WAIT_SCRIPT, "its end and output are told by SSM");
    step_time(l, timeout_ms, expected_ms);
    builder_input(l->builder, "command_id", output_value(sent, "command_id"));
    builder_input(l->builder, "instance_id", output_value(nodes->v->instance, "instance_id"));
}

void step_input_script(struct lowering *l, const char *path)
{
    const char *digest = map_get(&l->plan->file_digests, path);
    builder_input(l->builder, "script", text_value(path));
    builder_input(l->builder, "digest", text_value(digest ? digest : ""));
}

/* ---- scripts ---- */

static int64_t timeout_of(const struct step_nodes *nodes, const struct step *step)
{
    const struct duration *of_vm = nodes->v ? &nodes->v->vm->timeouts[TIMEOUT_SCRIPT] : NULL;
    return !step->timeout.given && of_vm && of_vm->given ? of_vm->ms : step->timeout.ms;
}

static void input_what(struct lowering *l, const struct step_nodes *nodes, const struct step *step,
                       int64_t timeout_ms)
{
    step_input_script(l, step->script.value);
    if (step->arg_count > 0) {
        builder_input(l->builder, "args", step_templates(l, step->args, step->arg_count));
    }
    builder_input(l->builder, "env", step_environment(l, nodes, step));
    builder_input(l->builder, "timeout_ms", int_value(timeout_ms));
}

void step_script(struct lowering *l, struct step_nodes *nodes, const struct step *step)
{
    int64_t timeout_ms = timeout_of(nodes, step);
    int64_t expected_ms = timeout_ms < SCRIPT_EXPECTED_MS ? timeout_ms : SCRIPT_EXPECTED_MS;
    if (!step->on_instance) {
        step_node(l, nodes, ACTION_RUN_SCRIPT, "a script among the steps");
        step_time(l, timeout_ms, expected_ms);
        input_what(l, nodes, step, timeout_ms);
        return;
    }
    step_node(l, nodes, ACTION_SEND_SCRIPT, "run_on: instance sends the script to its SSM agent");
    step_input_instance(l, nodes);
    input_what(l, nodes, step, timeout_ms);
    step_wait_sent(l, nodes, timeout_ms, expected_ms);
}
