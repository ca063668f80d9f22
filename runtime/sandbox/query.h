/* Query: the parameters of an EC2 or STS request: form pairs whose names are dotted paths. */
#ifndef DRC_SANDBOX_QUERY_H
#define DRC_SANDBOX_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/map.h"

struct arena;

enum { QUERY_BYTES_MAX = 1 << 20, QUERY_PAIRS_MAX = 20000, QUERY_LIST_MAX = 2000 };

/* Lies in an arena; zero-initialise with it. */
struct query {
    struct arena *arena;
    struct map pairs; /* name -> const char * */
};

struct texts_list {
    const char **items;
    size_t count;
};

/* Adds the pairs of "a=b&c=d" (percent-decoded, + is a space). False: too large or malformed; what
 * is wrong is then in *problem. */
bool query_parse(struct query *query, const char *text, size_t length, const char **problem);

/* The value; NULL when absent. The name is a printf format: query_get(q, "Tag.%zu.Key", i). */
const char *query_get(const struct query *query, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Whether any name begins with the prefix (then a dot or its end). */
bool query_has(const struct query *query, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* NAME.1, NAME.2 … up to the first that is missing. */
struct texts_list query_list(const struct query *query, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Decimal digits only (an optional minus). */
bool parse_int(const char *text, int64_t *value);

#endif
