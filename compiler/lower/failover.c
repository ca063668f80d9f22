/* Failover: what happens to a VM. Everything up to the start is prepared for all VMs at once;
 * dependencies bite at the start, so that a chain of them costs boot times only. */
#include "compiler/lower/lower.h"

#include "compiler/base/arena.h"
#include "compiler/lower/lowering.h"

/* boot: attach. The instance is launched from a placeholder image, stopped, and given the VM's
 * disks. */
static void prepare_by_attaching(struct lowering *l, struct vm_lowering *v)
{
    lower_create_volumes(l, v);
    lower_launch_placeholder(l, v);
    lower_drop_placeholder_root(l, v);
    if (lowering_injects(l->plan)) {
        lower_inject_drivers(l, v);
    }
    lower_attach_volumes(l, v);
}

static void lower_start_of(struct lowering *l, struct vm_lowering *v)
{
    if (l->plan->aws.boot == BOOT_ATTACH) {
        lower_start(l, v);
    } else {
        lower_launch_image(l, v);
    }
    lower_running(l, v);
    v->started = true;
}

static void lower_stage(struct lowering *l, const struct vm_stage *at)
{
    struct vm_lowering *v = &l->vms[at->vm];
    switch (at->stage) {
    case STAGE_RUNNING:
        if (!v->started) {
            lower_start_of(l, v);
        }
        break;
    case STAGE_READY:
        lower_ready(l, v);
        break;
    case STAGE_RECOVERED:
        lower_recovered(l, v);
        break;
    }
}

/* The VMs whose addresses others could be given are launched first. */
static void launch_first(struct lowering *l, void (*launch)(struct lowering *, struct vm_lowering *))
{
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        if (l->vms[i].launched == LAUNCHED_FIRST) {
            launch(l, &l->vms[i]);
        }
    }
    lower_launched(l);
}

static void prepare(struct lowering *l)
{
    if (l->plan->aws.boot == BOOT_IMAGE) {
        for (size_t i = 0; i < l->plan->vm_count; i++) {
            lower_register_image(l, &l->vms[i]);
        }
        launch_first(l, lower_start_of);
        return;
    }
    launch_first(l, prepare_by_attaching);
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        if (l->vms[i].launched != LAUNCHED_FIRST) {
            prepare_by_attaching(l, &l->vms[i]);
        }
    }
}

/* A test lasts until a person has seen enough, or for as long as --auto-cleanup says; then everything
 * that it made is taken back. Also one that failed waits, so that people can see why. */
static void lower_end_of_test(struct lowering *l)
{
    uint32_t last = builder_current(l->builder)->index;
    lowering_node(l, NULL, ACTION_APPROVE, "plan/cleanup", l->plan->networks[NETWORK_TEST].at,
                  "a test is cleaned up once somebody says so");
    for (uint32_t i = 0; i <= last; i++) {
        if (builder_is_end(l->builder, i)) {
            builder_after(l->builder, i, WHEN_ENDED);
        }
    }
    builder_input(l->builder, "question", text_value("Clean up the test?"));
}

/* Its inputs are the question, and this. */
static void approve_after(struct graph *graph, struct graph_node *node, int64_t after_ms)
{
    struct input *inputs = ARENA_ARRAY(graph->arena, struct input, 2);
    inputs[0] = node->inputs[0];
    inputs[1] = (struct input){.name = "approved_after_ms", .value = int_value(after_ms)};
    node->inputs = inputs;
    node->input_count = 2;
}

bool lower_auto_cleanup(struct graph *graph, int64_t after_ms)
{
    struct graph_node *node = graph->node_count ? &graph->nodes[graph->node_count - 1] : NULL;
    if (!node || graph->workflow != WORKFLOW_TEST || node->action != ACTION_APPROVE) {
        return false;
    }
    approve_after(graph, node, after_ms);
    return true;
}

void lower_approve_all(struct graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].action == ACTION_APPROVE) {
            approve_after(graph, &graph->nodes[i], 0);
        }
    }
}

void lower_failover(struct lowering *l)
{
    lower_before_steps(l);
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        lower_hold_copies(l, &l->vms[i]);
    }
    prepare(l);
    for (size_t i = 0; i < l->plan->vm_count * VM_STAGES; i++) {
        lower_stage(l, &l->order[i]);
    }
    lower_after_steps(l);
    if (l->workflow == WORKFLOW_TEST) {
        lower_end_of_test(l);
    }
}
