/* Failover: what happens to a VM. Everything up to the start is prepared for all VMs at once;
 * dependencies bite at the start, so that a chain of them costs boot times only. */
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

/* boot: image. The instance is launched from an image over the DR copies. */
static void prepare_by_image(struct lowering *l, struct vm_lowering *v)
{
    lower_register_image(l, v);
}

static void prepare(struct lowering *l, struct vm_lowering *v)
{
    if (l->plan->aws.boot == BOOT_ATTACH) {
        prepare_by_attaching(l, v);
    } else {
        prepare_by_image(l, v);
    }
}

static void start(struct lowering *l, struct vm_lowering *v)
{
    if (l->plan->aws.boot == BOOT_ATTACH) {
        lower_start(l, v);
    } else {
        lower_launch_image(l, v);
    }
    lower_running(l, v);
    lower_ready(l, v);
    lower_recovered(l, v);
}

void lower_failover(struct lowering *l)
{
    lower_before_steps(l);
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        prepare(l, &l->vms[i]);
    }
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        start(l, &l->vms[l->order[i]]);
    }
    lower_after_steps(l);
}
