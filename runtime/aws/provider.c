/* The provider: hands calls to their actions. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/internal.h"
#include "runtime/aws/operation.h"

static struct aws *aws_of(struct provider *provider)
{
    return (struct aws *)provider;
}

/* An operation that an action does not have: a broken graph. */
static void refuse(void *context)
{
    struct operation *op = context;
    op->task = NULL;
    for (size_t i = 0; i < op->n; i++) {
        operation_tell(op, i, OUTCOME_FATAL,
                       "the graph is not of this version of drc: compile it again",
                       "%s cannot do this", action_info(op->calls[i]->node->action)->name);
    }
    operation_destroy(op);
}

static void begin(struct provider *provider, struct call **calls, size_t n, call_done done,
                  void *context, void (*const *what)(struct operation *op))
{
    struct aws *aws = aws_of(provider);
    struct operation *op = operation_create(aws->client, &aws->operations, calls, n, done, context);
    op->scripts = &aws->scripts;
    if (*what) {
        (*what)(op);
    } else {
        op->task = world_timer(aws_client_world(aws->client), 0, refuse, op);
    }
}

static void start(struct provider *provider, struct call **calls, size_t n, call_done done,
                  void *context)
{
    begin(provider, calls, n, done, context, &aws_action(calls[0]->node->action)->start);
}

static void lookup(struct provider *provider, struct call *call, call_done done, void *context)
{
    begin(provider, &call, 1, done, context, &aws_action(call->node->action)->lookup);
}

static bool share_request(const struct call *a, const struct call *b)
{
    bool (*together)(const struct call *a, const struct call *b) =
        aws_action(a->node->action)->together;
    return !together || together(a, b);
}

/* Some questions are about one thing alone: SSM's about the instance that commands run on, Route 53's
 * about a change, load balancers' about a target group. One for each, all at the same time. */
static void poll_apart(struct provider *provider, struct call **calls, size_t n, call_done done,
                       void *context)
{
    struct arena *arena = arena_create();
    struct call **rest = ARENA_ARRAY(arena, struct call *, n), **group;
    group = ARENA_ARRAY(arena, struct call *, n);
    memcpy(rest, calls, n * sizeof *rest);
    while (n > 0) {
        size_t kept = 0, together = 0;
        const struct call *first = rest[0];
        for (size_t i = 0; i < n; i++) {
            bool same = i == 0 || share_request(first, rest[i]);
            (same ? group : rest)[same ? together++ : kept++] = rest[i];
        }
        n = kept;
        begin(provider, group, together, done, context, &aws_action(group[0]->node->action)->poll);
    }
    arena_destroy(arena);
}

static void poll(struct provider *provider, struct call **calls, size_t n, call_done done,
                 void *context)
{
    enum action action = calls[0]->node->action;
    if (aws_action(action)->together) {
        poll_apart(provider, calls, n, done, context);
    } else {
        begin(provider, calls, n, done, context, &aws_action(action)->poll);
    }
}

static void destroy(struct provider *provider)
{
    (void)provider; /* goes with its aws */
}

struct provider provider_of(struct aws *aws)
{
    (void)aws;
    return (struct provider){
        .name = "aws", .start = start, .lookup = lookup, .poll = poll, .together = share_request,
        .destroy = destroy};
}
