/* The order in which VMs come to run, to be ready and to be recovered: each stage after the stages of
 * other VMs that it needs, by depends_on or because a step takes a value of theirs. A walk from each VM
 * in plan order that places what it needs first, without recursion, because chains can be long.
 *
 * Most plans can be placed VM by VM, which reads best. Where VMs need each other in turns (a step of the
 * first takes the address of the second, which starts once the first is ready), it goes stage by stage,
 * and there is no circle in that: check_cycles.c. */
#include <assert.h>

#include "compiler/base/arena.h"
#include "compiler/lower/lowering.h"
#include "compiler/plan/bind.h"

enum visit { UNSEEN, OPEN, PLACED };

/* A stage may stand on the stack several times: the first of them places it. */
struct walk {
    struct lowering *lowering;
    struct vm_stage *order;
    size_t placed;
    uint32_t *stack; /* of VM index * VM_STAGES + stage */
    size_t depth, capacity;
    unsigned char *visits; /* enum visit, by the same */
    bool whole;            /* VM by VM … */
    bool circle;           /* … which did not do */
};

static void push(struct walk *walk, size_t vm, enum dependency_stage stage)
{
    uint32_t at = (uint32_t)(vm * VM_STAGES + (size_t)stage);
    if (walk->visits[at] == UNSEEN) {
        walk->stack = arena_grow(walk->lowering->arena, walk->stack, walk->depth, &walk->capacity,
                                 sizeof *walk->stack);
        walk->stack[walk->depth++] = at;
    }
}

static void push_other(struct walk *walk, size_t vm, enum dependency_stage stage)
{
    stage = walk->whole ? STAGE_RECOVERED : stage;
    push(walk, vm, stage);
    walk->circle |= walk->visits[vm * VM_STAGES + (size_t)stage] == OPEN;
}

static void push_template(struct walk *walk, const struct plan_vm *vm,
                          const struct template *template)
{
    for (size_t i = template->part_count; i-- > 0;) {
        const struct reference_part *part = &template->parts[i];
        if (reference_is_late(part) && part->vm != vm) {
            push_other(walk, part->vm->index, STAGE_RUNNING);
        }
    }
}

static void push_step(struct walk *walk, const struct plan_vm *vm, const struct step *step)
{
    if (!(step->during & (1U << walk->lowering->workflow))) {
        return;
    }
    for (size_t i = step->arg_count; i-- > 0;) {
        push_template(walk, vm, &step->args[i]);
    }
    for (size_t i = step->env_count; i-- > 0;) {
        push_template(walk, vm, &step->env[i].value);
    }
    for (size_t i = step->value_count; i-- > 0;) {
        push_template(walk, vm, &step->values[i]);
    }
    push_template(walk, vm, &step->check.value);
}

/* What has to be placed before the stage, last first, as the stack gives it back in reverse. */
static void push_needs(struct walk *walk, const struct plan_vm *vm, enum dependency_stage stage)
{
    switch (stage) {
    case STAGE_RUNNING:
        for (size_t i = vm->dependency_count; i-- > 0;) {
            push_other(walk, vm->dependencies[i].vm->index, vm->dependencies[i].stage);
        }
        break;
    case STAGE_READY:
        for (size_t i = vm->ready_count; i-- > 0;) {
            push_template(walk, vm, &vm->ready[i].value);
        }
        push(walk, vm->index, STAGE_RUNNING);
        break;
    case STAGE_RECOVERED:
        for (size_t i = vm->post_boot_count; i-- > 0;) {
            push_step(walk, vm, &vm->post_boot[i]);
        }
        push(walk, vm->index, STAGE_READY);
        break;
    }
}

static void place_with_needs(struct walk *walk, size_t vm)
{
    push(walk, vm, STAGE_RECOVERED);
    while (walk->depth > 0) {
        uint32_t at = walk->stack[walk->depth - 1];
        struct vm_stage here = {at / VM_STAGES, (enum dependency_stage)(at % VM_STAGES)};
        if (walk->visits[at] == UNSEEN) {
            walk->visits[at] = OPEN;
            push_needs(walk, walk->lowering->vms[here.vm].vm, here.stage);
            continue;
        }
        if (walk->visits[at] == OPEN) {
            walk->visits[at] = PLACED;
            walk->order[walk->placed++] = here;
        }
        walk->depth--;
    }
}

/* NULL: VM by VM it does not go. */
static struct vm_stage *place_all(struct lowering *l, bool whole)
{
    size_t count = l->plan->vm_count;
    struct walk walk = {
        .lowering = l,
        .order = ARENA_ARRAY(l->arena, struct vm_stage, count * VM_STAGES),
        .visits = ARENA_ARRAY(l->arena, unsigned char, count * VM_STAGES),
        .whole = whole,
    };
    for (size_t i = 0; i < count && !walk.circle; i++) {
        place_with_needs(&walk, i);
    }
    return walk.circle ? NULL : walk.order;
}

struct vm_stage *lowering_order(struct lowering *l)
{
    struct vm_stage *order = place_all(l, true);
    if (!order) {
        order = place_all(l, false);
    }
    assert(order);
    return order;
}
