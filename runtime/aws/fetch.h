/* Fetch: gets a key from where the recipe says. One file for each kind of source:
 * fetch_sts.c, fetch_http.c, fetch_process.c. */
#ifndef DRC_AWS_FETCH_H
#define DRC_AWS_FETCH_H

#include <cjson/cJSON.h>

#include "runtime/aws/recipe.h"
#include "runtime/aws/transfer.h"
#include "runtime/world/world.h"

struct fetch;
/* The key is in the fetch's arena; error is set when there is none. */
typedef void (*fetch_callback)(void *context, struct fetch *fetch);

struct fetch {
    struct arena *arena;
    const struct aws_settings *settings;
    const struct recipe *recipe;
    const char *region;
    int64_t skew_ms; /* 0; corrected once when STS says so */
    size_t roles_assumed;
    struct sigv4_key key;   /* so far */
    int64_t expires_utc_ms; /* 0: never */
    struct error error;
    fetch_callback callback;
    void *context;
    /* under way */
    struct transfer transfer;
    struct world_task *task;
    struct http_request http;
    const char *imds_token;
    struct process *process;
    int attempts;
};

/* Starts; the callback comes once, from the loop. */
struct fetch *fetch_start(const struct aws_settings *settings, const struct recipe *recipe,
                          const char *region, fetch_callback callback, void *context);
void fetch_destroy(struct fetch *fetch);

/* For the sources. */
void fetch_found(struct fetch *fetch, const char *id, const char *secret, const char *token,
                 const char *expiration); /* RFC 3339; NULL: never expires */
void fetch_failed(struct fetch *fetch, const char *help, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A token that the source is asked with, too, is a secret: it is taken out of all that is told. NULL:
 * nothing. */
void fetch_keep_secret(struct fetch *fetch, const char *secret);
/* The members that containers, IMDS and processes answer with. `what` for the message. */
void fetch_read_json(struct fetch *fetch, const char *what, const char *text, size_t length,
                     const char *token_member);

void fetch_from_web_identity(struct fetch *fetch);
void fetch_from_sso(struct fetch *fetch);
void fetch_assume_role(struct fetch *fetch, const struct role_step *role);
void fetch_from_container(struct fetch *fetch);
void fetch_from_imds(struct fetch *fetch);
void fetch_from_process(struct fetch *fetch);
void process_destroy(struct process *process);

#endif
