#include "compiler/plan/check.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/graph/facts.h"
#include "compiler/plan/bind.h"

/* How VMs are to boot on EC2: what cannot work whatever the facts are. */

static void check_modes(const struct plan *plan, struct diagnostics *diagnostics)
{
    if (plan->aws.boot == BOOT_IMAGE && plan->aws.inject && !plan->replication.prepare) {
        struct diagnostic *found =
            diagnose(diagnostics, DIAG_IMAGE_BOOT_NEEDS_BOOTABLE_COPY, plan->aws.boot_at,
                     "boot: image leaves no moment to inject drivers during a failover");
        if (plan->replication.given) {
            diagnostic_secondary(diagnostics, found, plan->replication.prepare_at,
                                 "drivers are injected during the failover (prepare: failover)");
        }
        diagnostic_help(diagnostics, found,
                        "replication.prepare: replication injects them ahead; or boot: attach; or "
                        "conversion.inject: never for guests that have them");
    }
    if (plan->aws.boot == BOOT_ATTACH && !plan->aws.image_bios.value &&
        !plan->aws.image_uefi.value && !plan->aws.image_windows.value) {
        struct diagnostic *found =
            diagnose(diagnostics, DIAG_NO_PLACEHOLDER_IMAGE, plan->aws.boot_at,
                     "boot: attach needs a placeholder image, and there is none");
        diagnostic_help(diagnostics, found,
                        "placeholder_image: {bios: ami-…, uefi: ami-…}, or boot: image");
    }
}

static void check_licensing(const struct plan *plan, const struct plan_vm *vm,
                            struct diagnostics *diagnostics)
{
    if (!vm->licensing_aws) {
        return;
    }
    if (plan->aws.boot == BOOT_IMAGE) {
        struct diagnostic *found =
            diagnose(diagnostics, DIAG_LICENSING_UNSUPPORTED, vm->licensing.at,
                     "licensing: aws does not go with boot: image");
        diagnostic_secondary(diagnostics, found, plan->aws.boot_at,
                             "a registered image has no Windows licence");
        diagnostic_help(diagnostics, found, "boot: attach, or licensing: byol");
    } else if (!plan->aws.image_windows.value) {
        struct diagnostic *found =
            diagnose(diagnostics, DIAG_LICENSING_UNSUPPORTED, vm->licensing.at,
                     "licensing: aws needs a Windows placeholder image");
        diagnostic_help(diagnostics, found,
                        "the licence comes with the image: placeholder_image: {windows: ami-…}");
    }
}

static void check_tenancy(const struct plan_vm *vm, struct diagnostics *diagnostics)
{
    if (!vm->tenancy.value || !vm->capacity_reservation.value ||
        strcmp(vm->tenancy.value, "host") != 0) {
        return;
    }
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_INVALID_TENANCY, vm->capacity_reservation.at,
                 "capacity reservations do not serve dedicated hosts");
    diagnostic_secondary(diagnostics, found, vm->tenancy.at, "%s is to run on one", vm->name);
    diagnostic_help(diagnostics, found, "leave one of the two out");
}

/* ---- Instance types, by the catalogue. A family that it does not know may be newer than it is:
 * facts decide then, when the plan is compiled. ---- */

static bool same_family(const char *type, const char *other)
{
    size_t length = strcspn(type, ".");
    return strncmp(type, other, length) == 0 && other[length] == '.';
}

static void check_unknown_type(const struct plan *plan, struct text type,
                               struct diagnostics *diagnostics)
{
    size_t count = 0;
    const char **sizes = ARENA_ARRAY(plan->arena, const char *, catalogue_count());
    for (size_t i = 0; i < catalogue_count(); i++) {
        if (same_family(type.value, catalogue_at(i)->name)) {
            sizes[count++] = catalogue_at(i)->name;
        }
    }
    if (count == 0) {
        return;
    }
    struct diagnostic *found = diagnose(diagnostics, DIAG_UNKNOWN_INSTANCE_TYPE, type.at,
                                        "there is no instance type %s", type.value);
    const char *near = nearest_name(type.value, sizes, count);
    diagnostic_help(diagnostics, found, near ? "did you mean %s?" : "its family has %s, for one",
                    near ? near : sizes[0]);
}

/* What the catalogue says of a type, asked once for each: VMs are many, types are few. */
struct known_type {
    const struct fact_instance_type *type; /* NULL: unknown, and told */
};

