/* The life of one HTTP request: set up, answered within its limits, classified. */
#include <assert.h>
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/world/real.h"

enum {
    CONNECT_TIMEOUT_MS = 10000,
    TIMEOUT_MS = 60000,
    RESPONSE_MAX = 64 << 20,
    READ_SIZE = 4 << 10, /* most answers are a few KiB, and each connection has a buffer */
    READ_SIZE_STREAMED = 64 << 10,
    WRITE_SIZE = 64 << 10,       /* libcurl's own */
    WRITE_SIZE_LARGE = 256 << 10, /* fewer turns of the loop for a block of 512 KiB */
    HEADERS_MAX = 256,
    HEADER_BYTES_MAX = 64 << 10, /* of one answer with its interim ones */
};

struct http_task {
    struct real_task task;
    const struct http_request *request;
    world_http_callback callback;
    struct real_turn turn;
    CURL *easy;
    bool added; /* to the multi handle */
    struct curl_slist *request_headers;
    char curl_error[CURL_ERROR_SIZE];
    int attempts; /* how often the request was about to be written to a connection */
    /* The answer. */
    struct buffer header_text; /* name NUL value NUL … */
    size_t header_count, header_bytes;
    struct buffer body;
    const char *refusal; /* why drc itself broke it off; NULL */
    enum http_failure refused_as;
    struct http_response response;
    char text[CURL_ERROR_SIZE + 64]; /* of the failure */
};

/* What libcurl calls while it works. */

static size_t refuse(struct http_task *http, enum http_failure failure, const char *text)
{
    http->refused_as = failure;
    http->refusal = text;
    return 0; /* fewer than it gave: libcurl ends the transfer */
}

static void keep_header(struct http_task *http, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    if (!colon || colon == line || isspace((unsigned char)*line) || memchr(line, 0, length)) {
        return;
    }
    const char *value = colon + 1, *end = line + length;
    while (value < end && isspace((unsigned char)*value)) {
        value++;
    }
    while (end > value && isspace((unsigned char)end[-1])) {
        end--;
    }
    buffer_append(&http->header_text, line, (size_t)(colon - line));
    buffer_putc(&http->header_text, '\0');
    buffer_append(&http->header_text, value, (size_t)(end - value));
    buffer_putc(&http->header_text, '\0');
    http->header_count++;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct http_task *http = context;
    size_t length = size * count;
    http->header_bytes += length;
    if (http->header_bytes > HEADER_BYTES_MAX || http->header_count >= HEADERS_MAX) {
        return refuse(http, HTTP_BROKEN, "the answer has too many headers");
    }
    if (length >= 5 && strncasecmp(line, "HTTP/", 5) == 0) { /* the one before was an interim one */
        buffer_clear(&http->header_text);
        http->header_count = 0;
    } else {
        keep_header(http, line, length);
    }
    return length;
}

static int status_of(struct http_task *http)
{
    long status = 0;
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static size_t stream(struct http_task *http, const char *bytes, size_t length)
{
    http->task.running = true; /* so that cancelling waits until libcurl has returned */
    bool more = http->request->on_body(http->request->body_context, bytes, length);
    http->task.running = false;
    return more && !http->task.cancelled ? length
                                         : refuse(http, HTTP_BROKEN, "the receiver gave up");
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct http_task *http = context;
    const struct http_request *request = http->request;
    size_t length = size * count;
    int status = status_of(http);
    if (request->on_body && status >= 200 && status < 300) {
        return stream(http, bytes, length);
    }
    size_t max = request->response_max ? request->response_max : RESPONSE_MAX;
    if (length > max - http->body.length) {
        return refuse(http, HTTP_TOO_LARGE, "the answer is larger than allowed");
    }
    buffer_append(&http->body, bytes, length);
    return length;
}

/* libcurl sends a request again, of whatever method, when a kept connection is lost before an
 * answer. That would be a second RunInstances that nobody knows of: it is left to the executor. */
static int on_sending(void *context, char *their_ip, char *our_ip, int their_port, int our_port)
{
    (void)their_ip, (void)our_ip, (void)their_port, (void)our_port;
    struct http_task *http = context;
    const char *method = http->request->method;
    bool harmless = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (http->attempts > 0 && !harmless) {
        refuse(http, HTTP_BROKEN, "the connection was lost before the answer");
        return CURL_PREREQFUNC_ABORT;
    }
    http->attempts++;
    return CURL_PREREQFUNC_OK;
}

/* Setting up. */

static bool has_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_line(struct http_task *http, const char *line)
{
    struct curl_slist *longer = curl_slist_append(http->request_headers, line);
    if (!longer) {
        base_out_of_memory();
    }
    http->request_headers = longer;
}

/* False for a header with a line break in it, which would be two. */
static bool add_header(struct http_task *http, const struct http_header *header)
{
    if (strpbrk(header->name, "\r\n:") || strpbrk(header->value, "\r\n")) {
        return false;
    }
    struct buffer line = {0};
    buffer_puts(&line, header->name);
    if (*header->value) {
        buffer_printf(&line, ": %s", header->value);
    } else {
        buffer_putc(&line, ';'); /* libcurl's way to say: present and empty */
    }
    add_line(http, line.data);
    buffer_wipe(&line);
    return true;
}

static bool make_headers(struct http_task *http)
{
    const struct http_request *request = http->request;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!add_header(http, &request->headers[i])) {
            return false;
        }
    }
    if (!has_header(request, "Expect")) {
        add_line(http, "Expect:"); /* no round trip before the body */
    }
    if (!has_header(request, "Content-Type")) {
        add_line(http, "Content-Type:"); /* libcurl would say it is a form */
    }
    return true;
}

