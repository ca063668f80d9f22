#include "runtime/state/shared_lease.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

enum {
    TAKE_TRIES = 20,
    RETRY_MS = 3000,   /* a renewal that failed */
    TICK_MS = 1000,
    ASLEEP_MS = 3000,  /* without a tick for that long, the process has slept */
    RELEASE_MS = 5000, /* longer than that nobody waits for the store at the end */
};

struct shared_lease {
    struct store *store;
    struct world *world;
    char *key, *plan, *name, *run;
    char writer[33];
    char version[STORE_VERSION_MAX];
    int64_t since_utc_ms;
    int64_t sure_until_ms; /* monotonic */
    int64_t ticked_ms;     /* monotonic: the process was awake then */
    int64_t woke_ms;       /* monotonic: what was sent before says nothing any more */
    bool renewing;         /* the store owes an answer */
    int64_t sent_ms;       /* monotonic: when it was asked */
    struct world_task *timer, *tick;
    bool gone, settled;
    struct error loss; /* to whom, once it is gone */
    bool *awaited; /* set when the store has answered; NULL */
    lease_lost lost;
    void *lost_context;
    void (*sure)(void *context);
    void *sure_context;
};

/* --- the object --- */

static char *object_text(const struct shared_lease *lease, bool released)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    struct buffer text = {0};
    struct json_writer json = json_writer(&text, 0);
    int64_t now = world_utc_ms(lease->world);
    json_begin_object(&json);
    json_key_string(&json, "format", "drc-lease/1");
    json_key_string(&json, "run", lease->run);
    json_key_string(&json, "host", host);
    json_key_int(&json, "pid", getpid());
    json_key_string(&json, "writer", lease->writer);
    json_key_int(&json, "since", lease->since_utc_ms);
    json_key_int(&json, "renewed", now);
    json_key_int(&json, "expires", released ? 0 : now + LEASE_MS);
    json_end_object(&json);
    return buffer_steal(&text);
}

static bool is_written_by(const char *text, size_t length, const char *writer)
{
    cJSON *json = cJSON_ParseWithLength(text, length);
    const char *found = json_text_of(json, "writer");
    bool same = found && strcmp(found, writer) == 0;
    cJSON_Delete(json);
    return same;
}

static bool is_held(const struct lease_holder *holder, int64_t now_utc_ms)
{
    return holder->expires_utc_ms > 0 && now_utc_ms <= holder->expires_utc_ms + LEASE_SKEW_MS;
}

int lease_runs_out_s(const struct lease_holder *holder, int64_t now_utc_ms)
{
    int64_t left_ms = is_held(holder, now_utc_ms)
                          ? holder->expires_utc_ms + LEASE_SKEW_MS - now_utc_ms
                          : 0;
    int64_t most_ms = LEASE_MS + 2 * LEASE_SKEW_MS; /* a clock may be ahead */
    return (int)(((left_ms < most_ms ? left_ms : most_ms) + 999) / 1000);
}

static void describe(struct buffer *out, const struct lease_holder *holder)
{
    char since[32], until[32];
    buffer_printf(out, "run %s (process %" PRId64 " on %s, since %s, until %s unless it renews it)",
                  *holder->run ? holder->run : "(unknown)", holder->pid,
                  *holder->host ? holder->host : "an unknown host",
                  format_time(since, holder->since_utc_ms),
                  format_time(until, holder->expires_utc_ms));
}

static char *key_of(const char *plan, const char *name)
{
    struct buffer key = {0};
    buffer_printf(&key, "%s/leases/%s", lease_folder(plan, name), name);
    return buffer_steal(&key);
}

bool lease_holder_shared(struct arena *arena, struct store *store, struct world *world,
                         const char *plan, const char *name, struct lease_holder *holder,
                         struct error *error)
{
    void *text = NULL;
    size_t length = 0;
    char *key = key_of(plan, name);
    enum store_outcome outcome = store_get_now(store, world, key, &text, &length, NULL, error);
    bool held = outcome == STORE_OK && lease_read_holder(arena, text, length, holder) &&
                is_held(holder, world_utc_ms(world));
    free(text);
    free(key);
    return held;
}

/* --- renewing --- */

static void renew(void *context);

static void renew_in(struct shared_lease *lease, int64_t delay_ms)
{
    world_cancel(lease->world, lease->timer);
    lease->timer = world_timer(lease->world, delay_ms, renew, lease);
}

static void is_ours(struct shared_lease *lease, const char *version, int64_t since_ms)
{
    snprintf(lease->version, sizeof lease->version, "%s", version);
    if (since_ms < lease->woke_ms) {
        renew_in(lease, 0);
        return;
    }
    lease->sure_until_ms = since_ms + LEASE_MS;
    renew_in(lease, LEASE_RENEW_MS);
    void (*sure)(void *context) = lease->sure;
    if (sure && shared_lease_is_sure(lease)) {
        lease->sure = NULL;
        sure(lease->sure_context);
    }
}

