/* Resource: what all kinds of EC2 objects have in common: an id, tags, being described by ids,
 * filters and pages. */
#ifndef DRC_SANDBOX_RESOURCE_H
#define DRC_SANDBOX_RESOURCE_H

#include <stddef.h>

#include "runtime/sandbox/request.h"

struct resource_tag {
    const char *key, *value;
};
struct tags {
    struct resource_tag *items;
    size_t count, capacity;
};

/* Every loaded object begins with one. */
struct resource {
    const char *id;
    int64_t created_ms;
    struct tags tags;
};

/* A filter of a kind: where its value lies in the loaded object, or how it is found. */
enum filter_type { FILTER_TEXT, FILTER_INT, FILTER_BOOL, FILTER_TIME, FILTER_CALL };
/* Calls `offer` with each value that the object has for it; texts are borrowed. */
struct filter_values;
typedef void (*filter_call)(const void *object, struct filter_values *values);
struct filter_field {
    const char *name;
    enum filter_type type;
    size_t offset;
    filter_call call;
};
void filter_offer(struct filter_values *values, const char *text);
void filter_offer_int(struct filter_values *values, int64_t number);
void filter_offer_bool(struct filter_values *values, bool value);

/* How a kind is described. */
struct resource_kind {
    const char *ids;                   /* parameter that lists ids: VolumeId */
    const char *prefix;                /* vol: what a well-formed id begins with; NULL: names */
    const char *set;                   /* element around the items: volumeSet */
    const char *list;                  /* SQL: every id in order */
    const char *malformed, *not_found; /* codes */
    const char *noun;                  /* message "The %s does not exist", with %s for the ids */
    const struct filter_field *fields; /* ends with a NULL name */
    int page_min, page_max;            /* MaxResults; 0: not paged */
    bool page_excludes_ids; /* MaxResults and ids together: InvalidParameterCombination */
    void *(*load)(struct request *r, const char *id); /* NULL: not there */
    void (*write)(struct request *r, const void *object);
    /* Whether it is listed without its id being named; NULL: always. */
    bool (*listed)(struct request *r, const void *object);
};

struct objects {
    void **items;
    size_t count, capacity;
};
void objects_add(struct arena *arena, struct objects *objects, void *object);

/* The objects that a describe request means, after ids, filters and visibility. */
bool select_objects(struct request *r, const struct resource_kind *kind, struct objects *objects);
/* Keeps the page that the request asks for; *next is NULL on the last page. */
bool page_objects(struct request *r, const struct resource_kind *kind, struct objects *objects,
                  const char **next);
/* The whole: <set><item>…</item></set><nextToken/>. */
bool describe(struct request *r, const struct resource_kind *kind);
/* One object by its id; refuses what is malformed, not there, or not to be seen yet. */
void *find_object(struct request *r, const struct resource_kind *kind, const char *id);

/* filters.c: the request's Filter.N, parsed and checked once, then matched. */
struct filters;
bool filters_parse(struct request *r, const struct filter_field *fields, struct filters **filters);
bool filters_match(const struct filters *filters, const struct resource *object);
bool wildcard_match(const char *pattern, const char *text);

/* tags.c */
void tags_load(struct request *r, struct resource *object);
const char *tag_value(const struct tags *tags, const char *key);
void tags_write(struct request *r, const struct tags *tags);
/* Checks TagSpecification.N (whose types may be those of `types`, ended by NULL); call before
 * anything is made. */
bool tags_check(struct request *r, const char *const *types);
/* Puts the tags given for `type` onto a new resource. */
void tags_put(struct request *r, const char *type, const char *id);
bool tag_put(struct request *r, const char *id, const char *key, const char *value);
/* "instance" for i-…; NULL when no such kind. */
const char *tag_type_of(const char *id);

/* tokens.c: ClientToken. True and *resource: the same request was carried out before. */
bool token_check(struct request *r, const char **resource);
void token_keep(struct request *r, const char *resource);
/* The same for a token and a digest of the request that come from elsewhere than a form. False: the
 * operation has not had the token. *same: with this digest. */
bool token_find(struct request *r, const char *token, const char *digest, const char **resource,
                bool *same);
void token_remember(struct request *r, const char *token, const char *digest, const char *resource);

#endif
