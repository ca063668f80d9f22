/* Covers: real_lookup.c */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/world/world.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/rude_server.h"

/* A server of one port that answers as the first byte behind the message's header says:
 *   e  the message itself      o  first one with another id, then itself     s  nothing
 *   l  60,000 bytes            c  (TCP) closes                               h  (TCP) half, then
 * closes x  (TCP) another id        p  (TCP) byte by byte */
struct server {
    pthread_t thread;
    atomic_bool ends;
    int datagrams, listener, port;
    atomic_int messages;
};

enum { HEADER = 12, LONG = 60000 };

static void answer_datagram(struct server *server)
{
    char bytes[LONG];
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    ssize_t got =
        recvfrom(server->datagrams, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
    if (got <= HEADER || bytes[HEADER] == 's') {
        return;
    }
    server->messages++;
    if (bytes[HEADER] == 'o') {
        char other[LONG];
        memcpy(other, bytes, (size_t)got);
        other[0] ^= 1;
        sendto(server->datagrams, other, (size_t)got, 0, (struct sockaddr *)&from, size);
        sendto(server->datagrams, bytes, 3, 0, (struct sockaddr *)&from, size); /* too short */
    }
    size_t length = bytes[HEADER] == 'l' ? LONG : (size_t)got;
    sendto(server->datagrams, bytes, length, 0, (struct sockaddr *)&from, size);
}

static void answer_stream(struct server *server)
{
    char bytes[LONG + 2] = {0};
    int client = accept(server->listener, NULL, NULL);
    size_t got = 0, length = 2;
    while (got < length) {
        ssize_t more = read(client, bytes + got, sizeof bytes - got);
        if (more <= 0) {
            close(client);
            return;
        }
        got += (size_t)more;
        length = 2 + ((size_t)(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1]);
    }
    server->messages++;
    char way = bytes[2 + HEADER];
    if (way == 'l') {
        length = LONG + 2;
        bytes[0] = (char)(LONG >> 8), bytes[1] = (char)(LONG & 255);
    }
    bytes[2] ^= way == 'x';
    length = way == 'c' ? 0 : way == 'h' ? length / 2 : length;
    for (size_t at = 0, step = way == 'p' ? 1 : length; at < length; at += step) {
        if (write(client, bytes + at, step) < 0) {
            break;
        }
        usleep(way == 'p' ? 1000 : 0);
    }
    close(client);
}

static void *serve(void *context)
{
    struct server *server = context;
    while (!server->ends) {
        struct pollfd both[] = {{.fd = server->datagrams, .events = POLLIN},
                                {.fd = server->listener, .events = POLLIN}};
        poll(both, 2, 20);
        if (both[0].revents) {
            answer_datagram(server);
        }
        if (both[1].revents) {
            answer_stream(server);
        }
    }
    return NULL;
}

static int bind_both(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    server->datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(server->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(server->listener, 8) != 0) {
        return -1;
    }
    getsockname(server->listener, (struct sockaddr *)&address, &size);
    server->port = ntohs(address.sin_port);
    return bind(server->datagrams, (struct sockaddr *)&address, size);
}

struct fixture {
    struct world *world;
    struct server server;
    bool done;
    char failure[200];
    size_t length;
    char first;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->world = world_real_create(NULL);
    for (int tries = 0; bind_both(&f->server) != 0; tries++) { /* the UDP port may be somebody's */
        close(f->server.listener);
        close(f->server.datagrams);
        assert_true(tries < 20);
    }
    pthread_create(&f->server.thread, NULL, serve, &f->server);
    *state = f;
    return f->world ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    world_destroy(f->world);
    f->server.ends = true;
    pthread_join(f->server.thread, NULL);
    close(f->server.listener);
    close(f->server.datagrams);
    free(f);
    return 0;
}

static void keep(void *context, const char *failure, const void *bytes, size_t length)
{
    struct fixture *f = context;
    assert_false(f->done);
    f->done = true;
    snprintf(f->failure, sizeof f->failure, "%s", failure ? failure : "");
    f->length = length;
    f->first = length > HEADER ? ((const char *)bytes)[HEADER] : 0;
}

static const char *bring(struct fixture *f, const char *host, int port, bool stream, char way)
{
    char bytes[] = "\x12\x34----------x and more";
    bytes[HEADER] = way;
    struct message_request request = {.host = host,
                                      .port = port,
                                      .stream = stream,
                                      .bytes = bytes,
                                      .length = sizeof bytes - 1,
                                      .timeout_ms = way == 's' ? 50 : 5000};
    f->done = false;
    world_message(f->world, &request, keep, f);
    assert_false(f->done);
    world_run(f->world, &f->done);
    return f->failure;
}

static const char *here(struct fixture *f, bool stream, char way)
{
    return bring(f, "127.0.0.1", f->server.port, stream, way);
}

static void a_message_is_answered(void **state)
{
    struct fixture *f = *state;
    for (int stream = 0; stream < 2; stream++) {
        assert_string_equal(here(f, stream, 'e'), "");
        assert_int_equal(f->length, 22);
        assert_int_equal(f->first, 'e');
        assert_string_equal(here(f, stream, 'l'), "");
        assert_int_equal(f->length, LONG);
        assert_string_equal(bring(f, "localhost", f->server.port, stream, 'e'), "");
    }
    assert_string_equal(here(f, true, 'p'), "");
    assert_int_equal(f->length, 22);
}

static void datagrams_of_others_are_not_taken(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(here(f, false, 'o'), "");
    assert_int_equal(f->length, 22);
}

static void what_goes_wrong_is_told(void **state)
{
    struct fixture *f = *state;
    int descriptor, port = refusing_port(&descriptor);
    assert_string_equal(here(f, false, 's'), "timed out");
    assert_string_equal(here(f, true, 'c'), "the server closed the connection without an answer");
    assert_string_equal(here(f, true, 'h'), "the server closed the connection without an answer");
    assert_string_equal(here(f, true, 'x'), "what the server sent is no answer to the message");
    assert_string_equal(bring(f, "127.0.0.1", port, true, 'e'), "connection refused");
    assert_string_equal(bring(f, "127.0.0.1", port, false, 'e'), "connection refused");
    assert_string_equal(bring(f, "127.0.0.1", 0, false, 'e'), "there is no such port");
    assert_memory_equal(bring(f, "no-such-host.invalid", 53, false, 'e'), "cannot resolve the name",
                        23);
    close(descriptor);
}

static void what_is_no_message_is_not_sent(void **state)
{
    struct fixture *f = *state;
    char bytes[11] = {0};
    struct message_request request = {
        .host = "127.0.0.1", .port = f->server.port, .bytes = bytes, .length = sizeof bytes};
    world_message(f->world, &request, keep, f);
    world_run(f->world, &f->done);
    assert_string_equal(f->failure, "too short or too long for a DNS message");
    assert_int_equal(f->server.messages, 0);
}

static void cancelled_it_never_comes_back(void **state)
{
    struct fixture *f = *state;
    char bytes[] = "\x12\x34----------s";
    struct message_request requests[] = {
        {.host = "127.0.0.1", .port = f->server.port, .bytes = bytes, .length = 13},
        {.host = "127.0.0.1", .port = f->server.port, .bytes = bytes, .length = 13, .stream = true},
        {.host = "localhost", .port = f->server.port, .bytes = bytes, .length = 13},
        {.host = "127.0.0.1", .port = 0, .bytes = bytes, .length = 13},
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        world_cancel(f->world, world_message(f->world, &requests[i], keep, f));
    }
    world_run(f->world, NULL);
    assert_false(f->done);
    world_message(f->world, &requests[0], keep, f); /* goes with the world */
    world_message(f->world, &requests[1], keep, f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_answered),         TEST(datagrams_of_others_are_not_taken),
        TEST(what_goes_wrong_is_told),       TEST(what_is_no_message_is_not_sent),
        TEST(cancelled_it_never_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
