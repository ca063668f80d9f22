#include "runtime/aws/rrset.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_writer.h"
#include "compiler/base/xml_text.h"
#include "runtime/aws/xml.h"
#include "runtime/world/provider.h"

enum { TXT_STRING_MAX = 255, VALUES_MAX = 1000, TEXT_VALUES_SHOWN = 8 };

/* --- names --- */

/* \NNN at `text`: its byte; -1: no such escape. */
static int octal_escape(const char *text)
{
    if (text[0] != '\\' || text[1] < '0' || text[1] > '3' || text[2] < '0' || text[2] > '7' ||
        text[3] < '0' || text[3] > '7') {
        return -1;
    }
    return (text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0');
}

const char *rrset_name(struct arena *arena, const char *name)
{
    char *out = arena_alloc(arena, strlen(name) + 1);
    size_t used = 0;
    while (*name) {
        int byte = octal_escape(name);
        if (byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\') {
            out[used++] = (char)tolower(byte);
            name += 4;
        } else {
            out[used++] = (char)tolower((unsigned char)*name++);
        }
    }
    used -= used > 1 && out[used - 1] == '.';
    out[used] = '\0';
    return out;
}

static bool is_plain(unsigned char c)
{
    return isalnum(c) || c == '-' || c == '_' || c == '.' || c == '*';
}

const char *rrset_name_to_wire(struct arena *arena, const char *name)
{
    struct buffer out = {0};
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        if (is_plain(c) || octal_escape(name) >= 0) {
            buffer_putc(&out, *name);
        } else {
            buffer_printf(&out, "\\%03o", c);
        }
    }
    if (out.length == 0 || buffer_text(&out)[out.length - 1] != '.') {
        buffer_putc(&out, '.');
    }
    const char *text = arena_strdup(arena, buffer_text(&out));
    buffer_free(&out);
    return text;
}

/* Where the last label of the first `length` bytes begins. */
static size_t label_begin(const char *name, size_t length)
{
    while (length > 0 && name[length - 1] != '.') {
        length--;
    }
    return length;
}

int rrset_name_compare(const char *a, const char *b)
{
    size_t a_end = strlen(a), b_end = strlen(b);
    while (a_end > 0 && b_end > 0) {
        size_t a_at = label_begin(a, a_end), b_at = label_begin(b, b_end);
        size_t a_length = a_end - a_at, b_length = b_end - b_at;
        int order = memcmp(a + a_at, b + b_at, a_length < b_length ? a_length : b_length);
        if (order || a_length != b_length) {
            return order ? order : a_length < b_length ? -1 : 1;
        }
        a_end = a_at ? a_at - 1 : 0;
        b_end = b_at ? b_at - 1 : 0;
    }
    return a_end ? 1 : b_end ? -1 : 0;
}

/* --- values --- */

static void put_txt_byte(struct buffer *out, unsigned char c)
{
    if (c == '"' || c == '\\') {
        buffer_printf(out, "\\%c", c);
    } else if (c < ' ' || c > '~') {
        buffer_printf(out, "\\%03o", c);
    } else {
        buffer_putc(out, (char)c);
    }
}

static const char *txt_to_wire(struct arena *arena, const char *text)
{
    struct buffer out = {0};
    buffer_putc(&out, '"');
    for (size_t i = 0; text[i]; i++) {
        if (i > 0 && i % TXT_STRING_MAX == 0) {
            buffer_puts(&out, "\" \"");
        }
        put_txt_byte(&out, (unsigned char)text[i]);
    }
    buffer_putc(&out, '"');
    const char *wire = arena_strdup(arena, buffer_text(&out));
    buffer_free(&out);
    return wire;
}

/* Reads one byte of a TXT string at *at, and goes on behind it. */
static unsigned char txt_byte(const char **at)
{
    int byte = octal_escape(*at);
    if (byte >= 0) {
        *at += 4;
        return (unsigned char)byte;
    }
    *at += **at == '\\' && (*at)[1];
    return (unsigned char)*(*at)++;
}

/* Strings of a TXT value: joined, as text (bytes that are no printable ASCII stay escaped); or each
 * quoted and escaped in the usual way. */
