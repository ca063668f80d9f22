/* DR copies as `replicate` would have left them: DESIGN's tags, sizes and hardware by the seed, or
 * as facts have them. */
#include <inttypes.h>
#include <string.h>

#include "runtime/sandbox/populate.h"
#include "runtime/world/world.h"

enum { MINUTE_MS = 60000, POINT_AGE_MIN = 3, POINT_AGE_MAX = 9, POINT_DISTANCE_MIN = 10 };
enum { DISKS_MAX = 60, USUAL_DISK_GIB = 20, USUAL_SHAPE = 2 };

struct hardware {
    int64_t cpus, memory_mib, disks;
    const char *firmware, *os, *arch, *guest_id, *controller;
    int64_t size_gib[DISKS_MAX];
};

static const struct volume_settings *settings_of(const struct plan_vm *vm, int64_t disk)
{
    for (size_t i = 0; i < vm->volume_count; i++) {
        if (vm->volumes[i].disk == disk) {
            return &vm->volumes[i];
        }
    }
    return NULL;
}

/* Hard disks begin at 125 GiB. */
static int64_t fitting_size(const struct plan *plan, const struct plan_vm *vm, int64_t disk,
                            int64_t size)
{
    const struct volume_settings *settings = settings_of(vm, disk);
    const char *type =
        settings && settings->type.value ? settings->type.value : plan->aws.volume_type.value;
    bool throughput_type = type && (strcmp(type, "st1") == 0 || strcmp(type, "sc1") == 0);
    return throughput_type ? 125 + size : size;
}

static int64_t disk_size(struct request *r, const struct plan *plan, const struct plan_vm *vm,
                         int64_t disk)
{
    static const int64_t sizes[] = {8, 10, 16, 20, 32, 40, 64};
    int64_t size = sizes[draw(r) % (sizeof sizes / sizeof *sizes)];
    return fitting_size(plan, vm, disk, size);
}

/* What fits the types that the plan names; for auto, a usual shape. */
static void choose_shape(struct request *r, const struct plan_vm *vm, bool usual,
                         struct hardware *hardware)
{
    static const struct {
        int64_t cpus, memory_mib;
    } shapes[] = {{1, 2048}, {2, 4096}, {2, 8192}, {4, 8192}, {4, 16384}};
    const struct fact_instance_type *type = NULL;
    if (!vm->type_auto && vm->instance_types.count) {
        type = catalogue_type(vm->instance_types.items[0].value);
    }
    size_t shape = usual ? USUAL_SHAPE : draw(r) % (sizeof shapes / sizeof *shapes);
    hardware->cpus = type ? type->vcpus : shapes[shape].cpus;
    hardware->memory_mib = type ? type->memory_mib : shapes[shape].memory_mib;
    hardware->arch = type ? type->arch : "x86_64";
}

static bool is_windows(const struct plan_vm *vm)
{
    return vm->licensing_aws || strstr(vm->name, "windows") ||
           (vm->source.value && strstr(vm->source.value, "windows"));
}

static void choose_system(struct request *r, const struct plan *plan, const struct plan_vm *vm,
                          bool usual, struct hardware *hardware)
{
    bool bios = plan->aws.image_bios.value != NULL, uefi = plan->aws.image_uefi.value != NULL;
    bool first = usual || draw(r) % 2 == 0;
    bool one_image =
        bios && uefi && strcmp(plan->aws.image_bios.value, plan->aws.image_uefi.value) == 0;
    hardware->os = is_windows(vm) ? "windows" : "linux";
    hardware->firmware = bios && (!uefi || first) ? "bios" : "uefi";
    /* An image for both boots UEFI on every current type. */
    if (one_image || is_windows(vm) || strcmp(hardware->arch, "arm64") == 0) {
        hardware->firmware = "uefi";
    }
    hardware->guest_id = is_windows(vm) ? "windows2019srvNext_64Guest" : "debian12_64Guest";
    hardware->controller = is_windows(vm) ? "lsilogic" : "pvscsi";
}

static int64_t disks_spoken_of(const struct plan_vm *vm)
{
    int64_t disks = 1;
    for (size_t i = 0; i < vm->volume_count; i++) {
        if (vm->volumes[i].disk >= disks && vm->volumes[i].disk < DISKS_MAX) {
            disks = vm->volumes[i].disk + 1;
        }
    }
    return disks;
}

static struct hardware choose_hardware(struct request *r, const struct plan *plan,
                                       const struct plan_vm *vm)
{
    struct hardware hardware = {.disks = draw_between(r, 1, 3)};
    int64_t spoken_of = disks_spoken_of(vm);
    hardware.disks = spoken_of > hardware.disks ? spoken_of : hardware.disks;
    for (int64_t disk = 0; disk < hardware.disks; disk++) {
        hardware.size_gib[disk] = disk_size(r, plan, vm, disk);
    }
    choose_shape(r, vm, false, &hardware);
    choose_system(r, plan, vm, false, &hardware);
    return hardware;
}

