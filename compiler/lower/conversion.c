/* Driver injection: the boot disk visits a conversion instance of its zone, where `drc inject`
 * makes it boot on EC2. Device names there are the slots of a pool, given back whatever happens. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/lower/lowering.h"

/* Commands that an SSM agent runs at once by default (Systems Manager, CommandWorkersLimit). */
enum { INJECTIONS_MAX = 5 };

/* A disk whose drivers were injected ahead, or that has them, needs no visit. */
bool lowering_injects(const struct plan *plan)
{
    return plan->aws.boot == BOOT_ATTACH && plan->aws.inject && !plan->replication.prepare;
}

bool lowering_prepares(const struct plan *plan)
{
    return plan->aws.inject && plan->replication.prepare;
}

static const struct fact_conversion *known_conversion(const struct lowering *l, const char *id)
{
    return l->facts ? map_get(&l->facts->conversions, id) : NULL;
}

const char *lowering_conversion_flaw(struct arena *arena, const struct facts *facts,
                                     const struct conversion_instance *conversion, const char **help)
{
    if (!facts || map_count(&facts->conversions) == 0) {
        return NULL;
    }
    const struct fact_conversion *known = map_get(&facts->conversions, conversion->id.value);
    if (!known) {
        *help = "launch one, and name it in the plan";
        return "is not there";
    }
    if (known->zone && strcmp(known->zone, conversion->zone.value) != 0) {
        *help = "volumes cannot be attached across zones: name one of the zone";
        return arena_printf(arena, "is in %s", known->zone);
    }
    if (known->state && strcmp(known->state, "running") != 0) {
        *help = "start it: aws ec2 start-instances";
        return arena_printf(arena, "is %s", known->state);
    }
    *help = "detach volumes that it does not need";
    return known->slots > 0 && known->cpus > 0 ? NULL : "has no device name free for a boot disk";
}

static bool check_conversion(struct lowering *l, const struct conversion_instance *conversion)
{
    const char *help = NULL;
    const char *flaw = lowering_conversion_flaw(l->arena, l->facts, conversion, &help);
    if (!flaw) {
        return true;
    }
    struct diagnostic *found = diagnose(l->diagnostics, DIAG_CONVERSION_UNUSABLE, conversion->id.at,
                                        "the conversion instance %s %s", conversion->id.value, flaw);
    diagnostic_help(l->diagnostics, found, "%s", help);
    return false;
}

static const struct conversion_instance *conversion_of(const struct lowering *l,
                                                       const struct vm_lowering *v, size_t *index)
{
    for (size_t i = 0; i < l->plan->aws.conversion_count; i++) {
        if (strcmp(l->plan->aws.conversions[i].zone.value, v->zone) == 0) {
            *index = i;
            return &l->plan->aws.conversions[i];
        }
    }
    return NULL;
}

bool lowering_check_conversions(struct lowering *l)
{
    if (!lowering_injects(l->plan)) {
        return true;
    }
    bool ok = true, *checked = ARENA_ARRAY(l->arena, bool, l->plan->aws.conversion_count);
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        size_t index;
        const struct conversion_instance *conversion = conversion_of(l, &l->vms[i], &index);
        if (!conversion) {
            struct diagnostic *found =
                diagnose(l->diagnostics, DIAG_NO_CONVERSION_INSTANCE, l->vms[i].vm->subnet_at,
                         "%s has no conversion instance, which %s needs", l->vms[i].zone,
                         l->vms[i].vm->name);
            diagnostic_help(l->diagnostics, found,
                            "name one under sites.recovery.aws.conversion.instances");
            ok = false;
        } else if (!checked[index]) {
            checked[index] = true;
            ok = check_conversion(l, conversion) && ok;
        }
    }
    return ok;
}

/* At most its free device names, its CPUs, and what the agent runs at once. The names are counted
 * down from /dev/sdp, as in the facts. */
static int32_t make_pool(struct lowering *l, const char *id)
{
    static const char *const names[INJECTIONS_MAX] = {"/dev/sdp", "/dev/sdo", "/dev/sdn",
                                                      "/dev/sdm", "/dev/sdl"};
    const char **slots = ARENA_ARRAY(l->arena, const char *, INJECTIONS_MAX);
    memcpy(slots, names, sizeof names);
    const struct fact_conversion *known = known_conversion(l, id);
    int capacity = INJECTIONS_MAX;
    if (known && known->slots < capacity) {
        capacity = known->slots;
    }
    if (known && known->cpus < capacity) {
        capacity = known->cpus;
    }
    if (!known) {
        lowering_assume(l, "The conversion instance %s takes %d boot disks at a time.", id,
                        INJECTIONS_MAX);
    }
    return builder_pool(l->builder, lowering_join(l, "conversion", id), capacity, slots);
}

