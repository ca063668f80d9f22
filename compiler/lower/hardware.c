/* What is known of each VM's machine: from facts, else assumed; and what follows from it: image,
 * instance types, disks. All that can be wrong with it is found here, before any node is made. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/lower/instance_type.h"
#include "compiler/lower/lowering.h"

#define ROOT_DEVICE_ASSUMED   "/dev/xvda"
#define ROOT_DEVICE_OF_IMAGES "/dev/sda1"

/* What "auto" takes for a VM of unknown size. */
enum { CPUS_ASSUMED = 2, MEMORY_MIB_ASSUMED = 8192 };

/* ---- the machine ---- */

/* Without facts. */
size_t lowering_disks_assumed(const struct plan_vm *vm)
{
    int last = 0;
    for (size_t i = 0; i < vm->volume_count; i++) {
        last = vm->volumes[i].disk > last ? vm->volumes[i].disk : last;
    }
    return (size_t)last + 1;
}

void lowering_assume_machine(const struct lowering *l, struct vm_lowering *v)
{
    bool only_uefi = l->plan->aws.image_uefi.value && !l->plan->aws.image_bios.value;
    v->hardware = (struct hardware){
        .firmware = only_uefi ? "uefi" : "bios",
        .os = v->vm->licensing_aws ? "windows" : "linux",
        .os_known = v->vm->licensing_aws,
        .arch = "x86_64",
        .disk_count = lowering_disks_assumed(v->vm),
    };
}

static bool refuse_missing_copy(struct lowering *l, const struct vm_lowering *v, const char *what)
{
    struct diagnostic *found = diagnose(l->diagnostics, DIAG_NO_RECOVERY_POINT, v->vm->at,
                                        "%s has no %s by the facts", v->vm->name, what);
    diagnostic_help(l->diagnostics, found,
                    "replicate it: a failover needs completed DR copies of all of its disks");
    return false;
}

const char *lowering_only_firmware(const struct plan *plan)
{
    const char *bios = plan->aws.image_bios.value, *uefi = plan->aws.image_uefi.value;
    return plan->aws.boot != BOOT_ATTACH ? NULL : bios && !uefi ? "bios" : uefi && !bios ? "uefi" : NULL;
}

static const char *firmware_by_plan(struct lowering *l, const struct vm_lowering *v)
{
    const char *only = lowering_only_firmware(l->plan);
    if (only) {
        lowering_assume(l, "%s boots by %s: its DR copy does not say, and the plan has a placeholder image "
                           "for that alone.", v->vm->name, strcmp(only, "bios") == 0 ? "BIOS" : "UEFI");
    }
    return only;
}

static bool refuse_firmware(struct lowering *l, const struct vm_lowering *v)
{
    struct diagnostic *found = diagnose(l->diagnostics, DIAG_FIRMWARE_UNKNOWN, v->vm->at,
                                        "whether %s boots by BIOS or UEFI is not known", v->vm->name);
    diagnostic_help(l->diagnostics, found,
                    "say it with the next recovery point (drc repo import … --vm %s --firmware bios|uefi), "
                    "or tag the DR copy of its disk 0 with drc:firmware, bios or uefi", v->vm->name);
    return false;
}

/* The machine's size decides what "auto" takes, and nothing else: one that is too small would not do. */
static bool size_is_known(struct lowering *l, const struct vm_lowering *v, const struct fact_vm *known)
{
    if (!v->vm->type_auto || (known->cpus > 0 && known->memory_mib > 0)) {
        return true;
    }
    const char *what = known->cpus > 0         ? "how much memory"
                       : known->memory_mib > 0 ? "how many CPUs"
                                               : "how many CPUs and how much memory";
    struct diagnostic *found =
        diagnose(l->diagnostics, DIAG_SIZE_UNKNOWN, v->vm->at,
                 "%s %s has is not known, so no instance type can be chosen", what, v->vm->name);
    diagnostic_help(l->diagnostics, found,
                    "name an instance_type for it; or say it with the next recovery point (drc repo import "
                    "… --vm %s --cpus N --memory SIZE), or tag the DR copy of its disk 0 with drc:cpus and "
                    "drc:memory-mib", v->vm->name);
    return false;
}

