/* The sandbox made, opened, closed; and as responder and world. */
#include "runtime/sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/sandbox/dns.h"
#include "runtime/sandbox/internal.h"
#include "runtime/sandbox/state.h"
#include "runtime/sandbox/timing.h"

static const char memory[] = ":memory:";

static struct sandbox *make(const char *directory, bool create, struct error *error)
{
    struct sandbox *sandbox = base_alloc(sizeof *sandbox);
    pthread_mutex_init(&sandbox->lock, NULL);
    sandbox->arena = arena_create();
    bool in_memory = strcmp(directory, memory) == 0;
    sandbox->directory = in_memory ? NULL : base_strdup(directory);
    sandbox->blobs = blobs_create(sandbox->directory);
    const char *path =
        in_memory ? memory : arena_printf(sandbox->arena, "%s/sandbox.db", directory);
    sandbox->state = state_open(path, create, error);
    if (!sandbox->state) {
        sandbox_close(sandbox);
        return NULL;
    }
    return sandbox;
}

static bool keep_options(struct sandbox *sandbox, struct error *error)
{
    struct state *state = sandbox->state;
    const struct sandbox_options *options = &sandbox->options;
    bool kept = state_begin(state) && state_set_int(state, "seed", (int64_t)options->seed) &&
                state_run(state, "INSERT INTO settings VALUES ('speed', ?)", "f", options->speed) &&
                state_set_int(state, "throttle", options->throttle) &&
                state_set_int(state, "utc_base_ms", options->utc_base_ms) &&
                state_set_int(state, "real_base_ms", options->real_base_ms) &&
                state_run(state,
                          "INSERT INTO faults VALUES ('latency', 1), ('consistency', 0.3), "
                          "('consistency_ms', 1500)",
                          "") &&
                state_run(state,
                          "INSERT INTO credentials VALUES ('sandbox', 'sandbox', NULL, "
                          "'111122223333', 'arn:aws:iam::111122223333:user/sandbox', "
                          "'AIDASANDBOXSANDBOX000', NULL)",
                          "") &&
                state_end(state, true);
    return kept ||
           error_set(error, "the sandbox's settings cannot be kept: %s", state_failure(state));
}

static bool make_directory(const char *directory, struct error *error)
{
    if (mkdir(directory, 0700) == 0 || errno == EEXIST) {
        return true;
    }
    error_set(error, "the sandbox %s cannot be made: %s", directory, strerror(errno));
    return error_help(error, "the directory above has to exist and be writable");
}

struct sandbox *sandbox_init(const char *directory, const struct sandbox_options *options,
                             struct error *error)
{
    if (strcmp(directory, memory) != 0 && !make_directory(directory, error)) {
        return NULL;
    }
    struct sandbox *sandbox = make(directory, true, error);
    if (!sandbox) {
        return NULL;
    }
    sandbox->options = *options;
    if (sandbox->options.speed <= 0) {
        sandbox->options.speed = 1;
    }
    if (!keep_options(sandbox, error)) {
        sandbox_close(sandbox);
        return NULL;
    }
    return sandbox;
}

void sandbox_remove(const char *directory)
{
    static const char *const names[] = {"sandbox.db", "sandbox.db-wal", "sandbox.db-shm", "guests.lock"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buffer path = {0};
        buffer_printf(&path, "%s/%s", directory, names[i]);
        unlink(buffer_text(&path));
        buffer_free(&path);
    }
    blobs_remove(directory);
    rmdir(directory); /* not, if there is something else in it */
}

struct sandbox *sandbox_open(const char *directory, struct error *error)
{
    if (strcmp(directory, memory) == 0) {
        error_set(error, "a sandbox in memory cannot be opened again");
        return NULL;
    }
    struct sandbox *sandbox = make(directory, false, error);
    if (!sandbox) {
        return NULL;
    }
    struct state *state = sandbox->state;
    sandbox->options = (struct sandbox_options){
        .seed = (uint64_t)state_setting_int(state, "seed", 1),
        .speed = state_setting_number(state, "speed", 1),
        .throttle = state_setting_int(state, "throttle", 0),
        .utc_base_ms = state_setting_int(state, "utc_base_ms", 0),
        .real_base_ms = state_setting_int(state, "real_base_ms", 0),
    };
    return sandbox;
}

