/* DryRun=true, once for each distinct shape of request: EC2 checks permissions and parameters and
 * changes nothing; "DryRunOperation" is its way to say that it would have done it. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/operation.h"
#include "runtime/aws/preflight.h"

enum { SHAPES_MAX = 64 };

static void would_have(struct preflight_topic *topic)
{
    preflight_find(topic->preflight, FINDING_PASSED, topic->subject, NULL, "EC2 would do it");
}

/* Done, although only asked for: not an EC2 that knows DryRun. */
static void on_done(void *context, const struct aws_answer *answer)
{
    (void)answer;
    struct preflight_topic *topic = context;
    preflight_find(topic->preflight, FINDING_WARNING, topic->subject,
                   "the endpoint does not know DryRun: look for what it has made",
                   "the endpoint carried out what it was only asked about");
}

static bool on_refused(void *context, const struct aws_answer *answer)
{
    struct preflight_topic *topic = context;
    const char *code = answer->error.code;
    if (code && strcmp(code, "DryRunOperation") == 0) {
        would_have(topic);
    } else if (answer->outcome == OUTCOME_EXHAUSTED) {
        preflight_find(topic->preflight, FINDING_WARNING, topic->subject, answer->error.help, "%s",
                       answer->error.message); /* other types of the list may have some */
    } else if (code && answer->outcome != OUTCOME_RETRY && answer->outcome != OUTCOME_UNKNOWN &&
               answer->outcome != OUTCOME_THROTTLED) {
        preflight_find(topic->preflight, FINDING_FATAL, topic->subject, answer->error.help, "%s",
                       answer->error.message);
    } else {
        preflight_unknown(topic, answer);
    }
    return true;
}

typedef void (*form_builder)(struct form *form, const struct call *call);

static bool is_new_shape(struct preflight *preflight, struct map *shapes,
                         const struct graph_node *node, form_builder build)
{
    struct call shape;
    struct form form = {{0}};
    if (!preflight_resolve(preflight, node, "tags disk snapshot_id size_gib private_ip", &shape)) {
        return false;
    }
    struct graph_node anonymous = *node;
    anonymous.id = "";
    anonymous.vm = NO_VM;
    shape.node = &anonymous;
    build(&form, &shape);
    bool new = map_put(shapes, arena_strdup(preflight->arena, buffer_text(&form.body)), preflight);
    buffer_free(&form.body);
    return new;
}

static void ask(struct preflight *preflight, const struct graph_node *node, const char *operation,
                form_builder build)
{
    struct call call;
    struct form form = {{0}};
    if (!preflight_resolve(preflight, node, "private_ip", &call)) {
        return;
    }
    struct preflight_topic *topic = ARENA_NEW(preflight->arena, struct preflight_topic);
    *topic = (struct preflight_topic){
        preflight, arena_printf(preflight->arena, "dry run of %s as in %s", operation, node->id)};
    build(&form, &call);
    form_add(&form, "true", "DryRun");
    struct question question = {.service = AWS_SERVICE_EC2,
                                .operation = operation,
                                .body = buffer_text(&form.body),
                                .brief = true,
                                .bucket = action_info(node->action)->bucket,
                                .page = on_done,
                                .refused = on_refused,
                                .context = topic};
    asks_add(preflight->asks, &question);
    buffer_free(&form.body);
}

void preflight_dry_run(struct preflight *preflight)
{
    static const struct {
        enum action action;
        const char *operation;
        form_builder build;
    } rows[] = {{ACTION_CREATE_VOLUME, "CreateVolume", form_create_volume},
                {ACTION_RUN_INSTANCE, "RunInstances", form_run_instance}};
    struct map shapes = {.arena = preflight->arena};
    for (uint32_t i = 0; i < preflight->graph->node_count; i++) {
        const struct graph_node *node = &preflight->graph->nodes[i];
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
            if (rows[j].action == node->action && map_count(&shapes) < SHAPES_MAX &&
                is_new_shape(preflight, &shapes, node, rows[j].build)) {
                ask(preflight, node, rows[j].operation, rows[j].build);
            }
        }
    }
}
