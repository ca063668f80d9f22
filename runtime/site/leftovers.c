#include "runtime/site/leftovers.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/aws.h"

bool leftovers_is_gone(const struct aws_resource *resource)
{
    return resource->state && (strcmp(resource->state, "terminated") == 0 ||
                               strcmp(resource->state, "shutting-down") == 0 ||
                               strcmp(resource->state, "deleting") == 0 ||
                               strcmp(resource->state, "deregistered") == 0);
}

/* What carries the run's tags, as the ledger's things. Snapshots are DR copies: never deleted. */
static struct cleanup_thing *found_by_tag(struct arena *arena, struct aws *aws,
                                          const struct run_info *run, size_t *count,
                                          struct error *error)
{
    static const enum cleanup_kind kinds[] = {
        [AWS_INSTANCE] = CLEANUP_INSTANCE,
        [AWS_VOLUME] = CLEANUP_VOLUME,
        [AWS_IMAGE] = CLEANUP_IMAGE,
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
        if (resource->kind != AWS_SNAPSHOT) {
            things[(*count)++] = (struct cleanup_thing){
                .kind = kinds[resource->kind],
                .id = resource->id,
                .vm = resource->vm,
                .attached_to = resource->attached_to,
                .committed = resource->committed,
                .gone = leftovers_is_gone(resource),
            };
        }
    }
    return things;
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
    return true;
}
