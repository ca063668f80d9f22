#include "runtime/aws/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "runtime/aws/fetch.h"

enum { ADVISORY_MS = 15 * 60 * 1000, MANDATORY_MS = 10 * 60 * 1000, PAUSE_MS = 60 * 1000 };

struct credentials {
    const struct aws_settings *settings;
    const char *region, *role_arn, *further_role_arn;
    struct recipe *recipe;      /* made at the first use */
    struct fetch *current;      /* holds the key; NULL: none yet */
    struct fetch *fetching;     /* NULL: none under way */
    struct world_task *failing; /* tells waiters that there is no recipe */
    struct error error;
    bool expired;           /* a service said so */
    int64_t pause_until_ms; /* no refreshing ahead before that: just tried */
    struct credentials_waiter *waiters;
};

struct credentials *credentials_create(const struct aws_settings *settings, const char *region,
                                       const char *role_arn, const char *further_role_arn)
{
    struct credentials *credentials = base_alloc(sizeof *credentials);
    credentials->settings = settings;
    credentials->region = region;
    credentials->role_arn = role_arn;
    credentials->further_role_arn = further_role_arn;
    return credentials;
}

void credentials_destroy(struct credentials *credentials)
{
    if (!credentials) {
        return;
    }
    if (credentials->failing) {
        world_cancel(credentials->settings->world, credentials->failing);
    }
    fetch_destroy(credentials->current);
    fetch_destroy(credentials->fetching);
    error_clear(&credentials->error);
    free(credentials);
}

static void wake(struct credentials *credentials, const struct error *error)
{
    struct credentials_waiter *waiters = credentials->waiters;
    credentials->waiters = NULL;
    while (waiters) {
        struct credentials_waiter *waiter = waiters;
        DL_DELETE(waiters, waiter);
        /* Put back first, so that a waiter that is forgotten meanwhile is found. */
        credentials->waiters = waiters;
        waiter->ready(waiter->context, error);
        waiters = credentials->waiters;
    }
}

static void on_fetched(void *context, struct fetch *fetch)
{
    struct credentials *credentials = context;
    credentials->fetching = NULL;
    credentials->pause_until_ms = world_monotonic_ms(credentials->settings->world) + PAUSE_MS;
    if (fetch->error.message) {
        wake(credentials, &fetch->error);
        fetch_destroy(fetch);
        return;
    }
    fetch_destroy(credentials->current);
    credentials->current = fetch;
    credentials->expired = false;
    wake(credentials, NULL);
}

static void on_no_recipe(void *context)
{
    struct credentials *credentials = context;
    credentials->failing = NULL;
    wake(credentials, &credentials->error);
}

static void start_fetch(struct credentials *credentials)
{
    if (credentials->fetching || credentials->failing) {
        return;
    }
    if (!credentials->recipe) {
        credentials->recipe =
            recipe_make(credentials->settings, credentials->role_arn, credentials->further_role_arn,
                        &credentials->error);
    }
    if (credentials->recipe) {
        credentials->fetching = fetch_start(credentials->settings, credentials->recipe,
                                            credentials->region, on_fetched, credentials);
    } else {
        credentials->failing =
            world_timer(credentials->settings->world, 0, on_no_recipe, credentials);
    }
}

const struct sigv4_key *credentials_key(struct credentials *credentials)
{
    struct fetch *current = credentials->current;
    struct world *world = credentials->settings->world;
    if (!current || credentials->expired) {
        return NULL;
    }
    if (current->expires_utc_ms == 0) {
        return &current->key;
    }
    int64_t left = current->expires_utc_ms - world_utc_ms(world);
    bool paused = world_monotonic_ms(world) < credentials->pause_until_ms;
    if (left < ADVISORY_MS && !paused) {
        start_fetch(credentials);
    }
    /* When a refresh was tried just now, the key serves until it really ends. */
    return left > (paused ? 0 : MANDATORY_MS) ? &current->key : NULL;
}

void credentials_wait(struct credentials *credentials, struct credentials_waiter *waiter)
{
    DL_APPEND(credentials->waiters, waiter);
    start_fetch(credentials);
}

void credentials_forget(struct credentials *credentials, struct credentials_waiter *waiter)
{
    struct credentials_waiter *each = credentials->waiters;
    while (each && each != waiter) {
        each = each->next;
    }
    if (each) {
        DL_DELETE(credentials->waiters, waiter);
    }
}

bool credentials_expired(struct credentials *credentials, const char *key_id)
{
    const struct recipe *recipe = credentials->recipe;
    bool renewable = recipe && (recipe->kind != SOURCE_STATIC || recipe->role_count > 0);
    if (renewable && credentials->current && strcmp(credentials->current->key.id, key_id) == 0) {
        credentials->expired = true;
    }
    return renewable;
}

const char *credentials_source(const struct credentials *credentials)
{
    return credentials->recipe ? credentials->recipe->description : "";
}
