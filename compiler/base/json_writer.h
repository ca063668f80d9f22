/* JSON writer: streams JSON (RFC 8259) into a buffer, so that a graph of 100,000 nodes needs no
 * tree. Commas, quotes and indentation are its business; balance is the caller's and is asserted.
 */
#ifndef DRC_BASE_JSON_WRITER_H
#define DRC_BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;

enum { JSON_DEPTH_MAX = 64 };

/* Make one with json_writer(); no destruction needed. */
struct json_writer {
    struct buffer *out;
    int indent; /* spaces a level; 0: all on one line */
    int depth;
    int compact_from; /* containers at this depth and deeper stay on one line; 0: none */
    bool has_items[JSON_DEPTH_MAX];
    bool after_key;
};

struct json_writer json_writer(struct buffer *out, int indent);

void json_begin_object(struct json_writer *json);
void json_end_object(struct json_writer *json);
void json_begin_array(struct json_writer *json);
void json_end_array(struct json_writer *json);
void json_key(struct json_writer *json, const char *key);

/* Values. Text has to be valid UTF-8; control characters are escaped. */
void json_string(struct json_writer *json, const char *text);
void json_int(struct json_writer *json, int64_t value);
void json_number(struct json_writer *json,
                 double value); /* finite; shortest form that reads back */
void json_bool(struct json_writer *json, bool value);
void json_null(struct json_writer *json);
/* Text that is JSON already (one value). */
void json_raw(struct json_writer *json, const char *text);

/* Key and value at once. json_key_string with NULL writes nothing: what is absent is absent. */
void json_key_string(struct json_writer *json, const char *key, const char *text);
void json_key_int(struct json_writer *json, const char *key, int64_t value);
void json_key_bool(struct json_writer *json, const char *key, bool value);

#endif
