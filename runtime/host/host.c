#include "runtime/host/host.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/host/host_state.h"
#include "runtime/host/pattern.h"

enum {
    TRY_MS = 5000,        /* one try; the next follows after the check's interval */
    BODY_MAX = 256 << 10, /* a health page has no more */
    EXCERPT_MAX = 60,     /* characters of an answer that a person is shown */
};

void ask_free(struct ask *ask)
{
    DL_DELETE(ask->host->asks, ask);
    world_cancel(ask->host->world, ask->task);
    world_cancel(ask->host->world, ask->patience);
    buffer_free(&ask->url);
    buffer_free(&ask->detail);
    buffer_free(&ask->help);
    buffer_free(&ask->folder);
    buffer_free(&ask->last);
    free(ask);
}

static struct ask *ask_create(struct host *host, struct call *call, call_done done, void *context)
{
    struct ask *ask = base_alloc(sizeof *ask);
    ask->host = host;
    ask->call = call;
    ask->done = done;
    ask->context = context;
    DL_APPEND(host->asks, ask);
    return ask;
}

void ask_tell(struct ask *ask, enum outcome outcome)
{
    struct call_result result = {.outcome = outcome, .error.gone = ask->gone};
    if (ask->detail.length > 0) {
        result.error.message = ask->detail.data;
    }
    if (ask->help.length > 0) {
        result.error.help = ask->help.data;
    }
    ask->task = NULL; /* its callback is on the stack */
    ask->done(ask->context, ask->call, &result);
    ask_free(ask);
}

static void on_settled(void *context)
{
    struct ask *ask = context;
    ask_tell(ask, ask->outcome);
}

void ask_settle(struct ask *ask, enum outcome outcome)
{
    ask->outcome = outcome;
    ask->task = world_defer(ask->host->world, on_settled, ask);
}

void ask_settle_bad(struct ask *ask, const char *text)
{
    buffer_puts(&ask->detail, text);
    buffer_puts(&ask->help, "the compiled graph asks for what cannot be done: compile it again");
    ask_settle(ask, OUTCOME_FATAL);
}

/* tcp */

static void on_connected(void *context, const char *failure)
{
    struct ask *ask = context;
    if (failure) {
        buffer_printf(&ask->detail, "tcp :%d %s", (int)call_int(ask->call, "port", 0), failure);
    }
    ask_tell(ask, failure ? OUTCOME_PENDING : OUTCOME_OK);
}

static void ask_tcp(struct ask *ask, const char *address, int port)
{
    ask->task = world_connect(ask->host->world, address, port, TRY_MS, on_connected, ask);
}

/* http */

static bool is_control(utf8proc_int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

/* The first line of an answer, as far as it can be shown to a person (and written as JSON). */
static void put_excerpt(struct buffer *out, const char *body, size_t length)
{
    size_t at = 0;
    while (at < length && strchr(" \t\r\n", body[at])) {
        at++;
    }
    if (at == length) {
        return;
    }
    buffer_puts(out, ", body \"");
    for (int shown = 0; at < length && body[at] != '\n' && body[at] != '\r'; shown++) {
        utf8proc_int32_t point;
        utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)body + at,
                                                 (utf8proc_ssize_t)(length - at), &point);
        if (shown == EXCERPT_MAX) {
            buffer_puts(out, "…");
            break;
        }
        if (size <= 0) {
            buffer_putc(out, '?'); /* no UTF-8 */
            size = 1;
        } else if (is_control(point)) {
            buffer_putc(out, ' ');
        } else {
            buffer_append(out, body + at, (size_t)size);
        }
        at += (size_t)size;
    }
    buffer_putc(out, '"');
}

/* "http :8080/healthz": what was asked, short: the VM is known. */
static void put_subject(const struct ask *ask, struct buffer *out)
{
    buffer_printf(out, "%s :%d%s", call_bool(ask->call, "tls", false) ? "https" : "http",
                  (int)call_int(ask->call, "port", 0), call_text(ask->call, "path"));
}

static void put_answer(struct ask *ask, const struct http_response *response)
{
    buffer_printf(&ask->detail, " answers %d", response->status);
    if (response->failure == HTTP_TOO_LARGE) {
        buffer_printf(&ask->detail, " with more than %d KiB", BODY_MAX >> 10);
    } else {
        put_excerpt(&ask->detail, response->body, response->body_length);
    }
}

/* The status is as wanted: is the body? */
static enum outcome judge_body(struct ask *ask, const struct http_response *response)
{
    const char *pattern = call_text(ask->call, "match");
    char why[256];
    if (!pattern) {
        return OUTCOME_OK;
    }
    put_answer(ask, response);
    if (response->failure == HTTP_TOO_LARGE) {
        buffer_puts(&ask->detail, ": too much to look for the match in");
        return OUTCOME_PENDING;
    }
    switch (pattern_match(pattern, response->body, response->body_length, why, sizeof why)) {
    case PATTERN_MATCHES:
        return OUTCOME_OK;
    case PATTERN_DIFFERS:
        buffer_printf(&ask->detail, ", which does not match %s", pattern);
        return OUTCOME_PENDING;
    case PATTERN_TOO_COSTLY:
        buffer_printf(&ask->detail, ", and matching it against %s takes too many steps", pattern);
        return OUTCOME_PENDING;
    case PATTERN_INVALID:
        buffer_clear(&ask->detail);
        buffer_printf(&ask->detail, "the pattern %s is not valid: %s", pattern, why);
        buffer_puts(&ask->help, "the compiled graph asks for what cannot be done: compile it again");
        return OUTCOME_FATAL;
    }
    abort();
}

