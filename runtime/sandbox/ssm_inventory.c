/* SSM: which instances are managed, and parameters. */
#include <inttypes.h>
#include <string.h>

#include "runtime/sandbox/ssm.h"
#include "compiler/base/json_reader.h"

static void write_instance(struct request *r, const struct instance *instance)
{
    struct json_writer *json = &r->writer;
    bool online = agent_online(r, instance);
    json_begin_object(json);
    json_key_string(json, "InstanceId", instance->resource.id);
    json_key_string(json, "PingStatus", online ? "Online" : "ConnectionLost");
    json_key(json, "LastPingDateTime");
    json_number(json, (double)(online ? r->now_ms : instance->transition_ms) / 1000);
    json_key_string(json, "AgentVersion", "3.3.1611.0");
    json_key_bool(json, "IsLatestVersion", true);
    json_key_string(json, "PlatformType", instance->platform ? "Windows" : "Linux");
    json_key_string(json, "PlatformName",
                    instance->platform ? "Windows Server" : "Debian GNU/Linux");
    json_key_string(json, "PlatformVersion", instance->platform ? "2022" : "12");
    json_key_string(json, "ResourceType", "EC2Instance");
    json_key_string(json, "IPAddress", instance->private_ip);
    json_key_string(json, "ComputerName", instance->resource.id);
    json_end_object(json);
}

static bool is_wanted(const char *id, const cJSON *values)
{
    const cJSON *value;
    cJSON_ArrayForEach(value, values)
    {
        if (cJSON_IsString(value) && strcmp(value->valuestring, id) == 0) {
            return true;
        }
    }
    return false;
}

/* Filters (Key, Values) or InstanceInformationFilterList (key, valueSet); InstanceIds alone. */
static bool filter_values(struct request *r, const cJSON **values)
{
    const cJSON *filters = cJSON_GetObjectItemCaseSensitive(r->json, "Filters");
    const cJSON *older = cJSON_GetObjectItemCaseSensitive(r->json, "InstanceInformationFilterList");
    const cJSON *list = filters ? filters : older, *filter;
    *values = NULL;
    cJSON_ArrayForEach(filter, list)
    {
        const cJSON *key = cJSON_GetObjectItemCaseSensitive(filter, filters ? "Key" : "key");
        if (!cJSON_IsString(key) || strcmp(key->valuestring, "InstanceIds") != 0) {
            return fail(r, 400, "InvalidInstanceInformationFilterValue",
                        "The sandbox filters by InstanceIds only");
        }
        *values = cJSON_GetObjectItemCaseSensitive(filter, filters ? "Values" : "valueSet");
    }
    return true;
}

/* Managed are those that have a profile and came up at some time; no longer those terminated. */
static bool is_managed(struct request *r, const struct instance *instance)
{
    const char *why;
    int64_t at_ms;
    return instance && agent_registers(r, instance, &at_ms) &&
           strcmp(instance->state, "terminated") != 0 && r->now_ms >= at_ms &&
           instance_boots(r, instance, &why);
}

bool ssm_describe_instance_information(struct request *r)
{
    struct objects ids = {0};
    const cJSON *values;
    int64_t skip = 0, limit = 50;
    const cJSON *most = cJSON_GetObjectItemCaseSensitive(r->json, "MaxResults");
    const char *token = member_text(r, "NextToken");
    if (!filter_values(r, &values)) {
        return false;
    }
    if (cJSON_IsNumber(most)) {
        limit = json_int_or(most, -1);
    }
    if (limit < 5 || limit > 50 || (token && !parse_int(token, &skip))) {
        return fail(r, 400, "ValidationException", "MaxResults has to be between 5 and 50");
    }
    struct sqlite3_stmt *rows =
        state_query(r->state, "SELECT id FROM instances WHERE ssm ORDER BY rowid", "");
    while (state_next(r->state, rows)) {
        objects_add(r->arena, &ids, (void *)state_text(r->arena, rows, 0));
    }
    int64_t seen = 0;
    json_begin_object(&r->writer);
    json_key(&r->writer, "InstanceInformationList");
    json_begin_array(&r->writer);
    for (size_t i = 0; i < ids.count; i++) {
        struct instance *instance = instance_load(r, ids.items[i]);
        if (!is_managed(r, instance) || (values && !is_wanted(ids.items[i], values))) {
            continue;
        }
        seen++;
        if (seen > skip && seen <= skip + limit) {
            write_instance(r, instance);
        }
    }
    json_end_array(&r->writer);
    if (seen > skip + limit) {
        json_key_string(&r->writer, "NextToken", arena_printf(r->arena, "%" PRId64, skip + limit));
    }
    json_end_object(&r->writer);
    return true;
}

static bool write_parameter(struct request *r, const char *name)
{
    struct sqlite3_stmt *row =
        state_query(r->state, "SELECT type, value FROM parameters WHERE name = ?", "s", name);
    if (!state_next(r->state, row)) {
        return false;
    }
    json_begin_object(&r->writer);
    json_key_string(&r->writer, "Name", name);
    json_key_string(&r->writer, "Type", state_text(r->arena, row, 0));
    json_key_string(&r->writer, "Value", state_text(r->arena, row, 1));
    json_key_int(&r->writer, "Version", 1);
    json_key_string(&r->writer, "DataType", "text");
    json_end_object(&r->writer);
    state_done(row);
    return true;
}

bool ssm_get_parameter(struct request *r)
{
    const char *name = member_text(r, "Name");
    if (!name) {
        return fail(r, 400, "ValidationException", "Name is missing");
    }
    json_begin_object(&r->writer);
    json_key(&r->writer, "Parameter");
    if (!write_parameter(r, name)) {
        return fail(r, 400, "ParameterNotFound", "Parameter %s not found.", name);
    }
    json_end_object(&r->writer);
    return true;
}

bool ssm_get_parameters(struct request *r)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(r->json, "Names"), *name;
    struct objects missing = {0};
    if (!cJSON_IsArray(names) || cJSON_GetArraySize(names) < 1 || cJSON_GetArraySize(names) > 10) {
        return fail(r, 400, "ValidationException", "Names has to have 1 to 10 members");
    }
    json_begin_object(&r->writer);
    json_key(&r->writer, "Parameters");
    json_begin_array(&r->writer);
    cJSON_ArrayForEach(name, names)
    {
        if (cJSON_IsString(name) && !write_parameter(r, name->valuestring)) {
            objects_add(r->arena, &missing, name->valuestring);
        }
    }
    json_end_array(&r->writer);
    json_key(&r->writer, "InvalidParameters");
    json_begin_array(&r->writer);
    for (size_t i = 0; i < missing.count; i++) {
        json_string(&r->writer, missing.items[i]);
    }
    json_end_array(&r->writer);
    json_end_object(&r->writer);
    return true;
}
