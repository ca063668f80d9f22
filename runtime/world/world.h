/* World: all of the outside behind one struct of operations: clocks, randomness, timers, HTTP,
 * dialling, DNS messages, processes, threads, signals. Nothing else in drc touches any of these. Two
 * implementations: real (libuv, libcurl) and simulated (virtual clock, seeded); the sandbox is a
 * wrapper around either.
 *
 * Every call is asynchronous on one loop: it returns at once, the callback comes later, on the
 * loop, never from within the call. Each task ends exactly once: by its callback or by
 * world_cancel, after which the callback never comes. A task is gone when its callback returns;
 * what the caller passes in has to live until then (requests are not copied). */
#ifndef DRC_WORLD_WORLD_H
#define DRC_WORLD_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/base/utc.h"

struct redactor;
struct store_opener;
struct world;
struct world_task;

struct http_header {
    const char *name, *value;
};

struct http_request {
    const char *method; /* GET, POST, … */
    const char *url;    /* http:// or https:// */
    const struct http_header *headers;
    size_t header_count;
    const void *body;
    size_t body_length;
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t timeout_ms;  /* in all, but for waiting while 64 others go to that host; 0: 60 s */
    size_t response_max; /* bytes; 0: 64 MiB */
    const char *ca_file; /* NULL: the system's store */
    const char *proxy;   /* NULL: from the environment; "": none */
    bool insecure;       /* no verification: only checks of a VM's own health page use it */
    /* Streams the body of a 2xx answer instead of collecting it (response_max does not count then);
     * returning false aborts. Of the world it may use nothing but world_cancel of its own task. */
    bool (*on_body)(void *context, const void *bytes, size_t length);
    void *body_context;
};

enum http_failure {
    HTTP_ANSWERED,    /* there is a status */
    HTTP_UNREACHABLE, /* refused, no route, no such host: nothing was sent */
    HTTP_TLS,         /* certificate or handshake: nothing was sent */
    HTTP_TIMED_OUT,   /* no answer in time: it may have been carried out */
    HTTP_BROKEN,    /* connection lost, truncated or malformed answer: may have been carried out */
    HTTP_TOO_LARGE, /* the answer is over response_max: was carried out, answer unread */
};

/* Valid during the callback only. */
struct http_response {
    enum http_failure failure;
    const char *failure_text; /* "Connection refused"; NULL when answered */
    int status;               /* also with HTTP_TOO_LARGE */
    const struct http_header *headers;
    size_t header_count;
    const char *body; /* NUL-terminated behind its length */
    size_t body_length;
};
const char *http_response_header(const struct http_response *response, const char *name);

/* A program that outlives drc (job.h). Everything is copied by the call. */
struct job_request {
    const char *folder; /* its own; made with those above it */
    const void *bytes;  /* the program; NULL: begins nothing, only awaits what was begun there */
    size_t length;
    const char *const *args;        /* behind its name; NULL behind the last */
    const char *const *environment; /* all of it: NAME=VALUE; NULL behind the last */
    int64_t timeout_ms;             /* then it is killed, with all that it started */
    /* It ends with the task, or with drc; its folder is gone then, and what an earlier one has left there is
     * no more than in the way. */
    bool attached;
    /* What it writes, in order, from the beginning on (also of one that was begun before); NULL: nobody
     * reads it. It may use nothing of the world but world_cancel of its own task. */
    void (*on_output)(void *context, const void *bytes, size_t length);
};

enum job_state {
    JOB_NONE,    /* nothing was ever started there */
    JOB_RUNNING, /* only of job_look */
    JOB_ENDED,
    JOB_DIED,   /* it was started, and its supervisor is gone without a result: the machine went down, or
                   both were killed. How far it came nobody knows */
    JOB_REFUSED, /* it could not be started: nothing has run */
};
enum job_end {
    JOB_END_EXIT,    /* code: its exit status */
    JOB_END_SIGNAL,  /* code: the signal that killed it */
    JOB_END_EXEC,    /* code: errno: the system would not execute it */
    JOB_END_LATE,    /* killed at its timeout */
    JOB_END_STOPPED, /* killed because somebody ended the supervisor, or its lifeline broke */
};
/* Valid during the callback only. */
struct job_status {
    enum job_state state;
    enum job_end end;
    int code;
    int64_t took_ms;
    int64_t output_bytes; /* all that it wrote, kept or not */
    int64_t left;         /* processes that it left running: they were killed */
    const char *problem, *help; /* REFUSED: why, and what to do; help may be NULL */
};

/* One DNS message to a server: by UDP, or by TCP with its length before it (RFC 1035, 4.2.2). Its first
 * two bytes are its id; a datagram with another one is none of ours. At least 12 bytes, at most 65,535. */
struct message_request {
    const char *host; /* an address, or a name, each of whose addresses is tried until one takes it */
    int port;
    bool stream; /* TCP */
    const void *bytes;
    size_t length;
    int64_t timeout_ms; /* in all; 0: 5 s */
};

typedef void (*world_callback)(void *context);
typedef void (*world_http_callback)(void *context, const struct http_response *response);
/* failure NULL: connected (and closed again). */
typedef void (*world_connect_callback)(void *context, const char *failure);
/* failure NULL: answered, bytes are valid during the callback. "timed out", or why there can be no answer;
 * the message may have arrived all the same. */
typedef void (*world_message_callback)(void *context, const char *failure, const void *bytes,
                                       size_t length);
