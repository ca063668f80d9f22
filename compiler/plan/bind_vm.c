#include "compiler/plan/bind.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

/* VMs. The keys of a VM are sorted into a row of branches, one for each key of the language; what
 * the VM leaves open comes from the row of `defaults`. */

/* In the order of their names: looked up by halving, because a plan may have 10,000 VMs. */
#define VM_KEYS(KEY)                                                                               \
    KEY(capacity_reservation)                                                                      \
    KEY(critical)                                                                                  \
    KEY(delay)                                                                                     \
    KEY(depends_on)                                                                                \
    KEY(elastic_ip)                                                                                \
    KEY(failback)                                                                                  \
    KEY(guest)                                                                                     \
    KEY(iam_profile)                                                                               \
    KEY(instance_families)                                                                         \
    KEY(instance_type)                                                                             \
    KEY(key_name)                                                                                  \
    KEY(licensing)                                                                                 \
    KEY(nics)                                                                                      \
    KEY(post_boot)                                                                                 \
    KEY(private_ip)                                                                                \
    KEY(public_ip)                                                                                 \
    KEY(ready)                                                                                     \
    KEY(security_groups)                                                                           \
    KEY(source)                                                                                    \
    KEY(subnet)                                                                                    \
    KEY(tags)                                                                                      \
    KEY(target_groups)                                                                             \
    KEY(tenancy)                                                                                   \
    KEY(timeouts)                                                                                  \
    KEY(volumes)

enum vm_key {
#define KEY(name) KEY_##name,
    VM_KEYS(KEY)
#undef KEY
        KEY_COUNT
};

static const char *const key_names[KEY_COUNT] = {
#define KEY(name) #name,
    VM_KEYS(KEY)
#undef KEY
};

struct vm_branches {
    const struct tree *at[KEY_COUNT]; /* NULL where the key is not given */
};

static int compare_key(const void *name, const void *entry)
{
    return strcmp(name, *(const char *const *)entry);
}

static struct vm_branches sort_branches(const struct tree *tree)
{
    struct vm_branches branches = {0};
    size_t count = tree && tree->kind == TREE_MAPPING ? tree->pair_count : 0;
    for (size_t i = 0; i < count; i++) {
        const char *const *found =
            bsearch(tree->pairs[i].key->text, key_names, KEY_COUNT, sizeof *key_names, compare_key);
        if (found) {
            branches.at[found - key_names] = tree->pairs[i].value;
        }
    }
    return branches;
}

/* Own keys win. nics and the keys that it stands in place of are one choice. */
static void take_defaults(struct vm_branches *own, const struct vm_branches *defaults)
{
    bool own_nics = own->at[KEY_nics] != NULL;
    bool own_card = own->at[KEY_subnet] || own->at[KEY_private_ip];
    for (int key = 0; key < KEY_COUNT; key++) {
        bool of_card = key == KEY_subnet || key == KEY_security_groups || key == KEY_private_ip;
        if (own->at[key] || key == KEY_tags || (own_nics && of_card) ||
            (own_card && key == KEY_nics)) {
            continue;
        }
        own->at[key] = defaults->at[key];
    }
}

/* For each network: {production: X, test: Y}, or one X for both. */
static const struct tree *for_network(const struct tree *tree, int network)
{
    return tree && tree->kind == TREE_MAPPING
               ? tree_get(tree, network_name((enum site_network)network))
               : tree;
}

static void bind_type(struct binder *binder, struct plan_vm *vm, const struct vm_branches *branches)
{
    static const char *const families[] = {"m6i", "r6i", "c6i"};
    const struct tree *type = branches->at[KEY_instance_type];
    vm->type_auto = !type || bind_is(type, "auto");
    if (!vm->type_auto) {
        vm->instance_types = bind_texts(binder, type);
    }
    if (branches->at[KEY_instance_families]) {
        vm->instance_families = bind_texts(binder, branches->at[KEY_instance_families]);
        return;
    }
    vm->instance_families.count = sizeof families / sizeof *families;
    vm->instance_families.items = ARENA_ARRAY(binder->arena, struct text, 3);
    for (size_t i = 0; i < vm->instance_families.count; i++) {
        vm->instance_families.items[i] = (struct text){families[i], vm->at};
    }
}

