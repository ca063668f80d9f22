/* Hostile servers below HTTP: any bytes as what comes over the connection, through libcurl and all. The
 * first byte says how the request is made and into what pieces the answer is cut. A thread of this
 * process is the server; it ends with it. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/world/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RESPONSE_MAX = 1 << 16, TIMEOUT_MS = 2000 };

/* libFuzzer calls a function without a context: what lives from one input to the next is static. */
static struct {
    int listener, port;
    struct world *world;
    pthread_t thread;
    pthread_mutex_t lock; /* of the answer, which a connection left over from before may still read */
    uint8_t *data;
    size_t size;
    uint8_t how;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void set_answer(const uint8_t *data, size_t size, uint8_t how)
{
    pthread_mutex_lock(&server.lock);
    free(server.data);
    server.data = base_alloc(size);
    memcpy(server.data, data, size);
    server.size = size;
    server.how = how;
    pthread_mutex_unlock(&server.lock);
}

static uint8_t *copy_answer(size_t *size, size_t *piece)
{
    pthread_mutex_lock(&server.lock);
    uint8_t *copy = base_alloc(server.size);
    memcpy(copy, server.data, server.size);
    *size = server.size;
    *piece = server.how & 8 ? 1u + server.how % 7u : server.size;
    pthread_mutex_unlock(&server.lock);
    return copy;
}

static void answer(int link)
{
    char request[4096];
    if (recv(link, request, sizeof request, 0) <= 0) {
        return;
    }
    size_t size, piece;
    uint8_t *data = copy_answer(&size, &piece);
    for (size_t at = 0; at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        if (send(link, data + at, length, MSG_NOSIGNAL) <= 0) {
            break;
        }
    }
    free(data);
}

static void *serve(void *context)
{
    (void)context;
    for (;;) {
        int link = accept(server.listener, NULL, NULL);
        if (link < 0) {
            return NULL;
        }
        answer(link);
        close(link);
    }
}

static void begin(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    expect(bind(server.listener, (struct sockaddr *)&address, sizeof address) == 0 &&
           listen(server.listener, 64) == 0 &&
           getsockname(server.listener, (struct sockaddr *)&address, &length) == 0);
    server.port = ntohs(address.sin_port);
    server.world = world_real_create(NULL);
    expect(server.world && pthread_create(&server.thread, NULL, serve, NULL) == 0);
}

static bool on_body(void *context, const void *bytes, size_t length)
{
    size_t *got = context;
    expect(bytes != NULL || length == 0);
    *got += length;
    return *got < RESPONSE_MAX;
}

struct asked {
    bool over;
};

static void on_response(void *context, const struct http_response *response)
{
    struct asked *asked = context;
    asked->over = true;
    bool answered = response->failure == HTTP_ANSWERED;
    expect((response->failure_text == NULL) == answered);
    expect(!answered || (response->status >= 100 && response->status <= 999));
    expect(response->body_length <= RESPONSE_MAX && response->body[response->body_length] == 0);
    expect(response->header_count <= 256);
    for (size_t i = 0; i < response->header_count; i++) {
        expect(*response->headers[i].name && response->headers[i].value);
    }
    for (const char *at = response->failure_text; at && *at; at++) {
        expect(*at >= ' ' && *at <= '~');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "POST", "HEAD", "PUT"};
    if (size < 1) {
        return 0;
    }
    if (!server.world) {
        begin();
    }
    set_answer(data + 1, size - 1, data[0]);
    char url[64];
    size_t got = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x", server.port);
    struct http_request request = {.method = methods[data[0] & 3],
                                   .url = url,
                                   .response_max = RESPONSE_MAX,
                                   .timeout_ms = TIMEOUT_MS,
                                   .proxy = "",
                                   .on_body = data[0] & 4 ? on_body : NULL,
                                   .body_context = &got};
    struct asked asked = {0};
    world_http(server.world, &request, on_response, &asked);
    world_run(server.world, &asked.over);
    expect(asked.over);
    return 0;
}
