#include "runtime/aws/describe.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/map.h"

enum {
    REPEATS_MAX = 3,  /* a chunk is asked about again without the ids that are not there */
    REFUSED_MAX = 24, /* answers in one poll that some id is not there */
    PAGES_MAX = 1000,
};

struct poll {
    const char *next; /* the page that was asked for last; NULL: the first */
    const struct describe *describe;
    size_t from, to;      /* the chunk under way: calls [from, to) */
    size_t size;          /* of a chunk */
    struct map by_id;     /* -> struct same * */
    const char *question; /* the form: further pages are asked for with the same ids */
    int repeats, refused, pages;
};

struct same { /* calls about one id */
    size_t call;
    struct same *next;
};

void describe_each(const struct xml *root, const char *set, bool reservations,
                   void (*each)(void *context, const struct xml *object), void *context)
{
    if (!reservations) {
        for (const struct xml *item = xml_first(root, set); item; item = item->next) {
            each(context, item);
        }
        return;
    }
    for (const struct xml *one = xml_first(root, "reservationSet"); one; one = one->next) {
        for (const struct xml *item = xml_first(one, "instancesSet"); item; item = item->next) {
            each(context, item);
        }
    }
}

static const char *id_of(struct operation *op, size_t i)
{
    const struct poll *poll = op->state;
    const char *id = call_text(op->calls[i], poll->describe->input);
    return id ? id : "";
}

static void on_page(struct operation *op, const struct aws_answer *answer);

static void ask_page(struct operation *op, const char *next_token)
{
    struct poll *poll = op->state;
    struct form form = {{0}};
    buffer_puts(&form.body, poll->question);
    form_add(&form, next_token, "NextToken");
    operation_send(op, poll->describe->api, &form, false,
                   bucket_of_api(poll->describe->api, BUCKET_EC2_DESCRIBE), on_page);
}

/* Asks about those of the chunk that have no result. False when there are none. */
static bool ask(struct operation *op)
{
    struct poll *poll = op->state;
    const struct describe *describe = poll->describe;
    struct form form = {{0}};
    size_t count = 0;
    form_begin(&form, AWS_SERVICE_EC2, describe->api);
    poll->by_id = (struct map){.arena = op->arena};
    for (size_t i = poll->from; i < poll->to; i++) {
        struct same *same = ARENA_NEW(op->arena, struct same);
        same->call = i;
        same->next = map_get(&poll->by_id, id_of(op, i));
        if (!op->answered[i] && map_put(&poll->by_id, id_of(op, i), same)) {
            form_add(&form, id_of(op, i), "%s.%zu", describe->id_parameter, ++count);
        }
    }
    buffer_puts(&form.body, describe->extra ? describe->extra : "");
    poll->question = arena_strdup(op->arena, buffer_text(&form.body));
    buffer_free(&form.body);
    if (count > 0) {
        ask_page(op, NULL);
    }
    return count > 0;
}

static void ask_next_chunk(struct operation *op)
{
    struct poll *poll = op->state;
    do {
        poll->from = poll->to;
        poll->to = op->n - poll->from < poll->size ? op->n : poll->from + poll->size;
        poll->repeats = poll->pages = 0;
    } while (poll->from < op->n && !ask(op));
}

static void tell_absent(struct operation *op, size_t i, const struct aws_answer *answer)
{
    const struct aws_action *action = aws_action(op->calls[i]->node->action);
    if (op->answered[i]) {
        return;
    }
    if (action->absent) {
        action->absent(op, i, answer);
    } else {
        operation_tell(op, i, OUTCOME_ABSENT, NULL, "%s is not there", id_of(op, i));
    }
}

static void see_one(void *context, const struct xml *object)
{
    struct operation *op = context;
    struct poll *poll = op->state;
    const char *id = xml_text(object, poll->describe->id_element);
    struct same *same = id ? map_get(&poll->by_id, id) : NULL;
    for (; same; same = same->next) {
        if (poll->describe->see) {
            poll->describe->see(op, same->call, object);
        } else {
            aws_action(op->calls[same->call]->node->action)->see(op, same->call, object);
        }
    }
}

/* Half of the chunk is asked about without the other: whoever spoils it spoils one half only. */
static void halve(struct operation *op)
{
    struct poll *poll = op->state;
    poll->size = (poll->to - poll->from + 1) / 2;
    poll->to = poll->from;
    ask_next_chunk(op);
}

/* NotFound names ids: one of volumes, all of instances. Those are told, the rest asked again; where
 * that does not help, in halves. */
static void take_out(struct operation *op, const struct aws_answer *answer)
{
    struct poll *poll = op->state;
    size_t before = op->open;
    for (size_t i = poll->from; i < poll->to; i++) {
        if (poll->to - poll->from == 1 || strstr(answer->error.message, id_of(op, i))) {
            tell_absent(op, i, answer);
        }
    }
    bool progress = op->open < before;
    if (op->open == 0) {
        return;
    }
    if (poll->refused++ == REFUSED_MAX) {
        struct aws_answer again = *answer;
        again.outcome = OUTCOME_RETRY;
        operation_refused(op, &again);
    } else if (progress && poll->repeats++ < REPEATS_MAX) {
        if (!ask(op)) {
            ask_next_chunk(op);
        }
    } else if (poll->to - poll->from == 1) {
        ask_next_chunk(op);
    } else {
        halve(op);
    }
}

/* What is on no page yet is not proved absent. */
static void refuse_endless(struct operation *op, const struct aws_answer *answer)
{
    struct aws_answer again = *answer;
    again.outcome = OUTCOME_RETRY;
    again.error.message = "the pages of the answer do not end";
    operation_refused(op, &again);
}

static bool says_absent(const struct describe *describe, const struct aws_answer *answer)
{
    return answer->outcome == OUTCOME_ABSENT ||
           (describe->absent_code && answer->error.code &&
            strcmp(answer->error.code, describe->absent_code) == 0);
}

static void on_page(struct operation *op, const struct aws_answer *answer)
{
    struct poll *poll = op->state;
    if (says_absent(poll->describe, answer)) {
        take_out(op, answer);
        return;
    }
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    describe_each(answer->xml, poll->describe->set, poll->describe->reservations, see_one, op);
    const char *next = xml_text(answer->xml, "nextToken");
    if (next && op->open > 0) {
        bool again = poll->next && strcmp(poll->next, next) == 0;
        if (!again && poll->pages++ < PAGES_MAX) {
            poll->next = arena_strdup(op->arena, next);
            ask_page(op, next);
        } else {
            refuse_endless(op, answer);
        }
        return;
    }
    for (size_t i = poll->from; i < poll->to; i++) {
        tell_absent(op, i, answer);
    }
    if (op->open > 0) {
        ask_next_chunk(op);
    }
}

void describe_poll(struct operation *op, const struct describe *describe)
{
    struct poll *poll = ARENA_NEW(op->arena, struct poll);
    poll->describe = describe;
    poll->size = (size_t)action_info(op->calls[0]->node->action)->batch_max;
    op->state = poll;
    ask_next_chunk(op);
}
