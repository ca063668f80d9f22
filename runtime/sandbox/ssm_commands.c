/* SSM commands: sent, looked at, listed, cancelled. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/guests.h"
#include "runtime/sandbox/ssm.h"
#include "compiler/base/json_reader.h"

/* The agent runs so many at once (SSM agent, CommandWorkersLimit); the rest wait. */
enum { COMMAND_WORKERS = 5, COMMAND_INSTANCES_MAX = 50, COMMAND_COMMENT_MAX = 100 };

struct invocation {
    const char *command, *instance, *document, *parameters, *comment, *outcome, *output, *errors;
    const char *status, *details;
    int64_t requested_ms, starts_ms, ends_ms, expires_ms, timeout_s, exit_code;
};

const char *member_text(const struct request *r, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(r->json, name);
    return cJSON_IsString(member) ? member->valuestring : NULL;
}

bool agent_registers(struct request *r, const struct instance *instance, int64_t *at_ms)
{
    const char *vm = tag_value(&instance->resource.tags, "drc:vm");
    *at_ms = instance_boot_ms(r, instance) + (vm ? (int64_t)fault(r, "agent_ms:%s", vm) : 0);
    return instance->ssm && !(vm && fault(r, "agent:%s", vm) > 0);
}

bool agent_online(struct request *r, const struct instance *instance)
{
    const char *why;
    int64_t at_ms;
    return agent_registers(r, instance, &at_ms) && strcmp(instance->state, "running") == 0 &&
           r->now_ms >= at_ms && instance_boots(r, instance, &why);
}

/* When the agent has a worker free for one more. */
static int64_t free_worker_ms(struct request *r, const char *instance)
{
    int64_t soonest_ms = r->now_ms + COMMAND_PICKUP_MS;
    return state_value(r->state, soonest_ms,
                       "SELECT max(ends_ms, ?1) FROM commands WHERE instance = ?2 AND ends_ms > ?1 "
                       "ORDER BY ends_ms DESC LIMIT 1 OFFSET ?3",
                       "isd", soonest_ms, instance, COMMAND_WORKERS - 1);
}

static const char *script_of(struct request *r)
{
    const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(r->json, "Parameters");
    const cJSON *commands = cJSON_GetObjectItemCaseSensitive(parameters, "commands");
    struct buffer text = {0};
    const cJSON *line;
    cJSON_ArrayForEach(line, commands)
    {
        if (cJSON_IsString(line)) {
            buffer_printf(&text, "%s\n", line->valuestring);
        }
    }
    const char *script = arena_strdup(r->arena, buffer_text(&text));
    buffer_free(&text);
    return script;
}

static int64_t execution_timeout_ms(struct request *r)
{
    const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(r->json, "Parameters");
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(parameters, "executionTimeout");
    const cJSON *first = cJSON_GetArrayItem(list, 0);
    int64_t seconds = 3600;
    if (cJSON_IsString(first) && !parse_int(first->valuestring, &seconds)) {
        seconds = 3600;
    }
    return seconds * 1000;
}

static void start_command(struct request *r, const char *command, const char *instance_id,
                          const char *parameters, int64_t timeout_s)
{
    struct instance *instance = instance_load(r, instance_id);
    const char *comment = member_text(r, "Comment");
    struct command_result result = script_run(r, instance, script_of(r), comment);
    int64_t starts_ms = free_worker_ms(r, instance_id);
    if (strcmp(result.outcome, "DeliveryTimedOut") == 0) {
        starts_ms = r->now_ms + timeout_s * 1000; /* its agent never takes it */
        result.duration_ms = 0;
    } else if (result.duration_ms > execution_timeout_ms(r)) {
        result = (struct command_result){execution_timeout_ms(r), "ExecutionTimedOut", -1, "", "", NULL};
    }
    state_run(r->state, "INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              "sssssiiiiisdsss", command, instance_id, member_text(r, "DocumentName"), parameters,
              comment ? comment : "", r->now_ms, starts_ms, starts_ms + result.duration_ms,
              r->now_ms + timeout_s * 1000, timeout_s, result.outcome, result.exit_code,
              result.output, result.errors, result.volume);
    if (strcmp(result.outcome, "Success") == 0) {
        guest_hears(r, instance_id, script_of(r), starts_ms + result.duration_ms);
    }
    if (result.volume) {
        /* A second injection changes nothing about a disk that has its drivers by then. */
        state_run(r->state,
                  "UPDATE volumes SET injected_ms = ?1 WHERE id = ?2 AND "
                  "(injected_ms IS NULL OR injected_ms > ?1)",
                  "is", starts_ms + result.duration_ms, result.volume);
    }
}

