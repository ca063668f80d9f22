/* The sandbox over HTTP, for boto3, the AWS CLI and drc itself: a thread for each connection, one
 * lock around the state, answers as late as the real service's. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "runtime/sandbox/base64.h"
#include "runtime/sandbox/internal.h"

enum {
    BODY_MAX = 65 << 20, /* an object of 64 MiB in its chunks */
    HEADERS_MAX = 64,
    CONNECTIONS_MAX = 256,
    IDLE_S = 120,
    CONNECTION_MEMORY = 256 << 10, /* so that a block of 512 KiB arrives in few pieces */
    BLOCK_HEAD = 512,              /* what is looked at of a block, besides its digest */
};

struct sandbox_server {
    struct sandbox *sandbox;
    struct world *world; /* for its clock */
    struct MHD_Daemon *daemon;
    struct dns_listener *dns;
    pthread_mutex_t lock;
    pthread_cond_t stopped; /* wakes those that let time pass */
    bool stopping;
    struct sandbox_served served; /* under the sandbox's lock */
};

/* What is kept from one request of a connection to the next: memory that is warm already. */
struct line {
    char *bytes;
    size_t capacity;
};

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

/* A request while it arrives. Its body is hashed while it does. */
struct incoming {
    struct arena *arena;
    char *target; /* as sent, with its query */
    struct line *line;
    size_t length, kept; /* bytes that came, and those of them in the line's memory */
    struct sha256 *digest;
    struct blob_draft *draft;      /* a block on its way to where it is kept; NULL: none */
    uint8_t promised[SHA256_SIZE]; /* its digest, as the request tells it */
    struct collected *headers;
    bool begun, too_large;
};

/* What goes back, copied out of the lock. */
struct reply {
    int status; /* 0: none, the connection is cut */
    char *body;
    size_t length;
    struct http_header *headers; /* in the request's arena */
    size_t header_count;
    int file; /* the body's, instead of `body`; -1: none */
    int64_t offset, told_length;
    int64_t latency_ms;
};

static void watch_connection(void *context, struct MHD_Connection *connection, void **slot,
                             enum MHD_ConnectionNotificationCode code)
{
    (void)context;
    (void)connection;
    struct line *line = *slot;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = base_alloc(sizeof *line);
    } else if (line) {
        free(line->bytes);
        free(line);
        *slot = NULL;
    }
}

static void *begin_request(void *context, const char *target, struct MHD_Connection *connection)
{
    (void)context;
    struct incoming *incoming = base_alloc(sizeof *incoming);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    incoming->line = info->socket_context;
    incoming->arena = arena_create();
    incoming->target = arena_strdup(incoming->arena, target);
    incoming->digest = sha256_create();
    return incoming;
}

static void end_request(void *context, struct MHD_Connection *connection, void **slot,
                        enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    struct incoming *incoming = *slot;
    if (incoming) {
        uint8_t unused[SHA256_SIZE];
        if (incoming->digest) {
            sha256_finish(incoming->digest, unused);
        }
        if (incoming->draft) {
            blobs_end(incoming->draft, false, NULL);
        }
        arena_destroy(incoming->arena);
        free(incoming);
        *slot = NULL;
    }
}

static void make_room(struct line *line, size_t length)
{
    if (length > line->capacity) {
        line->capacity = length > 2 * line->capacity ? length : 2 * line->capacity;
        line->bytes = base_realloc(line->bytes, line->capacity);
    }
}

/* A block goes to where it is kept while it comes in, unless it is there already. */
static void expect_block(struct sandbox_server *server, struct incoming *incoming,
                         const struct http_request *request)
{
    const char *service = arrival_service(incoming->arena, request);
    if (service && strcmp(service, "ebs") == 0 && strcmp(request->method, "PUT") == 0 &&
        base64_decode(request_header(request, "x-amz-Checksum"), incoming->promised, SHA256_SIZE)) {
        incoming->draft = blobs_begin(server->sandbox->blobs, incoming->promised);
    }
}