static bool take_facts(struct lowering *l, struct vm_lowering *v)
{
    const struct fact_vm *known = map_get(&l->facts->vms, v->vm->name);
    if (!known || known->disk_count == 0) {
        return refuse_missing_copy(l, v, "usable recovery point");
    }
    if (lowering_prepares(l->plan) && !known->disks[0].bootable) {
        return refuse_missing_copy(l, v, "bootable copy of its boot disk (prepare: replication)");
    }
    const char *firmware = known->firmware ? known->firmware : firmware_by_plan(l, v);
    if (!firmware) {
        return refuse_firmware(l, v);
    }
    v->hardware = (struct hardware){
        .firmware = firmware,
        .os = known->os,
        .os_known = known->os || v->vm->licensing_aws,
        .arch = known->arch ? known->arch : "x86_64",
        .cpus = known->cpus,
        .memory_mib = known->memory_mib,
        .disks = known->disks,
        .disk_count = known->disk_count,
    };
    if (!known->arch) {
        lowering_assume(l, "%s is an x86_64 machine: its DR copy does not say.", v->vm->name);
    }
    if (!known->os) {
        v->hardware.os = v->vm->licensing_aws ? "windows" : "linux";
        lowering_assume(l, "%s runs %s: its DR copy does not say.", v->vm->name,
                        v->vm->licensing_aws ? "Windows" : "Linux");
    }
    return size_is_known(l, v, known);
}

/* ---- disks ---- */

static const struct volume_settings *settings_of(const struct plan_vm *vm, size_t disk)
{
    for (size_t i = 0; i < vm->volume_count; i++) {
        if ((size_t)vm->volumes[i].disk == disk) {
            return &vm->volumes[i];
        }
    }
    return NULL;
}

static bool check_disks(struct lowering *l, const struct vm_lowering *v)
{
    size_t count = v->hardware.disk_count;
    bool ok = true;
    for (size_t i = 0; i < v->vm->volume_count; i++) {
        const struct volume_settings *settings = &v->vm->volumes[i];
        if ((size_t)settings->disk >= count) {
            struct diagnostic *found = diagnose(l->diagnostics, DIAG_UNKNOWN_DISK, settings->at,
                                                "%s has %zu disk%s, and no disk %d", v->vm->name,
                                                count, count == 1 ? "" : "s", settings->disk);
            diagnostic_help(l->diagnostics, found, "disks are counted from 0");
            ok = false;
        }
    }
    if (count > LOWERING_DISKS_MAX) {
        diagnose(l->diagnostics, DIAG_INSTANCE_TYPE_UNFIT, v->vm->at,
                 "%s has %zu disks, and EC2 has device names for %d", v->vm->name, count,
                 LOWERING_DISKS_MAX);
        ok = false;
    }
    return ok;
}

static const char *root_device(struct lowering *l, const struct vm_lowering *v)
{
    if (l->plan->aws.boot == BOOT_IMAGE) {
        return ROOT_DEVICE_OF_IMAGES;
    }
    const struct fact_image *image =
        l->facts && v->image_key ? map_get(&l->facts->images, v->image_key) : NULL;
    return image && image->root_device ? image->root_device : ROOT_DEVICE_ASSUMED;
}

static void know_disks(struct lowering *l, struct vm_lowering *v)
{
    const char *root = root_device(l, v);
    bool bootable = lowering_prepares(l->plan);
    v->disks = ARENA_ARRAY(l->arena, struct disk_lowering, v->hardware.disk_count);
    for (size_t i = 0; i < v->hardware.disk_count; i++) {
        struct disk_lowering *disk = &v->disks[i];
        disk->prefix = lowering_number(l, v->vm->name, "disk-", i);
        disk->snapshot =
            lowering_join(l, disk->prefix, i == 0 && bootable ? "bootable-snapshot" : "snapshot");
        disk->device = lowering_device_name(l, root, i);
        disk->settings = settings_of(v->vm, i);
    }
}

/* ---- the placeholder image ---- */

static bool refuse_image(struct lowering *l, const struct vm_lowering *v, struct text image,
                         const char *why)
{
    struct diagnostic *found = diagnose(l->diagnostics, DIAG_IMAGE_UNFIT, image.at,
                                        "the placeholder image %s %s", image.value, why);
    diagnostic_secondary(l->diagnostics, found, v->vm->at, "for this VM");
    diagnostic_help(l->diagnostics, found,
                    "a placeholder boots as the VM does: one for bios, one for uefi, and Windows "
                    "only for licensing: aws");
    return false;
}