static void set_method(struct http_task *http)
{
    const struct http_request *request = http->request;
    const char *method = request->method;
    bool has_body = request->body_length > 0 || strcmp(method, "POST") == 0 ||
                    strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    if (has_body) {
        if (request->body_length > WRITE_SIZE) {
            curl_easy_setopt(http->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)WRITE_SIZE_LARGE);
        }
        curl_easy_setopt(http->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
        curl_easy_setopt(http->easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    } else if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(http->easy, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(http->easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_tls(struct http_task *http)
{
    const struct http_request *request = http->request;
    curl_easy_setopt(http->easy, CURLOPT_SSL_VERIFYPEER, request->insecure ? 0L : 1L);
    curl_easy_setopt(http->easy, CURLOPT_SSL_VERIFYHOST, request->insecure ? 0L : 2L);
    if (!request->insecure) {
        curl_easy_setopt(http->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    }
    if (request->ca_file) {
        curl_easy_setopt(http->easy, CURLOPT_CAINFO, request->ca_file);
        curl_easy_setopt(http->easy, CURLOPT_PROXY_CAINFO, request->ca_file);
    }
}

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static void set_limits(struct http_task *http)
{
    const struct http_request *request = http->request;
    CURL *easy = http->easy;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)or_default(request->connect_timeout_ms, CONNECT_TIMEOUT_MS));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)or_default(request->timeout_ms, TIMEOUT_MS));
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); /* credentials go nowhere else */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* what was signed is what is sent */
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    /* Do not wait for a resolver's thread that hangs when the request is given up. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                     request->on_body ? (long)READ_SIZE_STREAMED : (long)READ_SIZE);
    if (request->proxy) {
        curl_easy_setopt(easy, CURLOPT_PROXY, request->proxy);
    }
}

static void set_callbacks(struct http_task *http)
{
    CURL *easy = http->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, http);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->curl_error);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "drc/" DRC_VERSION);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_sending);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, http);
}

/* The end. */

static bool about_tls(CURLcode result)
{
    switch (result) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
        return true;
    default:
        return false;
    }
}

static enum http_failure classify(const struct http_task *http, CURLcode result)
{
    if (http->refusal) {
        return http->refused_as;
    }
    if (result == CURLE_OK) {
        int status = http->response.status; /* libcurl takes any number for HTTP/2 */
        return status >= 100 && status <= 999 ? HTTP_ANSWERED : HTTP_BROKEN;
    }
    if (http->attempts == 0) { /* nothing was sent */
        return about_tls(result) ? HTTP_TLS : HTTP_UNREACHABLE;
    }
    return result == CURLE_OPERATION_TIMEDOUT ? HTTP_TIMED_OUT : HTTP_BROKEN;
}

static void tell_timeout(struct http_task *http, bool sent)
{
    const struct http_request *request = http->request;
    int64_t all_ms = or_default(request->timeout_ms, TIMEOUT_MS);
    int64_t connect_ms = or_default(request->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    if (!sent && connect_ms < all_ms) {
        all_ms = connect_ms;
    }
    snprintf(http->text, sizeof http->text, "no %s within %.3g s", sent ? "answer" : "connection",
             (double)all_ms / 1000);
}

/* What libcurl says of these tells people nothing. NULL: its own words do. */
static const char *better_words(const struct http_task *http, CURLcode result)
{
    if (http->attempts == 0) {
        return NULL;
    }
    switch (result) {
    case CURLE_GOT_NOTHING:
        return "the connection was closed without an answer";
    case CURLE_OK:
    case CURLE_UNSUPPORTED_PROTOCOL: /* "HTTP/0.9 when not allowed" */
        return "the answer is not HTTP";
    case CURLE_OUT_OF_MEMORY: /* its own limit for the line of a header */
#if LIBCURL_VERSION_NUM >= 0x080600
    case CURLE_TOO_LARGE:
#endif
        return "a header of the answer is too long";
    case CURLE_UNRECOVERABLE_POLL:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return "the connection was reset";
    default:
        return NULL;
    }
}

/* One line: the system's own words where it said something, else libcurl's. */
static void tell_failure(struct http_task *http, CURLcode result)
{
    long os_error = 0;
    curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &os_error);
    if (http->refusal) {
        snprintf(http->text, sizeof http->text, "%s", http->refusal);
    } else if (result == CURLE_OPERATION_TIMEDOUT) {
        tell_timeout(http, http->attempts > 0);
    } else if (result == CURLE_COULDNT_CONNECT && os_error) {
        snprintf(http->text, sizeof http->text, "%s", uv_strerror(-(int)os_error));
    } else if (better_words(http, result)) {
        snprintf(http->text, sizeof http->text, "%s", better_words(http, result));
    } else {
        snprintf(http->text, sizeof http->text, "%s",
                 *http->curl_error ? http->curl_error : curl_easy_strerror(result));
    }
    for (char *at = http->text; *at; at++) { /* libcurl quotes what the server said */
        *at = *at >= ' ' && *at <= '~' ? *at : '?';
    }
}

