/* The real world's inside: what real.c, real_http.c, real_dial.c, real_message.c, real_work.c and
 * real_job.c share.
 *
 * Callbacks of libuv and libcurl never call the user: they put the task into the ready list, and
 * world_run calls the user from there, outside of uv_run (which must not be nested; world_run may).
 * A turn: what libuv has, then what is ready, then what was deferred. */
#ifndef DRC_WORLD_REAL_H
#define DRC_WORLD_REAL_H

#include <curl/curl.h>
#include <uv.h>

#include "runtime/world/task.h"

struct real;
struct real_task;

struct real_list {
    struct real_task *first, *last;
};

/* What a kind of task does. */
struct real_kind {
    bool persistent; /* goes on after its callback, and does not keep the loop alive: signals */
    bool repeats;    /* goes on after `deliver` until that has set `cancelled`: jobs */
    /* Calls the user. */
    void (*deliver)(struct real_task *task);
    /* Ends it, whatever it was doing, and frees it, now or when libuv lets go of it. */
    void (*release)(struct real_task *task);
};

/* First in the struct of each kind. */
struct real_task {
    struct world_task base;
    const struct real_kind *kind;
    void *context;
    bool running;   /* its callback is on the stack */
    bool cancelled; /* meanwhile */
    uint64_t sequence;
    struct real_list *queue; /* ready or deferred; NULL: in neither */
    struct real_task *queue_prev, *queue_next;
    struct real_task *prev, *next; /* in real.tasks */
};

struct real_host;

/* A request's place among those to its host. */
struct real_turn {
    void (*go)(struct real_turn *turn); /* called when it is its turn, maybe at once */
    struct real_host *host;             /* NULL: it has left */
    bool active;
    struct real_turn *prev, *next;
};

enum { REAL_SPARE_MAX = 64 }; /* as many as are under way to one host */

struct real {
    struct world base;
    uv_loop_t loop;
    struct real_list ready, deferred;
    struct real_task *tasks;
    size_t alive; /* tasks that are not persistent */
    uint64_t sequence;
    CURLM *curl;
    CURL *spare[REAL_SPARE_MAX]; /* handles that wait for the next request */
    size_t spare_count;
    uv_timer_t curl_timer;
    struct real_host *hosts; /* by name */
    bool in_curl;            /* libcurl is on the stack: it must not be entered again */
};

static inline struct real *real_of(struct real_task *task)
{
    return (struct real *)task->base.owner;
}

/* `task` is the first member of zeroed heap memory. */
void real_task_begin(struct real *real, struct real_task *task, const struct real_kind *kind,
                     void *context);
/* Its callback is due. */
void real_task_ready(struct real_task *task);
/* Takes it off the lists; the memory is then the caller's to free. */
void real_task_end(struct real_task *task);

/* Multi handle, timer and sockets of libcurl (real_curl.c). */
bool real_curl_open(struct real *real, struct error *error);
void real_curl_close(struct real *real);
/* Waits until fewer than 64 are under way to the URL's host. Leaving twice is allowed. */
void real_turn_take(struct real *real, struct real_turn *turn, const char *url);
void real_turn_leave(struct real *real, struct real_turn *turn);

/* libcurl is done with this request. */
void real_http_finished(CURL *easy, CURLcode result);

/* The addresses of a host, by libuv. Zero-initialised but for `done`, `owner`; not to be freed, nor its
 * memory, while it is busy. */
struct real_lookup {
    void (*done)(struct real_lookup *lookup, const char *failure, const struct addrinfo *addresses);
    void *owner;
    bool busy;
    uv_getaddrinfo_t request;
    struct addrinfo *found;
    struct sockaddr_storage numeric; /* when the host is an address */
    struct addrinfo numeric_info;
};
/* Calls `done` once: from within where the host is an address, else later, even when it was given up; the
 * addresses live as long as the lookup. */
void real_lookup_start(struct real *real, struct real_lookup *lookup, const char *host, int port);
/* It may still be busy afterwards. */
void real_lookup_give_up(struct real_lookup *lookup);
void real_lookup_free(struct real_lookup *lookup);

struct world_task *real_http(struct world *world, const struct http_request *request,
                             world_http_callback callback, void *context);
struct world_task *real_connect(struct world *world, const char *host, int port, int64_t timeout_ms,
                                world_connect_callback callback, void *context);
struct world_task *real_message(struct world *world, const struct message_request *request,
                                world_message_callback callback, void *context);
struct world_task *real_work(struct world *world, world_callback run, world_callback done,
                             void *context);
struct world_task *real_job(struct world *world, const struct job_request *request,
                            world_job_callback callback, void *context);

#endif
