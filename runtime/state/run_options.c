#include "runtime/state/run_options.h"

#include <cJSON.h>
#include <stdlib.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "runtime/state/journal.h"

void run_options_write(const struct run_options *options, struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json_begin_object(&json);
    json_key_string(&json, "plan_path", options->plan_path);
    json_key_string(&json, "plan_digest", options->plan_digest);
    json_key_string(&json, "plan_name", options->plan_name);
    json_key_string(&json, "owner", options->owner);
    json_key_string(&json, "workflow", workflow_name(options->workflow));
    json_key_string(&json, "sandbox", options->sandbox);
    json_key_string(&json, "recovery_point", options->recovery_point);
    json_key_string(&json, "limits", options->limits);
    json_key_string(&json, "only", options->only);
    json_key_string(&json, "region", options->region);
    json_key_string(&json, "account", options->account);
    json_key_string(&json, "profile", options->profile);
    json_key_string(&json, "role_arn", options->role_arn);
    json_key_int(&json, "bandwidth", options->bandwidth);
    json_key_int(&json, "mover_memory", options->mover_memory);
    json_key_int(&json, "rto_ms", options->rto_ms);
    json_key_int(&json, "rpo_ms", options->rpo_ms);
    json_key_bool(&json, "approved", options->approved);
    json_key_int(&json, "disaster_utc_ms", options->disaster_utc_ms);
    json_key_bool(&json, "data_loss_accepted", options->data_loss_accepted);
    json_key_int(&json, "auto_cleanup_ms", options->auto_cleanup_ms);
    json_key(&json, "variables");
    json_begin_object(&json);
    for (size_t i = 0; i < options->variable_count; i++) {
        json_key_string(&json, options->variables[i].name, options->variables[i].value);
    }
    json_end_object(&json);
    json_end_object(&json);
}

static const char *text_member(struct arena *arena, const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? arena_strdup(arena, item->valuestring) : NULL;
}

static int64_t int_member(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return json_int_or(item, 0);
}

static void read_variables(struct arena *arena, const cJSON *object, struct run_options *options)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "variables");
    options->variables = ARENA_ARRAY(arena, struct variable, (size_t)cJSON_GetArraySize(list) + 1);
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item)) {
            options->variables[options->variable_count++] = (struct variable){
                .name = arena_strdup(arena, item->string),
                .value = arena_strdup(arena, item->valuestring),
            };
        }
    }
}

static bool read_options(struct arena *arena, const cJSON *object, struct run_options *options)
{
    const char *workflow = text_member(arena, object, "workflow");
    *options = (struct run_options){
        .plan_path = text_member(arena, object, "plan_path"),
        .plan_digest = text_member(arena, object, "plan_digest"),
        .plan_name = text_member(arena, object, "plan_name"),
        .owner = text_member(arena, object, "owner"),
        .sandbox = text_member(arena, object, "sandbox"),
        .recovery_point = text_member(arena, object, "recovery_point"),
        .limits = text_member(arena, object, "limits"),
        .only = text_member(arena, object, "only"),
        .region = text_member(arena, object, "region"),
        .account = text_member(arena, object, "account"),
        .profile = text_member(arena, object, "profile"),
        .role_arn = text_member(arena, object, "role_arn"),
        .bandwidth = int_member(object, "bandwidth"),
        .mover_memory = int_member(object, "mover_memory"),
        .rto_ms = int_member(object, "rto_ms"),
        .rpo_ms = int_member(object, "rpo_ms"),
        .approved = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "approved")),
        .disaster_utc_ms = int_member(object, "disaster_utc_ms"),
        .auto_cleanup_ms = int_member(object, "auto_cleanup_ms"),
        .data_loss_accepted =
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "data_loss_accepted")),
    };
    read_variables(arena, object, options);
    return workflow && workflow_by_name(workflow, &options->workflow);
}

bool run_options_read(struct arena *arena, struct journal *journal, struct run_options *options,
                      struct error *error)
{
    void *bytes = NULL;
    size_t length = 0;
    struct error missing = {0};
    *options = (struct run_options){0};
    if (!journal_get_blob(journal, "options", &bytes, &length, &missing)) {
        return missing.message ? error_move(error, &missing) : true;
    }
    cJSON *object = cJSON_ParseWithLength(bytes, length);
    free(bytes);
    bool ok = read_options(arena, object, options);
    cJSON_Delete(object);
    if (!ok) {
        error_set(error, "the run's options cannot be read back from its journal");
        journal_help_damaged(error);
    }
    return ok;
}