static void tell_loss(void *context)
{
    struct shared_lease *lease = context;
    lease_lost lost = lease->lost;
    lease->timer = NULL;
    lease->lost = NULL; /* once */
    if (lost) {
        lost(lease->lost_context, &lease->loss);
    }
}

static void is_lost(struct shared_lease *lease, const struct store_result *found)
{
    struct arena *arena = arena_create();
    struct lease_holder holder = {.run = ""};
    struct buffer who = {0};
    bool known = found->outcome == STORE_OK &&
                 lease_read_holder(arena, found->bytes, found->length, &holder);
    if (known && holder.expires_utc_ms > 0) {
        describe(&who, &holder);
    } else {
        buffer_puts(&who, known ? "one that has ended since" : "an unknown process");
    }
    error_set(&lease->loss, "the lease \"%s\" of plan %s was taken over by %s", lease->name, lease->plan,
              buffer_text(&who));
    error_help(&lease->loss, "nothing more is sent from here; drc run show tells what became of the run");
    lease->gone = true;
    world_cancel(lease->world, lease->timer);
    lease->sure_until_ms = INT64_MIN;
    tell_loss(lease);
    buffer_free(&who);
    arena_destroy(arena);
}

/* The renewal is over. */
static void landed(struct shared_lease *lease)
{
    lease->renewing = false;
    if (lease->awaited) {
        *lease->awaited = true;
    }
}

/* Somebody has written there. It may have been this lease's own renewal whose answer was lost. */
static void looked(void *context, const struct store_result *result)
{
    struct shared_lease *lease = context;
    landed(lease);
    if (result->outcome == STORE_FAILED) {
        renew_in(lease, RETRY_MS);
    } else if (result->outcome == STORE_OK &&
               is_written_by(result->bytes, result->length, lease->writer)) {
        /* Of which renewal is not known: good for nothing yet, but to renew it. */
        snprintf(lease->version, sizeof lease->version, "%s", result->version);
        renew_in(lease, 0);
    } else {
        is_lost(lease, result);
    }
}

static void renewed(void *context, const struct store_result *result)
{
    struct shared_lease *lease = context;
    if (result->outcome == STORE_CONFLICT) {
        lease->store->get(lease->store, lease->key, looked, lease);
        return;
    }
    landed(lease);
    if (result->outcome == STORE_OK) {
        is_ours(lease, result->version, lease->sent_ms);
    } else {
        renew_in(lease, RETRY_MS);
    }
}

static void renew(void *context)
{
    struct shared_lease *lease = context;
    lease->timer = NULL;
    if (lease->renewing || lease->gone) {
        return; /* its answer sees to the next */
    }
    char *text = object_text(lease, false);
    lease->renewing = true;
    lease->sent_ms = world_monotonic_ms(lease->world);
    lease->store->put(lease->store, lease->key, text, strlen(text), STORE_IF_VERSION,
                      lease->version, renewed, lease);
    free(text);
}

/* Stopped, suspended or starved: another may have taken it over meanwhile, even before it ran out. */
static void tick(void *context)
{
    struct shared_lease *lease = context;
    int64_t now = world_monotonic_ms(lease->world);
    if (now - lease->ticked_ms > ASLEEP_MS) {
        lease->woke_ms = now;
        lease->sure_until_ms = INT64_MIN;
        renew_in(lease, 0);
    }
    lease->ticked_ms = now;
    lease->tick = world_timer(lease->world, TICK_MS, tick, lease);
}

bool shared_lease_is_sure(const struct shared_lease *lease)
{
    int64_t now = world_monotonic_ms(lease->world);
    return !lease->gone && now < lease->sure_until_ms && now - lease->ticked_ms <= ASLEEP_MS;
}

void shared_lease_assure(struct shared_lease *lease, void (*sure)(void *context), void *context)
{
    lease->sure = sure;
    lease->sure_context = context;
    if (!lease->renewing && !lease->gone) {
        renew_in(lease, 0);
    }
}

static void tell_loss_later(struct shared_lease *lease)
{
    world_cancel(lease->world, lease->timer);
    lease->timer = world_timer(lease->world, 0, tell_loss, lease);
}

void shared_lease_watch(struct shared_lease *lease, lease_lost lost, void *context)
{
    lease->lost = lost;
    lease->lost_context = context;
    lease->sure = NULL;
    if (lease->gone && lost) {
        tell_loss_later(lease); /* it was lost while nobody watched */
    }
}

/* --- taking and giving back --- */

static bool refuse(const struct shared_lease *lease, const struct lease_holder *holder,
                   struct error *error)
{
    struct buffer name = {0}, who = {0};
    lease_put_name(lease->plan, lease->name, &name);
    describe(&who, holder);
    error_set(error, "taking %s: %s has it", buffer_text(&name), buffer_text(&who));
    buffer_free(&name);
    buffer_free(&who);
    return error_help(error, "wait until that run has ended (drc run list shows it) or interrupt it; "
                             "when that process is gone or hangs: --take-over");
}