/* The volume leaves before its injection is done: the command fails, the disk is as it was. */
static void fail_commands(struct request *r, const char *command, const char *instance,
                          const char *why)
{
    state_run(r->state,
              "UPDATE volumes SET injected_ms = NULL WHERE id = (SELECT volume FROM commands WHERE "
              "id = ?1 AND instance = ?2) AND injected_ms > ?3",
              "ssi", command, instance, r->now_ms);
    state_run(r->state,
              "UPDATE commands SET ends_ms = ?1, outcome = 'Failed', exit_code = 1, output = '', "
              "errors = ?2, volume = NULL WHERE id = ?3 AND instance = ?4 AND ends_ms > ?1",
              "isss", r->now_ms + 1000, why, command, instance);
}

void commands_volume_detached(struct request *r, const char *volume)
{
    struct sqlite3_stmt *row =
        state_query(r->state, "SELECT id, instance FROM commands WHERE volume = ? AND ends_ms > ?",
                    "si", volume, r->now_ms);
    if (!state_next(r->state, row)) {
        return;
    }
    const char *command = state_text(r->arena, row, 0), *instance = state_text(r->arena, row, 1);
    state_done(row);
    fail_commands(r, command, instance, "error: the volume was detached meanwhile\n");
}

void commands_instance_gone(struct request *r, const char *instance)
{
    struct objects commands = {0};
    struct sqlite3_stmt *rows =
        state_query(r->state, "SELECT id FROM commands WHERE instance = ? AND ends_ms > ?", "si",
                    instance, r->now_ms);
    while (state_next(r->state, rows)) {
        objects_add(r->arena, &commands, (void *)state_text(r->arena, rows, 0));
    }
    for (size_t i = 0; i < commands.count; i++) {
        fail_commands(r, commands.items[i], instance, "the instance went away\n");
    }
}

static bool check_document(struct request *r)
{
    const char *document = member_text(r, "DocumentName");
    const char *comment = member_text(r, "Comment");
    if (!document) {
        return fail(r, 400, "ValidationException",
                    "Value null at 'documentName' failed to satisfy constraint: Member must not be "
                    "null");
    }
    if (strcmp(document, "AWS-RunShellScript") != 0 &&
        strcmp(document, "AWS-RunPowerShellScript") != 0) {
        return fail(r, 400, "InvalidDocument", "Document with name %s does not exist.", document);
    }
    if (comment && strlen(comment) > COMMAND_COMMENT_MAX) {
        return fail(r, 400, "ValidationException",
                    "Value at 'comment' failed to satisfy constraint: Member must have length less "
                    "than or equal to 100");
    }
    const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(r->json, "Parameters");
    const cJSON *commands = cJSON_GetObjectItemCaseSensitive(parameters, "commands");
    return cJSON_GetArraySize(commands) > 0 ||
           fail(r, 400, "InvalidParameters", "Parameter \"commands\" is required by the document.");
}

static bool check_instances(struct request *r, const cJSON *ids)
{
    if (!cJSON_IsArray(ids) || !cJSON_GetArraySize(ids)) {
        return fail(r, 400, "InvalidInstanceId",
                    "InstanceIds is missing (the sandbox takes no Targets)");
    }
    if (cJSON_GetArraySize(ids) > COMMAND_INSTANCES_MAX) {
        return fail(r, 400, "ValidationException",
                    "Value at 'instanceIds' failed to satisfy constraint: at most 50 members");
    }
    const cJSON *id;
    cJSON_ArrayForEach(id, ids)
    {
        struct instance *instance = cJSON_IsString(id) ? instance_load(r, id->valuestring) : NULL;
        if (!instance || !agent_online(r, instance)) {
            return fail(r, 400, "InvalidInstanceId",
                        "Instances [[%s]] not in a valid state for account %s",
                        cJSON_IsString(id) ? id->valuestring : "", r->caller.account);
        }
    }
    return true;
}

