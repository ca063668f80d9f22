/* prepare: replication. A failover finds boot disks whose drivers are injected: replicate makes a second
 * snapshot of each, the bootable copy. A volume of the DR copy visits a conversion instance, whichever zone
 * that is in, is snapshotted and goes; the copy as it came from home stays, for the next one is a change of
 * it. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/lowering.h"

static bool is_usable(struct arena *arena, const struct plan *plan, const struct facts *facts, size_t index)
{
    const char *help = NULL;
    return !lowering_conversion_flaw(arena, facts, &plan->aws.conversions[index], &help);
}

static bool any_usable(struct arena *arena, const struct plan *plan, const struct facts *facts)
{
    for (size_t i = 0; i < plan->aws.conversion_count; i++) {
        if (is_usable(arena, plan, facts, i)) {
            return true;
        }
    }
    return false;
}

bool lower_wants_bootable(struct arena *arena, const struct plan *plan, const struct facts *facts,
                          const struct fact_vm *vm, const char **why)
{
    *why = NULL;
    if (!lowering_prepares(plan) || vm->disk_count == 0 || vm->disks[0].bootable) {
        return false;
    }
    if (!vm->firmware && !lowering_only_firmware(plan)) {
        *why = "whether it boots by BIOS or UEFI is not known";
    } else if (!any_usable(arena, plan, facts)) {
        *why = "no conversion instance can be used";
    }
    return true;
}

bool lowering_check_prepare(struct lowering *l)
{
    const struct plan *plan = l->plan;
    if (!lowering_prepares(plan)) {
        return true;
    }
    if (plan->aws.conversion_count == 0) {
        struct diagnostic *found =
            diagnose(l->diagnostics, DIAG_NO_CONVERSION_INSTANCE, plan->replication.prepare_at,
                     "there is no conversion instance to inject drivers on");
        diagnostic_help(l->diagnostics, found,
                        "name one under sites.recovery.aws.conversion.instances, in any zone of the region");
        return false;
    }
    bool any = any_usable(l->arena, plan, l->facts);
    for (size_t i = 0; i < plan->aws.conversion_count && !any; i++) {
        const struct conversion_instance *conversion = &plan->aws.conversions[i];
        const char *help = NULL;
        const char *flaw = lowering_conversion_flaw(l->arena, l->facts, conversion, &help);
        struct diagnostic *found =
            diagnose(l->diagnostics, DIAG_NOT_PREPARED, conversion->id.at,
                     "no bootable copies are made: the conversion instance %s %s",
                     conversion->id.value, flaw);
        diagnostic_help(l->diagnostics, found, "%s", help);
    }
    return true;
}

static void take_machine(struct lowering *l, struct vm_lowering *v, const struct fact_vm *known)
{
    bool windows = v->vm->licensing_aws;
    v->hardware.firmware = known->firmware ? known->firmware : lowering_only_firmware(l->plan);
    v->hardware.arch = known->arch ? known->arch : "x86_64";
    v->hardware.os = known->os ? known->os : windows ? "windows" : "linux";
    if (!known->firmware || !known->arch || !known->os) {
        lowering_assume(l, "%s boots by %s and runs %s on %s, as far as its recovery point does not say.",
                        v->vm->name, strcmp(v->hardware.firmware, "bios") == 0 ? "BIOS" : "UEFI",
                        strcmp(v->hardware.os, "windows") == 0 ? "Windows" : "Linux", v->hardware.arch);
    }
}

void lowering_know_prepare(struct lowering *l, struct vm_lowering *v)
{
    const struct fact_vm *known = l->facts ? map_get(&l->facts->vms, v->vm->name) : NULL;
    const char *why = NULL;
    if (!known) {
        v->prepares = lowering_prepares(l->plan);
        lowering_assume_machine(l, v);
    } else if (lower_wants_bootable(l->arena, l->plan, l->facts, known, &why) && !why) {
        v->prepares = true;
        take_machine(l, v, known);
    } else if (why && any_usable(l->arena, l->plan, l->facts)) { /* else said once for all */
        struct diagnostic *found = diagnose(l->diagnostics, DIAG_NOT_PREPARED, v->vm->at,
                                            "no bootable copy of %s is made: %s", v->vm->name, why);
        diagnostic_help(l->diagnostics, found,
                        "say it with the next recovery point: drc repo import … --vm %s --firmware bios|uefi",
                        v->vm->name);
    }
}

