/* Pages of Describe requests: MaxResults and NextToken. A token is the id after which the next
 * page begins, hidden a little, so that clients treat it as opaque. */
#include <string.h>

#include "runtime/sandbox/resource.h"

static const char token_prefix[] = "eyJ2IjoxLCJhZnRlciI6";

static bool find_start(struct request *r, const struct objects *objects, const char *token,
                       size_t *start)
{
    size_t prefix = sizeof token_prefix - 1;
    if (strncmp(token, token_prefix, prefix) == 0) {
        for (size_t i = 0; i < objects->count; i++) {
            const struct resource *object = objects->items[i];
            if (strcmp(object->id, token + prefix) == 0) {
                *start = i + 1;
                return true;
            }
        }
    }
    return fail(r, 400, "InvalidParameterValue", "Invalid value '%s' for nextToken", token);
}

bool page_objects(struct request *r, const struct resource_kind *kind, struct objects *objects,
                  const char **next)
{
    int64_t limit = 0;
    const char *token = query_get(&r->query, "NextToken");
    *next = NULL;
    if (!optional_int(r, "MaxResults", &limit)) {
        return false;
    }
    bool limited = query_get(&r->query, "MaxResults") != NULL;
    if (!kind->page_max || (!limited && (!token || !*token))) {
        return true;
    }
    if (limited && kind->page_excludes_ids && query_get(&r->query, "%s.1", kind->ids)) {
        return fail(r, 400, "InvalidParameterCombination",
                    "The parameter %ss cannot be used with the parameter maxResults", kind->ids);
    }
    if (limited && (limit < kind->page_min || (limit > kind->page_max && kind->page_max <= 100))) {
        return fail(r, 400, "InvalidParameterValue",
                    "Value ( %lld ) for parameter maxResults is invalid. Expecting a value between "
                    "%d and %d.",
                    (long long)limit, kind->page_min, kind->page_max);
    }
    limit = !limited || limit > kind->page_max ? kind->page_max : limit;
    size_t start = 0;
    if (token && *token && !find_start(r, objects, token, &start)) {
        return false;
    }
    if (start) {
        objects->items += start;
        objects->count -= start;
    }
    if (objects->count > (size_t)limit) {
        objects->count = (size_t)limit;
        const struct resource *last = objects->items[limit - 1];
        *next = arena_printf(r->arena, "%s%s", token_prefix, last->id);
    }
    return true;
}