/* Its hardware by the facts, as far as they say; `fact` NULL: they know nothing of it. */
static struct hardware known_hardware(struct request *r, const struct plan *plan,
                                      const struct plan_vm *vm, const struct fact_vm *fact)
{
    struct hardware hardware = {.disks = disks_spoken_of(vm)};
    choose_shape(r, vm, true, &hardware);
    choose_system(r, plan, vm, true, &hardware);
    if (fact) {
        hardware.disks = fact->disk_count > 0 ? (int64_t)fact->disk_count : hardware.disks;
        hardware.cpus = fact->cpus > 0 ? fact->cpus : hardware.cpus;
        hardware.memory_mib = fact->memory_mib > 0 ? fact->memory_mib : hardware.memory_mib;
        hardware.firmware = fact->firmware ? fact->firmware : hardware.firmware;
        hardware.os = fact->os ? fact->os : hardware.os;
        hardware.arch = fact->arch ? fact->arch : hardware.arch;
        hardware.guest_id = fact->guest_id ? fact->guest_id : hardware.guest_id;
    }
    hardware.disks = hardware.disks < DISKS_MAX ? hardware.disks : DISKS_MAX;
    for (int64_t disk = 0; disk < hardware.disks; disk++) {
        bool known = fact && (size_t)disk < fact->disk_count;
        int64_t size_gib = known ? fact->disks[disk].size_gib : 0;
        hardware.size_gib[disk] =
            size_gib > 0 ? size_gib : fitting_size(plan, vm, disk, USUAL_DISK_GIB);
    }
    return hardware;
}

static void tag_int(struct request *r, const char *id, const char *key, int64_t value)
{
    tag_put(r, id, key, arena_printf(r->arena, "%" PRId64, value));
}

static void tag_boot_disk(struct request *r, const char *id, const struct hardware *hardware)
{
    tag_int(r, id, "drc:disks", hardware->disks);
    tag_int(r, id, "drc:cpus", hardware->cpus);
    tag_int(r, id, "drc:memory-mib", hardware->memory_mib);
    tag_put(r, id, "drc:firmware", hardware->firmware);
    tag_put(r, id, "drc:os", hardware->os);
    tag_put(r, id, "drc:arch", hardware->arch);
    tag_put(r, id, "drc:guest-id", hardware->guest_id);
}

static void add_copy(struct request *r, const struct plan *plan, const struct plan_vm *vm,
                     const struct hardware *hardware, int64_t disk, int64_t point_ms,
                     const char *role, const char *content)
{
    const char *id = new_id(r, "snap");
    char time[32];
    state_run(r->state,
              "INSERT INTO snapshots (id, created_ms, completed_ms, volume, size_gib, encrypted, "
              "description, content, firmware) VALUES (?, ?, ?, 'vol-ffffffff', ?, 0, ?, ?, ?)",
              "siiisss", id, point_ms + MINUTE_MS / 2, point_ms + MINUTE_MS,
              hardware->size_gib[disk],
              arena_printf(r->arena, "DR copy of %s/%s disk %" PRId64, plan->name, vm->name, disk),
              content, disk == 0 ? hardware->firmware : NULL);
    tag_put(r, id, "drc:role", role);
    tag_put(r, id, "drc:plan", plan->name);
    tag_put(r, id, "drc:vm", vm->name);
    tag_int(r, id, "drc:disk", disk);
    tag_put(r, id, "drc:recovery-point", format_time(time, point_ms));
    tag_int(r, id, "drc:disk-bytes", hardware->size_gib[disk] << 30);
    tag_put(r, id, "drc:controller", hardware->controller);
    if (disk == 0) {
        tag_boot_disk(r, id, hardware);
    }
}

static void add_point(struct request *r, const struct plan *plan, const struct plan_vm *vm,
                      const struct hardware *hardware, int64_t point_ms)
{
    const char *boot = plan->aws.inject ? "vmware" : "bootable";
    for (int64_t disk = 0; disk < hardware->disks; disk++) {
        add_copy(r, plan, vm, hardware, disk, point_ms, "dr-copy", disk == 0 ? boot : "data");
    }
    if (plan->replication.prepare) {
        add_copy(r, plan, vm, hardware, 0, point_ms, "dr-copy-bootable", "bootable");
    }
}

static bool has_copies(struct request *r, const struct plan *plan, const struct plan_vm *vm)
{
    return state_value(
        r->state, 0,
        "SELECT 1 FROM tags AS p JOIN tags AS v ON v.resource = p.resource WHERE p.key = "
        "'drc:plan' "
        "AND p.value = ? AND v.key = 'drc:vm' AND v.value = ? AND p.resource GLOB 'snap-*'",
        "ss", plan->name, vm->name);
}

void populate_copies(struct request *r, const struct plan *plan, const struct facts *facts)
{
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct plan_vm *vm = &plan->vms[i];
        if (has_copies(r, plan, vm)) {
            continue;
        }
        struct hardware hardware = facts
                                       ? known_hardware(r, plan, vm, map_get(&facts->vms, vm->name))
                                       : choose_hardware(r, plan, vm);
        int64_t age = draw_between(r, POINT_AGE_MIN, POINT_AGE_MAX) * MINUTE_MS;
        int64_t newest_ms = (r->now_ms - age) / MINUTE_MS * MINUTE_MS;
        int64_t points = plan->replication.keep > 1 ? 2 : 1;
        for (int64_t point = points - 1; point >= 0; point--) {
            add_point(r, plan, vm, &hardware, newest_ms - point * POINT_DISTANCE_MIN * MINUTE_MS);
        }
    }
}
