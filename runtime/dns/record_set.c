#include "runtime/dns/record_set.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <ctype.h>
#include <string.h>
#include <utf8proc.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"

enum { STRING_MAX = 255, DATA_MAX = 65535 };

ldns_rr_type record_type(const char *text)
{
    static const ldns_rr_type types[] = {LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA, LDNS_RR_TYPE_CNAME,
                                         LDNS_RR_TYPE_TXT};
    static const char *const names[] = {"A", "AAAA", "CNAME", "TXT"};
    for (size_t i = 0; text && i < sizeof types / sizeof *types; i++) {
        if (strcmp(text, names[i]) == 0) {
            return types[i];
        }
    }
    return 0;
}

static const char *type_name(ldns_rr_type type)
{
    return type == LDNS_RR_TYPE_A       ? "A"
           : type == LDNS_RR_TYPE_AAAA  ? "AAAA"
           : type == LDNS_RR_TYPE_CNAME ? "CNAME"
                                        : "TXT";
}

/* --- sets --- */

static bool append_value(struct arena *arena, struct record_set *set, const char *value,
                         struct error *error)
{
    if (!value || !*value || set->count == RECORD_VALUES_MAX) {
        return error_set(error, "a DNS record has from 1 to %d values, each a text",
                         RECORD_VALUES_MAX);
    }
    set->values[set->count++] = arena_strdup(arena, value);
    return true;
}

bool record_set_of_values(struct arena *arena, const struct value *list, int64_t ttl,
                          struct record_set *set, struct error *error)
{
    *set = (struct record_set){.ttl = ttl};
    if (!list || list->kind != VALUE_LIST) {
        return error_set(error, "the values of a DNS record are no list");
    }
    set->values = ARENA_ARRAY(arena, const char *, list->count + 1);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct value *item = &list->items[i];
        if (!append_value(arena, set, item->kind == VALUE_TEXT ? item->text : NULL, error)) {
            return false;
        }
    }
    return true;
}

static bool read_json(struct arena *arena, const cJSON *json, struct record_set *set,
                      struct error *error)
{
    const cJSON *ttl = cJSON_GetObjectItemCaseSensitive(json, "ttl");
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(json, "values");
    if (!cJSON_IsNumber(ttl) || !(ttl->valuedouble >= 0 && ttl->valuedouble <= INT32_MAX) ||
        !cJSON_IsArray(values) || cJSON_GetArraySize(values) < 1) {
        return error_set(error,
                         "the old value of the record cannot be read: it has no ttl and values");
    }
    set->ttl = (int64_t)ttl->valuedouble;
    set->values = ARENA_ARRAY(arena, const char *, (size_t)cJSON_GetArraySize(values));
    const cJSON *item;
    cJSON_ArrayForEach(item, values)
    {
        if (!append_value(arena, set, cJSON_IsString(item) ? item->valuestring : NULL, error)) {
            return false;
        }
    }
    return true;
}

bool record_set_read(struct arena *arena, const char *old, struct record_set *set,
                     struct error *error)
{
    *set = (struct record_set){0};
    if (!old) {
        return error_set(error, "the old value of the record is not known");
    }
    if (!*old) {
        return true;
    }
    cJSON *json = cJSON_ParseWithOpts(old, NULL, true);
    bool good = read_json(arena, json, set, error);
    cJSON_Delete(json);
    return good;
}

const char *record_set_write(struct arena *arena, const struct record_set *set)
{
    struct buffer out = {0};
    struct json_writer json = json_writer(&out, 0);
    if (set->count == 0) {
        return "";
    }
    json_begin_object(&json);
    json_key_int(&json, "ttl", set->ttl);
    json_key(&json, "values");
    json_begin_array(&json);
    for (size_t i = 0; i < set->count; i++) {
        json_string(&json, set->values[i]);
    }
    json_end_array(&json);
    json_end_object(&json);
    const char *text = arena_strdup(arena, buffer_text(&out));
    buffer_free(&out);
    return text;
}

const char *record_set_text(struct arena *arena, ldns_rr_type type, const struct record_set *set)
{
    struct buffer out = {0};
    if (set->count == 0) {
        return arena_printf(arena, "no %s record", type_name(type));
    }
    for (size_t i = 0; i < set->count; i++) {
        if (i == 4 && set->count > 5) {
            buffer_printf(&out, " and %zu more", set->count - i);
            break;
        }
        buffer_printf(&out, "%s%.200s", i ? ", " : "", set->values[i]);
    }
    if (set->ttl >= 0) {
        buffer_printf(&out, " (ttl %lld)", (long long)set->ttl);
    }
    const char *text = arena_strdup(arena, buffer_text(&out));
    buffer_free(&out);
    return text;
}