static int64_t timeout_of(struct request *r)
{
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(r->json, "TimeoutSeconds");
    return json_int_or(seconds, 3600);
}

/* JSON text of a member, which goes with the request. */
static const char *member_json(struct request *r, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(r->json, name);
    char *text = member ? cJSON_PrintUnformatted(member) : NULL;
    const char *kept = arena_strdup(r->arena, text ? text : "{}");
    free(text);
    return kept;
}

static void write_time(struct request *r, const char *name, int64_t utc_ms)
{
    json_key(&r->writer, name);
    json_number(&r->writer, (double)utc_ms / 1000);
}

static struct invocation read_invocation(struct request *r, struct sqlite3_stmt *row)
{
    struct invocation i = {
        .command = state_text(r->arena, row, 0),
        .instance = state_text(r->arena, row, 1),
        .document = state_text(r->arena, row, 2),
        .parameters = state_text(r->arena, row, 3),
        .comment = state_text(r->arena, row, 4),
        .requested_ms = state_int(row, 5),
        .starts_ms = state_int(row, 6),
        .ends_ms = state_int(row, 7),
        .expires_ms = state_int(row, 8),
        .timeout_s = state_int(row, 9),
        .outcome = state_text(r->arena, row, 10),
        .exit_code = state_int(row, 11),
        .output = state_text(r->arena, row, 12),
        .errors = state_text(r->arena, row, 13),
    };
    i.details = r->now_ms < i.starts_ms ? "Pending"
                : r->now_ms < i.ends_ms ? "InProgress"
                                        : i.outcome;
    i.status = strstr(i.details, "TimedOut")              ? "TimedOut"
               : strcmp(i.details, "Undeliverable") == 0 ? "Failed"
                                                          : i.details;
    return i;
}

static bool has_ended(const struct request *r, const struct invocation *i)
{
    return r->now_ms >= i->ends_ms;
}

static void write_command(struct request *r, const struct invocation *i, const char *ids_json,
                          int64_t targets)
{
    struct json_writer *json = &r->writer;
    bool ended = has_ended(r, i);
    json_begin_object(json);
    json_key_string(json, "CommandId", i->command);
    json_key_string(json, "DocumentName", i->document);
    json_key_string(json, "DocumentVersion", "$DEFAULT");
    json_key_string(json, "Comment", i->comment);
    write_time(r, "ExpiresAfter", i->expires_ms);
    json_key(json, "Parameters");
    json_raw(json, i->parameters);
    json_key(json, "InstanceIds");
    json_raw(json, ids_json);
    json_key(json, "Targets");
    json_raw(json, "[]");
    write_time(r, "RequestedDateTime", i->requested_ms);
    json_key_string(json, "Status", i->status);
    json_key_string(json, "StatusDetails", i->details);
    json_key_string(json, "MaxConcurrency", "50");
    json_key_string(json, "MaxErrors", "0");
    json_key_int(json, "TargetCount", targets);
    json_key_int(json, "CompletedCount", ended ? targets : 0);
    json_key_int(json, "ErrorCount", ended && strcmp(i->outcome, "Success") != 0 ? 1 : 0);
    json_key_int(json, "TimeoutSeconds", i->timeout_s);
    json_end_object(json);
}

static const char invocation_columns[] =
    "SELECT id, instance, document, parameters, comment, requested_ms, starts_ms, ends_ms, "
    "expires_ms, timeout_s, outcome, exit_code, output, errors FROM commands WHERE id = ?1 AND "
    "(?2 IS NULL OR instance = ?2) LIMIT 1";

static bool find_invocation(struct request *r, const char *command, const char *instance,
                            struct invocation *found)
{
    struct sqlite3_stmt *row = state_query(r->state, invocation_columns, "ss", command, instance);
    if (!state_next(r->state, row)) {
        return false;
    }
    *found = read_invocation(r, row);
    state_done(row);
    return true;
}