void sandbox_close(struct sandbox *sandbox)
{
    if (!sandbox) {
        return;
    }
    state_close(sandbox->state);
    blobs_destroy(sandbox->blobs);
    sigv4_memory_clear(&sandbox->signing);
    arena_destroy(sandbox->arena);
    buffer_free(&sandbox->body);
    buffer_free(&sandbox->message);
    pthread_mutex_destroy(&sandbox->lock);
    free(sandbox->directory);
    free(sandbox);
}

const struct sandbox_options *sandbox_options(const struct sandbox *sandbox)
{
    return &sandbox->options;
}

/* The largest value of a fault (faults.h); negative: there is none of that name. */
static double largest_value(const char *name)
{
    static const struct {
        const char *name;
        double largest;
    } known[] = {
        {"latency", 1000}, {"consistency", 1}, {"consistency_ms", 600000},
        {"error", 1},      {"lost", 1},        {"unavailable", 1},
        {"inject", 1},     {"boot", 1},        {"spread", 10},
        {"busy", 1},       {"conflict", 1},    {"prior", 1},
        {"unhealthy", 1},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) == 0) {
            return known[i].largest;
        }
    }
    if (strncmp(name, "time:", 5) == 0) {
        const double day_ms = 24 * 60 * 60 * 1000.0;
        return timing_by_name(name + 5, strcspn(name + 5, "/")) != TIMING_COUNT ? day_ms : -1;
    }
    static const struct {
        const char *prefix;
        double largest;
    } of_something[] = {
        {"capacity:", 1},        {"agent:", 1},          {"agent_ms:", 86400000},
        {"script:", 255},        {"script_ms:", 1e9},    {"script_bytes:", 1e9},
        {"undelivered:", 1},     {"undeliverable:", 1},  {"cancelled:", 1},
        {"unhealthy/", 1},
    };
    for (size_t i = 0; i < sizeof of_something / sizeof *of_something; i++) {
        size_t length = strlen(of_something[i].prefix);
        if (strncmp(name, of_something[i].prefix, length) == 0 && name[length]) {
            return of_something[i].largest;
        }
    }
    return -1;
}

bool sandbox_set_fault(struct sandbox *sandbox, const char *name, double value, struct error *error)
{
    double largest = largest_value(name);
    if (largest < 0) {
        error_set(error, "the sandbox knows no fault %s", name);
        return error_help(error,
                          "latency, consistency, consistency_ms, error, lost, unavailable, inject, "
                          "boot, spread, busy, conflict, prior, unhealthy, unhealthy/VM, time:NAME, "
                          "capacity:TYPE, agent:VM, agent_ms:VM, script:STEP, script_ms:STEP, "
                          "script_bytes:STEP, undelivered:STEP, undeliverable:STEP and cancelled:STEP "
                          "are known");
    }
    if (!(value >= 0 && value <= largest)) {
        return error_set(error, "the fault %s is a number from 0 to %.0f, not %g", name, largest,
                         value);
    }
    pthread_mutex_lock(&sandbox->lock);
    bool kept = state_begin(sandbox->state) &&
                state_run(sandbox->state, "INSERT OR REPLACE INTO faults VALUES (?, ?)", "sf", name,
                          value) &&
                state_end(sandbox->state, true);
    if (!kept) {
        error_set(error, "the fault %s cannot be set: %s", name, state_failure(sandbox->state));
    }
    pthread_mutex_unlock(&sandbox->lock);
    return kept;
}

/* The body that is a blob still. */
static void read_blob(struct sandbox *sandbox, struct http_response *response)
{
    const struct answer *answer = &sandbox->answer;
    buffer_clear(&sandbox->body);
    if (!blobs_get(sandbox->blobs, answer->blob, answer->blob_offset, (size_t)answer->blob_length,
                   &sandbox->body)) {
        *response = (struct http_response){.failure = HTTP_BROKEN,
                                           .failure_text = "the sandbox has lost the bytes"};
        return;
    }
    response->body = buffer_text(&sandbox->body);
    response->body_length = sandbox->body.length;
}

