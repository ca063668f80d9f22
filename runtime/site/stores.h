/* Stores of a site: opens "dir:PATH", "file:///DIR" and "s3://BUCKET/PREFIX". */
#ifndef DRC_SITE_STORES_H
#define DRC_SITE_STORES_H

#include <stdbool.h>

#include "runtime/world/store.h"

/* How S3 is asked; texts are copied. */
struct site_stores_options {
    struct world *world; /* the one that requests go through: the sandbox's where there is one */
    const char *region;  /* NULL: as store_s3.h says */
    const char *profile; /* NULL: the environment's */
    bool sandbox;
};

struct site_stores;
struct site_stores *site_stores_create(const struct site_stores_options *options);
/* NULL is allowed. The stores that it opened are their owners'. */
void site_stores_destroy(struct site_stores *stores);
/* As long as `stores` lives. A directory (dir:, file:///) is made where it is missing. */
struct store_opener site_stores_opener(struct site_stores *stores);

#endif
