#include "runtime/world/provider.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *outcome_name(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_OK:
        return "ok";
    case OUTCOME_PENDING:
        return "pending";
    case OUTCOME_RETRY:
        return "retry";
    case OUTCOME_THROTTLED:
        return "throttled";
    case OUTCOME_ABSENT:
        return "absent";
    case OUTCOME_CONFLICT:
        return "conflict";
    case OUTCOME_EXHAUSTED:
        return "exhausted";
    case OUTCOME_FATAL:
        return "fatal";
    case OUTCOME_UNKNOWN:
        return "unknown";
    }
    abort();
}

const struct value *call_input(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->input_count; i++) {
        if (strcmp(call->inputs[i].name, name) == 0) {
            return &call->inputs[i].value;
        }
    }
    return NULL;
}

const char *call_text(const struct call *call, const char *name)
{
    return value_text(call_input(call, name));
}

/* What another node yielded is text on the way here, also where action.def calls it an int. */
static bool text_to_int(const char *text, int64_t *integer)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (end == text || *end || errno) {
        return false;
    }
    *integer = parsed;
    return true;
}

int64_t call_int(const struct call *call, const char *name, int64_t fallback)
{
    const struct value *value = call_input(call, name);
    int64_t integer = fallback;
    if (value && value->kind == VALUE_INT) {
        integer = value->integer;
    } else if (value && value->kind == VALUE_TEXT && !text_to_int(value->text, &integer)) {
        integer = fallback;
    }
    return integer;
}

bool call_bool(const struct call *call, const char *name, bool fallback)
{
    const struct value *value = call_input(call, name);
    if (value && value->kind == VALUE_BOOL) {
        return value->boolean;
    }
    const char *text = value_text(value);
    if (text && strcmp(text, "true") == 0) {
        return true;
    }
    return text && strcmp(text, "false") == 0 ? false : fallback;
}

const struct value *value_member(const struct value *map, const char *key)
{
    if (!map || map->kind != VALUE_MAP) {
        return NULL;
    }
    for (uint32_t i = 0; i < map->count; i++) {
        if (strcmp(map->keys[i], key) == 0) {
            return &map->items[i];
        }
    }
    return NULL;
}

const char *value_text(const struct value *value)
{
    return value && value->kind == VALUE_TEXT ? value->text : NULL;
}

bool provider_check(const struct provider *provider, struct error *error)
{
    if (!provider->name) {
        return error_set(error, "a provider has no name");
    }
    const char *missing = !provider->start     ? "start"
                          : !provider->lookup  ? "lookup"
                          : !provider->poll    ? "poll"
                          : !provider->destroy ? "destroy"
                                               : NULL;
    if (missing) {
        return error_set(error, "provider %s lacks the operation %s", provider->name, missing);
    }
    return true;
}
