/* Guests on sockets of this machine: a listener for each port of each instance that is up. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "runtime/sandbox/guests.h"
#include "runtime/sandbox/internal.h"

enum {
    LOOK_MS = 100,     /* how often instances are looked at */
    PORTS_MAX = 512,   /* each is a thread */
    BACKEND_MS = 1000, /* one that takes longer does not answer */
    CONNECTIONS_MAX = 64,
    IDLE_S = 30,
    THREAD_STACK = 256 << 10,
    LOOPBACK = 127,
};

struct listener {
    struct sandbox_guests *guests;
    char *instance, *vm, *address;
    int port, host_port;
    char host[INET_ADDRSTRLEN];
    bool http;
    bool wanted; /* its instance is up still */
    struct MHD_Daemon *daemon; /* NULL: could not listen, which was told */
};

struct sandbox_guests {
    struct sandbox *sandbox;
    struct world *world; /* for its clock */
    void (*tell)(void *context, const char *line);
    void *context;
    int lock_file; /* -1: in memory */
    struct listener *listeners[PORTS_MAX];
    size_t count;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stopping;
};

/* What reads or writes the state is between these two. The arena is the caller's from then on. */
static bool begin_state(struct sandbox_guests *guests, struct request *r)
{
    pthread_mutex_lock(&guests->sandbox->lock);
    if (!state_begin(guests->sandbox->state)) {
        pthread_mutex_unlock(&guests->sandbox->lock);
        return false;
    }
    *r = sandbox_own_request(guests->sandbox, arena_create(), world_utc_ms(guests->world));
    return true;
}

/* keep: false for what only looks, which is no request that the sandbox would count. */
static bool end_state(struct sandbox_guests *guests, bool keep)
{
    bool ended = state_end(guests->sandbox->state, keep);
    pthread_mutex_unlock(&guests->sandbox->lock);
    return ended;
}

/* What one says of itself. */

static bool wait_connected(int socket)
{
    struct pollfd ready = {.fd = socket, .events = POLLOUT};
    int failure = 0;
    socklen_t length = sizeof failure;
    return poll(&ready, 1, BACKEND_MS) == 1 &&
           getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &length) == 0 && failure == 0;
}

static bool answers(const char *host, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (!host || inet_pton(AF_INET, host, &to.sin_addr) != 1) {
        return false;
    }
    int dialled = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dialled < 0) {
        return false;
    }
    bool connected = connect(dialled, (struct sockaddr *)&to, sizeof to) == 0 ||
                     (errno == EINPROGRESS && wait_connected(dialled));
    close(dialled);
    return connected;
}