/* As much room at once as the request says that it needs. */
static void expect_body(struct sandbox_server *server, struct MHD_Connection *connection,
                        const char *method, struct incoming *incoming)
{
    struct collected *headers = ARENA_NEW(incoming->arena, struct collected);
    headers->arena = incoming->arena;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, collect_header, headers);
    incoming->headers = headers;
    incoming->begun = true;
    struct http_request request = {
        .method = method, .headers = headers->items, .header_count = headers->count};
    const char *told = request_header(&request, "Content-Length");
    unsigned long long length = told ? strtoull(told, NULL, 10) : 0;
    incoming->too_large = length > BODY_MAX;
    if (length == BLOCK_BYTES) {
        expect_block(server, incoming, &request);
    }
    if (!incoming->too_large) {
        make_room(incoming->line, incoming->draft ? BLOCK_HEAD + 1 : (size_t)length + 1);
    }
}

static void keep_bytes(struct incoming *incoming, const char *bytes, size_t length)
{
    make_room(incoming->line, incoming->kept + length + 1);
    memcpy(incoming->line->bytes + incoming->kept, bytes, length);
    incoming->kept += length;
}

static void take_bytes(struct incoming *incoming, const char *bytes, size_t length)
{
    incoming->too_large = incoming->too_large || length > BODY_MAX - incoming->length;
    if (incoming->too_large) {
        return;
    }
    sha256_update(incoming->digest, bytes, length);
    incoming->length += length;
    if (incoming->draft) {
        size_t room = BLOCK_HEAD - incoming->kept;
        blobs_add(incoming->draft, bytes, length);
        keep_bytes(incoming, bytes, length < room ? length : room);
    } else {
        keep_bytes(incoming, bytes, length);
    }
}

/* What is known of the body when all of it is there. */
static struct arrival_body end_body(struct incoming *incoming)
{
    struct arrival_body body = {.length = incoming->length};
    sha256_finish(incoming->digest, body.sha256);
    incoming->digest = NULL;
    if (incoming->draft) {
        bool right = memcmp(body.sha256, incoming->promised, SHA256_SIZE) == 0;
        blobs_end(incoming->draft, right, &body.error);
        incoming->draft = NULL;
        body.stored = true; /* or refused: the body is not here any more */
    }
    return body;
}

static void copy_reply(struct sandbox *sandbox, struct arena *arena, struct reply *reply,
                       const struct http_response *response)
{
    const struct answer *answer = &sandbox->answer;
    reply->file = -1;
    if (response->failure != HTTP_ANSWERED) {
        return;
    }
    reply->status = response->status;
    reply->told_length = answer->told_length;
    reply->headers = ARENA_ARRAY(arena, struct http_header, response->header_count + 1);
    for (size_t i = 0; i < response->header_count; i++) {
        const struct http_header *header = &response->headers[i];
        reply->headers[i] = (struct http_header){arena_strdup(arena, header->name),
                                                 arena_strdup(arena, header->value)};
    }
    reply->header_count = response->header_count;
    reply->length = answer->blob_length ? (size_t)answer->blob_length : response->body_length;
    reply->offset = answer->blob_offset;
    reply->file = answer->blob_length ? blobs_open(sandbox->blobs, answer->blob) : -1;
    if (reply->file >= 0) {
        return;
    }
    struct buffer body = {0};
    bool there = true;
    if (answer->blob_length) {
        there = blobs_get(sandbox->blobs, answer->blob, answer->blob_offset, reply->length, &body);
    } else {
        buffer_append(&body, response->body, response->body_length);
    }
    reply->body = buffer_steal(&body);
    reply->status = there ? reply->status : 0;
}

/* EC2 says RequestLimitExceeded, STS Throttling, SSM ThrottlingException, EBS
 * RequestThrottledException (in a header), S3 SlowDown. */
static bool refused_for_rate(const struct http_response *response)
{
    const char *type = http_response_header(response, "x-amzn-ErrorType");
    return response->status >= 400 &&
           ((type && strcmp(type, "RequestThrottledException") == 0) ||
            strstr(response->body, "RequestLimitExceeded") ||
            strstr(response->body, "Throttling") || strstr(response->body, "SlowDown"));
}

