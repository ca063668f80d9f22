/* Notify: tells a web hook of what people want to know of a run while it goes on (--notify URL): it
 * begins and ends, a VM is recovered or failed, an action failed, a step waits for approval, somebody has
 * decided something. Each is one POST of one event as --events writes it (schemas/events.schema.json), in
 * order, with two headers of its own:
 *   DRC-Delivery: RUN-SESSION-NUMBER    the same when it is sent again
 *   DRC-Signature: t=SECONDS,v1=HEX     HMAC-SHA256 (RFC 2104), by the secret, of "SECONDS.BODY"
 * What is not taken is sent again for a while, and never holds the run up: what could not be told is told
 * at the end. */
#ifndef DRC_CLI_NOTIFY_H
#define DRC_CLI_NOTIFY_H

#include "compiler/base/error.h"
#include "runtime/engine/executor.h"

struct buffer;
struct notify;
struct world;

struct notify_options {
    const char *url;     /* http:// or https:// */
    struct world *world; /* the real one, also beside a sandbox; has DRC_NOTIFY_SECRET */
    const struct graph *graph;
    const char *run_id;
};

/* Whether a run can be told of there: the URL's kind, and that the secret is set. */
bool notify_check(const char *url, struct world *world, struct error *error);

/* Everything in the options has to outlive it. */
struct notify *notify_start(const struct notify_options *options);
/* The events of the executor. NULL is allowed. */
void notify_observe(struct notify *notify, const struct executor_event *event);
/* Sends what is left for at most some seconds, appends to `problem` what could not be sent and why, and
 * frees. NULL is allowed. */
void notify_finish(struct notify *notify, struct buffer *problem);

#endif