static bool check_image(struct lowering *l, struct vm_lowering *v, struct text image)
{
    if (!l->facts || map_count(&l->facts->images) == 0) {
        return true;
    }
    const struct fact_image *known = map_get(&l->facts->images, image.value);
    if (!known) {
        return refuse_image(l, v, image, "is not there");
    }
    bool image_uefi = known->boot_mode && strcmp(known->boot_mode, "legacy-bios") != 0;
    bool vm_uefi = strcmp(v->hardware.firmware, "uefi") == 0;
    if (known->boot_mode && image_uefi != vm_uefi) {
        return refuse_image(l, v, image,
                            vm_uefi ? "boots by BIOS, and the VM by UEFI"
                                    : "boots by UEFI, and the VM by BIOS");
    }
    if (known->arch && strcmp(known->arch, v->hardware.arch) != 0) {
        return refuse_image(l, v, image, "is of another architecture than the VM");
    }
    bool windows = known->os && strcmp(known->os, "windows") == 0;
    if (known->os && windows != v->vm->licensing_aws) {
        return refuse_image(l, v, image,
                            windows ? "would have the VM billed as Windows"
                                    : "has no Windows licence, which licensing: aws wants");
    }
    v->image = known->id;
    return true;
}

/* EC2 resolves parameters itself, but for what the facts know. */
static const char *image_text(struct lowering *l, const char *image)
{
    return strncmp(image, "ssm:", 4) == 0 ? arena_printf(l->arena, "resolve:%s", image) : image;
}

/* Boot mode and licence come from the launching image: Windows only where AWS is to license it. */
static bool know_image(struct lowering *l, struct vm_lowering *v)
{
    const struct plan *plan = l->plan;
    bool uefi = strcmp(v->hardware.firmware, "uefi") == 0;
    struct text image = v->vm->licensing_aws ? plan->aws.image_windows
                        : uefi               ? plan->aws.image_uefi
                                             : plan->aws.image_bios;
    if (!image.value) {
        struct diagnostic *found =
            diagnose(l->diagnostics, DIAG_NO_PLACEHOLDER_IMAGE, v->vm->at,
                     "%s boots by %s, and there is no placeholder image for that", v->vm->name,
                     uefi ? "UEFI" : "BIOS");
        diagnostic_secondary(l->diagnostics, found, plan->aws.boot_at, "boot: attach needs one");
        diagnostic_help(l->diagnostics, found,
                        "name one under sites.recovery.aws.placeholder_image: %s",
                        uefi ? "uefi" : "bios");
        return false;
    }
    if (v->vm->licensing_aws && strcmp(v->hardware.os, "windows") != 0) {
        struct diagnostic *found =
            diagnose(l->diagnostics, DIAG_LICENSING_UNSUPPORTED, v->vm->licensing.at,
                     "%s runs Linux, which needs no licence of AWS", v->vm->name);
        diagnostic_help(l->diagnostics, found, "licensing: byol, which is the default");
        return false;
    }
    v->image_key = image.value;
    v->image = image_text(l, image.value);
    return check_image(l, v, image);
}

/* ---- instance types ---- */

static struct type_needs needs_of(const struct vm_lowering *v)
{
    return (struct type_needs){
        .arch = v->hardware.arch,
        .firmware = v->hardware.firmware,
        .zone = v->zone,
        .cpus = v->hardware.cpus > 0 ? v->hardware.cpus : CPUS_ASSUMED,
        .memory_mib = v->hardware.memory_mib > 0 ? v->hardware.memory_mib : MEMORY_MIB_ASSUMED,
        .cards = v->vm->card_count,
        .volumes = v->hardware.disk_count,
    };
}

