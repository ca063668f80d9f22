#include "compiler/graph/action.h"

#include <assert.h>
#include <string.h>

#include "compiler/base/buffer.h"

/* A row's ports expand to a list with a comma behind each, and one empty port behind them all. */
#define NEEDED(name, type)   {#name, TYPE_##type, false},
#define OPTIONAL(name, type) {#name, TYPE_##type, true},
#define PORTS(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
        {                                                                                          \
            NULL, TYPE_TEXT, false                                                                 \
        }                                                                                          \
    }
#define PORT_COUNT(...)                                                                            \
    (sizeof((const struct action_port[])PORTS(__VA_ARGS__)) / sizeof(struct action_port) - 1)

static const struct action_info actions[ACTION_COUNT] = {
    [ACTION_NONE] = {.name = "none",
                     .effect = EFFECT_LOCAL,
                     .resend = RESEND_NEVER,
                     .batch_max = 1,
                     .permission = "",
                     .documentation = "Nothing."},
#define ACTION(NAME, name_, provider_, effect_, inputs_, outputs_, undo_, resend_, bucket_,        \
               resource_, batch_max_, poll_, expected_ms_, deadline_ms_, permission_,              \
               documentation_)                                                                     \
    [ACTION_##NAME] = {.name = name_,                                                              \
                       .provider = PROVIDER_##provider_,                                           \
                       .effect = EFFECT_##effect_,                                                 \
                       .inputs = PORTS(inputs_),                                                   \
                       .outputs = PORTS(outputs_),                                                 \
                       .input_count = PORT_COUNT(inputs_),                                         \
                       .output_count = PORT_COUNT(outputs_),                                       \
                       .undo = ACTION_##undo_,                                                     \
                       .resend = RESEND_##resend_,                                                 \
                       .bucket = BUCKET_##bucket_,                                                 \
                       .resource = BUCKET_##resource_,                                             \
                       .batch_max = batch_max_,                                                    \
                       .poll = POLL_##poll_,                                                       \
                       .expected_ms = expected_ms_,                                                \
                       .deadline_ms = deadline_ms_,                                                \
                       .permission = permission_,                                                  \
                       .documentation = documentation_},
#include "compiler/graph/action.def"
#undef ACTION
};

static const struct bucket_info buckets[BUCKET_COUNT] = {
#define BUCKET(NAME, api_, capacity_, refill_)                                                     \
    [BUCKET_##NAME] = {                                                                            \
        .name = #NAME, .api = api_, .capacity = capacity_, .refill_per_s = refill_},
#include "compiler/graph/bucket.def"
#undef BUCKET
};

const struct action_info *action_info(enum action action)
{
    assert((unsigned)action < ACTION_COUNT);
    return &actions[action];
}

enum action action_by_name(const char *name)
{
    for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
        if (actions[action].name[0] == name[0] && strcmp(actions[action].name, name) == 0) {
            return (enum action)action;
        }
    }
    return ACTION_NONE;
}

const struct action_port *action_input(enum action action, const char *name)
{
    const struct action_info *info = action_info(action);
    for (size_t i = 0; i < info->input_count; i++) {
        if (strcmp(info->inputs[i].name, name) == 0) {
            return &info->inputs[i];
        }
    }
    return NULL;
}

const struct action_port *action_output(enum action action, const char *name)
{
    const struct action_info *info = action_info(action);
    for (size_t i = 0; i < info->output_count; i++) {
        if (strcmp(info->outputs[i].name, name) == 0) {
            return &info->outputs[i];
        }
    }
    return NULL;
}

const char *action_provider_name(enum action_provider provider)
{
    static const char *const names[] = {
        [PROVIDER_ENGINE] = "engine",
        [PROVIDER_AWS] = "aws",
        [PROVIDER_HOST] = "host",
        [PROVIDER_MOVER] = "mover",
        [PROVIDER_DNS] = "dns"};
    assert((unsigned)provider < PROVIDER_COUNT);
    return names[provider];
}

const char *action_effect_name(enum action_effect effect)
{
    static const char *const names[] = {
        [EFFECT_READ] = "read",     [EFFECT_CREATE] = "create", [EFFECT_CHANGE] = "change",
        [EFFECT_DELETE] = "delete", [EFFECT_WAIT] = "wait",     [EFFECT_LOCAL] = "local"};
    assert((unsigned)effect < sizeof names / sizeof *names);
    return names[effect];
}

const char *action_resend_name(enum action_resend resend)
{
    static const char *const names[] = {[RESEND_TOKEN] = "token",
                                        [RESEND_NAME] = "name",
                                        [RESEND_NATURAL] = "natural",
                                        [RESEND_LOOKUP] = "lookup",
                                        [RESEND_NEVER] = "never"};
    assert((unsigned)resend < sizeof names / sizeof *names);
    return names[resend];
}

const char *poll_name(enum poll_kind poll)
{
    static const char *const names[] = {[POLL_NONE] = "none",
                                        [POLL_EACH] = "each",
                                        [POLL_INSTANCES] = "instances",
                                        [POLL_INSTANCE_STATUS] = "instance status",
                                        [POLL_VOLUMES] = "volumes",
                                        [POLL_IMAGES] = "images",
                                        [POLL_SNAPSHOTS] = "snapshots",
                                        [POLL_COMMANDS] = "commands",
                                        [POLL_AGENTS] = "agents",
                                        [POLL_TARGETS] = "targets",
                                        [POLL_RECORD_SETS] = "record sets"};
    assert((unsigned)poll < POLL_COUNT);
    return names[poll];
}

const char *value_type_name(enum value_type type)
{
    static const char *const names[] = {[TYPE_TEXT] = "text",
                                        [TYPE_INT] = "int",
                                        [TYPE_BOOL] = "bool",
                                        [TYPE_LIST] = "list",
                                        [TYPE_MAP] = "map"};
    assert((unsigned)type < sizeof names / sizeof *names);
    return names[type];
}

const struct bucket_info *bucket_info(enum bucket bucket)
{
    assert((unsigned)bucket < BUCKET_COUNT);
    return &buckets[bucket];
}

enum bucket bucket_of_api(const char *api, enum bucket otherwise)
{
    for (int i = 0; i < BUCKET_COUNT; i++) {
        if (buckets[i].api[0] && strcmp(buckets[i].api, api) == 0) {
            return (enum bucket)i;
        }
    }
    return otherwise;
}