/* --- comparing --- */

/* The value as every spelling of it is. Values that are none of their type stay as they are. */
static const char *canonical(struct arena *arena, ldns_rr_type type, const char *value)
{
    ldns_rdf *owner = ldns_dname_new_frm_str(".");
    ldns_rr *rr = record_rr(owner, type, 0, value, NULL);
    const char *text = rr ? record_value(arena, rr) : NULL;
    ldns_rr_free(rr);
    ldns_rdf_deep_free(owner);
    if (!text) {
        return value;
    }
    char *copy = arena_strdup(arena, text);
    for (char *c = copy; *c && type == LDNS_RR_TYPE_CNAME; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return copy;
}

static bool holds(const char **values, size_t count, const char *value)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(values[i], value) == 0) {
            return true;
        }
    }
    return false;
}

static const char **canonical_values(struct arena *arena, ldns_rr_type type,
                                     const struct record_set *set)
{
    const char **values = ARENA_ARRAY(arena, const char *, set->count + 1);
    for (size_t i = 0; i < set->count; i++) {
        values[i] = canonical(arena, type, set->values[i]);
    }
    return values;
}

/* As sets: what stands there twice is there once. */
bool record_set_same(struct arena *arena, ldns_rr_type type, const struct record_set *a,
                     const struct record_set *b)
{
    const char **of_a = canonical_values(arena, type, a), **of_b = canonical_values(arena, type, b);
    bool same = true;
    for (size_t i = 0; i < a->count; i++) {
        same = same && holds(of_b, b->count, of_a[i]);
    }
    for (size_t i = 0; i < b->count; i++) {
        same = same && holds(of_a, a->count, of_b[i]);
    }
    return same;
}

/* --- TXT --- */

static bool is_plain(const char *text, size_t length)
{
    if (length == 0 || text[0] == '"' || memchr(text, '\0', length)) {
        return false;
    }
    for (size_t at = 0; at < length;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                 (utf8proc_ssize_t)(length - at), &point);
        if (size <= 0 || utf8proc_category(point) == UTF8PROC_CATEGORY_CC) {
            return false;
        }
        at += (size_t)size;
    }
    return true;
}

static void put_quoted(struct buffer *out, const uint8_t *bytes, size_t length)
{
    buffer_putc(out, '"');
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] < ' ' || bytes[i] > '~') {
            buffer_printf(out, "\\%03d", bytes[i]);
        } else {
            buffer_printf(out, "%s%c", bytes[i] == '"' || bytes[i] == '\\' ? "\\" : "", bytes[i]);
        }
    }
    buffer_putc(out, '"');
}

static const char *txt_value(struct arena *arena, const ldns_rr *rr)
{
    struct buffer joined = {0}, quoted = {0};
    bool usual =
        true; /* every string but the last is as long as can be, and that one is not empty */
    size_t count = ldns_rr_rd_count(rr);
    for (size_t i = 0; i < count; i++) {
        const ldns_rdf *string = ldns_rr_rdf(rr, i);
        size_t size = ldns_rdf_size(string);
        if (size == 0) {
            continue;
        }
        const uint8_t *bytes = ldns_rdf_data(string) + 1;
        usual = usual && (i + 1 == count ? size > 1 : size == STRING_MAX + 1);
        buffer_append(&joined, bytes, size - 1);
        buffer_puts(&quoted, i ? " " : "");
        put_quoted(&quoted, bytes, size - 1);
    }
    bool plain = usual && is_plain(buffer_text(&joined), joined.length);
    const char *text = arena_strdup(arena, buffer_text(plain ? &joined : &quoted));
    buffer_free(&joined);
    buffer_free(&quoted);
    return *text ? text : NULL;
}

static void push_string(ldns_rr *rr, const char *bytes, size_t length)
{
    uint8_t data[STRING_MAX + 1];
    data[0] = (uint8_t)length;
    memcpy(data + 1, bytes, length);
    ldns_rr_push_rdf(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_STR, length + 1, data));
}