/* The status, and the page in `out`. */
static unsigned describe_self(const struct listener *listener, struct buffer *out)
{
    struct guest_backend backends[GUEST_BACKENDS_MAX];
    bool answering[GUEST_BACKENDS_MAX];
    struct request r;
    if (!begin_state(listener->guests, &r)) {
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    size_t count = guest_backends(&r, listener->instance, backends);
    end_state(listener->guests, false);
    for (size_t i = 0; i < count; i++) {
        answering[i] = answers(backends[i].host, backends[i].host_port);
    }
    struct guest_port self = {
        .instance = listener->instance, .vm = listener->vm, .address = listener->address};
    int status = guest_page(&self, backends, answering, count, out);
    arena_destroy(r.arena);
    return (unsigned)status;
}

/* Bodies of requests are read and thrown away. A port that is only tcp says nothing. */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *length, void **slot)
{
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    const struct listener *listener = context;
    if (!listener->http) {
        return MHD_NO;
    }
    if (!*slot) { /* the headers alone */
        *slot = context;
        return MHD_YES;
    }
    if (*length) {
        *length = 0;
        return MHD_YES;
    }
    struct buffer page = {0};
    unsigned status = describe_self(listener, &page);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(page.length, page.data, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    buffer_free(&page);
    return result;
}

/* Listening. */

/* 10.20.1.5 is at 127.20.1.5; what lies in 127.0.0.0/8 is itself, with its own ports. */
static struct sockaddr_in place_for(const struct listener *listener)
{
    struct sockaddr_in place = {.sin_family = AF_INET};
    uint32_t address = 0;
    parse_address(listener->address, &address);
    bool own = address >> 24 == LOOPBACK;
    place.sin_addr.s_addr = htonl((uint32_t)LOOPBACK << 24 | (address & 0xffffff));
    place.sin_port = htons(own ? (uint16_t)listener->port : 0);
    return place;
}

static void tell(struct listener *listener, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell(struct listener *listener, const char *format, ...)
{
    struct buffer line = {0};
    va_list args;
    va_start(args, format);
    buffer_printf(&line, "%s %s:%d ", listener->vm, listener->address, listener->port);
    buffer_vprintf(&line, format, args);
    va_end(args);
    listener->guests->tell(listener->guests->context, buffer_text(&line));
    buffer_free(&line);
}

static void listen_for(struct listener *listener)
{
    struct sockaddr_in place = place_for(listener);
    inet_ntop(AF_INET, &place.sin_addr, listener->host, sizeof listener->host);
    listener->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, ntohs(place.sin_port), NULL, NULL, answer,
        listener, MHD_OPTION_SOCK_ADDR, &place, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK, MHD_OPTION_END);
    if (!listener->daemon) {
        tell(listener, "cannot be answered at %s: %s", listener->host, strerror(errno));
        return;
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_BIND_PORT);
    listener->host_port = info ? info->port : ntohs(place.sin_port);
}

static void listener_stop(struct listener *listener)
{
    if (listener->daemon) {
        MHD_stop_daemon(listener->daemon);
        tell(listener, "is silent");
    }
    free(listener->instance);
    free(listener->vm);
    free(listener->address);
    free(listener);
}

static struct listener *listener_start(struct sandbox_guests *guests, const struct guest_port *port)
{
    struct listener *listener = base_alloc(sizeof *listener);
    listener->guests = guests;
    listener->instance = base_strdup(port->instance);
    listener->vm = base_strdup(port->vm);
    listener->address = base_strdup(port->address);
    listener->port = port->port;
    listener->http = port->http;
    listener->wanted = true;
    listen_for(listener);
    return listener;
}

static struct listener *find_listener(struct sandbox_guests *guests, const struct guest_port *port)
{
    for (size_t i = 0; i < guests->count; i++) {
        struct listener *listener = guests->listeners[i];
        if (listener->port == port->port && strcmp(listener->instance, port->instance) == 0) {
            return listener;
        }
    }
    return NULL;
}

/* Marks what is wanted still, starts what is new. The number of new ones. */
static size_t start_new(struct sandbox_guests *guests, const struct guest_port *ports, size_t count)
{
    size_t old = guests->count;
    for (size_t i = 0; i < old; i++) {
        guests->listeners[i]->wanted = false;
    }
    for (size_t i = 0; i < count; i++) {
        struct listener *listener = find_listener(guests, &ports[i]);
        if (listener) {
            listener->wanted = true;
        } else if (guests->count < PORTS_MAX) {
            guests->listeners[guests->count++] = listener_start(guests, &ports[i]);
        }
    }
    return guests->count - old;
}

/* Where each can be asked is known before it is gone, and after it is there. */
static void keep_places(struct sandbox_guests *guests)
{
    struct request r;
    if (!begin_state(guests, &r)) {
        return;
    }
    for (size_t i = 0; i < guests->count; i++) {
        struct listener *listener = guests->listeners[i];
        struct guest_port port = {.instance = listener->instance, .port = listener->port};
        if (!listener->wanted) {
            guest_ends(&r, listener->instance, listener->port);
        } else if (listener->daemon) {
            guest_listens(&r, &port, listener->host, listener->host_port);
        }
    }
    end_state(guests, true);
    arena_destroy(r.arena);
}

static void stop_unwanted(struct sandbox_guests *guests)
{
    size_t kept = 0;
    for (size_t i = 0; i < guests->count; i++) {
        struct listener *listener = guests->listeners[i];
        if (listener->wanted) {
            guests->listeners[kept++] = listener;
        } else {
            listener_stop(listener);
        }
    }
    guests->count = kept;
}

/* Once it is known where they are, so that whoever is told can go there. */
static void tell_new(struct sandbox_guests *guests, size_t first)
{
    for (size_t i = first; i < guests->count; i++) {
        struct listener *listener = guests->listeners[i];
        if (listener->daemon) {
            tell(listener, "answers %s at %s:%d", listener->http ? "http" : "tcp", listener->host,
                 listener->host_port);
        }
    }
}

static void look(struct sandbox_guests *guests)
{
    struct guest_port *ports = base_alloc(PORTS_MAX * sizeof *ports);
    struct request r;
    if (begin_state(guests, &r)) {
        size_t count = guests_up(&r, ports, PORTS_MAX);
        end_state(guests, false);
        size_t old = guests->count;
        bool changed = start_new(guests, ports, count) > 0;
        for (size_t i = 0; i < old; i++) {
            changed = changed || !guests->listeners[i]->wanted;
        }
        if (changed) {
            keep_places(guests);
            tell_new(guests, old);
            stop_unwanted(guests);
        }
        arena_destroy(r.arena);
    }
    free(ports);
}

/* False once it is to stop. */
static bool pause_between(struct sandbox_guests *guests)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&guests->lock);
    while (!guests->stopping &&
           pthread_cond_timedwait(&guests->stopped, &guests->lock, &until) != ETIMEDOUT) {
    }
    bool go_on = !guests->stopping;
    pthread_mutex_unlock(&guests->lock);
    return go_on;
}

