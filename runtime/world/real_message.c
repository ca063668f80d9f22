/* One DNS message and its answer. Every address of the name is tried in turn until one takes the
 * message (by UDP: is not told to be closed) or time is up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/real.h"

enum { MESSAGE_TIMEOUT_MS = 5000, HEADER_BYTES = 12, MESSAGE_MAX = 65535 };

struct message_task {
    struct real_task task;
    const struct message_request *request;
    world_message_callback callback;
    uv_timer_t timer;
    struct real_lookup lookup;
    const struct addrinfo *next; /* to try */
    struct attempt *attempt;
    char *answer; /* NULL: failed */
    size_t answer_length;
    char failure[160];
    bool ended, released;
    int open; /* handles that libuv still has */
};

/* A socket with what goes through it; outlives its message until libuv has closed it. */
struct attempt {
    union {
        uv_handle_t any;
        uv_udp_t udp;
        uv_tcp_t tcp;
    } socket;
    uv_connect_t connect;
    uv_write_t write;
    struct message_task *message;
    size_t sent_length, received;
    char *sent; /* TCP: with its length before it */
    char bytes[2 + MESSAGE_MAX + 1];
};

static void try_next(struct message_task *message);

static void let_go(struct message_task *message)
{
    if (message->open == 0 && message->released && !message->lookup.busy) {
        real_lookup_free(&message->lookup);
        free(message->answer);
        free(message);
    }
}

static void attempt_closed(uv_handle_t *handle)
{
    struct attempt *attempt = handle->data;
    struct message_task *message = attempt->message;
    free(attempt->sent);
    free(attempt);
    message->open--;
    let_go(message);
}

static void timer_closed(uv_handle_t *handle)
{
    struct message_task *message = handle->data;
    message->open--;
    let_go(message);
}

static void drop_attempt(struct message_task *message)
{
    if (message->attempt) {
        uv_close(&message->attempt->socket.any, attempt_closed);
        message->attempt = NULL;
    }
}

static void end(struct message_task *message)
{
    if (!message->ended) {
        message->ended = true;
        drop_attempt(message);
        real_lookup_give_up(&message->lookup);
        uv_close((uv_handle_t *)&message->timer, timer_closed);
    }
}

static void fail(struct message_task *message, const char *failure)
{
    snprintf(message->failure, sizeof message->failure, "%s", failure);
    end(message);
    real_task_ready(&message->task);
}

static void on_timeout(uv_timer_t *timer)
{
    fail(timer->data, "timed out");
}

static void answered(struct message_task *message, const char *bytes, size_t length)
{
    message->answer = base_alloc(length + 1);
    memcpy(message->answer, bytes, length);
    message->answer_length = length;
    end(message);
    real_task_ready(&message->task);
}

static void attempt_failed(struct attempt *attempt, const char *why)
{
    struct message_task *message = attempt->message;
    snprintf(message->failure, sizeof message->failure, "%s", why);
    drop_attempt(message);
    try_next(message);
}

static bool is_answer(const struct message_task *message, const char *bytes, size_t length)
{
    return length >= HEADER_BYTES && memcmp(bytes, message->request->bytes, 2) == 0;
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    (void)suggested;
    struct attempt *attempt = handle->data;
    *room = uv_buf_init(attempt->bytes + attempt->received,
                        (unsigned)(sizeof attempt->bytes - attempt->received));
}

/* UDP */

static void on_datagram(uv_udp_t *socket, ssize_t length, const uv_buf_t *bytes,
                        const struct sockaddr *from, unsigned flags)
{
    struct attempt *attempt = socket->data;
    struct message_task *message = attempt->message;
    if (attempt != message->attempt || (length == 0 && !from)) {
        return; /* dropped meanwhile; or nothing more to read */
    }
    if (length < 0) {
        attempt_failed(attempt, uv_strerror((int)length));
    } else if (!(flags & UV_UDP_PARTIAL) && is_answer(message, bytes->base, (size_t)length)) {
        answered(message, bytes->base, (size_t)length);
    }
}

static int send_datagram(struct attempt *attempt, const struct sockaddr *address)
{
    const struct message_request *request = attempt->message->request;
    uv_buf_t bytes = uv_buf_init((char *)request->bytes, (unsigned)request->length);
    int status = uv_udp_connect(&attempt->socket.udp, address);
    if (status == 0) {
        status = uv_udp_recv_start(&attempt->socket.udp, give_room, on_datagram);
    }
    if (status == 0) {
        status = uv_udp_try_send(&attempt->socket.udp, &bytes, 1, NULL);
    }
    return status < 0 ? status : 0;
}

/* TCP */

static size_t told_length(const char *bytes)
{
    return (size_t)(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1];
}

