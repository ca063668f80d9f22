#include "runtime/cli/notify.h"

#include <inttypes.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"
#include "runtime/report/events.h"
#include "runtime/world/redactor.h"
#include "runtime/world/world.h"

enum {
    QUEUE_MAX = 1000, /* what comes then is lost: nobody has listened for long */
    TRIES_MAX = 6,    /* of one event: about a minute */
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_MAX_MS = 30000,
    TIMEOUT_MS = 10000,
    PATIENCE_MS = 10000, /* at the end, for all that is left */
    ANSWER_MAX = 64 << 10,
};

static const char secret_name[] = "DRC_NOTIFY_SECRET";

struct notify {
    struct notify_options options;
    const char *secret;
    struct events *events;
    char **queue; /* events as JSON, the oldest first */
    size_t count;
    int64_t session; /* when this process began: milliseconds since 1970 */
    int64_t first;   /* number of the oldest one */
    int tries;      /* of it */
    size_t lost;
    char *reason;   /* why the last one was not taken */
    struct http_request sent; /* lives until it is answered */
    struct http_header headers[3];
    char delivery[96], signature[128];
    struct world_task *request, *timer, *patience;
    bool finishing, finished;
};

static bool is_url(const char *url)
{
    return !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8);
}

bool notify_check(const char *url, struct world *world, struct error *error)
{
    const char *secret = world_environment(world, secret_name);
    if (!is_url(url)) {
        error_set(error, "--notify takes a URL: http://… or https://…");
        return false;
    }
    if (!secret || !*secret) {
        error_set(error, "--notify: %s is not set", secret_name);
        return error_help(error, "events are signed with it, and whoever gets them checks that with the "
                                 "same secret; openssl rand -hex 32 makes one");
    }
    return true;
}

/* --- which --- */

static bool is_news(const struct executor_event *event)
{
    switch (event->type) {
    case EVENT_RUN_STARTED:
    case EVENT_RUN_RESUMED:
    case EVENT_NODE_FAILED:
    case EVENT_VM_FAILED:
    case EVENT_APPROVAL_NEEDED:
    case EVENT_DECISION:
    case EVENT_INTERRUPTED:
    case EVENT_STATE_LOST:
    case EVENT_RUN_ENDED:
        return true;
    case EVENT_NODE_DONE:
        return graph_is_goal(event->node);
    default:
        return false;
    }
}

static void send_next(struct notify *notify);

/* A line of the events, without its end. The first says only what follows. */
static bool take(void *context, const char *line, size_t length)
{
    struct notify *notify = context;
    if (!notify->events) {
        return true;
    }
    if (notify->count == QUEUE_MAX) {
        notify->lost++;
        return false;
    }
    char *text = base_alloc(length + 1);
    memcpy(text, line, length > 0 && line[length - 1] == '\n' ? length - 1 : length);
    notify->queue[notify->count++] = text;
    send_next(notify);
    return true;
}

void notify_observe(struct notify *notify, const struct executor_event *event)
{
    if (notify && is_news(event)) {
        events_observe(notify->events, event);
    }
}

/* --- sending --- */

static void drop_first(struct notify *notify)
{
    free(notify->queue[0]);
    notify->count--;
    notify->first++;
    notify->tries = 0;
    memmove(notify->queue, notify->queue + 1, notify->count * sizeof *notify->queue);
}

static void set_reason(struct notify *notify, const struct http_response *response)
{
    struct buffer text = {0};
    if (response->failure != HTTP_ANSWERED) {
        buffer_puts(&text, response->failure_text ? response->failure_text : "no answer");
    } else {
        buffer_printf(&text, "HTTP %d%s", response->status,
                      response->status / 100 == 3 ? ": redirects are not followed" : "");
    }
    free(notify->reason);
    notify->reason = buffer_steal(&text);
}

static bool may_try_again(const struct http_response *response)
{
    return response->failure != HTTP_ANSWERED || response->status == 408 ||
           response->status == 429 || response->status >= 500;
}

static void answered(void *context, const struct http_response *response)
{
    struct notify *notify = context;
    notify->request = NULL;
    if (response->failure == HTTP_ANSWERED && response->status / 100 == 2) {
        drop_first(notify);
    } else {
        set_reason(notify, response);
        if (!may_try_again(response) || ++notify->tries >= TRIES_MAX) {
            notify->lost++;
            drop_first(notify);
        }
    }
    send_next(notify);
}