static void *watch(void *context)
{
    do {
        look(context);
    } while (pause_between(context));
    return NULL;
}

/* Beginning and end. */

/* Two would take each other's places. The lock ends with its process. */
static bool lock_directory(struct sandbox_guests *guests, struct error *error)
{
    const char *directory = guests->sandbox->directory;
    guests->lock_file = -1;
    if (!directory) {
        return true;
    }
    struct buffer path = {0};
    buffer_printf(&path, "%s/guests.lock", directory);
    guests->lock_file = open(buffer_text(&path), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    bool locked = guests->lock_file >= 0 && flock(guests->lock_file, LOCK_EX | LOCK_NB) == 0;
    if (!locked && guests->lock_file >= 0 && errno == EWOULDBLOCK) {
        error_set(error, "the guests of %s run already, in another process", directory);
        error_help(error, "end that one before: it is named by: fuser %s", buffer_text(&path));
    } else if (!locked) {
        error_set(error, "%s cannot be locked: %s", buffer_text(&path), strerror(errno));
    }
    buffer_free(&path);
    return locked;
}

/* Of one that was killed. */
static bool forget_places(struct sandbox_guests *guests)
{
    struct request r;
    if (!begin_state(guests, &r)) {
        return false;
    }
    guests_end(&r);
    arena_destroy(r.arena);
    return end_state(guests, true);
}

static void make_condition(struct sandbox_guests *guests)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&guests->stopped, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&guests->lock, NULL);
}

static void guests_free(struct sandbox_guests *guests)
{
    if (guests->lock_file >= 0) {
        close(guests->lock_file);
    }
    world_destroy(guests->world);
    pthread_cond_destroy(&guests->stopped);
    pthread_mutex_destroy(&guests->lock);
    free(guests);
}

static bool has_guests(struct sandbox *sandbox)
{
    pthread_mutex_lock(&sandbox->lock);
    bool has = state_setting_int(sandbox->state, "guests", 0) != 0;
    pthread_mutex_unlock(&sandbox->lock);
    return has;
}

struct sandbox_guests *sandbox_guests_start(struct sandbox *sandbox,
                                            void (*tell_line)(void *context, const char *line),
                                            void *context, struct error *error)
{
    if (!has_guests(sandbox)) {
        error_set(error, "this sandbox has no guests: it says itself what its instances answer");
        error_help(error, "give it some with sandbox_give_guests: drc sandbox guests DIR PLAN");
        return NULL;
    }
    struct world *real = world_real_create(error);
    if (!real) {
        return NULL;
    }
    struct sandbox_guests *guests = base_alloc(sizeof *guests);
    guests->sandbox = sandbox;
    guests->tell = tell_line;
    guests->context = context;
    guests->world = sandbox_world(sandbox, real);
    make_condition(guests);
    bool ready = lock_directory(guests, error) &&
                 (forget_places(guests) ||
                  error_set(error, "the sandbox's state failed: %s", state_failure(sandbox->state)));
    if (!ready || pthread_create(&guests->thread, NULL, watch, guests) != 0) {
        if (ready) {
            error_set(error, "no thread can be made for the sandbox's guests");
        }
        guests_free(guests);
        return NULL;
    }
    return guests;
}

void sandbox_guests_stop(struct sandbox_guests *guests)
{
    if (!guests) {
        return;
    }
    pthread_mutex_lock(&guests->lock);
    guests->stopping = true;
    pthread_cond_broadcast(&guests->stopped);
    pthread_mutex_unlock(&guests->lock);
    pthread_join(guests->thread, NULL);
    for (size_t i = 0; i < guests->count; i++) {
        guests->listeners[i]->wanted = false;
    }
    stop_unwanted(guests);
    forget_places(guests);
    guests_free(guests);
}
