/* Lowering under way: what the files of lower/ share. Not for others. */
#ifndef DRC_LOWER_LOWERING_H
#define DRC_LOWER_LOWERING_H

#include "compiler/front/diagnostic.h"
#include "compiler/graph/builder.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"
#include "compiler/lower/instance_type.h"
#include "compiler/plan/plan.h"

/* What the next step comes after: the step before it, whatever became of it if it may fail, and the
 * last node that may not. */
struct chain {
    int64_t must, last; /* NO_NODE: none */
    enum edge_when when;
    bool all_vms; /* they come after all VMs, up to the first one that may not fail */
};

/* What is known of a VM's machine, or assumed. */
struct hardware {
    const char *firmware, *os, *arch;
    bool os_known;                 /* by facts, or by its licence */
    int64_t cpus, memory_mib;      /* 0: unknown */
    const struct fact_disk *disks; /* NULL: sizes are not known */
    size_t disk_count;
};

struct disk_lowering {
    const char *prefix;   /* db/disk-0 */
    const char *snapshot; /* name of the binding */
    const char *device;
    const struct volume_settings *settings; /* NULL: none of its own */
    uint32_t held, created, available, attached; /* nodes; held: of what the volume is made from */
};

/* When a VM is launched, for the sake of others' addresses (addresses.c). */
enum launch_place { LAUNCHED_ANY_TIME, LAUNCHED_FIRST, LAUNCHED_LAST }; /* LAST: after FIRST */

struct vm_lowering {
    const struct plan_vm *vm;
    int32_t index;
    struct hardware hardware;
    const char *zone;
    const char *image;     /* boot: attach: what is launched */
    const char *image_key; /* the same as the plan says it */
    enum launch_place launched;
    struct value tags, types;
    struct disk_lowering *disks;
    /* Nodes; which of them there are depends on the boot mode. */
    uint32_t image_node, instance, stopped, root_freed, prepared, running;
    bool started;                             /* its stage RUNNING is there */
    int64_t injected;                         /* NO_NODE: no drivers are injected */
    int64_t delay;                            /* NO_NODE: none */
    bool prepares;                            /* replicate makes a bootable copy of it */
    int64_t agent;                            /* NO_NODE: nothing is sent to the instance */
    struct value address;                     /* where checks reach it */
    uint32_t *switches;                       /* nodes that change DNS for it */
    size_t switch_count;
    uint32_t milestones[STAGE_RECOVERED + 1]; /* by enum dependency_stage */
    uint32_t *healthy;                        /* by target group: found healthy there */
};

/* One of a VM's milestones and what leads to it. */
struct vm_stage {
    size_t vm; /* index of vms */
    enum dependency_stage stage;
};
enum { VM_STAGES = STAGE_RECOVERED + 1 };

struct lowering {
    struct arena *arena;
    const struct plan *plan;
    const struct facts *facts; /* NULL: none */
    struct diagnostics *diagnostics;
    enum workflow workflow;
    enum site_network network;
    struct graph *graph;
    struct graph_builder *builder;
    struct vm_lowering *vms; /* in plan order */
    struct vm_stage *order;  /* all stages of all VMs: what a stage needs before itself */
    struct subnet_launches *launches; /* by the network's subnets */
    int32_t *pools;          /* by the plan's conversion instances; NO_POOL: not used yet */
    struct chain before;     /* the plan's first steps, which everything comes after */
    struct type_candidates candidates; /* of the VM looked at last: most have the same families */
    size_t assumption_capacity;
};

/* ---- lower.c ---- */

