#include "compiler/plan/check.h"

#include <inttypes.h>
#include <string.h>

#include "compiler/base/arena.h"

/* Volume settings against what EBS offers. Source: the EBS user guide, "Amazon EBS volume types".
 * The ratio of iops to size is left to EC2's preflight: sizes are facts. */

struct volume_type {
    const char *name;
    int64_t iops_min, iops_max; /* 0: iops cannot be set */
    bool needs_iops, boots;
};

static const struct volume_type volume_types[] = {
    {"gp2", 0, 0, false, true},      {"gp3", 3000, 16000, false, true},
    {"io1", 100, 64000, true, true}, {"io2", 100, 256000, true, true},
    {"st1", 0, 0, false, false},     {"sc1", 0, 0, false, false},
    {"standard", 0, 0, false, true},
};
enum {
    VOLUME_TYPE_COUNT = sizeof volume_types / sizeof *volume_types,
    GP3_IOPS = 3000,
    GP3_THROUGHPUT_MIN = 125, /* MiB/s, also what there is without asking */
    GP3_THROUGHPUT_MAX = 1000,
    GP3_IOPS_PER_THROUGHPUT = 4,
};

static const struct volume_type *type_by_name(const char *name)
{
    for (size_t i = 0; i < VOLUME_TYPE_COUNT; i++) {
        if (strcmp(volume_types[i].name, name) == 0) {
            return &volume_types[i];
        }
    }
    return NULL;
}

static struct diagnostic *invalid(struct diagnostics *diagnostics, struct span at,
                                  const char *message)
{
    return diagnose(diagnostics, DIAG_INVALID_VOLUME_SETTINGS, at, "%s", message);
}

static void check_iops(const struct plan *plan, const struct volume_settings *volume,
                       const struct volume_type *type, struct diagnostics *diagnostics)
{
    struct arena *arena = plan->arena;
    struct diagnostic *found = NULL;
    if (volume->iops && !type->iops_max) {
        found = invalid(diagnostics, volume->at,
                        arena_printf(arena, "%s volumes take no iops", type->name));
        diagnostic_help(diagnostics, found, "leave iops out, or choose gp3, io1 or io2");
    } else if (!volume->iops && type->needs_iops) {
        found = invalid(diagnostics, volume->at,
                        arena_printf(arena, "%s volumes need iops", type->name));
        diagnostic_help(diagnostics, found, "say how many: %" PRId64 " to %" PRId64, type->iops_min,
                        type->iops_max);
    } else if (volume->iops && (volume->iops < type->iops_min || volume->iops > type->iops_max)) {
        found = invalid(diagnostics, volume->at,
                        arena_printf(arena, "%" PRId64 " iops are out of the range of %s",
                                     volume->iops, type->name));
        diagnostic_help(diagnostics, found, "%" PRId64 " to %" PRId64 " can be had", type->iops_min,
                        type->iops_max);
    }
}

static void check_throughput(const struct plan *plan, const struct volume_settings *volume,
                             const struct volume_type *type, struct diagnostics *diagnostics)
{
    struct arena *arena = plan->arena;
    int64_t iops = volume->iops ? volume->iops : GP3_IOPS;
    if (!volume->throughput) {
        return;
    }
    if (strcmp(type->name, "gp3") != 0) {
        struct diagnostic *found =
            invalid(diagnostics, volume->at,
                    arena_printf(arena, "the throughput of %s volumes cannot be set", type->name));
        diagnostic_help(diagnostics, found, "leave throughput out, or choose gp3");
    } else if (volume->throughput < GP3_THROUGHPUT_MIN || volume->throughput > GP3_THROUGHPUT_MAX) {
        struct diagnostic *found =
            invalid(diagnostics, volume->at,
                    arena_printf(arena, "a throughput of %" PRId64 " MiB/s is out of gp3's range",
                                 volume->throughput));
        diagnostic_help(diagnostics, found, "%d to %d can be had", GP3_THROUGHPUT_MIN,
                        GP3_THROUGHPUT_MAX);
    } else if (volume->throughput * GP3_IOPS_PER_THROUGHPUT > iops) {
        struct diagnostic *found =
            invalid(diagnostics, volume->at,
                    arena_printf(arena, "%" PRId64 " iops cannot carry %" PRId64 " MiB/s", iops,
                                 volume->throughput));
        diagnostic_help(diagnostics, found, "set iops to %" PRId64 " or more",
                        volume->throughput * GP3_IOPS_PER_THROUGHPUT);
    }
}

static void report_not_bootable(const struct plan *plan, const char *type, struct span at,
                                struct diagnostics *diagnostics)
{
    struct diagnostic *found = invalid(
        diagnostics, at,
        arena_printf(plan->arena, "an instance cannot boot from a volume of type %s", type));
    diagnostic_help(diagnostics, found, "give disk 0 gp3, io1 or io2");
}

static void check_volume(const struct plan *plan, const struct volume_settings *volume,
                         struct diagnostics *diagnostics)
{
    const char *name = volume->type.value ? volume->type.value : plan->aws.volume_type.value;
    const struct volume_type *type = type_by_name(name);
    if (!type) {
        return; /* The schema has told. */
    }
    if (volume->disk == 0 && !type->boots) {
        report_not_bootable(plan, name, volume->at, diagnostics);
    }
    check_iops(plan, volume, type, diagnostics);
    check_throughput(plan, volume, type, diagnostics);
}

/* What the default means for boot disks that say nothing themselves. */
static void check_default(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct text name = plan->aws.volume_type;
    const struct volume_type *type = type_by_name(name.value);
    if (!type || (type->boots && !type->needs_iops)) {
        return;
    }
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct plan_vm *vm = &plan->vms[i];
        if (vm->volume_count && vm->volumes[0].disk == 0) {
            continue;
        }
        if (!type->boots) {
            report_not_bootable(plan, name.value, name.at, diagnostics);
        } else {
            struct diagnostic *found =
                invalid(diagnostics, name.at,
                        arena_printf(plan->arena,
                                     "%s volumes need iops, and %s says none for its "
                                     "boot disk",
                                     name.value, vm->name));
            diagnostic_help(diagnostics, found,
                            "use gp3 here, and %s with iops under the volumes of VMs", name.value);
        }
        return;
    }
}

void check_volumes(const struct plan *plan, struct diagnostics *diagnostics)
{
    check_default(plan, diagnostics);
    for (size_t i = 0; i < plan->vm_count; i++) {
        for (size_t j = 0; j < plan->vms[i].volume_count; j++) {
            check_volume(plan, &plan->vms[i].volumes[j], diagnostics);
        }
    }
}