/* In the VM's own zone where there is one, so that a failover's way is tried; else they take turns. */
static size_t choose_conversion(const struct lowering *l, const struct vm_lowering *v)
{
    const struct subnet *subnet = v->vm->cards[0].subnet[l->network];
    size_t count = l->plan->aws.conversion_count, chosen = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = ((size_t)v->index + count - i) % count;
        if (is_usable(l->arena, l->plan, l->facts, at)) {
            chosen = at;
            if (strcmp(l->plan->aws.conversions[at].zone.value, subnet->zone.value) == 0) {
                break;
            }
        }
    }
    return chosen;
}

/* The copy under way. `ahead` is the VM with the volume of its bootable copy as its only disk. */
struct preparing {
    struct lowering *l;
    struct vm_lowering ahead;
    struct disk_lowering disk;
    const uint32_t *tagged;
    size_t tagged_count;
};

static uint32_t add(struct preparing *p, enum action action, const char *rule)
{
    return lowering_node(p->l, &p->ahead, action, p->disk.prefix, p->l->plan->replication.prepare_at, rule);
}

static void create_volume(struct preparing *p, struct value snapshot, const char *zone)
{
    struct graph_builder *builder = p->l->builder;
    p->disk.created =
        add(p, ACTION_CREATE_VOLUME, "prepare: replication injects drivers ahead of a failover");
    builder_input(builder, "snapshot_id", snapshot);
    builder_input(builder, "zone", text_value(zone));
    builder_input(builder, "type", text_value("gp3"));
    builder_input(builder, "disk", int_value(0));
    builder_input(builder, "tags", p->ahead.tags);
    if (p->tagged_count > 0) {
        builder_after(builder, p->tagged[0], WHEN_OK);
    }
    p->disk.available =
        add(p, ACTION_WAIT_VOLUME_AVAILABLE, "a volume can be attached once it is available");
    builder_input(builder, "volume_id", output_value(p->disk.created, "volume_id"));
}

static uint32_t create_snapshot(struct preparing *p, uint32_t *created)
{
    struct graph_builder *builder = p->l->builder;
    *created = add(p, ACTION_CREATE_SNAPSHOT, "the boot disk with its drivers becomes a copy of its own");
    builder_input(builder, "volume_id", output_value(p->disk.created, "volume_id"));
    builder_input(builder, "disk", int_value(0));
    builder_input(builder, "tags", p->ahead.tags);
    builder_after(builder, (uint32_t)p->ahead.injected, WHEN_OK);
    builder_after(builder, p->disk.available, WHEN_OK);

    uint32_t there = add(p, ACTION_WAIT_SNAPSHOT_COMPLETED, "only a completed snapshot is a bootable copy");
    builder_input(builder, "snapshot_id", output_value(*created, "snapshot_id"));
    return there;
}

/* A guard: the volume goes though the injection failed. */
static void delete_volume(struct preparing *p, uint32_t there)
{
    struct graph_builder *builder = p->l->builder;
    add(p, ACTION_DELETE_VOLUME, "the volume was for the injection only, and goes in any case");
    builder_input(builder, "volume_id", output_value(p->disk.created, "volume_id"));
    builder_guards(builder, p->disk.created);
    builder_after(builder, p->disk.available, WHEN_ENDED);
    builder_after(builder, there, WHEN_ENDED);
}

uint32_t lower_bootable_copy(struct lowering *l, struct vm_lowering *v, struct value snapshot,
                             const uint32_t *tagged, size_t tagged_count)
{
    struct preparing p = {.l = l, .ahead = *v, .tagged = tagged, .tagged_count = tagged_count};
    size_t conversion = choose_conversion(l, v);
    uint32_t created;
    p.disk.prefix = lowering_join(l, v->disks[0].prefix, "bootable");
    p.ahead.disks = &p.disk;
    create_volume(&p, snapshot, l->plan->aws.conversions[conversion].zone.value);
    lower_inject_drivers_on(l, &p.ahead, conversion);
    uint32_t there = create_snapshot(&p, &created);
    delete_volume(&p, there);

    uint32_t last = add(&p, ACTION_TAG_COPY, "its tags make it a bootable copy, so they come last");
    builder_input(l->builder, "snapshot_id", output_value(created, "snapshot_id"));
    builder_input(l->builder, "disk", int_value(0));
    builder_input(l->builder, "tags", lowering_copy_tags(l, v, 0, "dr-copy-bootable"));
    builder_after(l->builder, there, WHEN_OK);
    for (size_t i = 0; i < tagged_count; i++) {
        builder_after(l->builder, tagged[i], WHEN_OK);
    }
    return last;
}
