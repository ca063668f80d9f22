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

/* The part in which VMs are launched: those whose addresses others could be given come first. */
static void lower_launches(struct lowering *l, void (*part)(struct lowering *, struct vm_lowering *),
                           const size_t *order)
{
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        struct vm_lowering *v = &l->vms[order ? order[i] : i];
        if (v->launched == LAUNCHED_FIRST) {
            part(l, v);
        }
    }
    lower_launched(l);
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        struct vm_lowering *v = &l->vms[order ? order[i] : i];
        if (v->launched != LAUNCHED_FIRST) {
            part(l, v);
        }
    }
}

void lower_failover(struct lowering *l)
{
    lower_before_steps(l);
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        lower_hold_copies(l, &l->vms[i]);
    }
    if (l->plan->aws.boot == BOOT_ATTACH) {
        lower_launches(l, prepare_by_attaching, NULL);
        for (size_t i = 0; i < l->plan->vm_count; i++) {
            start(l, &l->vms[l->order[i]]);
        }
    } else {
        for (size_t i = 0; i < l->plan->vm_count; i++) {
            lower_register_image(l, &l->vms[i]);
        }
        lower_launches(l, start, l->order);
    }
    lower_after_steps(l);
}
