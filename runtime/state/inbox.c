#include "runtime/state/inbox.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

#define INBOX_FORMAT "drc-inbox/1"
enum {
    INBOX_MESSAGE_MAX = 64 << 10, /* bytes: what is larger nobody has written with drc */
    INBOX_TEXT_MAX = 2000,        /* of one text in it */
    INBOX_MESSAGES_MAX = 10000,   /* seen in one session: more is nobody's doing */
};

static const char *const verb_names[] = {
    [INBOX_APPROVE] = "approve",
    [INBOX_SKIP] = "skip",
    [INBOX_CANCEL] = "cancel",
};

const char *inbox_verb_name(enum inbox_verb verb)
{
    return verb_names[verb];
}

/* --- posting --- */

/* Time first, so that keys are in its order. */
static void make_id(struct world *world, int64_t at_utc_ms, char id[INBOX_ID_MAX])
{
    uint8_t bytes[6];
    world_random(world, bytes, sizeof bytes);
    int length = snprintf(id, INBOX_ID_MAX, "%013" PRId64 "-", at_utc_ms);
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(id + length + 2 * i, INBOX_ID_MAX - (size_t)length - 2 * i, "%02x", bytes[i]);
    }
}

static void write_message(const struct inbox_message *message, struct buffer *out)
{
    struct json_writer json = json_writer(out, 0);
    json_begin_object(&json);
    json_key_string(&json, "format", INBOX_FORMAT);
    json_key_string(&json, "verb", inbox_verb_name(message->verb));
    json_key_string(&json, "target", message->target);
    json_key_string(&json, "who", message->who);
    json_key_string(&json, "comment", message->comment);
    json_key_int(&json, "at", message->at_utc_ms);
    json_end_object(&json);
    buffer_putc(out, '\n');
}

bool inbox_post(struct store *store, struct world *world, const char *plan, const char *run,
                const struct inbox_message *message, char id[INBOX_ID_MAX], struct error *error)
{
    char made[INBOX_ID_MAX];
    struct buffer key = {0};
    struct buffer text = {0};
    struct error failure = {0};
    make_id(world, message->at_utc_ms, made);
    buffer_printf(&key, "%s/runs/%s/inbox/%s", plan, run, made);
    write_message(message, &text);
    enum store_outcome outcome = store_put_now(store, world, buffer_text(&key), text.data,
                                               text.length, STORE_IF_ABSENT, NULL, &failure);
    if (outcome == STORE_OK && id) {
        memcpy(id, made, sizeof made);
    } else if (outcome != STORE_OK) {
        error_set(error, "telling run %s: %s", run,
                  failure.message ? failure.message : "its inbox has a message of that name");
    }
    error_clear(&failure);
    buffer_free(&key);
    buffer_free(&text);
    return outcome == STORE_OK;
}

/* --- reading a message --- */

static const char *text_of(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    return cJSON_IsString(item) && strlen(item->valuestring) <= INBOX_TEXT_MAX ? item->valuestring
                                                                               : NULL;
}

static bool verb_of(const char *name, enum inbox_verb *verb)
{
    for (size_t i = 0; name && i < sizeof verb_names / sizeof *verb_names; i++) {
        if (!strcmp(name, verb_names[i])) {
            *verb = (enum inbox_verb)i;
            return true;
        }
    }
    return false;
}

static void read_message(const cJSON *json, struct inbox_message *message)
{
    const char *format = text_of(json, "format");
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(json, "at");
    message->target = text_of(json, "target");
    message->who = text_of(json, "who");
    message->comment = text_of(json, "comment");
    message->at_utc_ms = json_int_or(at, 0);
    if (!format || strcmp(format, INBOX_FORMAT) != 0) {
        message->problem = "the message cannot be read: it is no message of this version of drc";
    } else if (!verb_of(text_of(json, "verb"), &message->verb)) {
        message->problem = "the message asks for something that this version does not know";
    } else if (message->verb == INBOX_SKIP && !message->target) {
        message->problem = "the message names no action";
    }
}

/* --- watching --- */

struct seen {
    char *id;
    bool told; /* the callback has had it */
};

struct inbox {
    struct store *store;
    struct world *world;
    char *prefix; /* PLAN/runs/RUN/inbox/ */
    int64_t interval_ms;
    inbox_arrived arrived;
    void *context;
    struct world_task *timer;
    struct seen *seen; /* in the order in which they were found */
    size_t count, capacity, next;
    size_t removing;
    bool idle; /* nothing is being removed */
};

static void ask_later(struct inbox *inbox);

/* What could not be removed is known by its id, and harmless in another session. */
static void removed(void *context, const struct store_result *result)
{
    struct inbox *inbox = context;
    inbox->idle = --inbox->removing == 0;
    (void)result;
}

