#include "tests/unit/support/flaky_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/world.h"

/* One put with a flaw. All are kept until the store goes. */
struct flawed {
    struct flawed *next;
    enum flaw flaw;
    struct world *world;
    struct world_task *task;
    store_callback done;
    void *context;
    struct flaky_store *flaky;
    enum store_outcome outcome; /* of one that is only slow */
    char version[STORE_VERSION_MAX];
};

static void answer_late(void *context)
{
    struct flawed *flawed = context;
    struct store_result result = {.outcome = flawed->outcome, .version = flawed->version};
    flawed->task = NULL;
    if (flawed->done) {
        flawed->done(flawed->context, &result);
    }
}

static void fail_it(void *context)
{
    struct flawed *flawed = context;
    struct error error = {.message = "the network is down", .passing = flawed->flaky->passing};
    struct store_result result = {.outcome = STORE_FAILED, .version = "", .error = &error};
    if (flawed->flaw == FLAW_REFUSED) {
        result = (struct store_result){.outcome = STORE_CONFLICT, .version = ""};
    }
    flawed->task = NULL;
    if (flawed->done) {
        flawed->done(flawed->context, &result);
    }
}

static void happened(void *context, const struct store_result *result)
{
    struct flawed *flawed = context;
    if (flawed->flaw == FLAW_LOST_ANSWER) {
        fail_it(flawed);
    } else if (flawed->flaw == FLAW_NONE) {
        flawed->outcome = result->outcome;
        snprintf(flawed->version, sizeof flawed->version, "%s", result->version);
        flawed->task =
            world_timer(flawed->world, flawed->flaky->latency_ms, answer_late, flawed);
    }
}

/* It fails, and nothing has happened. */
static void fail_soon(struct flaky_store *flaky, store_callback done, void *context)
{
    struct flawed *flawed = base_alloc(sizeof *flawed);
    *flawed = (struct flawed){.next = flaky->owned, .flaky = flaky, .world = flaky->world,
                              .done = done, .context = context};
    flaky->owned = flawed;
    flawed->task = world_timer(flaky->world, 10, fail_it, flawed);
}

static void flaky_get(struct store *store, const char *key, store_callback done, void *context)
{
    struct flaky_store *flaky = (struct flaky_store *)store;
    if (flaky->unreadable && flaky->unread > 0 && strstr(key, flaky->unreadable)) {
        flaky->unread--;
        fail_soon(flaky, done, context);
    } else {
        flaky->inner->get(flaky->inner, key, done, context);
    }
}

static void flaky_put(struct store *store, const char *key, const void *bytes, size_t length,
                      enum store_condition condition, const char *version, store_callback done,
                      void *context)
{
    struct flaky_store *flaky = (struct flaky_store *)store;
    struct store *inner = flaky->inner;
    flaky->puts++;
    bool flawless = flaky->flaw == FLAW_NONE || flaky->next == 0 || flaky->puts <= flaky->after ||
                    (flaky->only && !strstr(key, flaky->only));
    bool fast = flaky->latency_ms == 0 || (flaky->only && !strstr(key, flaky->only));
    if (flawless && fast) {
        inner->put(inner, key, bytes, length, condition, version, done, context);
        return;
    }
    flaky->next -= flawless ? 0 : 1;
    struct flawed *flawed = base_alloc(sizeof *flawed);
    *flawed = (struct flawed){.next = flaky->owned, .flaky = flaky,
                              .flaw = flawless ? FLAW_NONE : flaky->flaw, .world = flaky->world,
                              .done = done, .context = context};
    flaky->owned = flawed;
    if (flawed->flaw == FLAW_LOST_REQUEST || flawed->flaw == FLAW_REFUSED) {
        flawed->task = world_timer(flaky->world, 10, fail_it, flawed);
    } else {
        inner->put(inner, key, bytes, length, condition, version, happened, flawed);
    }
}

static void flaky_list(struct store *store, const char *prefix, const char *after,
                       store_callback done, void *context)
{
    struct store *inner = ((struct flaky_store *)store)->inner;
    ((struct flaky_store *)store)->lists++;
    inner->list(inner, prefix, after, done, context);
}

static void flaky_remove(struct store *store, const char *key, store_callback done, void *context)
{
    struct flaky_store *flaky = (struct flaky_store *)store;
    if (!flaky->breaks || flaky->removals-- > 0) {
        flaky->inner->remove(flaky->inner, key, done, context);
    } else {
        fail_soon(flaky, done, context);
    }
}

static void flaky_sync(struct store *store, store_callback done, void *context)
{
    struct store *inner = ((struct flaky_store *)store)->inner;
    inner->sync(inner, done, context);
}

static void flaky_forget(struct store *store, void *context)
{
    struct flaky_store *flaky = (struct flaky_store *)store;
    for (struct flawed *flawed = flaky->owned; flawed; flawed = flawed->next) {
        if (flawed->context == context) {
            flawed->done = NULL;
        }
    }
    flaky->inner->forget(flaky->inner, context);
}

static void flaky_destroy(struct store *store)
{
    struct flaky_store *flaky = (struct flaky_store *)store;
    store_destroy(flaky->inner);
    for (struct flawed *flawed = flaky->owned, *next; flawed; flawed = next) {
        next = flawed->next;
        world_cancel(flawed->world, flawed->task);
        free(flawed);
    }
    free(flaky);
}

struct flaky_store *flaky_store_create(struct world *world, struct store *inner)
{
    struct flaky_store *flaky = base_alloc(sizeof *flaky);
    flaky->store = (struct store){.name = "flaky", .get = flaky_get, .put = flaky_put,
                                  .list = flaky_list, .remove = flaky_remove, .sync = flaky_sync,
                                  .forget = flaky_forget, .destroy = flaky_destroy};
    flaky->inner = inner;
    flaky->world = world;
    return flaky;
}
