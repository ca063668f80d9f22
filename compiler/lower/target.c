/* Target groups: a VM counts as recovered once each finds it healthy. Steps do not wait for that: they
 * may be what makes it healthy. */
#include "compiler/lower/lowering.h"

#include "compiler/base/arena.h"

static void input_target(struct lowering *l, const struct vm_lowering *v, struct text group)
{
    builder_input(l->builder, "target_group", text_value(group.value));
    builder_input(l->builder, "instance_id", output_value(v->instance, "instance_id"));
    builder_input(l->builder, "private_ip", output_value(v->running, "private_ip"));
}

void lower_targets(struct lowering *l, struct vm_lowering *v)
{
    const struct texts *groups = &v->vm->target_groups[l->network];
    v->healthy = ARENA_ARRAY(l->arena, uint32_t, groups->count);
    for (size_t i = 0; i < groups->count; i++) {
        struct text group = groups->items[i];
        const char *prefix = lowering_number(l, v->vm->name, "target-", i + 1);
        uint32_t registered = lowering_node(l, v, ACTION_REGISTER_TARGET, prefix, group.at,
                                            "target_groups: its load balancers send to the VM");
        input_target(l, v, group);
        builder_after(l->builder, v->milestones[STAGE_RUNNING], WHEN_OK);

        v->healthy[i] = lowering_node(l, v, ACTION_WAIT_TARGET_HEALTHY, prefix, group.at,
                                      "target_groups: recovered once each finds the VM healthy");
        input_target(l, v, group);
        builder_after(l->builder, registered, WHEN_OK);
    }
}

void lower_after_targets(struct lowering *l, const struct vm_lowering *v)
{
    for (size_t i = 0; i < v->vm->target_groups[l->network].count; i++) {
        builder_after(l->builder, v->healthy[i], WHEN_OK);
    }
}
