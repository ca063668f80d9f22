/* JSON reader: strict reading of JSON (RFC 8259) from outside. The text is checked as a whole first
 * (json_check): cJSON lets duplicate keys, bytes that are no UTF-8, NULs and odd numbers pass.
 * After that large documents are walked by cursors, without a tree, and single values become cJSON
 * trees of bounded size. Errors name the place as a JSON pointer (RFC 6901). */
#ifndef DRC_BASE_JSON_READER_H
#define DRC_BASE_JSON_READER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct arena;

enum {
    JSON_READ_DEPTH_MAX = 32,
    JSON_TREE_BYTES_MAX = 1 << 20, /* of a value that becomes a tree */
};

/* Whether `text` is one valid JSON value: grammar, UTF-8, no NUL (written out or escaped), depth.
 * The error says line and column. */
bool json_check(const char *text, size_t length, struct error *error);

/* A value within checked text. */
struct json_text {
    const char *at;
    size_t length;
};

/* Walks the members of an object or the elements of an array in checked text. */
struct json_cursor {
    const char *at, *end;
    bool object, started;
};
/* False when the value is no object (bracket '{') or array ('['). */
bool json_open(struct json_cursor *cursor, struct json_text value, char bracket);
/* The next member or element; false at the end. The key (of objects) is raw, in its quotes. */
bool json_next(struct json_cursor *cursor, struct json_text *key, struct json_text *value);
/* The key as plain text in the arena. */
const char *json_key_text(struct arena *arena, struct json_text key);

/* Where a value stands: a list on the stack, innermost first. key NULL: an element. */
struct json_at {
    const struct json_at *parent;
    const char *key;
    size_t index;
};
/* Fails with "/nodes/3/inputs: …". Returns false. */
bool json_fail(const struct json_at *at, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The value as a tree, which the caller deletes (cJSON_Delete). NULL when it is larger than
 * JSON_TREE_BYTES_MAX. */
cJSON *json_tree(struct json_text value, const struct json_at *at, struct error *error);

/* Whether the value is an object with each of its keys once, all of them among `keys` (NULL-ended).
 * NULL for `keys`: any. */
bool json_expect_object(const cJSON *value, const char *const *keys, const struct json_at *at,
                        struct error *error);
bool json_expect_array(const cJSON *value, const struct json_at *at, struct error *error);

/* Members of an object. They fail when the member is of another type, or absent without being
 * optional; absent and optional leaves *out alone. Texts are copied into the arena. */
enum json_presence { JSON_NEEDED, JSON_OPTIONAL };
bool json_get_text(const cJSON *object, const char *key, enum json_presence presence,
                   struct arena *arena, const char **out, const struct json_at *at,
                   struct error *error);
bool json_get_int(const cJSON *object, const char *key, enum json_presence presence, int64_t min,
                  int64_t max, int64_t *out, const struct json_at *at, struct error *error);
bool json_get_bool(const cJSON *object, const char *key, enum json_presence presence, bool *out,
                   const struct json_at *at, struct error *error);
/* Whether a number is whole and exact in a double (under 2^53). */
bool json_is_int(const cJSON *value, int64_t *out);
/* The same; what is none counts as the fallback. */
int64_t json_int_or(const cJSON *value, int64_t fallback);
/* A member's text, number; NULL, the fallback where there is none such. */
const char *json_text_of(const cJSON *object, const char *key);
int64_t json_int_of(const cJSON *object, const char *key, int64_t fallback);

/* The place of a member, for errors about it. */
#define JSON_MEMBER(at, key_)    (&(struct json_at){.parent = (at), .key = (key_)})
#define JSON_ELEMENT(at, index_) (&(struct json_at){.parent = (at), .index = (index_)})

enum { JSON_INT_MAX_BITS = 53 };
#define JSON_INT_MAX ((INT64_C(1) << JSON_INT_MAX_BITS) - 1)

#endif
