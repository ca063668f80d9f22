/* A bare sink for bench_copy.py: takes EBS direct's requests over kept-alive connections, reads and
 * answers, and looks at nothing else. One thread, epoll. Prints its port, then serves until it is
 * killed. GET /count tells how many blocks have come. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, HEAD_MAX = 16 << 10, CHUNK = 4 << 20 };

struct connection {
    char head[HEAD_MAX];
    size_t head_length;
    size_t body_left;
    bool in_body, is_put, keep;
};

static struct connection *connections[CONNECTIONS_MAX];
static unsigned long blocks;
static int epoll;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void hang_up(int fd)
{
    close(fd);
    free(connections[fd]);
    connections[fd] = NULL;
}

static bool answer(int fd, struct connection *connection)
{
    char text[512], body[256];
    const char *status = "201 Created";
    snprintf(body, sizeof body, "{}");
    if (strncmp(connection->head, "POST /snapshots/completion/", 27) == 0) {
        status = "202 Accepted";
        snprintf(body, sizeof body, "{\"Status\":\"completed\"}");
    } else if (strncmp(connection->head, "POST /snapshots", 15) == 0) {
        snprintf(body, sizeof body,
                 "{\"SnapshotId\":\"snap-0123456789abcdef0\",\"Status\":\"pending\",\"VolumeSize\":2,"
                 "\"BlockSize\":524288}");
    } else if (strncmp(connection->head, "GET /count", 10) == 0) {
        status = "200 OK";
        snprintf(body, sizeof body, "%lu", blocks);
    } else {
        blocks++;
    }
    int length = snprintf(text, sizeof text,
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                          "x-amzn-RequestId: sink\r\nContent-Length: %zu\r\n\r\n%s",
                          status, strlen(body), body);
    return send(fd, text, (size_t)length, MSG_NOSIGNAL) == length;
}

static size_t content_length(const char *head)
{
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "content-length:", 15) == 0) {
            return strtoul(line + 2 + 15, NULL, 10);
        }
    }
    return 0;
}

/* Bytes of a body are thrown away in the kernel. False: nothing more is there, or it is over. */
static bool take_body(int fd, struct connection *connection)
{
    size_t wanted = connection->body_left < CHUNK ? connection->body_left : CHUNK;
    ssize_t got = wanted ? recv(fd, NULL, wanted, MSG_TRUNC) : 0;
    if (wanted && got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            hang_up(fd);
        }
        return false;
    }
    connection->body_left -= (size_t)got;
    if (connection->body_left == 0) {
        connection->in_body = false;
        connection->head_length = 0;
        if (!answer(fd, connection)) {
            hang_up(fd);
            return false;
        }
    }
    return true;
}

/* What stands behind the head in the same piece stays in the kernel: the head is only looked at. */
static bool take_head(int fd, struct connection *connection)
{
    ssize_t got = recv(fd, connection->head, HEAD_MAX - 1, MSG_PEEK);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            hang_up(fd);
        }
        return false;
    }
    connection->head[got] = '\0';
    char *end = strstr(connection->head, "\r\n\r\n");
    if (!end) {
        return false;
    }
    end[2] = '\0';
    recv(fd, NULL, (size_t)(end + 4 - connection->head), MSG_TRUNC);
    connection->body_left = content_length(connection->head);
    connection->in_body = true;
    return true;
}

static void serve(int fd)
{
    while (connections[fd] && (connections[fd]->in_body ? take_body(fd, connections[fd])
                                                        : take_head(fd, connections[fd]))) {
    }
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void take_caller(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int on = 1;
    if (fd < 0) {
        return;
    }
    if (fd >= CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections[fd] = calloc(1, sizeof *connections[fd]);
    watch(fd);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 256) != 0 || getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        die("listening");
    }
    epoll = epoll_create1(0);
    watch(listener);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) {
                take_caller(listener);
            } else {
                serve(events[i].data.fd);
            }
        }
    }
}