static void bind_placement(struct binder *binder, struct plan_vm *vm,
                           const struct vm_branches *branches)
{
    for (int n = 0; n < NETWORK_COUNT; n++) {
        vm->public_ip[n] = bind_bool(for_network(branches->at[KEY_public_ip], n), false);
        vm->elastic_ip[n] = bind_text(binder, for_network(branches->at[KEY_elastic_ip], n));
        vm->target_groups[n] = bind_texts(binder, for_network(branches->at[KEY_target_groups], n));
        vm->iam_profile[n] = bind_text(binder, for_network(branches->at[KEY_iam_profile], n));
    }
    vm->licensing = bind_text(binder, branches->at[KEY_licensing]);
    vm->licensing_aws = vm->licensing.value && strcmp(vm->licensing.value, "aws") == 0;
    vm->tenancy = bind_text(binder, branches->at[KEY_tenancy]);
    vm->key_name = bind_text(binder, branches->at[KEY_key_name]);
    vm->capacity_reservation = bind_text(binder, branches->at[KEY_capacity_reservation]);
}

static void add_tag(struct binder *binder, struct plan_vm *vm, const struct tree_pair *pair)
{
    struct tag tag = {.key = pair->key->text, .at = pair->key->span};
    tag.value = bind_string(binder, pair->value, "");
    for (size_t i = 0; i < vm->tag_count; i++) {
        if (strcmp(vm->tags[i].key, tag.key) == 0) {
            vm->tags[i] = tag;
            return;
        }
    }
    vm->tags[vm->tag_count++] = tag;
}

/* defaults' first, so that their order is the same for all VMs. EC2 takes 50 tags at most, so the
 * walk of add_tag is short; the schema limits them. */
static void bind_tags(struct binder *binder, struct plan_vm *vm, const struct tree *defaults,
                      const struct tree *own)
{
    size_t room = (defaults ? defaults->pair_count : 0) + (own ? own->pair_count : 0);
    vm->tags = ARENA_ARRAY(binder->arena, struct tag, room);
    for (size_t i = 0; defaults && i < defaults->pair_count; i++) {
        add_tag(binder, vm, &defaults->pairs[i]);
    }
    for (size_t i = 0; own && i < own->pair_count; i++) {
        add_tag(binder, vm, &own->pairs[i]);
    }
}

static int compare_disks(const void *a, const void *b)
{
    const struct volume_settings *left = a, *right = b;
    return (left->disk > right->disk) - (left->disk < right->disk);
}

static void bind_volumes(struct binder *binder, struct plan_vm *vm, const struct tree *tree)
{
    size_t count = tree ? tree->pair_count : 0;
    vm->volumes = ARENA_ARRAY(binder->arena, struct volume_settings, count);
    for (size_t i = 0; i < count; i++) {
        const struct tree_pair *pair = &tree->pairs[i];
        vm->volumes[vm->volume_count++] = (struct volume_settings){
            .disk = (int)strtol(pair->key->text, NULL, 10),
            .type = bind_text(binder, tree_get(pair->value, "type")),
            .iops = bind_int(tree_get(pair->value, "iops"), 0),
            .throughput = bind_int(tree_get(pair->value, "throughput"), 0),
            .initialization_rate = bind_int(tree_get(pair->value, "initialization_rate"), 0),
            .at = pair->key->span,
        };
    }
    if (count) {
        qsort(vm->volumes, count, sizeof *vm->volumes, compare_disks);
    }
}

const char *timeout_name(enum timeout_kind kind)
{
    static const char *const names[TIMEOUT_COUNT] = {
        [TIMEOUT_START] = "start",       [TIMEOUT_STOP] = "stop",   [TIMEOUT_VOLUME] = "volume",
        [TIMEOUT_SNAPSHOT] = "snapshot", [TIMEOUT_IMAGE] = "image", [TIMEOUT_INJECT] = "inject",
        [TIMEOUT_SCRIPT] = "script",
    };
    return names[kind];
}

static void bind_timeouts(struct binder *binder, struct plan_vm *vm, const struct tree *tree)
{
    for (int i = 0; tree && i < TIMEOUT_COUNT; i++) {
        const char *name = timeout_name((enum timeout_kind)i);
        vm->timeouts[i] = bind_positive_duration(binder, tree_get(tree, name), 0);
    }
}

static enum dependency_stage stage_of(const struct tree *tree)
{
    return bind_is(tree, "running") ? STAGE_RUNNING
           : bind_is(tree, "ready") ? STAGE_READY
                                    : STAGE_RECOVERED;
}