static void sign(struct notify *notify, const char *body)
{
    int64_t seconds = world_utc_ms(notify->options.world) / 1000;
    struct buffer text = {0};
    uint8_t digest[SHA256_SIZE];
    unsigned length = sizeof digest;
    buffer_printf(&text, "%" PRId64 ".%s", seconds, body);
    if (!HMAC(EVP_sha256(), notify->secret, (int)strlen(notify->secret),
              (const unsigned char *)text.data, text.length, digest, &length)) {
        abort(); /* no memory, or no SHA-256 */
    }
    buffer_clear(&text);
    buffer_printf(&text, "t=%" PRId64 ",v1=", seconds);
    for (size_t i = 0; i < sizeof digest; i++) {
        buffer_printf(&text, "%02x", digest[i]);
    }
    snprintf(notify->signature, sizeof notify->signature, "%s", buffer_text(&text));
    buffer_free(&text);
}

static void post(void *context)
{
    struct notify *notify = context;
    const char *body = notify->queue[0];
    notify->timer = NULL;
    sign(notify, body);
    snprintf(notify->delivery, sizeof notify->delivery, "%s-%" PRId64 "-%" PRId64,
             notify->options.run_id, notify->session, notify->first);
    notify->headers[0] = (struct http_header){"Content-Type", "application/json"};
    notify->headers[1] = (struct http_header){"DRC-Delivery", notify->delivery};
    notify->headers[2] = (struct http_header){"DRC-Signature", notify->signature};
    notify->sent = (struct http_request){.method = "POST",
                                         .url = notify->options.url,
                                         .headers = notify->headers,
                                         .header_count = 3,
                                         .body = body,
                                         .body_length = strlen(body),
                                         .timeout_ms = TIMEOUT_MS,
                                         .response_max = ANSWER_MAX};
    notify->request = world_http(notify->options.world, &notify->sent, answered, notify);
}

static void send_next(struct notify *notify)
{
    if (notify->request || notify->timer) {
        return;
    }
    if (notify->count == 0) {
        notify->finished = notify->finishing;
        return;
    }
    int64_t delay = notify->tries == 0 ? 0 : (int64_t)BACKOFF_FIRST_MS << (notify->tries - 1);
    notify->timer = world_timer(notify->options.world, delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS,
                                post, notify);
}

/* --- beginning and end --- */

struct notify *notify_start(const struct notify_options *options)
{
    struct notify *notify = base_alloc(sizeof *notify);
    struct redactor *redactor = world_redactor(options->world);
    notify->options = *options;
    notify->secret = world_environment(options->world, secret_name);
    notify->queue = base_alloc(QUEUE_MAX * sizeof *notify->queue);
    notify->first = 1;
    notify->session = world_utc_ms(options->world);
    redactor_add(redactor, notify->secret);
    redactor_add_url(redactor, options->url);
    notify->events = events_create(take, notify, options->graph, options->run_id, 0);
    return notify;
}

static void gave_up(void *context)
{
    struct notify *notify = context;
    notify->patience = NULL;
    notify->finished = true;
}

static void tell_lost(const struct notify *notify, struct buffer *problem)
{
    size_t lost = notify->lost + notify->count;
    if (lost == 0) {
        return;
    }
    struct buffer text = {0};
    buffer_printf(&text, "%zu event%s could not be posted to %s: %s", lost, lost == 1 ? "" : "s",
                  notify->options.url, notify->reason ? notify->reason : "no answer in time");
    redactor_write(world_redactor(notify->options.world), text.data, text.length, problem);
    buffer_free(&text);
}

void notify_finish(struct notify *notify, struct buffer *problem)
{
    if (!notify) {
        return;
    }
    struct world *world = notify->options.world;
    notify->finishing = true;
    send_next(notify);
    notify->patience = world_timer(world, PATIENCE_MS, gave_up, notify);
    world_run(world, &notify->finished);
    tell_lost(notify, problem);
    struct world_task *tasks[] = {notify->request, notify->timer, notify->patience};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        if (tasks[i]) {
            world_cancel(world, tasks[i]);
        }
    }
    while (notify->count > 0) {
        free(notify->queue[--notify->count]);
    }
    events_destroy(notify->events);
    free(notify->queue);
    free(notify->reason);
    free(notify);
}
