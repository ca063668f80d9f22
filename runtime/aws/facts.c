/* Facts for a failover, all of them from the recovery site: nothing of the primary one is asked. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/ask.h"
#include "runtime/aws/describe.h"
#include "runtime/aws/internal.h"
#include "runtime/aws/recovery_points.h"
#include "runtime/aws/site_facts.h"

static void bind(struct site_facts *site, const char *vm, size_t disk, const char *what,
                 const char *id)
{
    map_put(&site->facts->bindings, arena_printf(site->arena, "%s/disk-%zu/%s", vm, disk, what),
            (void *)id);
}

static void fill_disks(struct site_facts *site, struct fact_vm *vm,
                       const struct recovery_point *point)
{
    struct arena *arena = site->arena;
    vm->disk_count = (size_t)point->copies[0]->disks;
    vm->disks = ARENA_ARRAY(arena, struct fact_disk, vm->disk_count);
    for (size_t i = 0; i < vm->disk_count; i++) {
        const struct dr_copy *copy = point->copies[i];
        bool bootable = i == 0 && point->bootable && point->bootable->completed;
        vm->disks[i] =
            (struct fact_disk){.bytes = copy->disk_bytes ? copy->disk_bytes : copy->size_gib << 30,
                               .size_gib = copy->size_gib,
                               .controller = copy->controller,
                               .bootable = bootable};
        bind(site, vm->name, i, "snapshot", copy->id);
        if (bootable) {
            bind(site, vm->name, i, "bootable-snapshot", point->bootable->id);
        }
    }
}

static void add_vm(struct site_facts *site, const char *name, const struct recovery_point *point)
{
    const struct dr_copy *boot = point->copies[0];
    struct fact_vm *vm = ARENA_NEW(site->arena, struct fact_vm);
    *vm = (struct fact_vm){.name = name,
                           .cpus = boot->cpus,
                           .memory_mib = boot->memory_mib,
                           .firmware = boot->firmware,
                           .os = boot->os,
                           .arch = boot->arch,
                           .guest_id = boot->guest_id};
    fill_disks(site, vm, point);
    map_put(&site->facts->vms, name, vm);
    map_put(&site->facts->bindings, arena_printf(site->arena, "%s/recovery-point", name),
            (void *)point->time);
}

/* Every VM without a usable copy is named, with what was found of it. */
static bool choose_points(struct site_facts *site, const struct recovery_points *points,
                          int64_t until_utc_ms, struct error *error)
{
    const struct plan *plan = site->plan;
    bool bootable = plan->aws.inject && plan->replication.prepare;
    struct buffer missing = {0};
    for (size_t i = 0; i < plan->vm_count; i++) {
        const char *name = plan->vms[i].name, *why = NULL;
        const struct recovery_point *point =
            recovery_points_choose(points, name, until_utc_ms, bootable, &why);
        if (point) {
            add_vm(site, name, point);
        } else {
            buffer_printf(&missing, "%s%s (%s)", missing.length ? ", " : "", name, why);
        }
    }
    bool ok = missing.length == 0;
    if (!ok) {
        error_set(error,
                  "no usable DR copy in %s of VM %s; looked for completed snapshots with the tags "
                  "drc:plan=%s, drc:vm, drc:disk, drc:recovery-point, drc:role=dr-copy",
                  aws_client_region(site->client), buffer_text(&missing), plan->name);
        error_help(error, "replicate first, choose another --recovery-point, or check region and "
                          "account");
    }
    buffer_free(&missing);
    return ok;
}

static bool until_of(const char *recovery_point, int64_t *until_utc_ms, struct error *error)
{
    *until_utc_ms = INT64_MAX;
    if (recovery_point && strcmp(recovery_point, "latest") != 0) {
        *until_utc_ms = parse_time(recovery_point);
    }
    if (*until_utc_ms < 0) {
        error_set(error, "\"%s\" is not a recovery point", recovery_point);
        return error_help(error, "give \"latest\", or a time such as 2026-11-22T10:00:00Z");
    }
    return true;
}

static void name_source(struct site_facts *site, struct aws *aws, const char *account)
{
    struct facts *facts = site->facts;
    char now[32];
    facts->observed_at =
        arena_strdup(site->arena, format_time(now, world_utc_ms(aws_client_world(aws->client))));
    facts->region = arena_strdup(site->arena, aws_client_region(aws->client));
    facts->account = account;
    facts->source = arena_printf(site->arena, "aws:%s/%s", facts->region, account);
}

struct facts *aws_gather_facts(struct aws *aws, struct arena *arena, const struct plan *plan,
                               enum workflow workflow, const char *recovery_point,
                               struct error *error)
{
    struct aws_identity identity = {0};
    int64_t until_utc_ms;
    if (!until_of(recovery_point, &until_utc_ms, error) ||
        !aws_identify(aws, arena, &identity, error)) {
        return NULL;
    }
    struct site_facts site = {.arena = arena,
                              .plan = plan,
                              .client = aws->client,
                              .network =
                                  workflow == WORKFLOW_TEST ? NETWORK_TEST : NETWORK_PRODUCTION,
                              .facts = facts_create(arena)};
    struct recovery_points points = {.arena = arena, .plan = plan->name};
    site.asks = asks_create(aws->client);
    name_source(&site, aws, identity.account);
    recovery_points_ask(&points, site.asks);
    site_facts_ask(&site);
    bool ok = asks_run(site.asks, error);
    if (!ok) {
        error_prefix(error, "gathering facts from %s", site.facts->region);
    }
    ok = ok && choose_points(&site, &points, until_utc_ms, error);
    asks_destroy(site.asks);
    return ok ? site.facts : NULL;
}