static void answer_locked(struct sandbox_server *server, const struct arrival *arrival,
                          struct reply *reply)
{
    struct http_response response;
    pthread_mutex_lock(&server->sandbox->lock);
    sandbox_answer(server->sandbox, world_utc_ms(server->world), arrival, &response,
                   &reply->latency_ms);
    server->served.requests++;
    server->served.throttled += response.failure == HTTP_ANSWERED && refused_for_rate(&response);
    copy_reply(server->sandbox, arrival->arena, reply, &response);
    pthread_mutex_unlock(&server->sandbox->lock);
}

static struct reply ask(struct sandbox_server *server, struct MHD_Connection *connection,
                        const char *method, struct incoming *incoming)
{
    struct reply reply = {0};
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    make_room(incoming->line, incoming->kept + 1);
    incoming->line->bytes[incoming->kept] = '\0';
    struct http_request request = {
        .method = method,
        .url = arena_printf(incoming->arena, "http://%s%s", host ? host : "127.0.0.1",
                            incoming->target[0] == '/' ? incoming->target : "/"),
        .headers = incoming->headers->items,
        .header_count = incoming->headers->count,
        .body = incoming->line->bytes,
        .body_length = incoming->kept,
    };
    struct arrival_body body = end_body(incoming);
    struct arrival arrival;
    arrival_take(&arrival, incoming->arena, &request, &body, server->sandbox->blobs);
    answer_locked(server, &arrival, &reply);
    error_clear(&body.error);
    return reply;
}

/* Lets the answer's time pass, by the sandbox's clock; ends at once when the server stops. */
static void let_pass(struct sandbox_server *server, int64_t latency_ms)
{
    int64_t real_ms = (int64_t)((double)latency_ms / server->sandbox->options.speed);
    if (real_ms <= 0) {
        return;
    }
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

/* To HEAD, MHD says how long the body would be, and asks for none of it. */
static ssize_t no_bytes(void *context, uint64_t position, char *to, size_t room)
{
    (void)context;
    (void)position;
    (void)to;
    (void)room;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *make_response(struct reply *reply)
{
    if (reply->file >= 0) {
        return MHD_create_response_from_fd_at_offset64(reply->length, reply->file,
                                                       (uint64_t)reply->offset);
    }
    if (reply->told_length > 0) {
        free(reply->body);
        return MHD_create_response_from_callback((uint64_t)reply->told_length, 1024, no_bytes, NULL,
                                                 NULL);
    }
    return MHD_create_response_from_buffer(reply->length, reply->body, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct reply *reply)
{
    struct MHD_Response *response = make_response(reply);
    for (size_t i = 0; i < reply->header_count; i++) {
        if (strcasecmp(reply->headers[i].name, "Content-Length") != 0) {
            MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
        }
    }
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
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
    struct incoming *incoming = *slot;
    /* The first call comes with the headers alone. */
    if (!incoming->begun) {
        expect_body(server, connection, method, incoming);
        return incoming->too_large ? refuse_size(connection) : MHD_YES;
    }
    if (*length) {
        take_bytes(incoming, data, *length);
        *length = 0;
        return MHD_YES;
    }
    if (incoming->too_large) {
        return refuse_size(connection);
    }
    struct reply reply = ask(server, connection, method, incoming);
    let_pass(server, reply.latency_ms);
    if (!reply.status) {
        free(reply.body);
        return MHD_NO;
    }
    return send_reply(connection, &reply);
}

static bool listen_at(struct sandbox_server *server, int port, int *bound, struct error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, (uint16_t)port, NULL, NULL,
        handle, server, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, end_request,
        server, MHD_OPTION_NOTIFY_CONNECTION, watch_connection, server, MHD_OPTION_URI_LOG_CALLBACK,
        begin_request, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_S, MHD_OPTION_END);
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
                                            int *dns_bound, struct error *error)
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
    bool listens = listen_at(server, port, bound, error);
    server->dns = listens ? dns_listener_start(sandbox, port ? port + 1 : 0, dns_bound, error)
                          : NULL;
    if (!server->dns) {
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
    dns_listener_stop(server->dns);
    world_destroy(server->world);
    pthread_cond_destroy(&server->stopped);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