static struct http_header *point_at_headers(const struct http_task *http)
{
    struct http_header *headers = base_alloc(http->header_count * sizeof *headers);
    const char *at = http->header_text.data;
    for (size_t i = 0; i < http->header_count; i++) {
        headers[i].name = at;
        at += strlen(at) + 1;
        headers[i].value = at;
        at += strlen(at) + 1;
    }
    return headers;
}

static void complete(struct http_task *http, CURLcode result)
{
    struct http_response *response = &http->response;
    response->status = status_of(http);
    response->failure = classify(http, result);
    if (response->failure != HTTP_ANSWERED) {
        tell_failure(http, result);
        response->failure_text = http->text;
        buffer_clear(&http->body);
    }
    response->headers = point_at_headers(http);
    response->header_count = http->header_count;
    response->body = buffer_text(&http->body);
    response->body_length = http->body.length;
}

static void http_deliver(struct real_task *task)
{
    struct http_task *http = (struct http_task *)task;
    http->callback(task->context, &http->response);
}

/* Making a handle costs more than putting one back as it was. */
static void keep_spare(struct real *real, CURL *easy)
{
    if (easy && real->spare_count < REAL_SPARE_MAX) {
        curl_easy_reset(easy);
        real->spare[real->spare_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

/* Gives its connection back, and its turn to the next. */
static void close_easy(struct http_task *http)
{
    struct real *real = real_of(&http->task);
    if (http->added) {
        curl_multi_remove_handle(real->curl, http->easy);
        http->added = false;
    }
    keep_spare(real, http->easy);
    http->easy = NULL;
    real_turn_leave(real, &http->turn);
}

/* The session's token and signatures are among them. */
static void wipe_lines(struct curl_slist *lines)
{
    for (struct curl_slist *line = lines; line; line = line->next) {
        explicit_bzero(line->data, strlen(line->data));
    }
    curl_slist_free_all(lines);
}

static void http_release(struct real_task *task)
{
    struct http_task *http = (struct http_task *)task;
    assert(!real_of(task)->in_curl); /* see on_body in world.h */
    real_task_end(task);
    close_easy(http);
    wipe_lines(http->request_headers);
    buffer_free(&http->header_text);
    buffer_wipe(&http->body); /* it may be an answer of STS */
    free((struct http_header *)http->response.headers);
    free(http);
}

void real_http_finished(CURL *easy, CURLcode result)
{
    struct http_task *http = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&http);
    complete(http, result);
    close_easy(http);
    if (http->task.cancelled) {
        http_release(&http->task);
    } else {
        real_task_ready(&http->task);
    }
}

/* It ends before it has begun. */
static void fail_at_once(struct http_task *http, const char *text)
{
    snprintf(http->text, sizeof http->text, "%s", text);
    http->response.failure = HTTP_UNREACHABLE;
    http->response.failure_text = http->text;
    http->response.body = "";
    real_task_ready(&http->task);
}

static void make_easy(struct http_task *http)
{
    struct real *real = real_of(&http->task);
    http->easy = real->spare_count > 0 ? real->spare[--real->spare_count] : curl_easy_init();
    if (!http->easy) {
        base_out_of_memory();
    }
    set_callbacks(http);
    set_limits(http);
    set_tls(http);
    set_method(http);
    curl_easy_setopt(http->easy, CURLOPT_URL, http->request->url);
    curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, http->request_headers);
}

/* Only now is there something to spend libcurl's memory on: hundreds may be waiting. */
static void on_turn(struct real_turn *turn)
{
    struct http_task *http = (struct http_task *)((char *)turn - offsetof(struct http_task, turn));
    make_easy(http);
    http->added = curl_multi_add_handle(real_of(&http->task)->curl, http->easy) == CURLM_OK;
    if (!http->added) {
        fail_at_once(http, "libcurl refuses the request");
    }
}

struct world_task *real_http(struct world *world, const struct http_request *request,
                             world_http_callback callback, void *context)
{
    static const struct real_kind KIND = {.deliver = http_deliver, .release = http_release};
    struct real *real = (struct real *)world;
    assert(!real->in_curl);
    struct http_task *http = base_alloc(sizeof *http);
    real_task_begin(real, &http->task, &KIND, context);
    http->request = request;
    http->callback = callback;
    if (!make_headers(http)) {
        fail_at_once(http, "a header of the request has a line break in it");
    } else {
        http->turn.go = on_turn;
        real_turn_take(real, &http->turn, request->url);
    }
    return &http->task.base;
}
