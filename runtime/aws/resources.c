/* What exists by tag: for cleanup, orphans, and where production is. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/ask.h"
#include "runtime/aws/describe.h"
#include "runtime/aws/internal.h"

struct search {
    struct arena *arena;
    const char *run; /* NULL: all of the plan */
    struct aws_resource *items;
    size_t count, capacity;
};

static const char *kept(struct search *search, const char *text)
{
    return text ? one_line(search->arena, text, strlen(text), 512) : NULL;
}

static struct aws_resource *add(struct search *search, enum aws_kind kind, const char *id,
                                const char *state, const struct xml *object)
{
    search->items = arena_grow(search->arena, search->items, search->count, &search->capacity,
                               sizeof *search->items);
    struct aws_resource *resource = &search->items[search->count++];
    *resource = (struct aws_resource){.kind = kind,
                                      .id = kept(search, id),
                                      .state = kept(search, state ? state : ""),
                                      .plan = kept(search, xml_tag(object, "drc:plan")),
                                      .vm = kept(search, xml_tag(object, "drc:vm")),
                                      .run = kept(search, xml_tag(object, "drc:run")),
                                      .node = kept(search, xml_tag(object, "drc:node")),
                                      .workflow = kept(search, xml_tag(object, "drc:workflow")),
                                      .role = kept(search, xml_tag(object, "drc:role")),
                                      .committed = xml_tag(object, "drc:committed") != NULL};
    return resource;
}

static void see_instance(void *context, const struct xml *instance)
{
    const char *id = xml_text(instance, "instanceId");
    if (id) {
        add(context, AWS_INSTANCE, id, xml_text(instance, "instanceState/name"), instance);
    }
}

static void see_volume(void *context, const struct xml *volume)
{
    const char *id = xml_text(volume, "volumeId");
    if (id) {
        struct aws_resource *resource =
            add(context, AWS_VOLUME, id, xml_text(volume, "status"), volume);
        resource->attached_to =
            kept(context, xml_text(xml_first(volume, "attachmentSet"), "instanceId"));
    }
}

static const char HOLD[] = "drc:hold:";

/* A hold for each tag drc:hold:RUN. */
static void see_holds(void *context, const struct xml *snapshot)
{
    struct search *search = context;
    const char *id = xml_text(snapshot, "snapshotId");
    const struct xml *item = id ? xml_first(snapshot, "tagSet") : NULL;
    for (; item; item = item->next) {
        const char *key = xml_text(item, "key");
        const char *run =
            key && strncmp(key, HOLD, sizeof HOLD - 1) == 0 ? key + sizeof HOLD - 1 : NULL;
        if (run && (!search->run || strcmp(search->run, run) == 0)) {
            add(search, AWS_HOLD, id, "held", snapshot)->run = kept(search, run);
        }
    }
}

static void see_snapshot(void *context, const struct xml *snapshot)
{
    const struct search *search = context;
    const char *id = xml_text(snapshot, "snapshotId");
    if (id) {
        add(context, AWS_SNAPSHOT, id, xml_text(snapshot, "status"), snapshot);
    }
    if (!search->run) { /* those of a run are asked for */
        see_holds(context, snapshot);
    }
}

static void see_image(void *context, const struct xml *image)
{
    const char *id = xml_text(image, "imageId");
    if (id) {
        add(context, AWS_IMAGE, id, xml_text(image, "imageState"), image);
    }
}

static void on_instances(void *context, const struct aws_answer *answer)
{
    describe_each(answer->xml, NULL, true, see_instance, context);
}

static void on_volumes(void *context, const struct aws_answer *answer)
{
    describe_each(answer->xml, "volumeSet", false, see_volume, context);
}

static void on_snapshots(void *context, const struct aws_answer *answer)
{
    describe_each(answer->xml, "snapshotSet", false, see_snapshot, context);
}

static void on_held(void *context, const struct aws_answer *answer)
{
    describe_each(answer->xml, "snapshotSet", false, see_holds, context);
}

static void ask_holds(struct asks *asks, const char *plan, struct search *search)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DescribeSnapshots");
    form_add(&form, "self", "Owner.1");
    form_filter(&form, 1, "tag-key", arena_printf(search->arena, "%s%s", HOLD, search->run));
    if (plan) {
        form_filter(&form, 2, "tag:drc:plan", plan);
    }
    form_add(&form, "1000", "MaxResults");
    asks_add_form(asks, "DescribeSnapshots", &form, true, on_held, search);
}

static void on_images(void *context, const struct aws_answer *answer)
{
    describe_each(answer->xml, "imagesSet", false, see_image, context);
}

static void ask_by_tag(struct asks *asks, const char *operation, const char *owner,
                       const char *plan, const char *run,
                       void (*page)(void *context, const struct aws_answer *answer),
                       struct search *search)
{
    struct form form = {{0}};
    int filter = 0;
    form_begin(&form, AWS_SERVICE_EC2, operation);
    form_add(&form, owner ? "self" : NULL, "%s", owner ? owner : "");
    if (plan) {
        form_filter(&form, ++filter, "tag:drc:plan", plan);
    } else {
        form_filter(&form, ++filter, "tag-key", "drc:plan");
    }
    if (run) {
        form_filter(&form, ++filter, "tag:drc:run", run);
    }
    form_add(&form, "1000", "MaxResults");
    asks_add_form(asks, operation, &form, true, page, search);
}

