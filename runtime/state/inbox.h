/* Inbox: what people ask of a run from elsewhere (approve, skip, cancel) while another process
 * carries it out. Each request is one object PLAN/runs/RUN/inbox/ID of the state's store (for a
 * directory: STATE/PLAN/runs/RUN/inbox/ID); only the process that holds the lease reads it, acts,
 * journals what it did with the asker's words, and then removes it. An object that cannot be
 * understood is journalled as refused and removed too. */
#ifndef DRC_STATE_INBOX_H
#define DRC_STATE_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct arena;
struct store;
struct world;

enum {
    INBOX_ID_MAX = 32,        /* with its NUL */
    INBOX_INTERVAL_MS = 1500, /* between looks */
};

enum inbox_verb { INBOX_APPROVE, INBOX_SKIP, INBOX_CANCEL };
const char *inbox_verb_name(enum inbox_verb verb); /* "approve" */

struct inbox_message {
    const char *id; /* random and ordered by time; made by inbox_post */
    enum inbox_verb verb;
    const char *target;  /* node id; NULL: the run, or the only one that waits */
    const char *who;     /* who asks; NULL: unknown */
    const char *comment; /* NULL */
    int64_t at_utc_ms;
    const char *problem; /* arrived: why it cannot be understood (verb means nothing then); NULL */
};

/* Puts it (plan and run name the place; message->id counts for nothing) and tells the id that it got
 * (`id` may be NULL). False when the store fails. Runs the loop. */
bool inbox_post(struct store *store, struct world *world, const char *plan, const char *run,
                const struct inbox_message *message, char id[INBOX_ID_MAX], struct error *error);

/* Watches it, with a look every interval_ms of the world's clock (0: INBOX_INTERVAL_MS): `arrived`
 * comes for each message, oldest first, once (in this process; an effect has to be harmless twice, as
 * the process may die between journal and removal). The message lives during the call. After it has
 * been acted on and journalled: inbox_done. The store is the inbox's from now on. */
struct inbox;
typedef void (*inbox_arrived)(void *context, const struct inbox_message *message);
struct inbox *inbox_watch(struct store *store, struct world *world, const char *plan,
                          const char *run, int64_t interval_ms, inbox_arrived arrived,
                          void *context);
void inbox_done(struct inbox *inbox, const char *id);
/* Waits for removals under way (runs the loop); destroys the store. NULL is allowed. */
void inbox_close(struct inbox *inbox);

#endif