static void add_dependency(struct binder *binder, struct plan_vm *vm, const struct tree *name,
                           enum dependency_stage stage)
{
    struct plan_vm *other = plan_vm_by_name(binder->plan, name->text);
    if (!other) {
        struct diagnostic *found =
            diagnose(binder->diagnostics, DIAG_UNKNOWN_VM, name->span,
                     "%s depends on \"%s\", which is not in the plan", vm->name, name->text);
        bind_suggest(binder, found, name->text, &binder->plan->vm_by_name);
    } else if (other == vm) {
        struct diagnostic *found = diagnose(binder->diagnostics, DIAG_DEPENDS_ON_ITSELF, name->span,
                                            "%s depends on itself", vm->name);
        diagnostic_help(binder->diagnostics, found, "remove it from depends_on");
    } else {
        vm->dependencies[vm->dependency_count++] =
            (struct dependency){.vm = other, .stage = stage, .at = name->span};
    }
}

static void bind_dependencies(struct binder *binder, struct plan_vm *vm, const struct tree *tree)
{
    bool is_map = tree && tree->kind == TREE_MAPPING;
    size_t count = !tree                         ? 0
                   : is_map                      ? tree->pair_count
                   : tree->kind == TREE_SEQUENCE ? tree->item_count
                                                 : 0;
    vm->dependencies = ARENA_ARRAY(binder->arena, struct dependency, count);
    for (size_t i = 0; i < count; i++) {
        if (is_map) {
            add_dependency(binder, vm, tree->pairs[i].key, stage_of(tree->pairs[i].value));
        } else {
            add_dependency(binder, vm, tree->items[i], STAGE_RECOVERED);
        }
    }
}

static void bind_course(struct binder *binder, struct plan_vm *vm,
                        const struct vm_branches *branches)
{
    const struct tree *critical = branches->at[KEY_critical];
    vm->critical = bind_bool(critical, true);
    vm->critical_at = bind_span(critical, vm->at);
    bind_dependencies(binder, vm, branches->at[KEY_depends_on]);
    vm->delay = bind_duration(binder, branches->at[KEY_delay], 0);
    bind_timeouts(binder, vm, branches->at[KEY_timeouts]);
    vm->guest_credentials = bind_secret(binder, tree_get(branches->at[KEY_guest], "credentials"));
    binder->self = vm;
    vm->ready = bind_ready(binder, branches->at[KEY_ready], &vm->ready_count);
    vm->post_boot = bind_steps(binder, branches->at[KEY_post_boot], &vm->post_boot_count);
    binder->self = NULL;
    vm->failback = bind_failback(binder, branches->at[KEY_failback], &binder->plan->failback);
}

static void bind_vm(struct binder *binder, struct plan_vm *vm, const struct tree *tree,
                    const struct vm_branches *defaults)
{
    struct vm_branches branches = sort_branches(tree);
    take_defaults(&branches, defaults);
    vm->source = bind_text(binder, branches.at[KEY_source]);
    bind_type(binder, vm, &branches);
    bind_cards(binder, vm, branches.at[KEY_nics], branches.at[KEY_subnet],
               branches.at[KEY_security_groups], branches.at[KEY_private_ip]);
    bind_placement(binder, vm, &branches);
    bind_tags(binder, vm, defaults->at[KEY_tags], branches.at[KEY_tags]);
    bind_volumes(binder, vm, branches.at[KEY_volumes]);
    bind_course(binder, vm, &branches);
}

/* Names first, so that dependencies and references can look ahead. */
static void name_vms(struct binder *binder, const struct tree *vms)
{
    struct plan *plan = binder->plan;
    plan->vms = ARENA_ARRAY(binder->arena, struct plan_vm, vms->pair_count);
    for (size_t i = 0; i < vms->pair_count; i++) {
        struct plan_vm *vm = &plan->vms[plan->vm_count++];
        vm->name = vms->pairs[i].key->text;
        vm->at = vms->pairs[i].key->span;
        vm->index = i;
        map_put(&plan->vm_by_name, vm->name, vm);
    }
}

void bind_vms(struct binder *binder, const struct tree *vms, const struct tree *defaults)
{
    if (!vms || vms->kind != TREE_MAPPING) {
        return;
    }
    struct vm_branches default_branches = sort_branches(defaults);
    name_vms(binder, vms);
    for (size_t i = 0; i < vms->pair_count; i++) {
        bind_vm(binder, &binder->plan->vms[i], vms->pairs[i].value, &default_branches);
    }
}
