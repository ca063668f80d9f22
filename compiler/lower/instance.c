/* Instances: the placeholder and its start (boot: attach), the image and its launch (boot: image).
 */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/lower/lowering.h"

/* ---- the inputs of run-instance ---- */

static struct value card_groups(struct lowering *l, const struct card *card)
{
    size_t count = card->group_names.count;
    struct value *items = ARENA_ARRAY(l->arena, struct value, count);
    for (size_t i = 0; i < count; i++) {
        items[i] = text_value(card->groups[l->network][i]->id.value);
    }
    return list_value(items, count);
}

/* A public address can be asked for (or refused) at launch with one card only. */
static struct value card_value(struct lowering *l, const struct plan_vm *vm,
                               const struct card *card)
{
    enum { MEMBERS_MAX = 5 };
    const char **keys = ARENA_ARRAY(l->arena, const char *, MEMBERS_MAX);
    struct value *items = ARENA_ARRAY(l->arena, struct value, MEMBERS_MAX);
    const char *address = lowering_card_address(l, card);
    size_t count = 0;
    keys[count] = "subnet"; /* its name in the plan, for readers */
    items[count++] = text_value(card->subnet_name.value);
    keys[count] = "subnet_id";
    items[count++] = text_value(card->subnet[l->network]->id.value);
    if (card->group_names.count > 0) {
        keys[count] = "group_ids";
        items[count++] = card_groups(l, card);
    }
    if (address) {
        keys[count] = "private_ip";
        items[count++] = text_value(address);
    }
    if (vm->card_count == 1) {
        keys[count] = "public_ip";
        items[count++] = bool_value(vm->public_ip[l->network]);
    }
    return map_value(keys, items, count);
}

static struct value cards_value(struct lowering *l, const struct plan_vm *vm)
{
    struct value *items = ARENA_ARRAY(l->arena, struct value, vm->card_count);
    for (size_t i = 0; i < vm->card_count; i++) {
        items[i] = card_value(l, vm, &vm->cards[i]);
    }
    return list_value(items, vm->card_count);
}

/* All but the image, which the boot mode decides, and the mappings. */
static void input_launch(struct lowering *l, const struct vm_lowering *v, struct value image)
{
    const struct plan_vm *vm = v->vm;
    const char *tenancy = vm->tenancy.value;
    bool dedicated = tenancy && strcmp(tenancy, "default") != 0;
    builder_input(l->builder, "image_id", image);
    builder_input(l->builder, "instance_types", v->types);
    builder_input(l->builder, "cards", cards_value(l, vm));
    builder_input_text(l->builder, "key_name", vm->key_name.value);
    builder_input_text(l->builder, "iam_profile", vm->iam_profile[l->network].value);
    builder_input_text(l->builder, "tenancy", dedicated ? tenancy : NULL);
    /* A test leaves the reserved place to the failover that it may be needed for meanwhile. */
    builder_input_text(l->builder, "capacity_reservation",
                       l->workflow == WORKFLOW_TEST ? NULL : vm->capacity_reservation.value);
    lower_after_launched(l, v);
}

static struct value instance_id(const struct vm_lowering *v)
{
    return output_value(v->instance, "instance_id");
}

/* ---- boot: attach ---- */

/* The placeholder runs once, because only a stopped instance can change its root volume, and only
 * one that ran can be stopped. */
void lower_launch_placeholder(struct lowering *l, struct vm_lowering *v)
{
    struct span at = v->vm->at;
    const char *placeholder = lowering_join(l, v->vm->name, "placeholder");
    v->instance = lowering_node(l, v, ACTION_RUN_INSTANCE, v->vm->name, at,
                                "boot: attach launches the placeholder image with the final type, "
                                "cards and groups");
    lowering_after_before(l);
    input_launch(l, v, text_value(v->image));
    builder_input(l->builder, "tags", v->tags);

    v->running = lowering_node(l, v, ACTION_WAIT_RUNNING, placeholder, at,
                               "only a running instance can be stopped");
    builder_input(l->builder, "instance_id", instance_id(v));

    uint32_t stop = lowering_node(l, v, ACTION_STOP_INSTANCE, v->vm->name, at,
                                  "only a stopped instance can change its root volume");
    builder_input(l->builder, "instance_id", instance_id(v));
    builder_after(l->builder, v->running, WHEN_OK);

    v->stopped = lowering_node(l, v, ACTION_WAIT_STOPPED, v->vm->name, at,
                               "only a stopped instance can change its root volume");
    builder_input(l->builder, "instance_id", instance_id(v));
    builder_after(l->builder, stop, WHEN_OK);
}

