/* The order in which VMs are started: each after those it depends on. A walk from each VM in plan
 * order that places what it needs first, without recursion, because chains can be long. */
#include "compiler/base/arena.h"
#include "compiler/lower/lowering.h"

struct walk {
    struct lowering *lowering;
    size_t *order, placed;
    size_t *stack, depth;
    size_t *next_dependency; /* for each VM: the one to look at next */
    bool *begun;
};

static void push(struct walk *walk, size_t vm)
{
    walk->begun[vm] = true;
    walk->stack[walk->depth++] = vm;
}

static void place_with_needs(struct walk *walk, size_t first)
{
    push(walk, first);
    while (walk->depth > 0) {
        size_t at = walk->stack[walk->depth - 1];
        const struct plan_vm *vm = walk->lowering->vms[at].vm;
        if (walk->next_dependency[at] < vm->dependency_count) {
            size_t needed = vm->dependencies[walk->next_dependency[at]++].vm->index;
            if (!walk->begun[needed]) {
                push(walk, needed);
            }
        } else {
            walk->order[walk->placed++] = at;
            walk->depth--;
        }
    }
}

size_t *lowering_order(struct lowering *l)
{
    size_t count = l->plan->vm_count;
    struct walk walk = {
        .lowering = l,
        .order = ARENA_ARRAY(l->arena, size_t, count),
        .stack = ARENA_ARRAY(l->arena, size_t, count),
        .next_dependency = ARENA_ARRAY(l->arena, size_t, count),
        .begun = ARENA_ARRAY(l->arena, bool, count),
    };
    for (size_t i = 0; i < count; i++) {
        if (!walk.begun[i]) {
            place_with_needs(&walk, i);
        }
    }
    return walk.order;
}