static char *key_of(const struct inbox *inbox, const char *id)
{
    struct buffer key = {0};
    buffer_printf(&key, "%s%s", inbox->prefix, id);
    return buffer_steal(&key);
}

void inbox_done(struct inbox *inbox, const char *id)
{
    if (inbox && id) {
        char *key = key_of(inbox, id);
        inbox->removing++;
        inbox->idle = false;
        inbox->store->remove(inbox->store, key, removed, inbox);
        free(key);
    }
}

static void tell(struct inbox *inbox, const char *id, const struct store_result *result)
{
    struct inbox_message message = {.id = id};
    cJSON *json = NULL;
    if (result->length > INBOX_MESSAGE_MAX) {
        message.problem = "the message cannot be read: it is too long";
    } else if (!(json = cJSON_ParseWithLengthOpts(result->bytes, result->length + 1, NULL, 1)) ||
               !cJSON_IsObject(json)) {
        message.problem = "the message cannot be read: it is no JSON";
    } else {
        read_message(json, &message);
    }
    inbox->arrived(inbox->context, &message);
    cJSON_Delete(json);
}

static void read_next(struct inbox *inbox);

static void got(void *context, const struct store_result *result)
{
    struct inbox *inbox = context;
    struct seen *seen = &inbox->seen[inbox->next++];
    if (result->outcome == STORE_OK) {
        seen->told = true;
        tell(inbox, seen->id, result);
    } else if (result->outcome == STORE_ABSENT) {
        seen->told = true; /* taken back */
    }
    read_next(inbox);
}

/* One after the other, oldest first. */
static void read_next(struct inbox *inbox)
{
    while (inbox->next < inbox->count && inbox->seen[inbox->next].told) {
        inbox->next++;
    }
    if (inbox->next == inbox->count) {
        ask_later(inbox);
        return;
    }
    char *key = key_of(inbox, inbox->seen[inbox->next].id);
    inbox->store->get(inbox->store, key, got, inbox);
    free(key);
}

static bool is_known(const struct inbox *inbox, const char *id)
{
    for (size_t i = 0; i < inbox->count; i++) {
        if (!strcmp(inbox->seen[i].id, id)) {
            return true;
        }
    }
    return false;
}

static void add_seen(struct inbox *inbox, const char *id)
{
    if (inbox->count == inbox->capacity) {
        inbox->capacity = inbox->capacity ? 2 * inbox->capacity : 8;
        inbox->seen = base_realloc(inbox->seen, inbox->capacity * sizeof *inbox->seen);
    }
    inbox->seen[inbox->count++] = (struct seen){.id = base_strdup(id)};
}

static void listed(void *context, const struct store_result *result)
{
    struct inbox *inbox = context;
    size_t prefix = strlen(inbox->prefix);
    for (size_t i = 0; result->outcome == STORE_OK && i < result->key_count; i++) {
        const char *id = result->keys[i] + prefix;
        if (inbox->count < INBOX_MESSAGES_MAX && !strchr(id, '/') && !is_known(inbox, id)) {
            add_seen(inbox, id);
        }
    }
    inbox->next = 0;
    read_next(inbox);
}

static void look(void *context)
{
    struct inbox *inbox = context;
    inbox->timer = NULL;
    inbox->store->list(inbox->store, inbox->prefix, "", listed, inbox);
}

static void ask_later(struct inbox *inbox)
{
    inbox->timer = world_timer(inbox->world, inbox->interval_ms, look, inbox);
}

struct inbox *inbox_watch(struct store *store, struct world *world, const char *plan,
                          const char *run, int64_t interval_ms, inbox_arrived arrived,
                          void *context)
{
    struct inbox *inbox = base_alloc(sizeof *inbox);
    struct buffer prefix = {0};
    buffer_printf(&prefix, "%s/runs/%s/inbox/", plan, run);
    *inbox = (struct inbox){
        .store = store,
        .world = world,
        .prefix = buffer_steal(&prefix),
        .interval_ms = interval_ms > 0 ? interval_ms : INBOX_INTERVAL_MS,
        .arrived = arrived,
        .context = context,
    };
    inbox->timer = world_timer(world, 0, look, inbox);
    return inbox;
}

void inbox_close(struct inbox *inbox)
{
    if (!inbox) {
        return;
    }
    if (inbox->timer) {
        world_cancel(inbox->world, inbox->timer);
    }
    if (inbox->removing > 0) {
        world_run(inbox->world, &inbox->idle);
    }
    store_destroy(inbox->store);
    for (size_t i = 0; i < inbox->count; i++) {
        free(inbox->seen[i].id);
    }
    free(inbox->seen);
    free(inbox->prefix);
    free(inbox);
}