static void respond_http(void *context, int64_t utc_ms, const struct http_request *request,
                         struct http_response *response, int64_t *latency_ms)
{
    struct sandbox *sandbox = context;
    struct arena *arena = arena_create();
    struct arrival arrival;
    arrival_take(&arrival, arena, request, NULL, sandbox->blobs);
    pthread_mutex_lock(&sandbox->lock);
    sandbox_answer(sandbox, utc_ms, &arrival, response, latency_ms);
    if (response->failure == HTTP_ANSWERED && sandbox->answer.blob_length) {
        read_blob(sandbox, response);
    }
    pthread_mutex_unlock(&sandbox->lock);
    arena_destroy(arena);
}

static void respond_connect(void *context, int64_t utc_ms, const char *host, int port,
                            const char **failure, int64_t *latency_ms)
{
    (void)port; /* every port answers */
    struct sandbox *sandbox = context;
    *failure = "the sandbox's database does not answer";
    *latency_ms = 1;
    pthread_mutex_lock(&sandbox->lock);
    struct arena *arena = arena_create();
    if (state_begin(sandbox->state)) {
        struct request r = sandbox_own_request(sandbox, arena, utc_ms);
        guest_connect(&r, host, failure, latency_ms);
        state_end(sandbox->state, true);
    }
    arena_destroy(arena);
    pthread_mutex_unlock(&sandbox->lock);
}

enum fate { FATE_ANSWERED, FATE_SILENCE, FATE_ANSWER_LOST };

/* Faults of the whole: unavailable, lost (faults.h). The message's id makes each draw another. */
static enum fate fate_of(struct request *r, const unsigned char *bytes, size_t length)
{
    enum { MILLION = 1000000 };
    int64_t lost = state_value(r->state, 0,
                               "SELECT CAST(value * 1000000 AS INTEGER) FROM faults WHERE name = 'lost'", "");
    if (state_value(r->state, 0, "SELECT value > 0 FROM faults WHERE name = 'unavailable'", "")) {
        return FATE_SILENCE;
    }
    r->number ^= length >= 2 ? (int64_t)(bytes[0] << 8 | bytes[1]) << 32 : 0;
    return draw_between(r, 0, MILLION - 1) < lost ? FATE_ANSWER_LOST : FATE_ANSWERED;
}

void sandbox_answer_message(struct sandbox *sandbox, int64_t utc_ms, const void *bytes, size_t length,
                            bool stream, int64_t *latency_ms)
{
    buffer_clear(&sandbox->message);
    *latency_ms = 2;
    struct arena *arena = arena_create();
    if (state_begin(sandbox->state)) {
        struct request r = sandbox_own_request(sandbox, arena, utc_ms);
        enum fate fate = fate_of(&r, bytes, length);
        if (fate != FATE_SILENCE) {
            dns_respond(&r, bytes, length, stream, &sandbox->message);
        }
        if (!state_end(sandbox->state, true) || fate == FATE_ANSWER_LOST) {
            buffer_clear(&sandbox->message);
        }
    }
    arena_destroy(arena);
}

static void respond_message(void *context, int64_t utc_ms, const struct message_request *request,
                            const char **failure, const void **bytes, size_t *length, int64_t *latency_ms)
{
    struct sandbox *sandbox = context;
    (void)failure; /* every address is the sandbox's, every port answers */
    pthread_mutex_lock(&sandbox->lock);
    sandbox_answer_message(sandbox, utc_ms, request->bytes, request->length, request->stream, latency_ms);
    *bytes = sandbox->message.data;
    *length = sandbox->message.length;
    pthread_mutex_unlock(&sandbox->lock);
}

const char *sandbox_tsig_secret(void)
{
    return "c2FuZGJveC1zYW5kYm94LXNhbmRib3gtc2FuZGJveCE=";
}

struct world_responder sandbox_responder(struct sandbox *sandbox)
{
    return (struct world_responder){
        .context = sandbox, .http = respond_http, .connect = respond_connect, .message = respond_message};
}