typedef void (*world_signal_callback)(void *context, int signal);
typedef void (*world_job_callback)(void *context, const struct job_status *status);

/* What an implementation provides; each implementation's struct begins with a struct world. */
struct world_operations {
    const char *name;
    void (*destroy)(struct world *world);
    int64_t (*monotonic_ms)(struct world *world);
    int64_t (*utc_ms)(struct world *world);
    void (*random)(struct world *world, void *bytes, size_t length);
    struct world_task *(*timer)(struct world *world, int64_t delay_ms, world_callback callback,
                                void *context);
    struct world_task *(*defer)(struct world *world, world_callback callback, void *context);
    struct world_task *(*http)(struct world *world, const struct http_request *request,
                               world_http_callback callback, void *context);
    struct world_task *(*connect)(struct world *world, const char *host, int port,
                                  int64_t timeout_ms, world_connect_callback callback,
                                  void *context);
    struct world_task *(*message)(struct world *world, const struct message_request *request,
                                  world_message_callback callback, void *context);
    struct world_task *(*work)(struct world *world, world_callback run, world_callback done,
                               void *context);
    struct world_task *(*job)(struct world *world, const struct job_request *request,
                              world_job_callback callback, void *context);
    struct world_task *(*signal)(struct world *world, int signal, world_signal_callback callback,
                                 void *context);
    void (*cancel)(struct world *world, struct world_task *task);
    void (*run)(struct world *world, const bool *until);
    const char *(*environment)(struct world *world, const char *name);
};

struct world {
    const struct world_operations *operations;
    struct world *inner;       /* whose redactor it shares; NULL: its own */
    struct redactor *redactor; /* made at the first use, goes with the world */
    struct store_opener *stores; /* who opens stores (store.h); NULL: nobody */
};

/* The real world. NULL when the loop cannot be made. From then on the process ignores SIGPIPE:
 * writing to a broken pipe is an error like others. */
struct world *world_real_create(struct error *error);

/* Answers HTTP requests, dials and DNS messages in the simulated world (and in the sandbox's wrapper):
 * synchronous; *latency_ms is how long the answer takes. The response's memory has to live until
 * the next call. */
struct world_responder {
    void *context;
    void (*http)(void *context, int64_t utc_ms, const struct http_request *request,
                 struct http_response *response, int64_t *latency_ms);
    /* failure NULL: accepts */
    void (*connect)(void *context, int64_t utc_ms, const char *host, int port, const char **failure,
                    int64_t *latency_ms);
    /* length 0: silence, if failure stays NULL */
    void (*message)(void *context, int64_t utc_ms, const struct message_request *request,
                    const char **failure, const void **bytes, size_t *length, int64_t *latency_ms);
};

/* The simulated world: virtual clock beginning at `utc_ms`, everything else from `seed`. Time
 * passes only while nothing else is to do. */
struct world *world_simulated_create(uint64_t seed, int64_t utc_ms,
                                     struct world_responder responder);

/* Wraps `inner` (which it destroys with itself): HTTP, dialling and DNS go to the responder; the clocks
 * run `speed` times as fast as the inner one's (timers accordingly), utc being
 * utc_base_ms + (inner utc - inner_base_ms) * speed. */
struct world *world_redirected_create(struct world *inner, struct world_responder responder,
                                      double speed, int64_t inner_base_ms, int64_t utc_base_ms);

void world_destroy(struct world *world);

/* Milliseconds on a clock that never jumps / since 1970 in UTC. */
int64_t world_monotonic_ms(struct world *world);
int64_t world_utc_ms(struct world *world);
void world_random(struct world *world, void *bytes, size_t length);

struct world_task *world_timer(struct world *world, int64_t delay_ms, world_callback callback,
                               void *context);
/* After everything that is ready in this turn of the loop: for group commits. */
struct world_task *world_defer(struct world *world, world_callback callback, void *context);
/* Redirects are never followed; only 2xx bodies are streamed. */
struct world_task *world_http(struct world *world, const struct http_request *request,
                              world_http_callback callback, void *context);
struct world_task *world_connect(struct world *world, const char *host, int port,
                                 int64_t timeout_ms, world_connect_callback callback,
                                 void *context);
struct world_task *world_message(struct world *world, const struct message_request *request,
                                 world_message_callback callback, void *context);
/* `run` on a thread of the pool, then `done` on the loop. Cancelling waits for a run under way. */
struct world_task *world_work(struct world *world, world_callback run, world_callback done,
                              void *context);
/* Begins a job, unless it was begun there before, and awaits its end. Cancelling leaves it alone (but
 * for one that is attached). */
struct world_task *world_job(struct world *world, const struct job_request *request,
                             world_job_callback callback, void *context);
/* Calls back at each arrival until cancelled; does not keep the loop alive. */
struct world_task *world_signal(struct world *world, int signal, world_signal_callback callback,
                                void *context);
void world_cancel(struct world *world, struct world_task *task);

/* Runs the loop until *until is true or nothing is left to wait for. May be nested. */
void world_run(struct world *world, const bool *until);
/* Runs the loop for so long. */
void world_pause(struct world *world, int64_t ms);

/* The secrets in use, and how texts from outside are freed of them (runtime/world/redactor.h). */
struct redactor *world_redactor(struct world *world);

/* An environment variable; NULL when unset. */
const char *world_environment(struct world *world, const char *name);

#endif