static void on_bytes(uv_stream_t *stream, ssize_t length, const uv_buf_t *bytes)
{
    (void)bytes;
    struct attempt *attempt = stream->data;
    struct message_task *message = attempt->message;
    if (attempt != message->attempt || length == 0) {
        return;
    }
    if (length < 0) {
        fail(message, length == UV_EOF ? "the server closed the connection without an answer"
                                       : uv_strerror((int)length));
        return;
    }
    attempt->received += (size_t)length;
    if (attempt->received < 2 || attempt->received < 2 + told_length(attempt->bytes)) {
        return;
    }
    if (is_answer(message, attempt->bytes + 2, told_length(attempt->bytes))) {
        answered(message, attempt->bytes + 2, told_length(attempt->bytes));
    } else {
        fail(message, "what the server sent is no answer to the message");
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct attempt *attempt = write->data;
    if (attempt == attempt->message->attempt && status < 0) {
        fail(attempt->message, uv_strerror(status));
    }
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct attempt *attempt = connect->data;
    uv_stream_t *stream = (uv_stream_t *)&attempt->socket.tcp;
    if (attempt != attempt->message->attempt) {
        return; /* dropped meanwhile */
    }
    uv_buf_t bytes = uv_buf_init(attempt->sent, (unsigned)attempt->sent_length);
    if (status == 0) {
        status = uv_read_start(stream, give_room, on_bytes);
    }
    if (status == 0) {
        status = uv_write(&attempt->write, stream, &bytes, 1, on_written);
    }
    if (status < 0) {
        attempt_failed(attempt, uv_strerror(status));
    }
}

/* A copy: libuv may still have it when the caller has cancelled. */
static void put_length_before(struct attempt *attempt, const struct message_request *request)
{
    attempt->sent_length = request->length + 2;
    attempt->sent = base_alloc(attempt->sent_length);
    attempt->sent[0] = (char)(request->length >> 8);
    attempt->sent[1] = (char)request->length;
    memcpy(attempt->sent + 2, request->bytes, request->length);
}

static int begin(struct attempt *attempt, const struct sockaddr *address)
{
    struct message_task *message = attempt->message;
    uv_loop_t *loop = &real_of(&message->task)->loop;
    if (!message->request->stream) {
        uv_udp_init(loop, &attempt->socket.udp);
        return send_datagram(attempt, address);
    }
    uv_tcp_init(loop, &attempt->socket.tcp);
    put_length_before(attempt, message->request);
    return uv_tcp_connect(&attempt->connect, &attempt->socket.tcp, address, on_connected);
}

static void try_next(struct message_task *message)
{
    while (message->next) {
        const struct sockaddr *address = message->next->ai_addr;
        message->next = message->next->ai_next;
        struct attempt *attempt = base_alloc(sizeof *attempt);
        attempt->message = message;
        attempt->connect.data = attempt->write.data = attempt;
        message->attempt = attempt;
        message->open++;
        int failed = begin(attempt, address);
        attempt->socket.any.data = attempt;
        if (!failed) {
            return;
        }
        snprintf(message->failure, sizeof message->failure, "%s", uv_strerror(failed));
        drop_attempt(message);
    }
    char failure[sizeof message->failure];
    snprintf(failure, sizeof failure, "%s", message->failure);
    fail(message, failure);
}

static void on_resolved(struct real_lookup *lookup, const char *failure,
                        const struct addrinfo *addresses)
{
    struct message_task *message = lookup->owner;
    if (message->ended) {
        let_go(message);
    } else if (failure) {
        fail(message, failure);
    } else {
        message->next = addresses;
        try_next(message);
    }
}

static void message_deliver(struct real_task *task)
{
    struct message_task *message = (struct message_task *)task;
    message->callback(task->context, message->answer ? NULL : message->failure, message->answer,
                      message->answer_length);
}

static void message_release(struct real_task *task)
{
    struct message_task *message = (struct message_task *)task;
    end(message);
    real_task_end(task);
    message->released = true;
    let_go(message);
}

static const char *what_is_wrong(const struct message_request *request)
{
    if (request->port < 1 || request->port > 65535) {
        return "there is no such port";
    }
    bool fits = request->length >= HEADER_BYTES && request->length <= MESSAGE_MAX;
    return fits ? NULL : "too short or too long for a DNS message";
}

struct world_task *real_message(struct world *world, const struct message_request *request,
                                world_message_callback callback, void *context)
{
    static const struct real_kind KIND = {.deliver = message_deliver, .release = message_release};
    struct real *real = (struct real *)world;
    struct message_task *message = base_alloc(sizeof *message);
    real_task_begin(real, &message->task, &KIND, context);
    message->request = request;
    message->callback = callback;
    message->timer.data = message;
    message->open = 1;
    uv_timer_init(&real->loop, &message->timer);
    uv_update_time(&real->loop);
    uv_timer_start(&message->timer, on_timeout,
                   (uint64_t)(request->timeout_ms > 0 ? request->timeout_ms : MESSAGE_TIMEOUT_MS),
                   0);
    const char *wrong = what_is_wrong(request);
    if (wrong) {
        fail(message, wrong);
    } else {
        message->lookup.done = on_resolved;
        message->lookup.owner = message;
        real_lookup_start(real, &message->lookup, request->host, request->port);
    }
    return &message->task.base;
}
