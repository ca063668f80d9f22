/* Ini: the shared config and credentials files of AWS's tools: sections, keys, and values with
 * indented sub-keys ("ec2 =\n  endpoint_url = …"). Hostile input gives an error with its line. */
#ifndef DRC_AWS_INI_H
#define DRC_AWS_INI_H

#include <stddef.h>

#include "compiler/base/error.h"
#include "compiler/base/map.h"

struct arena;

enum { INI_BYTES_MAX = 1 << 20, INI_SECTIONS_MAX = 10000 };

/* Lies in an arena. */
struct ini {
    struct map sections; /* name as in the brackets, spaces folded -> struct map * of keys */
};

/* A repeated section goes on, a repeated key wins. Sub-keys are "key.sub". */
struct ini *ini_parse(struct arena *arena, const char *path, const char *text, size_t length,
                      struct error *error);
/* A file that is not there is an empty one; one that cannot be read is an error. */
struct ini *ini_read(struct arena *arena, const char *path, struct error *error);

/* NULL when there is no such section or key. Keys are lower case. */
const char *ini_get(const struct ini *ini, const char *section, const char *key);
const struct map *ini_section(const struct ini *ini, const char *section);

/* The whole file, NUL-terminated, in the arena; at most `max` bytes. NULL on failure; *absent (may
 * be NULL) tells whether there is no such file, then without an error. */
char *read_small_file(struct arena *arena, const char *path, size_t max, size_t *length,
                      bool *absent, struct error *error);

#endif
