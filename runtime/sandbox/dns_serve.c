/* The sandbox's DNS on a loopback port: a thread for UDP, and one for TCP, a connection at a time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "runtime/sandbox/internal.h"

enum { MESSAGE_MAX = 65535, LOOK_MS = 50, IDLE_MS = 2000, PORT_TRIES = 20 };

struct dns_listener {
    struct sandbox *sandbox;
    atomic_bool stopping;
    int datagrams, listener;
    pthread_t threads[2];
};

/* The answer, to be freed; NULL: silence. Signatures go by the real clock, as those of the others
 * do, however fast the sandbox's own runs. */
static char *answer(struct dns_listener *listener, const char *bytes, size_t length, bool stream,
                    size_t *answer_length)
{
    struct sandbox *sandbox = listener->sandbox;
    int64_t latency_ms;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&sandbox->lock);
    sandbox_answer_message(sandbox, (int64_t)now.tv_sec * 1000, bytes, length, stream, &latency_ms);
    *answer_length = sandbox->message.length;
    char *copy = *answer_length ? buffer_steal(&sandbox->message) : NULL;
    pthread_mutex_unlock(&sandbox->lock);
    return copy;
}

static bool wait_for(struct dns_listener *listener, int file, int patience_ms)
{
    struct pollfd looked_at = {.fd = file, .events = POLLIN};
    for (int waited = 0; !listener->stopping && waited < patience_ms; waited += LOOK_MS) {
        if (poll(&looked_at, 1, LOOK_MS) > 0) {
            return true;
        }
    }
    return false;
}

static void *serve_datagrams(void *context)
{
    struct dns_listener *listener = context;
    char *bytes = base_alloc(MESSAGE_MAX);
    while (!listener->stopping) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        if (!wait_for(listener, listener->datagrams, IDLE_MS)) {
            continue;
        }
        ssize_t got =
            recvfrom(listener->datagrams, bytes, MESSAGE_MAX, 0, (struct sockaddr *)&from, &size);
        size_t length = 0;
        char *told = got > 0 ? answer(listener, bytes, (size_t)got, false, &length) : NULL;
        if (told) {
            sendto(listener->datagrams, told, length, 0, (struct sockaddr *)&from, size);
        }
        free(told);
    }
    free(bytes);
    return NULL;
}

static bool read_all(struct dns_listener *listener, int client, char *to, size_t length)
{
    for (size_t got = 0; got < length;) {
        ssize_t more =
            wait_for(listener, client, IDLE_MS) ? read(client, to + got, length - got) : -1;
        if (more <= 0) {
            return false;
        }
        got += (size_t)more;
    }
    return true;
}

static bool write_all(int client, const char *from, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t more = send(client, from + sent, length - sent, MSG_NOSIGNAL);
        if (more <= 0) {
            return false;
        }
        sent += (size_t)more;
    }
    return true;
}

/* One message of a connection and its answer, each with its length before it. */
static bool serve_message(struct dns_listener *listener, int client, char *bytes)
{
    unsigned char before[2];
    size_t length = 0;
    if (!read_all(listener, client, (char *)before, sizeof before)) {
        return false;
    }
    size_t asked = (size_t)before[0] << 8 | before[1];
    if (!read_all(listener, client, bytes, asked)) {
        return false;
    }
    char *told = answer(listener, bytes, asked, true, &length);
    before[0] = (unsigned char)(length >> 8);
    before[1] = (unsigned char)length;
    bool sent = told && write_all(client, (const char *)before, sizeof before) &&
                write_all(client, told, length);
    free(told);
    return sent;
}

static void *serve_streams(void *context)
{
    struct dns_listener *listener = context;
    char *bytes = base_alloc(MESSAGE_MAX);
    while (!listener->stopping) {
        if (!wait_for(listener, listener->listener, IDLE_MS)) {
            continue;
        }
        int client = accept4(listener->listener, NULL, NULL, SOCK_CLOEXEC);
        struct timeval patience = {.tv_sec = IDLE_MS / 1000};
        if (client >= 0) {
            setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
            while (serve_message(listener, client, bytes)) {
            }
            close(client);
        }
    }
    free(bytes);
    return NULL;
}

/* The same port for both; a free one has to be free for both. */
static bool bind_both(struct dns_listener *listener, int port, int *bound)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int yes = 1;
    listener->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    listener->datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(listener->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener->listener, (struct sockaddr *)&address, size) == 0 &&
        listen(listener->listener, 64) == 0 &&
        getsockname(listener->listener, (struct sockaddr *)&address, &size) == 0 &&
        bind(listener->datagrams, (struct sockaddr *)&address, size) == 0) {
        *bound = ntohs(address.sin_port);
        return true;
    }
    int why = errno;
    close(listener->listener);
    close(listener->datagrams);
    errno = why;
    return false;
}

struct dns_listener *dns_listener_start(struct sandbox *sandbox, int port, int *bound,
                                        struct error *error)
{
    struct dns_listener *listener = base_alloc(sizeof *listener);
    listener->sandbox = sandbox;
    bool there = false;
    for (int tries = 0; !there && tries < (port ? 1 : PORT_TRIES); tries++) {
        there = bind_both(listener, port, bound);
    }
    if (!there) {
        error_set(error, "the sandbox's DNS cannot listen at 127.0.0.1:%d: %s", port,
                  strerror(errno));
        error_help(error, "it is served at the port after --port; --port 0 takes free ones");
        free(listener);
        return NULL;
    }
    if (pthread_create(&listener->threads[0], NULL, serve_datagrams, listener) != 0 ||
        pthread_create(&listener->threads[1], NULL, serve_streams, listener) != 0) {
        base_out_of_memory();
    }
    return listener;
}

void dns_listener_stop(struct dns_listener *listener)
{
    if (listener) {
        listener->stopping = true;
        pthread_join(listener->threads[0], NULL);
        pthread_join(listener->threads[1], NULL);
        close(listener->datagrams);
        close(listener->listener);
        free(listener);
    }
}
