#include "runtime/cli/otlp_export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/percent.h"
#include "runtime/report/otlp.h"
#include "runtime/state/run_source.h"
#include "runtime/world/redactor.h"
#include "runtime/world/world.h"

enum {
    INTERVAL_MS = 5000,
    BATCH_MAX = 512,          /* spans of actions in one request */
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_MAX_MS = 30000,
    TIMEOUT_MS = 10000,
    PATIENCE_MS = 5000,       /* at the end, for all that is left */
    ANSWER_MAX = 64 << 10,
    HEADERS_MAX = 16,
};

enum sending { TO_SEND, ON_ITS_WAY, SENT };

struct otlp_export {
    struct otlp_export_options options;
    char *url;
    struct arena *arena;     /* NULL: the history is somebody else's */
    struct history *history; /* read on from the source, where there is one */
    unsigned char *sending;  /* by node */
    uint32_t *batch;
    size_t batch_count;
    int first_session;       /* whose spans are ours to send */
    bool last_part;          /* on its way: the processes' and VMs' spans */
    bool whole;              /* sent */
    bool finishing, finished;
    struct http_request sent; /* lives until it is answered */
    struct http_header headers[1 + HEADERS_MAX]; /* the first says what it is */
    size_t header_count;
    char *header_text; /* what the others point into */
    struct buffer body;
    size_t spans, lost;      /* of the request under way; given up */
    char *reason;            /* why the last one was not taken */
    int64_t backoff_ms;      /* 0: the last request went well */
    struct world_task *request, *timer, *patience;
};

bool otlp_is_url(const char *target)
{
    return !strncmp(target, "http://", 7) || !strncmp(target, "https://", 8);
}

static char *full_url(const char *url)
{
    struct buffer text = {0};
    const char *host = strstr(url, "://") + 3;
    const char *path = strchr(host, '/');
    buffer_puts(&text, url);
    if (!path || !path[1]) {
        buffer_puts(&text, path ? "v1/traces" : "/v1/traces");
    }
    return buffer_steal(&text);
}

static void set_reason(struct otlp_export *self, const char *text)
{
    free(self->reason);
    self->reason = base_strdup(text);
}

static void read_on(struct otlp_export *self)
{
    struct error error = {0};
    struct run_source *source = self->options.source;
    if (source && !source->read(source, self->history->number, history_take, self->history, &error)) {
        set_reason(self, error.message ? error.message : "the journal cannot be read");
        error_clear(&error);
    }
}

static void fill_batch(struct otlp_export *self)
{
    self->batch_count = 0;
    for (uint32_t i = 0; i < self->options.graph->node_count && self->batch_count < BATCH_MAX; i++) {
        if (self->sending[i] == TO_SEND && self->history->nodes[i].ended_utc_ms >= 0) {
            self->sending[i] = ON_ITS_WAY;
            self->batch[self->batch_count++] = i;
        }
    }
}

static void settle(struct otlp_export *self, enum sending sending)
{
    for (size_t i = 0; i < self->batch_count; i++) {
        self->sending[self->batch[i]] = (unsigned char)sending;
    }
    self->whole = self->whole || (self->last_part && sending == SENT);
    self->last_part = false;
}

/* OTLP/HTTP, "Failures": these alone may be sent again; anything else but 2xx is refused for good. */
static bool may_try_again(const struct http_response *response)
{
    return response->failure != HTTP_ANSWERED || response->status == 429 ||
           response->status == 502 || response->status == 503 || response->status == 504;
}

static void set_failure(struct otlp_export *self, const struct http_response *response)
{
    struct buffer text = {0};
    if (response->failure != HTTP_ANSWERED) {
        buffer_puts(&text, response->failure_text ? response->failure_text : "no answer");
    } else {
        buffer_printf(&text, "HTTP %d%s", response->status,
                      response->status / 100 == 3 ? ": redirects are not followed" : "");
    }
    set_reason(self, buffer_text(&text));
    buffer_free(&text);
}

static void send_next(struct otlp_export *self);

static void answered(void *context, const struct http_response *response)
{
    struct otlp_export *self = context;
    self->request = NULL;
    if (response->failure == HTTP_ANSWERED && response->status / 100 == 2) {
        settle(self, SENT);
        self->backoff_ms = 0;
    } else if (may_try_again(response)) {
        set_failure(self, response);
        settle(self, TO_SEND);
        self->backoff_ms = self->backoff_ms ? self->backoff_ms * 2 : BACKOFF_FIRST_MS;
        self->backoff_ms = self->backoff_ms < BACKOFF_MAX_MS ? self->backoff_ms : BACKOFF_MAX_MS;
    } else {
        set_failure(self, response);
        self->lost += self->spans;
        settle(self, SENT);
    }
    send_next(self);
}

static void post(struct otlp_export *self)
{
    self->sent = (struct http_request){.method = "POST",
                                       .url = self->url,
                                       .headers = self->headers,
                                       .header_count = self->header_count,
                                       .body = self->body.data,
                                       .body_length = self->body.length,
                                       .timeout_ms = TIMEOUT_MS,
                                       .response_max = ANSWER_MAX};
    self->request = world_http(self->options.world, &self->sent, answered, self);
}