/* "a/b" in the arena. */
const char *lowering_join(struct lowering *l, const char *a, const char *b);
/* "a/bN" in the arena. */
const char *lowering_number(struct lowering *l, const char *a, const char *b, size_t n);
/* Says what was assumed; the format's text is kept as it is when it has no arguments. */
void lowering_assume(struct lowering *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a node of a VM, with the plan's timeout for its kind. The calls of builder.h go on with it.
 */
uint32_t lowering_node(struct lowering *l, const struct vm_lowering *v, enum action action,
                       const char *prefix, struct span at, const char *rule);
/* For nodes that nothing else comes before: after the plan's own first steps. */
void lowering_after_before(struct lowering *l);

/* ---- hardware.c: what is known of the VMs. False when something is missing or wrong. ---- */
bool lowering_know_machines(struct lowering *l);
/* The VM's tags: the user's, and Name unless they give it. */
void lowering_know_tags(struct lowering *l, struct vm_lowering *v);
/* What is taken for true without facts: firmware, guest, architecture, disks. */
void lowering_assume_machine(const struct lowering *l, struct vm_lowering *v);
/* "bios" or "uefi" where the plan's placeholder images leave but one way to boot; NULL: they do not. */
const char *lowering_only_firmware(const struct plan *plan);
/* As many disks as the plan has settings for, the first one at least. */
size_t lowering_disks_assumed(const struct plan_vm *vm);

/* ---- support.c: whether this version can carry out all that the workflow needs. ---- */
bool lowering_check_support(struct lowering *l);
/* Once the machines are known: whether instances can run the scripts that are sent to them. */
bool lowering_check_scripts(struct lowering *l);

/* ---- order.c ---- */
/* Stages so that each comes after those it needs; ties by plan order. */
struct vm_stage *lowering_order(struct lowering *l);

/* ---- addresses.c ---- */
/* The card's address in the network; NULL: automatic. One address for both networks is used where
 * the subnet holds it. */
const char *lowering_card_address(const struct lowering *l, const struct card *card);
/* Who is launched first and last. */
void lowering_place_launches(struct lowering *l);
/* Milestones after the launches of those that come first. */
void lower_launched(struct lowering *l);
/* The node added last launches the VM. */
void lower_after_launched(struct lowering *l, const struct vm_lowering *v);

/* ---- The parts of a VM's recovery, each adding nodes ---- */

/* volume.c */
/* Before any copy is used, all of them are kept from being pruned. */
void lower_hold_copies(struct lowering *l, struct vm_lowering *v);
void lower_create_volumes(struct lowering *l, struct vm_lowering *v);
void lower_attach_volumes(struct lowering *l, struct vm_lowering *v);
struct value lowering_block_devices(struct lowering *l, const struct vm_lowering *v,
                                    bool with_snapshots);
/* How many disks EC2 has device names for: the root, sdf to sdp, xvdba to xvdcz. */
enum { LOWERING_DISKS_MAX = 1 + 11 + 52 };
const char *lowering_device_name(struct lowering *l, const char *root_device, size_t disk);

/* conversion.c */
bool lowering_injects(const struct plan *plan); /* during a failover */
/* prepare: replication, where there are drivers to inject. */
bool lowering_prepares(const struct plan *plan);
bool lowering_check_conversions(struct lowering *l);
/* Why it cannot be used by the facts, and what to do; NULL: nothing is known against it. In the arena. */
const char *lowering_conversion_flaw(struct arena *arena, const struct facts *facts,
                                     const struct conversion_instance *conversion, const char **help);
/* The boot disk's volume visits the conversion instance of its zone, or that of the plan's number
 * `index`: v->injected, and the disk is available again. */
void lower_inject_drivers(struct lowering *l, struct vm_lowering *v);
void lower_inject_drivers_on(struct lowering *l, struct vm_lowering *v, size_t index);

/* instance.c */
void lower_launch_placeholder(struct lowering *l, struct vm_lowering *v);
void lower_drop_placeholder_root(struct lowering *l, struct vm_lowering *v);
void lower_register_image(struct lowering *l, struct vm_lowering *v);
void lower_start(struct lowering *l, struct vm_lowering *v);
void lower_launch_image(struct lowering *l, struct vm_lowering *v);

/* step.c */
void lower_before_steps(struct lowering *l);
void lower_after_steps(struct lowering *l);
/* The delay before the VM's start, where it has one. */
void lower_delay(struct lowering *l, struct vm_lowering *v);
/* The node added last starts the VM: after its delay, or else after what it depends on. */
void lower_after_dependencies(struct lowering *l, struct vm_lowering *v);
void lower_running(struct lowering *l, struct vm_lowering *v);
/* The node added last comes after what the chain says. */
void lower_after_chain(struct lowering *l, const struct chain *chain);
void lower_ready(struct lowering *l, struct vm_lowering *v);
void lower_recovered(struct lowering *l, struct vm_lowering *v);

/* target.c */
/* Registers the VM with its target groups, and waits until each finds it healthy. */
void lower_targets(struct lowering *l, struct vm_lowering *v);
/* The node added last comes after that. */
void lower_after_targets(struct lowering *l, const struct vm_lowering *v);

/* ---- The workflows ---- */

/* failover.c */
void lower_failover(struct lowering *l);

/* replicate.c */
bool lowering_know_copies(struct lowering *l);
void lower_replicate(struct lowering *l);
/* What makes a snapshot the copy of a disk: its role, the recovery point, facts of disk and machine. */
struct value lowering_copy_tags(struct lowering *l, const struct vm_lowering *v, size_t disk,
                                const char *role);

/* prepare.c: bootable copies, whose drivers are injected ahead */
bool lowering_check_prepare(struct lowering *l);
/* What injecting takes of the VM: v->prepares; says so where it cannot be done. */
void lowering_know_prepare(struct lowering *l, struct vm_lowering *v);
/* From the DR copy of disk 0, once it is one (`copied`; NO_NODE: it is one already); it is tagged once all
 * disks are DR copies. The node that tags it. */
uint32_t lower_bootable_copy(struct lowering *l, struct vm_lowering *v, struct value snapshot,
                             const uint32_t *tagged, size_t tagged_count);

#endif
