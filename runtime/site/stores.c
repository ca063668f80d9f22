#include "runtime/site/stores.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/store_s3.h"

struct site_stores {
    struct site_stores_options options;
};

static const char *copy(const char *text)
{
    return text ? base_strdup(text) : NULL;
}

struct site_stores *site_stores_create(const struct site_stores_options *options)
{
    struct site_stores *stores = base_alloc(sizeof *stores);
    stores->options = *options;
    stores->options.region = copy(options->region);
    stores->options.profile = copy(options->profile);
    return stores;
}

void site_stores_destroy(struct site_stores *stores)
{
    if (stores) {
        free((char *)stores->options.region);
        free((char *)stores->options.profile);
        free(stores);
    }
}

static const char *directory_of(const char *url)
{
    static const char *const schemes[] = {"dir:", "file://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t length = strlen(schemes[i]);
        if (strncmp(url, schemes[i], length) == 0) {
            return url + length;
        }
    }
    return NULL;
}

static struct store *open_directory(struct world *world, const char *url, const char *path,
                                    bool lazy, struct error *error)
{
    bool absolute = strncmp(url, "file://", strlen("file://")) != 0 || *path == '/';
    if (!*path || !absolute || strcmp(path, "/") == 0) {
        error_set(error, "\"%.120s\" names no directory", url);
        error_help(error, "it is written dir:PATH, or file:///DIR with three slashes");
        return NULL;
    }
    return lazy ? store_directory_create_lazy(world, path, error)
                : store_directory_create(world, path, error);
}

static struct store *open_store(void *context, const char *url, bool lazy, struct error *error)
{
    const struct site_stores *stores = context;
    const char *directory = directory_of(url);
    struct error failure = {0};
    if (directory) {
        return open_directory(stores->options.world, url, directory, lazy, error);
    }
    if (store_s3_is_url(url, &failure)) {
        struct store_s3_options s3 = {.world = stores->options.world,
                                      .url = url,
                                      .region = stores->options.region,
                                      .profile = stores->options.profile,
                                      .path_style = stores->options.sandbox};
        return store_s3_open(&s3, error);
    }
    if (failure.message) {
        error_move(error, &failure);
        return NULL;
    }
    error_set(error, "\"%.120s\" is no place for objects that drc knows", url);
    error_help(error, "it is written dir:PATH, file:///DIR or s3://BUCKET/PREFIX");
    return NULL;
}

struct store_opener site_stores_opener(struct site_stores *stores)
{
    return (struct store_opener){.context = stores, .open = open_store};
}
