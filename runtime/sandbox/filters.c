/* Filters of Describe requests (EC2 API Reference, "Filter"): values of one filter are
 * alternatives, filters add up; * and ? are wildcards, a backslash takes their meaning away;
 * comparison is by case. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/sandbox/resource.h"

enum { FILTER_VALUES_MAX = 200, FILTERS_MAX = 50 };

enum filter_kind { KIND_FIELD, KIND_TAG, KIND_TAG_KEY, KIND_TAG_VALUE };

struct filter {
    enum filter_kind kind;
    const struct filter_field *field;
    const char *tag;
    struct texts_list values;
};

struct filters {
    struct filter items[FILTERS_MAX];
    size_t count;
};

struct filter_values {
    const struct texts_list *wanted;
    bool matched;
};

bool wildcard_match(const char *pattern, const char *text)
{
    const char *star = NULL, *star_text = NULL;
    while (*text) {
        bool escaped = *pattern == '\\' && pattern[1];
        if (!escaped && *pattern == '*') {
            star = ++pattern;
            star_text = text;
        } else if (!escaped && *pattern == '?') {
            pattern++;
            text++;
        } else if (pattern[escaped] && pattern[escaped] == *text) {
            pattern += 1 + escaped;
            text++;
        } else if (star) {
            pattern = star;
            text = ++star_text;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return !*pattern;
}

static bool any_match(const struct texts_list *wanted, const char *text)
{
    for (size_t i = 0; i < wanted->count; i++) {
        if (wildcard_match(wanted->items[i], text)) {
            return true;
        }
    }
    return false;
}

void filter_offer(struct filter_values *values, const char *text)
{
    if (text && !values->matched) {
        values->matched = any_match(values->wanted, text);
    }
}

void filter_offer_int(struct filter_values *values, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    filter_offer(values, text);
}

void filter_offer_bool(struct filter_values *values, bool value)
{
    filter_offer(values, value ? "true" : "false");
}

static void offer_field(const struct filter_field *field, const void *object,
                        struct filter_values *values)
{
    const char *at = (const char *)object + field->offset;
    char time[32];
    switch (field->type) {
    case FILTER_TEXT:
        filter_offer(values, *(const char *const *)(const void *)at);
        break;
    case FILTER_INT:
        filter_offer_int(values, *(const int64_t *)(const void *)at);
        break;
    case FILTER_BOOL:
        filter_offer_bool(values, *(const bool *)(const void *)at);
        break;
    case FILTER_TIME:
        filter_offer(values, iso_time(time, *(const int64_t *)(const void *)at));
        break;
    case FILTER_CALL:
        field->call(object, values);
        break;
    }
}

static void offer_tags(const struct filter *filter, const struct resource *object,
                       struct filter_values *values)
{
    for (size_t i = 0; i < object->tags.count; i++) {
        const struct resource_tag *tag = &object->tags.items[i];
        if (filter->kind == KIND_TAG_KEY) {
            filter_offer(values, tag->key);
        } else if (filter->kind == KIND_TAG_VALUE || strcmp(tag->key, filter->tag) == 0) {
            filter_offer(values, tag->value);
        }
    }
}

bool filters_match(const struct filters *filters, const struct resource *object)
{
    for (size_t i = 0; i < filters->count; i++) {
        const struct filter *filter = &filters->items[i];
        struct filter_values values = {.wanted = &filter->values};
        if (filter->kind == KIND_FIELD) {
            offer_field(filter->field, object, &values);
        } else {
            offer_tags(filter, object, &values);
        }
        if (!values.matched) {
            return false;
        }
    }
    return true;
}

static bool parse_name(struct request *r, const char *name, const struct filter_field *fields,
                       struct filter *filter)
{
    if (strncmp(name, "tag:", 4) == 0) {
        filter->kind = KIND_TAG;
        filter->tag = name + 4;
        return true;
    }
    if (strcmp(name, "tag-key") == 0 || strcmp(name, "tag-value") == 0) {
        filter->kind = name[4] == 'k' ? KIND_TAG_KEY : KIND_TAG_VALUE;
        return true;
    }
    for (const struct filter_field *field = fields; field && field->name; field++) {
        if (strcmp(field->name, name) == 0) {
            filter->kind = KIND_FIELD;
            filter->field = field;
            return true;
        }
    }
    return fail(r, 400, "InvalidParameterValue", "The filter '%s' is invalid", name);
}

bool filters_parse(struct request *r, const struct filter_field *fields, struct filters **filters)
{
    struct filters *parsed = ARENA_NEW(r->arena, struct filters);
    *filters = parsed;
    for (size_t i = 1; i <= FILTERS_MAX; i++) {
        const char *name = query_get(&r->query, "Filter.%zu.Name", i);
        if (!name) {
            if (query_has(&r->query, "Filter.%zu", i)) {
                return fail(r, 400, "InvalidParameterValue", "The filter 'null' is invalid");
            }
            break;
        }
        struct filter *filter = &parsed->items[parsed->count++];
        if (!parse_name(r, name, fields, filter)) {
            return false;
        }
        filter->values = query_list(&r->query, "Filter.%zu.Value", i);
        if (!filter->values.count) {
            return fail(r, 400, "InvalidParameterValue", "The filter '%s' needs at least one value",
                        name);
        }
        if (filter->values.count > FILTER_VALUES_MAX) {
            return fail(r, 400, "FilterLimitExceeded",
                        "The maximum number of filter values specified on a single call is 200");
        }
    }
    return true;
}
