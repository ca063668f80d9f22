/* Ask: read-only questions, all at the same time, paged and retried while the loop runs, until
 * each has its answer: for identity, facts, preflight, what is left over. A question that gets no
 * proper answer for 60 s ends it. */
#ifndef DRC_AWS_ASK_H
#define DRC_AWS_ASK_H

#include "compiler/base/error.h"
#include "runtime/aws/client.h"

struct asks;

enum { ASK_PATIENCE_MS = 60000 };

struct question {
    enum aws_service service;
    const char *operation; /* static */
    const char *body;      /* form or JSON; copied */
    bool paged;            /* EC2: goes on with NextToken until there is none */
    bool brief;            /* not worth a minute: a few tries only */
    enum bucket bucket;
    /* For each page. Texts are valid during the call. May ask more (asks_add). */
    void (*page)(void *context, const struct aws_answer *answer);
    /* Refused for good: true when that is an answer, too. NULL: it is a failure. */
    bool (*refused)(void *context, const struct aws_answer *answer);
    void *context;
};

struct asks *asks_create(struct aws_client *client);
void asks_add(struct asks *asks, const struct question *question);
/* The same with an EC2 form, which is emptied. */
void asks_add_form(struct asks *asks, const char *operation, struct form *form, bool paged,
                   void (*page)(void *context, const struct aws_answer *answer), void *context);
/* Runs the loop until all are answered. False: the first failure. */
bool asks_run(struct asks *asks, struct error *error);
void asks_destroy(struct asks *asks);

#endif
