/* What DR copies there are of a plan, by VM and recovery point: what a failover could be made from.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/aws.h"
#include "runtime/aws/internal.h"
#include "runtime/aws/recovery_points.h"

static void describe(struct arena *arena, const char *vm, const struct recovery_point *point,
                     bool bootable, struct aws_copy *copy)
{
    *copy = (struct aws_copy){
        .vm = vm,
        .recovery_point = point->time,
        .recovery_point_utc_ms = point->utc_ms,
        .disks = point->copies[0] ? point->copies[0]->disks : 0,
        .flaw = recovery_point_flaw(arena, point, bootable),
    };
    for (size_t disk = 0; disk < DR_DISKS_MAX; disk++) {
        const struct dr_copy *snapshot = point->copies[disk];
        if (snapshot) {
            copy->completed += snapshot->completed;
            copy->copied_utc_ms = snapshot->started_utc_ms > copy->copied_utc_ms
                                      ? snapshot->started_utc_ms
                                      : copy->copied_utc_ms;
        }
    }
}

static int compare(const void *left, const void *right)
{
    const struct aws_copy *a = left, *b = right;
    int order = strcmp(a->vm, b->vm);
    if (order) {
        return order;
    }
    return (a->recovery_point_utc_ms < b->recovery_point_utc_ms) -
           (a->recovery_point_utc_ms > b->recovery_point_utc_ms);
}

bool aws_list_copies(struct aws *aws, struct arena *arena, const char *plan, bool bootable,
                     struct aws_copy **copies, size_t *count, struct error *error)
{
    struct recovery_points points = {.arena = arena, .plan = plan};
    struct asks *asks = asks_create(aws->client);
    recovery_points_ask(&points, asks);
    bool ok = asks_run(asks, error);
    asks_destroy(asks);
    if (!ok) {
        return error_prefix(error, "looking for DR copies of %s in %s", plan,
                            aws_client_region(aws->client));
    }
    size_t capacity = 0;
    *copies = NULL;
    *count = 0;
    for (struct map_entry *vm = map_first(&points.by_vm); vm; vm = map_next(vm)) {
        for (const struct recovery_point *at = vm->value; at; at = at->next) {
            *copies = arena_grow(arena, *copies, *count, &capacity, sizeof **copies);
            describe(arena, vm->key, at, bootable, &(*copies)[(*count)++]);
        }
    }
    if (*count > 1) {
        qsort(*copies, *count, sizeof **copies, compare);
    }
    return true;
}
