/* Client: one AWS account and region to ask: credentials, signing, rate gates, clock skew; and
 * questions that retry and page until they have an answer. */
#ifndef DRC_AWS_CLIENT_H
#define DRC_AWS_CLIENT_H

#include "runtime/aws/answer.h"
#include "runtime/aws/credentials.h"
#include "runtime/aws/form.h"
#include "runtime/aws/profile.h"
#include "runtime/world/provider.h"

struct client;

struct client_options {
    struct world *world;
    struct gate *gate; /* NULL: none */
    const char *region, *profile, *role_arn; /* copied */
};
struct client *client_create(const struct client_options *options, struct error *error);
/* Callbacks of requests under way never come. */
void client_destroy(struct client *client);

struct client_request {
    enum aws_service service;
    const char *operation;  /* static, or alive until the callback */
    bool changes;           /* something: a lost answer is UNKNOWN */
    const char *body;       /* copied */
    size_t body_length;
    enum bucket bucket;     /* to pass the gate by; BUCKET_NONE: let through already */
    double priority;
    int64_t timeout_ms;     /* 0: 60 s */
};

/* The answer (and its texts) is valid during the callback, which never comes from within. */
typedef void (*client_callback)(void *context, const struct aws_answer *answer);
struct client_call;
struct client_call *client_send(struct client *client, const struct client_request *request,
                                client_callback callback, void *context);
void client_cancel(struct client_call *call);

struct world *client_world(const struct client *client);
const struct aws_settings *client_settings(const struct client *client);
const char *client_region(const struct client *client);
/* Where the credentials come from; "" before the first request. */
const char *client_credentials_source(const struct client *client);
/* Requests sent so far. */
int64_t client_requests(const struct client *client);

#endif