static const struct fact_instance_type *find_type(const struct plan *plan, struct map *types,
                                                  struct text name, struct diagnostics *diagnostics)
{
    struct known_type *known = map_get(types, name.value);
    if (!known) {
        known = ARENA_NEW(plan->arena, struct known_type);
        known->type = catalogue_type(name.value);
        map_put(types, name.value, known);
        if (!known->type) {
            check_unknown_type(plan, name, diagnostics);
        }
    }
    return known->type;
}

static void check_type(const struct plan *plan, struct map *types, const struct plan_vm *vm,
                       struct text name, struct diagnostics *diagnostics)
{
    if (strcmp(name.value, "auto") == 0) {
        struct diagnostic *found = diagnose(diagnostics, DIAG_UNKNOWN_INSTANCE_TYPE, name.at,
                                            "auto cannot be one of several types");
        diagnostic_help(diagnostics, found,
                        "name the types, or write instance_type: auto and list instance_families");
        return;
    }
    const struct fact_instance_type *type = find_type(plan, types, name, diagnostics);
    if (type && type->max_cards > 0 && vm->card_count > (size_t)type->max_cards) {
        struct diagnostic *found = diagnose(diagnostics, DIAG_INSTANCE_TYPE_UNFIT, name.at,
                                            "%s takes %d network cards, and %s has %zu", name.value,
                                            type->max_cards, vm->name, vm->card_count);
        diagnostic_secondary(diagnostics, found, vm->subnet_at, "the cards");
        diagnostic_help(diagnostics, found, "choose a larger type, or auto");
    }
}

/* ---- ARNs ---- */

/* Field `index` of arn:partition:service:region:account:…; false when there is none. */
static bool arn_field(const char *arn, int index, const char **field, size_t *length)
{
    if (strncmp(arn, "arn:", 4) != 0) {
        return false;
    }
    for (; index > 0; index--) {
        const char *colon = strchr(arn, ':');
        if (!colon) {
            return false;
        }
        arn = colon + 1;
    }
    *field = arn;
    *length = strcspn(arn, ":");
    return true;
}

static void check_arn(struct text arn, int index, const char *what, struct text own,
                      struct diagnostics *diagnostics)
{
    const char *field;
    size_t length;
    if (!own.value || !arn_field(arn.value, index, &field, &length) ||
        (strlen(own.value) == length && memcmp(own.value, field, length) == 0)) {
        return;
    }
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_ARN_ELSEWHERE, arn.at, "this ARN is of %s %.*s, not %s", what,
                 (int)length, field, own.value);
    diagnostic_secondary(diagnostics, found, own.at, "the plan recovers into this %s", what);
    diagnostic_help(diagnostics, found, "name one of this %s: it cannot be used from elsewhere",
                    what);
}

enum { ARN_REGION = 3, ARN_ACCOUNT = 4 };

static void check_arns(const struct plan *plan, struct diagnostics *diagnostics)
{
    if (plan->aws.kms_key.value) {
        check_arn(plan->aws.kms_key, ARN_REGION, "region", plan->aws.region, diagnostics);
    }
    for (size_t i = 0; i < plan->vm_count; i++) {
        for (int n = 0; n < NETWORK_COUNT; n++) {
            const struct texts *groups = &plan->vms[i].target_groups[n];
            for (size_t j = 0; j < groups->count; j++) {
                check_arn(groups->items[j], ARN_REGION, "region", plan->aws.region, diagnostics);
                check_arn(groups->items[j], ARN_ACCOUNT, "account", plan->aws.account, diagnostics);
            }
        }
    }
}

/* EC2 takes 50 tags; drc's own need some of them. */
enum { TAGS_MAX = 35 };

static void check_tags(const struct plan_vm *vm, struct diagnostics *diagnostics)
{
    if (vm->tag_count <= TAGS_MAX) {
        return;
    }
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_TOO_MANY_TAGS, vm->tags[TAGS_MAX].at,
                 "%s has %zu tags, and there is room for %d", vm->name, vm->tag_count, TAGS_MAX);
    diagnostic_label(diagnostics, found, "the first one too many");
    diagnostic_help(diagnostics, found, "EC2 takes 50, and drc's own need some of them");
}

void check_boot(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct map types = {.arena = plan->arena};
    check_modes(plan, diagnostics);
    check_arns(plan, diagnostics);
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct plan_vm *vm = &plan->vms[i];
        for (size_t j = 0; j < vm->instance_types.count; j++) {
            check_type(plan, &types, vm, vm->instance_types.items[j], diagnostics);
        }
        check_licensing(plan, vm, diagnostics);
        check_tenancy(vm, diagnostics);
        check_tags(vm, diagnostics);
    }
}
