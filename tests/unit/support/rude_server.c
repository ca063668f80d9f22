#include "tests/unit/support/rude_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

enum { CONNECTIONS_MAX = 1024 };

struct rude_server {
    int listener, port;
    pthread_t thread, workers[CONNECTIONS_MAX];
    int sockets[CONNECTIONS_MAX];
    int connections;
    atomic_int requests, accepted;
    pthread_mutex_t lock;
};

struct connection {
    struct rude_server *server;
    int socket;
    bool once; /* the next request is the last */
};

static bool put(int socket, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t sent = send(socket, at, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

static bool puts_to(int socket, const char *text)
{
    return put(socket, text, strlen(text));
}

static bool answer(int socket, int status, const char *headers, const char *body, size_t length)
{
    char head[512];
    snprintf(head, sizeof head, "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n%s\r\n", status,
             length, headers);
    return puts_to(socket, head) && put(socket, body, length);
}

static void wait_for_close(int socket)
{
    char byte[256];
    while (recv(socket, byte, sizeof byte, 0) > 0) {
    }
}

static void repeat(int socket, const char *text)
{
    while (puts_to(socket, text)) {
    }
}

static bool big(int socket, size_t length)
{
    char *body = base_alloc(length);
    memset(body, 'x', length);
    bool sent = answer(socket, 200, "", body, length);
    free(body);
    return sent;
}

/* False: close the connection. */
static bool misbehave(int socket, const char *path)
{
    if (strcmp(path, "/silent") == 0) {
        wait_for_close(socket);
    } else if (strcmp(path, "/half") == 0) {
        puts_to(socket, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
        wait_for_close(socket);
    } else if (strcmp(path, "/truncate") == 0) {
        puts_to(socket, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
    } else if (strcmp(path, "/garbage") == 0) {
        puts_to(socket, "\x01\x02SSH-2.0-garbage\r\n\r\n\xff\xfe garbage");
    } else if (strcmp(path, "/beyond") == 0) { /* a status that is none: libcurl takes it */
        puts_to(socket, "HTTP/2 1010. OK\r\nContent-Length: 1\r\n\r\nx");
    } else if (strcmp(path, "/endless") == 0) {
        puts_to(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        repeat(socket, "28\r\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n");
    } else if (strcmp(path, "/headers") == 0) {
        puts_to(socket, "HTTP/1.1 200 OK\r\n");
        repeat(socket, "X-More: and more\r\n");
    } else if (strcmp(path, "/interim") == 0) {
        repeat(socket, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    return false; /* /close too */
}

static bool serve(struct connection *connection, const char *path, const struct buffer *request)
{
    int socket = connection->socket;
    if (connection->once) {
        return false;
    }
    if (strcmp(path, "/ok") == 0) {
        return answer(socket, 200, "X-Test:  spaced \r\nX-Empty:\r\n", "hello", 5);
    }
    if (strcmp(path, "/once") == 0) {
        connection->once = true;
        return answer(socket, 200, "", "hello", 5);
    }
    if (strcmp(path, "/none") == 0) {
        return puts_to(socket, "HTTP/1.1 204 None\r\n\r\n");
    }
    if (strncmp(path, "/echo", 5) == 0) {
        return answer(socket, 200, "", request->data, request->length);
    }
    if (strcmp(path, "/gzip") == 0) {
        return answer(socket, 200, "Content-Encoding: gzip\r\n", "\x1f\x8b raw", 6);
    }
    if (strcmp(path, "/redirect") == 0) {
        return answer(socket, 302, "Location: /ok\r\n", "", 0);
    }
    if (strncmp(path, "/status/", 8) == 0) {
        char body[32];
        snprintf(body, sizeof body, "status %d", atoi(path + 8));
        return answer(socket, atoi(path + 8), "", body, strlen(body));
    }
    if (strncmp(path, "/big/", 5) == 0) {
        return big(socket, (size_t)atol(path + 5));
    }
    return misbehave(socket, path);
}

/* Reads one whole request; false when the peer is gone. */
static bool read_request(int socket, struct buffer *request)
{
    char bytes[65536];
    buffer_clear(request);
    for (;;) {
        const char *end = request->length ? strstr(request->data, "\r\n\r\n") : NULL;
        if (end) {
            const char *field = strcasestr(request->data, "\r\nContent-Length:");
            size_t body = field && field < end ? (size_t)atol(field + 17) : 0;
            if (request->length >= (size_t)(end - request->data) + 4 + body) {
                return true;
            }
        }
        ssize_t got = recv(socket, bytes, sizeof bytes, 0);
        if (got <= 0) {
            return false;
        }
        buffer_append(request, bytes, (size_t)got);
    }
}

static void *work(void *context)
{
    struct connection *connection = context;
    struct buffer request = {0};
    bool goes_on = true;
    while (goes_on && read_request(connection->socket, &request)) {
        char path[256] = "";
        sscanf(request.data, "%*s %255s", path);
        atomic_fetch_add(&connection->server->requests, 1);
        goes_on = serve(connection, path, &request);
    }
    buffer_free(&request);
    shutdown(connection->socket, SHUT_RDWR);
    free(connection);
    return NULL;
}

static void *accept_all(void *context)
{
    struct rude_server *server = context;
    for (;;) {
        int socket = accept(server->listener, NULL, NULL);
        if (socket < 0) {
            return NULL;
        }
        pthread_mutex_lock(&server->lock);
        struct connection *connection = base_alloc(sizeof *connection);
        connection->server = server;
        connection->socket = socket;
        if (server->connections == CONNECTIONS_MAX) {
            abort();
        }
        server->sockets[server->connections] = socket;
        pthread_create(&server->workers[server->connections++], NULL, work, connection);
        atomic_fetch_add(&server->accepted, 1);
        pthread_mutex_unlock(&server->lock);
    }
}

static int bind_loopback(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (descriptor < 0 || bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(descriptor, (struct sockaddr *)&address, &length) != 0) {
        abort();
    }
    *port = ntohs(address.sin_port);
    return descriptor;
}

struct rude_server *rude_server_start(void)
{
    struct rude_server *server = base_alloc(sizeof *server);
    pthread_mutex_init(&server->lock, NULL);
    server->listener = bind_loopback(&server->port);
    if (listen(server->listener, 128) != 0 ||
        pthread_create(&server->thread, NULL, accept_all, server) != 0) {
        abort();
    }
    return server;
}

int rude_server_port(const struct rude_server *server)
{
    return server->port;
}

int rude_server_requests(struct rude_server *server)
{
    return atomic_load(&server->requests);
}

int rude_server_connections(struct rude_server *server)
{
    return atomic_load(&server->accepted);
}

void rude_server_stop(struct rude_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (int i = 0; i < server->connections; i++) {
        shutdown(server->sockets[i], SHUT_RDWR);
        pthread_join(server->workers[i], NULL);
        close(server->sockets[i]);
    }
    pthread_mutex_destroy(&server->lock);
    free(server);
}

int refusing_port(int *descriptor)
{
    int port;
    *descriptor = bind_loopback(&port);
    return port;
}

int deaf_port(int *descriptor)
{
    int port;
    *descriptor = bind_loopback(&port);
    if (listen(*descriptor, 8) != 0) {
        abort();
    }
    return port;
}