static uint32_t attach(struct lowering *l, struct vm_lowering *v, const char *prefix,
                       const char *instance, int32_t pool)
{
    struct disk_lowering *disk = &v->disks[0];
    uint32_t attach = lowering_node(l, v, ACTION_ATTACH_VOLUME, prefix, l->plan->aws.inject_at,
                                    "inject: auto lets the zone's conversion instance inject "
                                    "drivers");
    builder_current(l->builder)->acquire = pool;
    builder_input(l->builder, "volume_id", output_value(disk->created, "volume_id"));
    builder_input(l->builder, "instance_id", text_value(instance));
    builder_input(l->builder, "device", slot_value(pool));
    builder_after(l->builder, disk->available, WHEN_OK);

    lowering_node(l, v, ACTION_WAIT_VOLUME_ATTACHED, prefix, l->plan->aws.inject_at,
                  "drc inject needs the disk there");
    builder_input(l->builder, "volume_id", output_value(disk->created, "volume_id"));
    builder_input(l->builder, "instance_id", text_value(instance));
    builder_after(l->builder, attach, WHEN_OK);
    return attach;
}

static uint32_t inject(struct lowering *l, struct vm_lowering *v, const char *instance,
                       int32_t pool)
{
    struct disk_lowering *disk = &v->disks[0];
    uint32_t attached = builder_current(l->builder)->index;
    struct duration timeout = v->vm->timeouts[TIMEOUT_INJECT];
    int64_t timeout_ms =
        timeout.given ? timeout.ms : action_info(ACTION_WAIT_INJECTED)->deadline_ms;
    uint32_t inject = lowering_node(l, v, ACTION_INJECT, disk->prefix, l->plan->aws.inject_at,
                                    "inject: auto makes the guest boot on EC2");
    builder_input(l->builder, "conversion_instance", text_value(instance));
    builder_input(l->builder, "volume_id", output_value(disk->created, "volume_id"));
    builder_input(l->builder, "device", slot_value(pool));
    builder_input(l->builder, "os", text_value(v->hardware.os));
    builder_input(l->builder, "firmware", text_value(v->hardware.firmware));
    builder_input(l->builder, "arch", text_value(v->hardware.arch));
    builder_input_text(l->builder, "ssm_agent", l->plan->aws.ssm_agent.value);
    builder_input(l->builder, "timeout_ms", int_value(timeout_ms));
    builder_after(l->builder, attached, WHEN_OK);

    uint32_t injected = lowering_node(l, v, ACTION_WAIT_INJECTED, disk->prefix,
                                      l->plan->aws.inject_at, "the guest boots on EC2 after it");
    builder_input(l->builder, "command_id", output_value(inject, "command_id"));
    builder_input(l->builder, "conversion_instance", text_value(instance));
    return injected;
}

/* Guards of the attachment: the slot is given back though the injection failed. */
static uint32_t detach(struct lowering *l, struct vm_lowering *v, const char *prefix,
                       const char *instance, int32_t pool, uint32_t attach, uint32_t injected)
{
    struct disk_lowering *disk = &v->disks[0];
    uint32_t detach = lowering_node(l, v, ACTION_DETACH_VOLUME, prefix, l->plan->aws.inject_at,
                                    "the conversion instance gives the disk back in any case");
    builder_guards(l->builder, attach);
    builder_input(l->builder, "volume_id", output_value(disk->created, "volume_id"));
    builder_input(l->builder, "instance_id", text_value(instance));
    builder_after(l->builder, injected, WHEN_ENDED);

    uint32_t freed =
        lowering_node(l, v, ACTION_WAIT_VOLUME_AVAILABLE, prefix, l->plan->aws.inject_at,
                      "its device name is free for the next disk after it");
    builder_current(l->builder)->release = pool;
    builder_guards(l->builder, attach);
    builder_input(l->builder, "volume_id", output_value(disk->created, "volume_id"));
    builder_after(l->builder, detach, WHEN_ENDED);
    return freed;
}

void lower_inject_drivers_on(struct lowering *l, struct vm_lowering *v, size_t index)
{
    const struct conversion_instance *conversion = &l->plan->aws.conversions[index];
    if (l->pools[index] == NO_POOL) {
        l->pools[index] = make_pool(l, conversion->id.value);
    }
    const char *prefix = lowering_join(l, v->disks[0].prefix, "conversion");
    const char *instance = conversion->id.value;
    int32_t pool = l->pools[index];
    uint32_t attached = attach(l, v, prefix, instance, pool);
    v->injected = inject(l, v, instance, pool);
    v->disks[0].available = detach(l, v, prefix, instance, pool, attached, v->injected);
}

void lower_inject_drivers(struct lowering *l, struct vm_lowering *v)
{
    size_t index = 0;
    conversion_of(l, v, &index);
    lower_inject_drivers_on(l, v, index);
}