static bool refuse_choice(struct lowering *l, const struct vm_lowering *v,
                          const struct type_needs *needs)
{
    const struct texts *families = &v->vm->instance_families;
    for (size_t i = 0; i < families->count; i++) {
        if (!family_is_known(l->facts, families->items[i].value)) {
            struct diagnostic *found =
                diagnose(l->diagnostics, DIAG_UNKNOWN_INSTANCE_FAMILY, families->items[i].at,
                         "there is no instance family %s", families->items[i].value);
            diagnostic_help(l->diagnostics, found, "families are written as m6i, r6i, c6i");
            return false;
        }
    }
    struct diagnostic *found = diagnose(l->diagnostics, DIAG_NO_INSTANCE_TYPE_FITS, v->vm->at,
                                        "no type of instance_families fits %s: %" PRId64
                                        " CPUs, %" PRId64 " MiB, %s, %zu disk%s, %zu card%s, in %s",
                                        v->vm->name, needs->cpus, needs->memory_mib,
                                        strcmp(needs->firmware, "uefi") == 0 ? "UEFI" : "BIOS",
                                        needs->volumes, needs->volumes == 1 ? "" : "s",
                                        needs->cards, needs->cards == 1 ? "" : "s", v->zone);
    diagnostic_help(l->diagnostics, found,
                    "add families to instance_families, or name a type with instance_type");
    return false;
}

static bool choose(struct lowering *l, struct vm_lowering *v)
{
    struct type_needs needs = needs_of(v);
    if (!type_candidates_are_of(&l->candidates, &v->vm->instance_families)) {
        l->candidates = type_candidates(l->arena, l->facts, &v->vm->instance_families);
    }
    const struct fact_instance_type *chosen = choose_type(&l->candidates, &needs);
    if (!chosen) {
        return refuse_choice(l, v, &needs);
    }
    struct value *item = ARENA_NEW(l->arena, struct value);
    *item = text_value(chosen->name);
    v->types = list_value(item, 1);
    return true;
}

/* Why a type that the plan names cannot be used; NULL when it can, or when nothing is known of it.
 */
static const char *type_problem(struct lowering *l, const struct vm_lowering *v, const char *name,
                                enum diagnostic_code *code)
{
    struct type_needs needs = needs_of(v);
    const struct fact_instance_type *type = known_type(l->facts, name);
    if (!type) {
        *code = DIAG_UNKNOWN_INSTANCE_TYPE;
        bool by_facts = l->facts && map_count(&l->facts->instance_types) > 0;
        return by_facts ? "is not offered in the region, by the facts" : NULL;
    }
    if (!type_is_offered(type, v->zone)) {
        *code = DIAG_TYPE_NOT_IN_ZONE;
        return arena_printf(l->arena, "is not offered in %s", v->zone);
    }
    *code = DIAG_INSTANCE_TYPE_UNFIT;
    return type_misfit(l->arena, type, &needs);
}

/* Types that cannot be used are left out of the list with a warning, as long as one remains: in a
 * disaster the next best is wanted, not a refusal. */
static bool know_named_types(struct lowering *l, struct vm_lowering *v)
{
    const struct texts *types = &v->vm->instance_types;
    struct value *items = ARENA_ARRAY(l->arena, struct value, types->count);
    const char **problems = ARENA_ARRAY(l->arena, const char *, types->count);
    enum diagnostic_code *codes = ARENA_ARRAY(l->arena, enum diagnostic_code, types->count);
    size_t count = 0;
    for (size_t i = 0; i < types->count; i++) {
        problems[i] = type_problem(l, v, types->items[i].value, &codes[i]);
        if (!problems[i]) {
            items[count++] = text_value(types->items[i].value);
        }
    }
    v->types = list_value(items, count);
    for (size_t i = 0; i < types->count; i++) {
        if (problems[i]) {
            struct diagnostic *found =
                diagnose(l->diagnostics, count > 0 ? DIAG_INSTANCE_TYPE_LEFT_OUT : codes[i],
                         types->items[i].at, "%s %s", types->items[i].value, problems[i]);
            diagnostic_help(l->diagnostics, found,
                            count > 0 ? "the other types of the list are tried without it"
                                      : "name another type, several, or auto");
        }
    }
    return count > 0;
}

/* ---- tags ---- */

/* What people see in lists says which machines are those of a test. */
static const char *name_for(struct lowering *l, const char *name)
{
    return l->workflow == WORKFLOW_TEST ? arena_printf(l->arena, "test-%s", name) : name;
}

