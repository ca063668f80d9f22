#include "runtime/site/leftovers.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/map.h"
#include "runtime/aws/aws.h"

bool leftovers_is_gone(const struct aws_resource *resource)
{
    return resource->state && (strcmp(resource->state, "terminated") == 0 ||
                               strcmp(resource->state, "shutting-down") == 0 ||
                               strcmp(resource->state, "deleting") == 0 ||
                               strcmp(resource->state, "deregistered") == 0);
}

/* Snapshots with a role are DR copies: never deleted. */
static bool is_finished_copy(const struct aws_resource *resource)
{
    return resource->kind == AWS_SNAPSHOT && resource->role && *resource->role;
}

/* What carries the run's tags, as the ledger's things. */
static struct cleanup_thing *found_by_tag(struct arena *arena, struct aws *aws,
                                          const struct run_info *run, size_t *count,
                                          struct error *error)
{
    static const enum cleanup_kind kinds[] = {
        [AWS_INSTANCE] = CLEANUP_INSTANCE,
        [AWS_VOLUME] = CLEANUP_VOLUME,
        [AWS_IMAGE] = CLEANUP_IMAGE,
        [AWS_SNAPSHOT] = CLEANUP_SNAPSHOT,
        [AWS_HOLD] = CLEANUP_HOLD,
    };
    struct aws_resource *resources = NULL;
    size_t resource_count = 0;
    *count = 0;
    if (!aws_list_resources(aws, arena, run->plan, run->id, &resources, &resource_count, error)) {
        return NULL;
    }
    struct cleanup_thing *things = ARENA_ARRAY(arena, struct cleanup_thing, resource_count + 1);
    for (size_t i = 0; i < resource_count; i++) {
        const struct aws_resource *resource = &resources[i];
        things[(*count)++] = (struct cleanup_thing){
            .kind = kinds[resource->kind],
            .id = resource->id,
            .vm = resource->vm,
            .attached_to = resource->attached_to,
            .committed = resource->committed,
            .gone = leftovers_is_gone(resource) || is_finished_copy(resource),
        };
    }
    return things;
}

static const enum aws_kind kind_of[] = {
    [CLEANUP_INSTANCE] = AWS_INSTANCE,
    [CLEANUP_VOLUME] = AWS_VOLUME,
    [CLEANUP_IMAGE] = AWS_IMAGE,
};

/* Deleting a snapshot looks at its tags itself, and a hold is found by its tag only. */
static bool may_be_foreign(const struct cleanup_thing *thing)
{
    return !thing->gone && thing->kind <= CLEANUP_IMAGE;
}

/* Those of the ledger's that no tag has named. */
static bool leave_foreign(struct arena *arena, struct aws *aws, const char *plan,
                          struct cleanup_thing *things, size_t count,
                          const struct cleanup_thing *found, size_t found_count,
                          struct error *error)
{
    struct map by_tag = {.arena = arena}, by_id = {.arena = arena};
    struct aws_resource *unsure = ARENA_ARRAY(arena, struct aws_resource, count + 1), *foreign;
    size_t unsure_count = 0, foreign_count = 0;
    for (size_t i = 0; i < found_count; i++) {
        map_put(&by_tag, found[i].id, (void *)&found[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (may_be_foreign(&things[i]) && !map_get(&by_tag, things[i].id)) {
            unsure[unsure_count++] =
                (struct aws_resource){.kind = kind_of[things[i].kind], .id = things[i].id};
            map_put(&by_id, things[i].id, &things[i]);
        }
    }
    if (unsure_count == 0) {
        return true;
    }
    if (!aws_find_foreign(aws, arena, plan, unsure, unsure_count, &foreign, &foreign_count, error)) {
        return false;
    }
    for (size_t i = 0; i < foreign_count; i++) {
        struct cleanup_thing *thing = map_get(&by_id, foreign[i].id);
        if (thing) {
            thing->foreign = thing->gone = true;
        }
    }
    return true;
}

bool leftovers_of_run(struct arena *arena, struct aws *aws, const struct run_info *run,
                      struct cleanup_thing **things, size_t *count, struct error *error)
{
    size_t found_count = 0;
    struct cleanup_thing *found = found_by_tag(arena, aws, run, &found_count, error);
    if (!found || !cleanup_ledger(arena, run, things, count, error)) {
        return false;
    }
    cleanup_merge(arena, things, count, found, found_count, false);
    return leave_foreign(arena, aws, run->plan, *things, *count, found, found_count, error);
}