static const char *read_txt(struct arena *arena, const char *wire, bool joined)
{
    struct buffer out = {0};
    bool quoted = false, any = false;
    for (const char *at = wire; *at;) {
        if (*at == '"') {
            quoted = !quoted;
            at++;
            if (!joined) {
                buffer_puts(&out, quoted && any ? " \"" : "\"");
            }
            any = true;
        } else if (!quoted && (*at == ' ' || *at == '\t')) {
            at++;
        } else {
            unsigned char c = txt_byte(&at);
            if (joined && c >= ' ' && c <= '~') {
                buffer_putc(&out, (char)c);
            } else {
                put_txt_byte(&out, c);
            }
        }
    }
    const char *text = arena_strdup(arena, buffer_text(&out));
    buffer_free(&out);
    return text;
}

static bool is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

const char *rrset_value_to_wire(struct arena *arena, const char *type, const char *value)
{
    return is(type, "TXT")     ? txt_to_wire(arena, value)
           : is(type, "CNAME") ? rrset_name_to_wire(arena, value)
                               : value;
}

const char *rrset_value_from_wire(struct arena *arena, const char *type, const char *wire)
{
    return is(type, "TXT")     ? read_txt(arena, wire, true)
           : is(type, "CNAME") ? rrset_name(arena, wire)
                               : wire;
}

static const char *usual_address(struct arena *arena, int family, const char *text)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    char usual[INET6_ADDRSTRLEN];
    return inet_pton(family, text, bytes) == 1 && inet_ntop(family, bytes, usual, sizeof usual)
               ? arena_strdup(arena, usual)
               : text;
}

/* One form for all ways to write the same value. */
static const char *usual_value(struct arena *arena, const char *type, const char *wire)
{
    return is(type, "TXT")     ? read_txt(arena, wire, false)
           : is(type, "CNAME") ? rrset_name(arena, wire)
           : is(type, "A")     ? usual_address(arena, AF_INET, wire)
           : is(type, "AAAA")  ? usual_address(arena, AF_INET6, wire)
                               : wire;
}

/* --- sets --- */

struct rrset rrset_wanted(struct arena *arena, const char *name, const char *type, int64_t ttl_s,
                          const struct value *values)
{
    struct rrset set = {
        .there = true, .name = rrset_name(arena, name), .type = type, .ttl_s = ttl_s};
    uint32_t count = values && values->kind == VALUE_LIST ? values->count : 0;
    set.values = ARENA_ARRAY(arena, const char *, count);
    for (uint32_t i = 0; i < count; i++) {
        const char *text = value_text(&values->items[i]);
        set.values[set.count++] = rrset_value_to_wire(arena, type, text ? text : "");
    }
    return set;
}

/* What makes a record set more than a name with values. */
static const char *special_of(struct arena *arena, const struct xml *element)
{
    static const char *const policies[] = {"SetIdentifier",
                                           "Weight",
                                           "Region",
                                           "GeoLocation",
                                           "Failover",
                                           "MultiValueAnswer",
                                           "CidrRoutingConfig",
                                           "GeoProximityLocation"};
    const char *identifier = xml_text(element, "SetIdentifier");
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        if (xml_child(element, policies[i])) {
            return identifier
                       ? arena_printf(arena, "a routing policy (SetIdentifier %s)", identifier)
                       : arena_printf(arena, "a routing policy (%s)", policies[i]);
        }
    }
    const char *check = xml_text(element, "HealthCheckId");
    const char *traffic = xml_text(element, "TrafficPolicyInstanceId");
    return check     ? arena_printf(arena, "a health check (%s)", check)
           : traffic ? arena_printf(arena, "a traffic policy (%s)", traffic)
                     : NULL;
}

