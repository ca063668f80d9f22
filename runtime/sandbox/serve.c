/* The sandbox over HTTP, for boto3, the AWS CLI and drc itself: a thread for each connection, one
 * lock around the state, answers as late as the real service's. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/sandbox/internal.h"

enum { BODY_MAX = 2 << 20, HEADERS_MAX = 64, CONNECTIONS_MAX = 256, IDLE_S = 120 };

struct sandbox_server {
    struct sandbox *sandbox;
    struct world *world; /* for its clock */
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock;
    pthread_cond_t stopped; /* wakes those that let time pass */
    bool stopping;
    struct sandbox_served served; /* under the sandbox's lock */
};

/* A request while it arrives. */
struct arrival {
    struct arena *arena;
    char *target; /* as sent, with its query */
    struct buffer body;
    bool too_large;
};

/* What goes back, copied out of the lock. */
struct reply {
    int status; /* 0: none, the connection is cut */
    char *body;
    size_t length;
    char *type, *request_id;
    int64_t latency_ms;
};

static void *begin_request(void *context, const char *target, struct MHD_Connection *connection)
{
    (void)context;
    (void)connection;
    struct arrival *arrival = base_alloc(sizeof *arrival);
    arrival->arena = arena_create();
    arrival->target = arena_strdup(arrival->arena, target);
    return arrival;
}

static void end_request(void *context, struct MHD_Connection *connection, void **slot,
                        enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    struct arrival *arrival = *slot;
    if (arrival) {
        buffer_free(&arrival->body);
        arena_destroy(arrival->arena);
        free(arrival);
        *slot = NULL;
    }
}

struct collected {
    struct arena *arena;
    struct http_header items[HEADERS_MAX];
    size_t count;
};

static enum MHD_Result collect_header(void *context, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    (void)kind;
    struct collected *headers = context;
    if (headers->count < HEADERS_MAX) {
        headers->items[headers->count++] = (struct http_header){
            arena_strdup(headers->arena, name), arena_strdup(headers->arena, value ? value : "")};
    }
    return MHD_YES;
}

static void copy_reply(struct reply *reply, const struct http_response *response)
{
    if (response->failure != HTTP_ANSWERED) {
        return;
    }
    reply->status = response->status;
    reply->length = response->body_length;
    reply->body = base_alloc(response->body_length + 1);
    memcpy(reply->body, response->body, response->body_length);
    const char *type = http_response_header(response, "Content-Type");
    const char *id = http_response_header(response, "x-amzn-RequestId");
    reply->type = type ? base_strdup(type) : NULL;
    reply->request_id = id ? base_strdup(id) : NULL;
}

/* EC2 says RequestLimitExceeded, STS Throttling, SSM ThrottlingException. */
static bool refused_for_rate(const struct http_response *response)
{
    return response->status >= 400 && response->body &&
           (strstr(response->body, "RequestLimitExceeded") || strstr(response->body, "Throttling"));
}

static struct reply ask(struct sandbox_server *server, struct MHD_Connection *connection,
                        const char *method, struct arrival *arrival)
{
    struct collected *headers = ARENA_NEW(arrival->arena, struct collected);
    struct reply reply = {0};
    struct http_response response;
    headers->arena = arrival->arena;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, collect_header, headers);
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    struct http_request request = {
        .method = method,
        .url = arena_printf(arrival->arena, "http://%s%s", host ? host : "127.0.0.1",
                            arrival->target[0] == '/' ? arrival->target : "/"),
        .headers = headers->items,
        .header_count = headers->count,
        .body = buffer_text(&arrival->body),
        .body_length = arrival->body.length,
    };
    pthread_mutex_lock(&server->sandbox->lock);
    sandbox_answer(server->sandbox, world_utc_ms(server->world), &request, &response,
                   &reply.latency_ms);
    server->served.requests++;
    server->served.throttled += refused_for_rate(&response);
    copy_reply(&reply, &response);
    pthread_mutex_unlock(&server->sandbox->lock);
    return reply;
}

/* Lets the answer's time pass, by the sandbox's clock; ends at once when the server stops. */
static void let_pass(struct sandbox_server *server, int64_t latency_ms)
{
    int64_t real_ms = (int64_t)((double)latency_ms / server->sandbox->options.speed);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += real_ms / 1000;
    until.tv_nsec += real_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&server->lock);
    while (!server->stopping &&
           pthread_cond_timedwait(&server->stopped, &server->lock, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&server->lock);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct reply *reply)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->length, reply->body, MHD_RESPMEM_MUST_FREE);
    if (reply->type) {
        MHD_add_response_header(response, "Content-Type", reply->type);
    }
    if (reply->request_id) {
        MHD_add_response_header(response, "x-amzn-RequestId", reply->request_id);
    }
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    free(reply->type);
    free(reply->request_id);
    return result;
}

static enum MHD_Result refuse_size(struct MHD_Connection *connection)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_CONTENT_TOO_LARGE, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *length, void **slot)
{
    (void)url;
    (void)version;
    struct sandbox_server *server = context;
    struct arrival *arrival = *slot;
    if (*length) {
        arrival->too_large = arrival->too_large || arrival->body.length + *length > BODY_MAX;
        if (!arrival->too_large) {
            buffer_append(&arrival->body, data, *length);
        }
        *length = 0;
        return MHD_YES;
    }
    /* The first call comes with the headers alone. */
    if (!arrival->body.data) {
        buffer_append(&arrival->body, "", 0);
        return MHD_YES;
    }
    if (arrival->too_large) {
        return refuse_size(connection);
    }
    struct reply reply = ask(server, connection, method, arrival);
    let_pass(server, reply.latency_ms);
    return reply.status ? send_reply(connection, &reply) : MHD_NO;
}

static bool listen_at(struct sandbox_server *server, int port, int *bound, struct error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, (uint16_t)port, NULL, NULL,
        handle, server, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, end_request,
        server, MHD_OPTION_URI_LOG_CALLBACK, begin_request, server, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
    if (!server->daemon) {
        error_set(error, "the sandbox cannot listen at 127.0.0.1:%d: %s", port, strerror(errno));
        return error_help(error, "another program may hold the port; --port 0 takes a free one");
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    *bound = info ? info->port : port;
    return true;
}

struct sandbox_server *sandbox_server_start(struct sandbox *sandbox, int port, int *bound,
                                            struct error *error)
{
    struct world *real = world_real_create(error);
    if (!real) {
        return NULL;
    }
    struct sandbox_server *server = base_alloc(sizeof *server);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&server->stopped, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&server->lock, NULL);
    server->sandbox = sandbox;
    server->world = sandbox_world(sandbox, real);
    if (!listen_at(server, port, bound, error)) {
        sandbox_server_stop(server);
        return NULL;
    }
    return server;
}

struct sandbox_served sandbox_server_served(struct sandbox_server *server)
{
    pthread_mutex_lock(&server->sandbox->lock);
    struct sandbox_served served = server->served;
    pthread_mutex_unlock(&server->sandbox->lock);
    return served;
}

void sandbox_server_stop(struct sandbox_server *server)
{
    if (!server) {
        return;
    }
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->stopped);
    pthread_mutex_unlock(&server->lock);
    if (server->daemon) {
        MHD_stop_daemon(server->daemon);
    }
    world_destroy(server->world);
    pthread_cond_destroy(&server->stopped);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