bool ssm_send_command(struct request *r)
{
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(r->json, "InstanceIds");
    int64_t timeout_s = timeout_of(r);
    if (!check_document(r) || !check_instances(r, ids)) {
        return false;
    }
    if (timeout_s < 30 || timeout_s > 2592000) {
        return fail(r, 400, "ValidationException",
                    "Value '%lld' at 'timeoutSeconds' failed to satisfy constraint: 30 to 2592000",
                    (long long)timeout_s);
    }
    const char *command = new_uuid(r);
    const char *parameters = member_json(r, "Parameters");
    const cJSON *id;
    cJSON_ArrayForEach(id, ids)
    {
        start_command(r, command, id->valuestring, parameters, timeout_s);
    }
    struct invocation made;
    if (!find_invocation(r, command, NULL, &made)) {
        return fail(r, 500, "InternalServerError", "The command could not be kept");
    }
    json_begin_object(&r->writer);
    json_key(&r->writer, "Command");
    write_command(r, &made, member_json(r, "InstanceIds"), cJSON_GetArraySize(ids));
    json_end_object(&r->writer);
    return true;
}

static bool need_ids(struct request *r, const char **command, const char **instance)
{
    *command = member_text(r, "CommandId");
    *instance = member_text(r, "InstanceId");
    if (!*command || strlen(*command) != 36) {
        return fail(r, 400, "InvalidCommandId", "The command id is missing or malformed");
    }
    return *instance || fail(r, 400, "ValidationException", "InstanceId is missing");
}

bool ssm_get_command_invocation(struct request *r)
{
    const char *command, *instance;
    struct invocation i;
    if (!need_ids(r, &command, &instance)) {
        return false;
    }
    /* Also right after SendCommand: the invocation comes a moment later. */
    if (!find_invocation(r, command, instance, &i) ||
        r->now_ms < i.requested_ms + COMMAND_PICKUP_MS / 2) {
        return fail(r, 400, "InvocationDoesNotExist", "The command has no invocation on %s",
                    instance);
    }
    struct json_writer *json = &r->writer;
    bool ended = has_ended(r, &i), started = r->now_ms >= i.starts_ms;
    char time[32];
    json_begin_object(json);
    json_key_string(json, "CommandId", i.command);
    json_key_string(json, "InstanceId", i.instance);
    json_key_string(json, "Comment", i.comment);
    json_key_string(json, "DocumentName", i.document);
    json_key_string(json, "PluginName", "aws:runShellScript");
    json_key_int(json, "ResponseCode", ended ? i.exit_code : -1);
    json_key_string(json, "ExecutionStartDateTime", started ? iso_time(time, i.starts_ms) : "");
    json_key_string(json, "ExecutionEndDateTime", ended ? iso_time(time, i.ends_ms) : "");
    json_key_string(json, "Status", i.status);
    json_key_string(json, "StatusDetails", i.details);
    json_key_string(json, "StandardOutputContent", ended ? i.output : "");
    json_key_string(json, "StandardOutputUrl", "");
    json_key_string(json, "StandardErrorContent", ended ? i.errors : "");
    json_key_string(json, "StandardErrorUrl", "");
    json_end_object(json);
    return true;
}

static void write_invocation(struct request *r, const struct invocation *i)
{
    struct json_writer *json = &r->writer;
    json_begin_object(json);
    json_key_string(json, "CommandId", i->command);
    json_key_string(json, "InstanceId", i->instance);
    json_key_string(json, "Comment", i->comment);
    json_key_string(json, "DocumentName", i->document);
    write_time(r, "RequestedDateTime", i->requested_ms);
    json_key_string(json, "Status", i->status);
    json_key_string(json, "StatusDetails", i->details);
    json_end_object(json);
}