/* May it be replaced? */
static bool may_take(const struct shared_lease *lease, const char *text, size_t length,
                     bool take_over, struct error *error)
{
    struct arena *arena = arena_create();
    struct lease_holder holder;
    bool known = lease_read_holder(arena, text, length, &holder);
    bool may = take_over;
    if (!may && !known) {
        error_set(error, "taking the lease \"%s\" of plan %s: %s says nothing that can be read",
                  lease->name, lease->plan, lease->key);
        error_help(error, "when no other run of the plan is under way: --take-over");
    } else if (!may) {
        may = !is_held(&holder, world_utc_ms(lease->world)) || refuse(lease, &holder, error);
    }
    arena_destroy(arena);
    return may;
}

/* One look, and one attempt where it is free. True: settled, one way or the other. */
static bool try_to_take(struct shared_lease *lease, bool take_over, struct error *error)
{
    void *found = NULL;
    size_t length = 0;
    char version[STORE_VERSION_MAX];
    int64_t now = world_monotonic_ms(lease->world);
    enum store_outcome outcome = store_get_now(lease->store, lease->world, lease->key, &found,
                                               &length, version, error);
    bool over = outcome == STORE_FAILED;
    if (outcome == STORE_OK && is_written_by(found, length, lease->writer)) {
        is_ours(lease, version, now);
        lease->settled = over = true;
    } else if (outcome == STORE_OK && !may_take(lease, found, length, take_over, error)) {
        over = true;
    } else if (!over) {
        char *text = object_text(lease, false);
        outcome = store_put_now(lease->store, lease->world, lease->key, text, strlen(text),
                                outcome == STORE_OK ? STORE_IF_VERSION : STORE_IF_ABSENT, version,
                                error);
        free(text);
        over = outcome == STORE_FAILED;
    }
    free(found);
    return over;
}

static void shared_lease_free(struct shared_lease *lease)
{
    lease->store->forget(lease->store, lease);
    world_cancel(lease->world, lease->timer);
    world_cancel(lease->world, lease->tick);
    error_clear(&lease->loss);
    free(lease->key);
    free(lease->plan);
    free(lease->name);
    free(lease->run);
    free(lease);
}

struct shared_lease *shared_lease_take(struct store *store, struct world *world, const char *plan,
                                       const char *name, const char *run, bool take_over,
                                       struct error *error)
{
    struct shared_lease *lease = base_alloc(sizeof *lease);
    uint8_t random[16];
    lease->store = store;
    lease->world = world;
    lease->key = key_of(plan, name);
    lease->plan = base_strdup(plan);
    lease->name = base_strdup(name);
    lease->run = base_strdup(run);
    lease->since_utc_ms = world_utc_ms(world);
    world_random(world, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(lease->writer + 2 * i, 3, "%02x", random[i]);
    }
    lease->ticked_ms = lease->woke_ms = world_monotonic_ms(world);
    bool over = false;
    for (int i = 0; i < TAKE_TRIES && !over; i++) {
        over = try_to_take(lease, take_over, error);
    }
    if (!over) {
        error_set(error, "taking the lease \"%s\" of plan %s: others take it all the time", name,
                  plan);
    }
    if (!lease->settled) {
        shared_lease_free(lease);
        return NULL;
    }
    lease->ticked_ms = world_monotonic_ms(world);
    lease->tick = world_timer(world, TICK_MS, tick, lease);
    return lease;
}

struct pause {
    bool over;
    struct world_task *limit;
};

static void limit_rang(void *context)
{
    struct pause *pause = context;
    pause->limit = NULL;
    pause->over = true;
}

/* Until the store has answered what is under way, or RELEASE_MS. */
static void await_answer(struct shared_lease *lease)
{
    struct pause pause = {.over = !lease->renewing};
    if (!pause.over) {
        lease->awaited = &pause.over;
        pause.limit = world_timer(lease->world, RELEASE_MS, limit_rang, &pause);
        world_run(lease->world, &pause.over);
        lease->awaited = NULL;
        world_cancel(lease->world, pause.limit);
    }
}

static void given_back(void *context, const struct store_result *result)
{
    (void)result;
    landed(context);
}

/* Not removed but marked as free, because only a put has a condition: another's is left alone. */
static void give_back(struct shared_lease *lease)
{
    char *text = object_text(lease, true);
    lease->renewing = true;
    lease->store->put(lease->store, lease->key, text, strlen(text), STORE_IF_VERSION,
                      lease->version, given_back, lease);
    free(text);
    await_answer(lease);
}

void shared_lease_release(struct shared_lease *lease)
{
    if (!lease) {
        return;
    }
    shared_lease_watch(lease, NULL, NULL);
    await_answer(lease); /* the version that a renewal under way leaves has to be known */
    world_cancel(lease->world, lease->timer);
    lease->timer = NULL;
    world_cancel(lease->world, lease->tick); /* nothing else may keep the loop up */
    lease->tick = NULL;
    if (!lease->gone && !lease->renewing) {
        give_back(lease);
    }
    shared_lease_free(lease);
}