/* One byte of a quoted string; -1: no such escape. */
static int take_byte(const char **at)
{
    const char *text = *at;
    if (*text != '\\') {
        *at += 1;
        return (unsigned char)*text;
    }
    if (!isdigit((unsigned char)text[1])) {
        *at += 2;
        return text[1] ? (unsigned char)text[1] : -1;
    }
    if (!isdigit((unsigned char)text[2]) || !isdigit((unsigned char)text[3])) {
        return -1;
    }
    int value = (text[1] - '0') * 100 + (text[2] - '0') * 10 + text[3] - '0';
    *at += 4;
    return value <= 255 ? value : -1;
}

/* "one" "two": strings as in a zone file. */
static bool push_quoted(ldns_rr *rr, const char *text)
{
    while (*text) {
        char bytes[STRING_MAX];
        size_t length = 0;
        if (*text++ != '"') {
            return false;
        }
        while (*text && *text != '"') {
            int byte = take_byte(&text);
            if (byte < 0 || length == STRING_MAX) {
                return false;
            }
            bytes[length++] = (char)byte;
        }
        if (*text++ != '"') {
            return false;
        }
        push_string(rr, bytes, length);
        text += strspn(text, " \t");
    }
    return true;
}

static bool push_txt(ldns_rr *rr, const char *text)
{
    size_t length = strlen(text);
    if (length > DATA_MAX / 2) {
        return false;
    }
    if (*text == '"') {
        return push_quoted(rr, text);
    }
    for (size_t at = 0; at < length; at += STRING_MAX) {
        push_string(rr, text + at, length - at < STRING_MAX ? length - at : STRING_MAX);
    }
    return true;
}

/* --- records --- */

static bool push_address(ldns_rr *rr, int family, const char *text)
{
    uint8_t bytes[16];
    if (inet_pton(family, text, bytes) != 1) {
        return false;
    }
    bool v4 = family == AF_INET;
    ldns_rr_push_rdf(
        rr, ldns_rdf_new_frm_data(v4 ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA, v4 ? 4 : 16, bytes));
    return true;
}

static bool push_name(ldns_rr *rr, const char *text)
{
    ldns_rdf *name = ldns_dname_new_frm_str(text);
    if (!name) {
        return false;
    }
    ldns_rr_push_rdf(rr, name);
    return true;
}

ldns_rr *record_rr(const ldns_rdf *owner, ldns_rr_type type, int64_t ttl, const char *value,
                   struct error *error)
{
    ldns_rr *rr = ldns_rr_new();
    ldns_rr_set_owner(rr, ldns_rdf_clone(owner));
    ldns_rr_set_type(rr, type);
    ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
    ldns_rr_set_ttl(rr, (uint32_t)ttl);
    bool good = type == LDNS_RR_TYPE_A      ? push_address(rr, AF_INET, value)
                : type == LDNS_RR_TYPE_AAAA ? push_address(rr, AF_INET6, value)
                : type == LDNS_RR_TYPE_TXT  ? push_txt(rr, value)
                                            : push_name(rr, value);
    if (!good) {
        ldns_rr_free(rr);
        error_set(error, "\"%.200s\" is no value of a DNS record of type %s", value,
                  type_name(type));
        return NULL;
    }
    return rr;
}

static const char *name_value(struct arena *arena, const ldns_rdf *name)
{
    char *text = ldns_rdf2str(name);
    if (!text) {
        return NULL;
    }
    size_t length = strlen(text);
    length -= length > 1 && text[length - 1] == '.';
    const char *value = arena_strndup(arena, text, length);
    LDNS_FREE(text);
    return value;
}

const char *record_value(struct arena *arena, const ldns_rr *rr)
{
    ldns_rr_type type = ldns_rr_get_type(rr);
    const ldns_rdf *first = ldns_rr_rd_count(rr) > 0 ? ldns_rr_rdf(rr, 0) : NULL;
    char text[INET6_ADDRSTRLEN];
    if (!first) {
        return NULL;
    }
    if (type == LDNS_RR_TYPE_TXT) {
        return txt_value(arena, rr);
    }
    if (type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_AAAA) {
        bool v4 = type == LDNS_RR_TYPE_A;
        return ldns_rdf_size(first) == (v4 ? 4 : 16) &&
                       inet_ntop(v4 ? AF_INET : AF_INET6, ldns_rdf_data(first), text, sizeof text)
                   ? arena_strdup(arena, text)
                   : NULL;
    }
    return name_value(arena, first);
}
