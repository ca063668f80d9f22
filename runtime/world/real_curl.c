/* libcurl's multi interface on the libuv loop: it says which sockets and what time to wait for. */
#include <stdlib.h>

#include "compiler/base/arena.h"
#include "runtime/world/real.h"

enum { CONNECTIONS_KEPT = 128 };

struct watch { /* a socket of libcurl's */
    uv_poll_t poll;
    struct real *real;
    curl_socket_t socket;
};

static void report_finished(struct real *real)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(real->curl, &left))) {
        if (message->msg == CURLMSG_DONE) {
            /* The message goes with the handle's removal. */
            CURL *easy = message->easy_handle;
            CURLcode result = message->data.result;
            real_http_finished(easy, result);
        }
    }
}

static void act(struct real *real, curl_socket_t socket, int events)
{
    int running;
    real->in_curl = true;
    curl_multi_socket_action(real->curl, socket, events, &running);
    real->in_curl = false;
    report_finished(real);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int what = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
    act(watch->real, watch->socket, what);
}

static void on_curl_timer(uv_timer_t *timer)
{
    struct real *real = timer->data;
    act(real, CURL_SOCKET_TIMEOUT, 0);
    if (real->ready.first) {
        uv_stop(timer->loop); /* as on_timer does */
    }
}

static void watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct watch *watch_create(struct real *real, curl_socket_t socket)
{
    struct watch *watch = base_alloc(sizeof *watch);
    watch->real = real;
    watch->socket = socket;
    watch->poll.data = watch;
    if (uv_poll_init_socket(&real->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    curl_multi_assign(real->curl, socket, watch);
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *known)
{
    (void)easy;
    struct real *real = context;
    struct watch *watch = known;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            curl_multi_assign(real->curl, socket, NULL);
            uv_poll_stop(&watch->poll);
            uv_close((uv_handle_t *)&watch->poll, watch_closed);
        }
        return 0;
    }
    if (!watch && !(watch = watch_create(real, socket))) {
        return -1;
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_poll) == 0 ? 0 : -1;
}

static int on_timeout_change(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    struct real *real = context;
    if (timeout_ms < 0) {
        uv_timer_stop(&real->curl_timer);
    } else {
        uv_update_time(&real->loop);
        uv_timer_start(&real->curl_timer, on_curl_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

/* Not zeroed: for each block that is sent libcurl takes memory as large as that. */
static void *take_memory(size_t size)
{
    return base_realloc(NULL, size);
}

bool real_curl_open(struct real *real, struct error *error)
{
    /* Without memory it would go on with half a request. */
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, take_memory, free, base_realloc, base_strdup,
                             base_calloc) != CURLE_OK || !(real->curl = curl_multi_init())) {
        return error_set(error, "cannot start libcurl");
    }
    uv_timer_init(&real->loop, &real->curl_timer);
    real->curl_timer.data = real;
    curl_multi_setopt(real->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(real->curl, CURLMOPT_SOCKETDATA, real);
    curl_multi_setopt(real->curl, CURLMOPT_TIMERFUNCTION, on_timeout_change);
    curl_multi_setopt(real->curl, CURLMOPT_TIMERDATA, real);
    curl_multi_setopt(real->curl, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    return true;
}

void real_curl_close(struct real *real)
{
    while (real->spare_count > 0) {
        curl_easy_cleanup(real->spare[--real->spare_count]);
    }
    curl_multi_cleanup(real->curl);
    uv_close((uv_handle_t *)&real->curl_timer, NULL);
    curl_global_cleanup();
}
