/* Exchange: one HTTP request answered by a responder instead of the network: the answer's copy, and
 * how it comes to the one who asked, held to the request's limits. Shared by the simulated and the
 * redirected world. */
#ifndef DRC_WORLD_EXCHANGE_H
#define DRC_WORLD_EXCHANGE_H

#include "runtime/world/world.h"

/* Zero-initialise; release with exchange_clear. */
struct exchange {
    const struct http_request *request;
    struct http_response response; /* texts are the exchange's own */
    int64_t delay_ms;              /* until the answer is there (or time is up) */
    bool cancelled;                /* set from within on_body: deliver stops and tells nothing */
};

/* Asks the responder and keeps its answer. Slower than the request's timeout: it timed out. */
void exchange_ask(struct exchange *exchange, const struct world_responder *responder,
                  int64_t utc_ms, const struct http_request *request, int64_t extra_latency_ms);

/* Failed without an answer. A timeout comes when the request's time is up, whatever `delay_ms`. */
void exchange_fail(struct exchange *exchange, const struct http_request *request,
                   enum http_failure failure, const char *text, int64_t delay_ms);

/* An answer that the responder did not give. */
void exchange_answer(struct exchange *exchange, const struct http_request *request, int status,
                     const char *body, int64_t delay_ms);

/* Streams the body where the request asks for that, then calls back unless cancelled meanwhile. */
void exchange_deliver(struct exchange *exchange, world_http_callback callback, void *context);

void exchange_clear(struct exchange *exchange);

/* What world_connect's answer is, by the responder. Returns the failure as a copy (NULL: connected;
 * the caller frees it), and how long it takes. */
char *exchange_connect(const struct world_responder *responder, int64_t utc_ms, const char *host,
                       int port, int64_t timeout_ms, int64_t *delay_ms);

/* What a DNS message was answered with, by the responder: a copy; release with message_exchange_clear. */
struct message_exchange {
    char *failure; /* NULL: answered */
    char *bytes;
    size_t length;
    int64_t delay_ms;
};
void message_exchange_ask(struct message_exchange *exchange, const struct world_responder *responder,
                          int64_t utc_ms, const struct message_request *request,
                          int64_t extra_latency_ms);
/* No answer: it times out, when the request's time is up. */
void message_exchange_silence(struct message_exchange *exchange, const struct message_request *request);
void message_exchange_clear(struct message_exchange *exchange);

#endif
