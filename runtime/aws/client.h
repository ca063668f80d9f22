/* Client: one AWS account and region to ask: credentials, signing, rate gates, clock skew; and
 * questions that retry and page until they have an answer. */
#ifndef DRC_AWS_CLIENT_H
#define DRC_AWS_CLIENT_H

#include "runtime/aws/answer.h"
#include "runtime/aws/credentials.h"
#include "runtime/aws/form.h"
#include "runtime/aws/profile.h"
#include "runtime/aws/transfer.h"
#include "runtime/world/provider.h"

struct aws_client;

struct aws_client_options {
    struct world *world;
    struct gate *gate;                       /* NULL: none */
    /* Copied. region NULL: AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1. */
    const char *region, *profile, *role_arn;
};
struct aws_client *aws_client_create(const struct aws_client_options *options, struct error *error);
/* Callbacks of requests under way never come. */
void aws_client_destroy(struct aws_client *client);

struct aws_client_request {
    enum aws_service service;
    const char *operation; /* static, or alive until the callback */
    bool changes;          /* something: a lost answer is UNKNOWN */
    const char *region;    /* NULL: the client's */
    const char *role_arn;  /* assumed by the client's credentials, for this request; NULL: none */
    struct aws_rest rest;  /* of REST services; its texts and headers are copied */
    const void *body;      /* copied, unless */
    size_t body_length;
    bool borrowed; /* `body` lives until the callback, or until aws_client_cancel returns */
    enum bucket bucket; /* to pass the gate by; BUCKET_NONE: let through already */
    double priority;
    int64_t timeout_ms; /* 0: 60 s */
};

/* The answer (and its texts) is valid during the callback, which never comes from within. */
typedef void (*aws_client_callback)(void *context, const struct aws_answer *answer);
struct aws_client_call;
struct aws_client_call *aws_client_send(struct aws_client *client,
                                        const struct aws_client_request *request,
                                        aws_client_callback callback, void *context);
void aws_client_cancel(struct aws_client_call *call);

struct world *aws_client_world(const struct aws_client *client);
const struct aws_settings *aws_client_settings(const struct aws_client *client);
/* How far the service's clock is ahead of the world's, by its last answer, which tells it in whole
 * seconds; 0: not told. */
int64_t aws_client_ahead_ms(const struct aws_client *client);
const char *aws_client_region(const struct aws_client *client);
/* Where the credentials come from; "" before the first request. */
const char *aws_client_credentials_source(const struct aws_client *client);
/* Requests sent so far. */
int64_t aws_client_requests(const struct aws_client *client);

#endif