static void on_answer(void *context, const struct http_response *response)
{
    struct ask *ask = context;
    bool answered = response->failure == HTTP_ANSWERED || response->failure == HTTP_TOO_LARGE;
    enum outcome outcome = OUTCOME_PENDING;
    put_subject(ask, &ask->detail);
    if (!answered) {
        buffer_printf(&ask->detail, " %s", response->failure_text);
    } else if (response->status != (int)call_int(ask->call, "status", 200)) {
        put_answer(ask, response);
    } else {
        outcome = judge_body(ask, response);
    }
    if (outcome == OUTCOME_OK) {
        buffer_clear(&ask->detail);
    }
    ask_tell(ask, outcome);
}

/* What cannot stand in a request line is written as %XX. */
static void put_path(struct buffer *url, const char *path)
{
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;
        if (c <= ' ' || c >= 0x7f || c == '#') {
            buffer_printf(url, "%%%02X", c);
        } else {
            buffer_putc(url, (char)c);
        }
    }
}

static void ask_http(struct ask *ask, const char *address, int port)
{
    const char *path = call_text(ask->call, "path");
    bool tls = call_bool(ask->call, "tls", false);
    if (!path || *path != '/') {
        ask_settle_bad(ask, "the path of an HTTP check has to begin with /");
        return;
    }
    bool v6 = strchr(address, ':') != NULL;
    buffer_printf(&ask->url, "%s://%s%s%s:%d", tls ? "https" : "http", v6 ? "[" : "", address,
                  v6 ? "]" : "", port);
    put_path(&ask->url, path);
    ask->request = (struct http_request){
        .method = "GET",
        .url = ask->url.data,
        .connect_timeout_ms = TRY_MS,
        .timeout_ms = TRY_MS,
        .response_max = BODY_MAX,
        .insecure = true, /* see host.h */
        .proxy = "",      /* the VM itself is to answer */
    };
    ask->task = world_http(ask->host->world, &ask->request, on_answer, ask);
}

/* The operations. */

static void ask_address(struct ask *ask)
{
    const char *address = call_text(ask->call, "address");
    int64_t port = call_int(ask->call, "port", 0);
    enum action action = ask->call->node->action;
    if (!address || !*address) {
        ask_settle_bad(ask, "the check has no address to ask");
    } else if (port < 1 || port > 65535) {
        ask_settle_bad(ask, "the check has no port between 1 and 65535");
    } else if (action == ACTION_CHECK_TCP) {
        ask_tcp(ask, address, (int)port);
    } else if (action == ACTION_CHECK_HTTP) {
        ask_http(ask, address, (int)port);
    } else {
        ask_settle_bad(ask, "the host cannot carry out this action");
    }
}

static void host_poll(struct provider *provider, struct call **calls, size_t n, call_done done,
                      void *context)
{
    for (size_t i = 0; i < n; i++) {
        struct ask *ask = ask_create((struct host *)provider, calls[i], done, context);
        if (calls[i]->node->action == ACTION_CHECK_SCRIPT) {
            host_script_check(ask);
        } else {
            ask_address(ask);
        }
    }
}

/* Checks change nothing: there is nothing to begin, and nothing to be looked up after a crash. */
static void host_start(struct provider *provider, struct call **calls, size_t n, call_done done,
                       void *context)
{
    for (size_t i = 0; i < n; i++) {
        struct ask *ask = ask_create((struct host *)provider, calls[i], done, context);
        if (calls[i]->node->action == ACTION_RUN_SCRIPT) {
            host_script_run(ask);
        } else {
            ask_settle(ask, OUTCOME_OK);
        }
    }
}

static void host_lookup(struct provider *provider, struct call *call, call_done done, void *context)
{
    struct ask *ask = ask_create((struct host *)provider, call, done, context);
    if (call->node->action == ACTION_RUN_SCRIPT) {
        host_script_look_up(ask);
    } else {
        ask_settle(ask, OUTCOME_ABSENT);
    }
}

static void host_interrupt(struct provider *provider)
{
    struct host *host = (struct host *)provider;
    host->interrupted = true;
    for (struct ask *ask = host->asks, *next; ask; ask = next) {
        next = ask->next;
        host_script_interrupt(ask);
    }
}

static void host_destroy(struct provider *provider)
{
    struct host *host = (struct host *)provider;
    if (!host) {
        return;
    }
    for (struct ask *ask = host->asks, *next; ask; ask = next) {
        next = ask->next;
        ask_free(ask);
    }
    free(host->folder);
    free(host);
}

struct provider *host_provider_create(struct world *world)
{
    struct host *host = base_alloc(sizeof *host);
    host->provider = (struct provider){
        .name = "host",
        .start = host_start,
        .lookup = host_lookup,
        .poll = host_poll,
        .interrupt = host_interrupt,
        .destroy = host_destroy,
    };
    host->world = world;
    return &host->provider;
}

void host_use_run(struct provider *provider, struct script_source scripts, const char *folder)
{
    struct host *host = (struct host *)provider;
    free(host->folder);
    host->folder = base_strdup(folder);
    host->scripts = scripts;
}
