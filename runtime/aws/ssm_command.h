/* SSM commands: what injection, scripts and checks share of sending one and finding it again. */
#ifndef DRC_AWS_SSM_COMMAND_H
#define DRC_AWS_SSM_COMMAND_H

#include "compiler/base/buffer.h"
#include "runtime/aws/operation.h"

enum { SSM_EXECUTION_MAX_S = 172800 }; /* the agent ends it then (documentation of AWS-RunShellScript) */

/* The instance of a call: its input instance_id, or conversion_instance. */
const char *ssm_instance(const struct call *call);

/* A blank and one word of the shell, whatever is in it. Nothing that SSM would replace ("{{") is left. */
void ssm_put_quoted(struct buffer *line, const char *word);

/* Sends the lines of a script to the call's instance. delivery_s: how long its agent may stay away;
 * execution_s: how long they may take. Output: command_id. */
void ssm_send(struct operation *op, const char *document, const char *const *lines, size_t count,
              int64_t delivery_s, int64_t execution_s);
/* FATAL, and nothing was sent. Takes the error. */
void ssm_refuse_later(struct operation *op, struct error *error);
/* The command that an earlier request of the call has begun, by its comment: output command_id, or ABSENT. */
void ssm_find(struct operation *op);

/* Up to 50 a page of a list of the instance's (NULL: the account's); next_token NULL: the first. */
void ssm_ask_for_page(struct operation *op, const char *api, const char *instance,
                      const char *next_token, operation_step next);

/* ssm_wait.c: the ends of commands, for all that wait for some. */
void ssm_poll(struct operation *op);
/* Injections are asked about for each conversion instance, scripts all at once. */
bool ssm_same_question(const struct call *a, const struct call *b);

#endif