struct rrset rrset_of_xml(struct arena *arena, const struct xml *element)
{
    const char *name = xml_text(element, "Name"), *type = xml_text(element, "Type");
    const char *ttl = xml_text(element, "TTL");
    struct rrset set = {.there = true,
                        .name = rrset_name(arena, name ? name : ""),
                        .type = type ? type : "",
                        .ttl_s = ttl ? strtoll(ttl, NULL, 10) : 0,
                        .special = special_of(arena, element)};
    const struct xml *alias = xml_child(element, "AliasTarget");
    if (alias) {
        const char *evaluate = xml_text(alias, "EvaluateTargetHealth");
        const char *zone = xml_text(alias, "HostedZoneId"), *target = xml_text(alias, "DNSName");
        set.alias.zone_id = zone ? zone : "";
        set.alias.name = target ? target : "";
        set.alias.evaluate_target_health = evaluate && is(evaluate, "true");
    }
    const struct xml *first = xml_first(element, "ResourceRecords");
    size_t count = 0;
    for (const struct xml *record = first; record; record = record->next) {
        count++;
    }
    set.values = ARENA_ARRAY(arena, const char *, count);
    for (const struct xml *record = first; record; record = record->next) {
        const char *value = xml_text(record, "Value");
        set.values[set.count++] = value ? value : "";
    }
    return set;
}

static void write_alias(struct json_writer *json, const struct rrset *set)
{
    json_key(json, "alias");
    json_begin_object(json);
    json_key_string(json, "zone_id", set->alias.zone_id);
    json_key_string(json, "name", set->alias.name);
    json_key_bool(json, "evaluate_target_health", set->alias.evaluate_target_health);
    json_end_object(json);
}

static void write_values(struct json_writer *json, struct arena *arena, const struct rrset *set)
{
    bool exact = true;
    json_key_int(json, "ttl", set->ttl_s);
    json_key(json, "values");
    json_begin_array(json);
    for (size_t i = 0; i < set->count; i++) {
        const char *value = rrset_value_from_wire(arena, set->type, set->values[i]);
        json_string(json, value);
        exact = exact && is(rrset_value_to_wire(arena, set->type, value), set->values[i]);
    }
    json_end_array(json);
    if (!exact) {
        json_key(json, "wire");
        json_begin_array(json);
        for (size_t i = 0; i < set->count; i++) {
            json_string(json, set->values[i]);
        }
        json_end_array(json);
    }
}

const char *rrset_to_json(struct arena *arena, const struct rrset *set)
{
    if (!set->there) {
        return "";
    }
    struct buffer out = {0};
    struct json_writer json = json_writer(&out, 0);
    json_begin_object(&json);
    if (set->alias.zone_id) {
        write_alias(&json, set);
    } else {
        write_values(&json, arena, set);
    }
    json_end_object(&json);
    const char *text = arena_strdup(arena, buffer_text(&out));
    buffer_free(&out);
    return text;
}

static const char *member(struct arena *arena, const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? arena_strdup(arena, text) : NULL;
}

/* False: not what drc writes. */
static bool read_values(struct arena *arena, const cJSON *json, struct rrset *set)
{
    const cJSON *ttl = cJSON_GetObjectItemCaseSensitive(json, "ttl");
    const cJSON *wire = cJSON_GetObjectItemCaseSensitive(json, "wire");
    const cJSON *items = wire ? wire : cJSON_GetObjectItemCaseSensitive(json, "values"), *item;
    int size = cJSON_GetArraySize(items);
    if (!cJSON_IsNumber(ttl) || !(ttl->valuedouble >= 0 && ttl->valuedouble <= INT32_MAX) ||
        !cJSON_IsArray(items) || size > VALUES_MAX) {
        return false;
    }
    set->ttl_s = (int64_t)ttl->valuedouble;
    set->values = ARENA_ARRAY(arena, const char *, (size_t)size);
    cJSON_ArrayForEach(item, items)
    {
        if (!cJSON_IsString(item)) {
            return false;
        }
        const char *text = arena_strdup(arena, item->valuestring);
        set->values[set->count++] = wire ? text : rrset_value_to_wire(arena, set->type, text);
    }
    return set->count > 0;
}

static bool read_json(struct arena *arena, const cJSON *json, struct rrset *set)
{
    const cJSON *alias = cJSON_GetObjectItemCaseSensitive(json, "alias");
    if (!alias) {
        return read_values(arena, json, set);
    }
    set->alias.zone_id = member(arena, alias, "zone_id");
    set->alias.name = member(arena, alias, "name");
    set->alias.evaluate_target_health =
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(alias, "evaluate_target_health"));
    return set->alias.zone_id && set->alias.name;
}