/* The filters of ListCommands: DocumentName, Status, InvokedAfter, InvokedBefore. */
static bool filter_lets(struct request *r, const struct invocation *i, bool *lets)
{
    const cJSON *filters = cJSON_GetObjectItemCaseSensitive(r->json, "Filters"), *filter;
    *lets = true;
    cJSON_ArrayForEach(filter, filters)
    {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(filter, "key");
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(filter, "value");
        if (!cJSON_IsString(name) || !cJSON_IsString(value)) {
            return fail(r, 400, "InvalidFilterKey", "A filter needs key and value");
        }
        const char *key = name->valuestring, *text = value->valuestring;
        char time[32];
        iso_time(time, i->requested_ms);
        if (strcmp(key, "DocumentName") == 0) {
            *lets = *lets && strcmp(i->document, text) == 0;
        } else if (strcmp(key, "Status") == 0) {
            *lets = *lets && strcmp(i->status, text) == 0;
        } else if (strcmp(key, "InvokedAfter") == 0) {
            *lets = *lets && strncmp(time, text, 19) >= 0;
        } else if (strcmp(key, "InvokedBefore") == 0) {
            *lets = *lets && strncmp(time, text, 19) < 0;
        } else {
            return fail(r, 400, "InvalidFilterKey", "The specified filter key %s is not valid",
                        key);
        }
    }
    return true;
}

/* MaxResults (1 to 50) and NextToken, the number of those passed over. */
static bool read_page(struct request *r, int64_t *skip, int64_t *limit)
{
    const cJSON *most = cJSON_GetObjectItemCaseSensitive(r->json, "MaxResults");
    const char *token = member_text(r, "NextToken");
    *limit = most ? json_int_or(most, -1) : 50;
    *skip = 0;
    if (*limit < 1 || *limit > 50) {
        return fail(r, 400, "ValidationException", "MaxResults has to be between 1 and 50");
    }
    if (token && (!parse_int(token, skip) || *skip < 0)) {
        return fail(r, 400, "InvalidNextToken", "The specified token is not valid.");
    }
    return true;
}

static bool list_commands(struct request *r, const char *set,
                          void (*write)(struct request *, const struct invocation *))
{
    int64_t skip, limit, seen = 0;
    if (!read_page(r, &skip, &limit)) {
        return false;
    }
    struct json_writer *json = &r->writer;
    bool more = false, lets = false;
    json_begin_object(json);
    json_key(json, set);
    json_begin_array(json);
    struct sqlite3_stmt *rows = state_query(
        r->state,
        "SELECT id, instance, document, parameters, comment, requested_ms, starts_ms, ends_ms, "
        "expires_ms, timeout_s, outcome, exit_code, output, errors FROM commands WHERE "
        "(?1 IS NULL OR id = ?1) AND (?2 IS NULL OR instance = ?2) ORDER BY requested_ms DESC, id",
        "ss", member_text(r, "CommandId"), member_text(r, "InstanceId"));
    while (!more && state_next(r->state, rows)) {
        struct invocation i = read_invocation(r, rows);
        if (!filter_lets(r, &i, &lets)) {
            return false;
        }
        if (!lets || seen++ < skip) {
            continue;
        }
        more = seen > skip + limit;
        if (!more) {
            write(r, &i);
        }
    }
    json_end_array(json);
    if (more) {
        json_key_string(json, "NextToken", arena_printf(r->arena, "%" PRId64, skip + limit));
    }
    json_end_object(json);
    return true;
}

static void write_command_item(struct request *r, const struct invocation *i)
{
    write_command(r, i, arena_printf(r->arena, "[\"%s\"]", i->instance), 1);
}

bool ssm_list_commands(struct request *r)
{
    return list_commands(r, "Commands", write_command_item);
}

bool ssm_list_command_invocations(struct request *r)
{
    return list_commands(r, "CommandInvocations", write_invocation);
}

bool ssm_cancel_command(struct request *r)
{
    const char *command = member_text(r, "CommandId");
    if (!command ||
        !state_value(r->state, 0, "SELECT 1 FROM commands WHERE id = ?", "s", command)) {
        return fail(r, 400, "InvalidCommandId", "There is no command %s", command ? command : "");
    }
    state_run(
        r->state,
        "UPDATE volumes SET injected_ms = NULL WHERE injected_ms > ?1 AND id IN (SELECT volume "
        "FROM commands WHERE id = ?2)",
        "is", r->now_ms, command);
    state_run(r->state,
              "UPDATE commands SET outcome = 'Cancelled', exit_code = -1, starts_ms = "
              "min(starts_ms, ?1), ends_ms = ?1, volume = NULL WHERE id = ?2 AND ends_ms > ?1",
              "is", r->now_ms, command);
    json_begin_object(&r->writer);
    json_end_object(&r->writer);
    return true;
}