bool aws_list_resources(struct aws *aws, struct arena *arena, const char *plan, const char *run,
                        struct aws_resource **resources, size_t *count, struct error *error)
{
    struct search search = {.arena = arena, .run = run};
    struct asks *asks = asks_create(aws->client);
    if (run) {
        ask_holds(asks, plan, &search);
    }
    ask_by_tag(asks, "DescribeInstances", NULL, plan, run, on_instances, &search);
    ask_by_tag(asks, "DescribeVolumes", NULL, plan, run, on_volumes, &search);
    ask_by_tag(asks, "DescribeSnapshots", "Owner.1", plan, run, on_snapshots, &search);
    ask_by_tag(asks, "DescribeImages", "Owner.1", plan, run, on_images, &search);
    bool ok = asks_run(asks, error);
    asks_destroy(asks);
    *resources = search.items;
    *count = search.count;
    return ok || error_prefix(error, "looking for what has the tag drc:plan=%s", plan ? plan : "*");
}

/* --- what is somebody else's --- */

enum { ASKED_AT_ONCE = 200 }; /* values of one filter (EC2 API Reference, "Filter") */

struct way {
    const char *operation, *filter;
    void (*page)(void *context, const struct aws_answer *answer);
};

static const struct way ways[] = {
    [AWS_INSTANCE] = {"DescribeInstances", "instance-id", on_instances},
    [AWS_VOLUME] = {"DescribeVolumes", "volume-id", on_volumes},
    [AWS_IMAGE] = {"DescribeImages", "image-id", on_images},
};

/* By a filter, because an id that is unknown is no error then. */
static void ask_by_id(struct asks *asks, enum aws_kind kind, const struct aws_resource *ids,
                      size_t count, struct search *search)
{
    const struct way *way = &ways[kind];
    struct form form = {{0}};
    int asked = 0;
    for (size_t i = 0; i < count; i++) {
        if (ids[i].kind == kind && asked == 0) {
            form_begin(&form, AWS_SERVICE_EC2, way->operation);
            form_filter(&form, 1, way->filter, ids[i].id);
            asked = 1;
        } else if (ids[i].kind == kind) {
            form_add(&form, ids[i].id, "Filter.1.Value.%d", ++asked);
        }
        if (asked == ASKED_AT_ONCE || (asked && i + 1 == count)) {
            form_add(&form, "1000", "MaxResults");
            asks_add_form(asks, way->operation, &form, true, way->page, search);
            asked = 0;
        }
    }
}

/* What is terminated loses its tags after a while. */
static bool is_foreign(const struct aws_resource *resource, const char *plan)
{
    return strcmp(resource->state, "terminated") != 0 && strcmp(resource->state, "deregistered") != 0 &&
           (!resource->plan || strcmp(resource->plan, plan) != 0);
}

bool aws_find_foreign(struct aws *aws, struct arena *arena, const char *plan,
                      const struct aws_resource *ids, size_t id_count,
                      struct aws_resource **foreign, size_t *count, struct error *error)
{
    struct search search = {.arena = arena};
    struct asks *asks = asks_create(aws->client);
    ask_by_id(asks, AWS_INSTANCE, ids, id_count, &search);
    ask_by_id(asks, AWS_VOLUME, ids, id_count, &search);
    ask_by_id(asks, AWS_IMAGE, ids, id_count, &search);
    bool ok = asks_run(asks, error);
    asks_destroy(asks);
    *foreign = search.items;
    *count = 0;
    for (size_t i = 0; i < search.count; i++) {
        if (is_foreign(&search.items[i], plan)) {
            search.items[(*count)++] = search.items[i];
        }
    }
    return ok || error_prefix(error, "looking whether what the journal names is plan %s's own", plan);
}

enum { TAGGED_AT_ONCE = 500 }; /* CreateTags takes 1,000 ids (EC2 API Reference) */

static void on_tagged(void *context, const struct aws_answer *answer)
{
    (void)context, (void)answer; /* that there is one says it all */
}

bool aws_tag_resources(struct aws *aws, const char *const *ids, size_t count, const char *key,
                       const char *value, struct error *error)
{
    struct asks *asks = asks_create(aws->client);
    for (size_t first = 0; first < count; first += TAGGED_AT_ONCE) {
        struct form form = {{0}};
        form_begin(&form, AWS_SERVICE_EC2, "CreateTags");
        for (size_t i = first; i < count && i < first + TAGGED_AT_ONCE; i++) {
            form_add(&form, ids[i], "ResourceId.%zu", i - first + 1);
        }
        form_add(&form, key, "Tag.1.Key");
        form_add(&form, value, "Tag.1.Value");
        asks_add_form(asks, "CreateTags", &form, false, on_tagged, NULL);
    }
    bool ok = asks_run(asks, error);
    asks_destroy(asks);
    return ok || error_prefix(error, "tagging %zu thing%s with %s", count, count == 1 ? "" : "s", key);
}

bool aws_untag_resources(struct aws *aws, const char *const *ids, size_t count, const char *key,
                         struct error *error)
{
    struct asks *asks = asks_create(aws->client);
    for (size_t first = 0; first < count; first += TAGGED_AT_ONCE) {
        struct form form = {{0}};
        form_begin(&form, AWS_SERVICE_EC2, "DeleteTags");
        for (size_t i = first; i < count && i < first + TAGGED_AT_ONCE; i++) {
            form_add(&form, ids[i], "ResourceId.%zu", i - first + 1);
        }
        form_add(&form, key, "Tag.1.Key");
        asks_add_form(asks, "DeleteTags", &form, false, on_tagged, NULL);
    }
    bool ok = asks_run(asks, error);
    asks_destroy(asks);
    return ok || error_prefix(error, "taking %s off %zu thing%s", key, count, count == 1 ? "" : "s");
}