bool rrset_of_json(struct arena *arena, const char *name, const char *type, const char *json,
                   struct rrset *set, struct error *error)
{
    *set = (struct rrset){.name = rrset_name(arena, name), .type = type, .there = *json != '\0'};
    if (!set->there) {
        return true;
    }
    cJSON *parsed = cJSON_Parse(json);
    bool ok = cJSON_IsObject(parsed) && read_json(arena, parsed, set);
    cJSON_Delete(parsed);
    return ok || error_set(error, "what was kept of the record %s %s is damaged: %.80s", name, type,
                           json);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **usual_values(struct arena *arena, const struct rrset *set)
{
    const char **usual = ARENA_ARRAY(arena, const char *, set->count);
    for (size_t i = 0; i < set->count; i++) {
        usual[i] = usual_value(arena, set->type, set->values[i]);
    }
    if (set->count > 1) {
        qsort(usual, set->count, sizeof *usual, compare_texts);
    }
    return usual;
}

bool rrset_same_values(struct arena *arena, const struct rrset *a, const struct rrset *b)
{
    if (a->there != b->there || a->count != b->count || !a->alias.zone_id != !b->alias.zone_id) {
        return false;
    }
    if (a->alias.zone_id) {
        return is(a->alias.zone_id, b->alias.zone_id) &&
               is(rrset_name(arena, a->alias.name), rrset_name(arena, b->alias.name)) &&
               a->alias.evaluate_target_health == b->alias.evaluate_target_health;
    }
    const char **of_a = usual_values(arena, a), **of_b = usual_values(arena, b);
    for (size_t i = 0; i < a->count; i++) {
        if (!is(of_a[i], of_b[i])) {
            return false;
        }
    }
    return true;
}

bool rrset_equal(struct arena *arena, const struct rrset *a, const struct rrset *b)
{
    return !a->special && !b->special && rrset_same_values(arena, a, b) &&
           (!a->there || a->alias.zone_id || a->ttl_s == b->ttl_s);
}

static void put_element(struct buffer *out, const char *name, const char *text)
{
    buffer_printf(out, "<%s>", name);
    xml_escape(out, text);
    buffer_printf(out, "</%s>", name);
}

void rrset_write_change(struct buffer *out, struct arena *arena, const char *action,
                        const struct rrset *set)
{
    buffer_printf(out, "<Change><Action>%s</Action><ResourceRecordSet>", action);
    put_element(out, "Name", rrset_name_to_wire(arena, set->name));
    put_element(out, "Type", set->type);
    if (set->alias.zone_id) {
        buffer_puts(out, "<AliasTarget>");
        put_element(out, "HostedZoneId", set->alias.zone_id);
        put_element(out, "DNSName", set->alias.name);
        put_element(out, "EvaluateTargetHealth",
                    set->alias.evaluate_target_health ? "true" : "false");
        buffer_puts(out, "</AliasTarget>");
    } else {
        buffer_printf(out, "<TTL>%" PRId64 "</TTL><ResourceRecords>", set->ttl_s);
        for (size_t i = 0; i < set->count; i++) {
            buffer_puts(out, "<ResourceRecord>");
            put_element(out, "Value", set->values[i]);
            buffer_puts(out, "</ResourceRecord>");
        }
        buffer_puts(out, "</ResourceRecords>");
    }
    buffer_puts(out, "</ResourceRecordSet></Change>");
}

const char *rrset_text(struct arena *arena, const struct rrset *set)
{
    if (!set->there) {
        return "not there";
    }
    if (set->special) {
        return set->special;
    }
    if (set->alias.zone_id) {
        return arena_printf(arena, "an alias of %s", rrset_name(arena, set->alias.name));
    }
    struct buffer out = {0};
    for (size_t i = 0; i < set->count && i < TEXT_VALUES_SHOWN; i++) {
        buffer_printf(&out, "%s%.120s", i ? ", " : "",
                      rrset_value_from_wire(arena, set->type, set->values[i]));
    }
    if (set->count > TEXT_VALUES_SHOWN) {
        buffer_printf(&out, " and %zu more", set->count - TEXT_VALUES_SHOWN);
    }
    const char *text = arena_printf(arena, "%s (TTL %" PRId64 ")", buffer_text(&out), set->ttl_s);
    buffer_free(&out);
    return text;
}