static void rang(void *context)
{
    struct otlp_export *self = context;
    self->timer = NULL;
    read_on(self);
    if (!self->request) {
        fill_batch(self);
        if (self->batch_count > 0 || (self->finishing && !self->whole)) {
            struct otlp_trace trace = {self->options.run_id, self->history};
            struct otlp_part part = {self->batch, self->batch_count, -1};
            self->last_part = self->finishing && self->batch_count < BATCH_MAX;
            part.first_session = self->last_part ? self->first_session : -1;
            buffer_clear(&self->body);
            self->spans = otlp_write(&trace, &part, &self->body);
            post(self);
            return;
        }
    }
    send_next(self);
}

static void send_next(struct otlp_export *self)
{
    if (self->finishing && self->whole) {
        self->finished = true;
        return;
    }
    int64_t delay = self->backoff_ms    ? self->backoff_ms
                    : self->finishing   ? 0
                    : self->batch_count == BATCH_MAX ? 0
                                                     : INTERVAL_MS;
    if (!self->timer) {
        self->timer = world_timer(self->options.world, delay, rang, self);
    }
}

/* OTEL_EXPORTER_OTLP_HEADERS: "key=value,key2=value2" (OTLP Exporter specification): a collector's
 * credentials, which have no place on a command line. */
static void add_headers(struct otlp_export *self)
{
    const char *given = world_environment(self->options.world, "OTEL_EXPORTER_OTLP_HEADERS");
    char *rest = NULL;
    self->headers[self->header_count++] = (struct http_header){"Content-Type", "application/json"};
    self->header_text = base_strdup(given ? given : "");
    for (char *pair = strtok_r(self->header_text, ",", &rest);
         pair && self->header_count < 1 + HEADERS_MAX; pair = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(pair, '=');
        pair += strspn(pair, " ");
        if (value && value > pair) {
            *value++ = '\0';
            pair[strcspn(pair, " ")] = '\0';
            value += strspn(value, " ");
            percent_decode(value);
            self->headers[self->header_count++] = (struct http_header){pair, value};
        }
    }
}

static struct otlp_export *make(const struct otlp_export_options *options, struct history *history)
{
    struct otlp_export *self = base_alloc(sizeof *self);
    self->options = *options;
    self->url = full_url(options->url);
    redactor_add_url(world_redactor(options->world), self->url);
    self->history = history;
    self->sending = base_alloc(options->graph->node_count + 1);
    self->batch = base_alloc(BATCH_MAX * sizeof *self->batch);
    add_headers(self);
    return self;
}

struct otlp_export *otlp_export_start(const struct otlp_export_options *options)
{
    struct arena *arena = arena_create();
    struct otlp_export *self = make(options, history_create(arena, options->graph, false));
    self->arena = arena;
    read_on(self);
    bool killed = self->history->sessions > 0 && !history_is_over(self->history);
    self->first_session = self->history->sessions - killed;
    for (uint32_t i = 0; i < options->graph->node_count; i++) {
        int64_t ended = self->history->nodes[i].ended_utc_ms;
        bool ours = killed &&
                    ended >= self->history->session_list[self->first_session].from_utc_ms;
        self->sending[i] = ended >= 0 && !ours ? SENT : TO_SEND;
    }
    send_next(self);
    return self;
}

void otlp_export_all(const char *url, struct world *world, const struct otlp_trace *trace,
                     struct buffer *problem)
{
    struct otlp_export_options options = {
        .url = url, .world = world, .graph = trace->history->graph, .run_id = trace->run_id};
    struct history history = *trace->history; /* nothing is read on */
    otlp_export_finish(make(&options, &history), problem);
}

static void gave_up(void *context)
{
    struct otlp_export *self = context;
    self->patience = NULL;
    self->finished = true;
}

static size_t count_unsent(const struct otlp_export *self)
{
    size_t count = !self->whole;
    for (uint32_t i = 0; i < self->options.graph->node_count; i++) {
        count += self->sending[i] != SENT && self->history->nodes[i].ended_utc_ms >= 0;
    }
    return count;
}

/* A short wait that is due soon is cut short: the end has come. */
static void hurry(struct otlp_export *self)
{
    if (self->timer) {
        world_cancel(self->options.world, self->timer);
        self->timer = NULL;
    }
    self->backoff_ms = 0;
    self->finishing = true;
    if (!self->request) {
        send_next(self);
    }
}

void otlp_export_finish(struct otlp_export *self, struct buffer *problem)
{
    if (!self) {
        return;
    }
    hurry(self);
    self->patience = world_timer(self->options.world, PATIENCE_MS, gave_up, self);
    world_run(self->options.world, &self->finished);
    size_t unsent = self->lost + count_unsent(self);
    if (unsent > 0) {
        struct buffer text = {0};
        buffer_printf(&text, "%zu spans of the trace could not be sent to %s: %s", unsent, self->url,
                      self->reason ? self->reason : "no answer in time");
        redactor_write(world_redactor(self->options.world), text.data, text.length, problem);
        buffer_free(&text);
    }
    struct world_task *tasks[] = {self->request, self->timer, self->patience};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        if (tasks[i]) {
            world_cancel(self->options.world, tasks[i]);
        }
    }
    buffer_free(&self->body);
    arena_destroy(self->arena);
    explicit_bzero(self->header_text, strlen(self->header_text));
    free(self->header_text);
    free(self->sending);
    free(self->batch);
    free(self->reason);
    free(self->url);
    free(self);
}