void lower_drop_placeholder_root(struct lowering *l, struct vm_lowering *v)
{
    struct span at = v->vm->at;
    const char *placeholder = lowering_join(l, v->vm->name, "placeholder");
    struct value root = output_value(v->running, "root_volume_id");
    uint32_t detach = lowering_node(l, v, ACTION_DETACH_VOLUME, placeholder, at,
                                    "boot: attach makes room for the VM's own boot disk");
    builder_input(l->builder, "volume_id", root);
    builder_input(l->builder, "instance_id", instance_id(v));
    builder_after(l->builder, v->stopped, WHEN_OK);

    v->root_freed = lowering_node(l, v, ACTION_WAIT_VOLUME_AVAILABLE, placeholder, at,
                                  "the root's device name is free after it");
    builder_input(l->builder, "volume_id", root);
    builder_after(l->builder, detach, WHEN_OK);

    lowering_node(l, v, ACTION_DELETE_VOLUME, placeholder, at,
                  "the placeholder's root volume is of no use any more");
    builder_input(l->builder, "volume_id", root);
    builder_after(l->builder, v->root_freed, WHEN_OK);
}

static void wait_running(struct lowering *l, struct vm_lowering *v, uint32_t started)
{
    v->running = lowering_node(l, v, ACTION_WAIT_RUNNING, v->vm->name, v->vm->at,
                               "the VM counts as running when EC2 says so");
    builder_input(l->builder, "instance_id", instance_id(v));
    builder_after(l->builder, started, WHEN_OK);
}

void lower_start(struct lowering *l, struct vm_lowering *v)
{
    lower_delay(l, v);
    uint32_t started = lowering_node(l, v, ACTION_START_INSTANCE, v->vm->name, v->vm->at,
                                     "the VM starts once what it depends on is there");
    builder_input(l->builder, "instance_id", instance_id(v));
    builder_input(l->builder, "instance_types", v->types);
    builder_after(l->builder, v->prepared, WHEN_OK);
    lower_after_dependencies(l, v);
    wait_running(l, v, started);
}

/* ---- boot: image ---- */

void lower_register_image(struct lowering *l, struct vm_lowering *v)
{
    const char *boot_mode = strcmp(v->hardware.firmware, "bios") == 0 ? "legacy-bios" : "uefi";
    const char *name = arena_printf(l->arena, "drc-%s-%s%s", l->plan->name,
                                    l->workflow == WORKFLOW_TEST ? "test-" : "", v->vm->name);
    v->image_node = lowering_node(l, v, ACTION_REGISTER_IMAGE, v->vm->name, l->plan->aws.boot_at,
                                  "boot: image registers an image over the DR copies");
    lowering_after_before(l);
    for (size_t i = 0; i < v->hardware.disk_count; i++) {
        builder_after(l->builder, v->disks[i].held, WHEN_ENDED);
    }
    builder_input(l->builder, "name", text_value(name));
    builder_input(l->builder, "architecture", text_value(v->hardware.arch));
    builder_input(l->builder, "boot_mode", text_value(boot_mode));
    builder_input(l->builder, "root_device", text_value(v->disks[0].device));
    builder_input(l->builder, "block_devices", lowering_block_devices(l, v, true));
    builder_input(l->builder, "tags", v->tags);

    v->prepared = lowering_node(l, v, ACTION_WAIT_IMAGE_AVAILABLE, v->vm->name,
                                l->plan->aws.boot_at, "an image can be launched once available");
    builder_input(l->builder, "image_id", output_value(v->image_node, "image_id"));
}

void lower_launch_image(struct lowering *l, struct vm_lowering *v)
{
    lower_delay(l, v);
    v->instance = lowering_node(l, v, ACTION_RUN_INSTANCE, v->vm->name, v->vm->at,
                                "the VM is launched once what it depends on is there");
    input_launch(l, v, output_value(v->image_node, "image_id"));
    builder_input(l->builder, "block_devices", lowering_block_devices(l, v, false));
    builder_input(l->builder, "tags", v->tags);
    builder_after(l->builder, v->prepared, WHEN_OK);
    lower_after_dependencies(l, v);
    wait_running(l, v, v->instance);
}

/* ---- both ---- */

void lower_running(struct lowering *l, struct vm_lowering *v)
{
    struct text elastic = v->vm->elastic_ip[l->network];
    int64_t associated = NO_NODE;
    v->address =
        output_value(v->running, v->vm->public_ip[l->network] ? "public_ip" : "private_ip");
    if (elastic.value) {
        associated = lowering_node(l, v, ACTION_ASSOCIATE_ADDRESS, v->vm->name, elastic.at,
                                   "elastic_ip names the VM's public address");
        builder_input(l->builder, "allocation_id", text_value(elastic.value));
        builder_input(l->builder, "instance_id", instance_id(v));
        builder_after(l->builder, v->running, WHEN_OK);
        v->address = output_value((uint32_t)associated, "public_ip");
    }
    v->milestones[STAGE_RUNNING] = lowering_node(l, v, ACTION_RUNNING, v->vm->name, v->vm->at,
                                                 "others may wait until the VM runs");
    builder_after(l->builder, v->running, WHEN_OK);
    if (associated != NO_NODE) {
        builder_after(l->builder, (uint32_t)associated, WHEN_OK);
    }
}