void lowering_know_tags(struct lowering *l, struct vm_lowering *v)
{
    size_t count = v->vm->tag_count;
    const char **keys = ARENA_ARRAY(l->arena, const char *, count + 1);
    struct value *items = ARENA_ARRAY(l->arena, struct value, count + 1);
    bool named = false;
    for (size_t i = 0; i < count; i++) {
        bool is_name = strcmp(v->vm->tags[i].key, "Name") == 0;
        keys[i] = v->vm->tags[i].key;
        items[i] = text_value(is_name ? name_for(l, v->vm->tags[i].value) : v->vm->tags[i].value);
        named |= is_name;
    }
    if (!named) {
        keys[count] = "Name";
        items[count++] = text_value(name_for(l, v->vm->name));
    }
    v->tags = map_value(keys, items, count);
}

/* ---- all of it ---- */

static bool know_machine(struct lowering *l, struct vm_lowering *v)
{
    v->zone = v->vm->cards[0].subnet[l->network]->zone.value;
    if (!l->facts) {
        lowering_assume_machine(l, v);
    } else if (!take_facts(l, v)) {
        return false;
    }
    bool ok = check_disks(l, v);
    ok = (l->plan->aws.boot == BOOT_IMAGE || know_image(l, v)) && ok;
    ok = (v->vm->type_auto ? choose(l, v) : know_named_types(l, v)) && ok;
    if (ok) {
        know_disks(l, v);
        lowering_know_tags(l, v);
    }
    return ok;
}

static bool differs(const char *known, const char *planned)
{
    return known && planned && strcmp(known, planned) != 0;
}

static bool check_subnets(struct lowering *l)
{
    const struct network *network = &l->plan->networks[l->network];
    bool ok = true;
    for (size_t i = 0; l->facts && i < network->subnet_count; i++) {
        const struct subnet *subnet = &network->subnets[i];
        const struct fact_subnet *known = map_get(&l->facts->subnets, subnet->id.value);
        if (!known) {
            continue;
        }
        const struct text *planned = differs(known->zone, subnet->zone.value)   ? &subnet->zone
                                     : differs(known->cidr, subnet->cidr.value) ? &subnet->cidr
                                     : differs(known->vpc, network->vpc.value)  ? &network->vpc
                                                                                : NULL;
        if (planned) {
            const char *found_there = planned == &subnet->zone   ? known->zone
                                      : planned == &subnet->cidr ? known->cidr
                                                                 : known->vpc;
            struct diagnostic *found = diagnose(l->diagnostics, DIAG_SUBNET_DIFFERS, planned->at,
                                                "the subnet %s is in %s, not %s", subnet->id.value,
                                                found_there, planned->value);
            diagnostic_help(l->diagnostics, found, "write what AWS has: %s", found_there);
            ok = false;
        }
    }
    return ok;
}

static bool any_auto(const struct plan *plan)
{
    for (size_t i = 0; i < plan->vm_count; i++) {
        if (plan->vms[i].type_auto) {
            return true;
        }
    }
    return false;
}

static void list_assumptions(struct lowering *l)
{
    bool attach = l->plan->aws.boot == BOOT_ATTACH;
    bool only_uefi = l->plan->aws.image_uefi.value && !l->plan->aws.image_bios.value;
    lowering_assume(l, "Each VM has the disks that the plan names, the boot disk at least.");
    lowering_assume(l, "Which DR copies are used is known when the run starts.");
    lowering_assume(l,
                    "The guests boot by %s and run Linux on x86_64, unless AWS licenses Windows.",
                    only_uefi ? "UEFI" : "BIOS");
    if (any_auto(l->plan)) {
        lowering_assume(l,
                        "VMs with instance_type: auto have %d CPUs and %d MiB; types are those "
                        "of the built-in catalogue.",
                        CPUS_ASSUMED, MEMORY_MIB_ASSUMED);
    }
    if (attach) {
        lowering_assume(l, "The root device of the placeholder images is %s.", ROOT_DEVICE_ASSUMED);
    }
}

bool lowering_know_machines(struct lowering *l)
{
    bool ok = check_subnets(l);
    if (!l->facts) {
        list_assumptions(l);
    }
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        ok = know_machine(l, &l->vms[i]) && ok;
    }
    return ok;
}
