/* Route 53: records switched and restored. A change is a compare-and-swap at the server: DELETE of
 * exactly what was there and CREATE of the new one in one batch, which is carried out whole or not
 * at all (ChangeResourceRecordSets, Amazon Route 53 API Reference). */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/xml_text.h"
#include "runtime/aws/route53.h"

/* Quotas of a batch ("Quotas on ChangeResourceRecordSets requests", Developer Guide). */
enum { ELEMENTS_MAX = 1000, CHARACTERS_MAX = 32000, CONFLICT_PAGE = 20 };

struct swap {
    struct rrset from, to;
};

struct switching {
    struct swap *swaps;        /* of each call */
    struct aws_answer refusal; /* of a batch of one, while it is looked what is there */
    bool looked_up;            /* for a lost answer */
};

static bool restores(const struct operation *op)
{
    return op->calls[0]->node->action == ACTION_RESTORE_RECORD_SET;
}

static bool read_swap(struct operation *op, size_t i, struct swap *swap, struct error *error)
{
    const struct call *call = op->calls[i];
    const char *name = route53_input(op, i, "record"), *type = route53_input(op, i, "type");
    struct rrset old;
    struct rrset new =
        rrset_wanted(op->arena, name, type, call_int(call, "ttl", 300), call_input(call, "values"));
    if (!rrset_of_json(op->arena, name, type, route53_input(op, i, "old"), &old, error)) {
        return false;
    }
    *swap = restores(op) ? (struct swap){new, old} : (struct swap){old, new};
    return true;
}

/* --- results --- */

static void tell_done(struct operation *op, size_t i, const char *change_id)
{
    struct call_result result = {
        .outcome = OUTCOME_OK, .outputs = {{"change_id", change_id}}, .output_count = 1};
    operation_result(op, i, &result);
}

/* NULL: the answer has none. */
static const char *change_id_of(struct operation *op, const struct aws_answer *answer)
{
    const char *id = xml_text(answer->xml, "ChangeInfo/Id"), *slash = id ? strrchr(id, '/') : NULL;
    return id ? arena_strdup(op->arena, slash ? slash + 1 : id) : NULL;
}

static void tell_changed(struct operation *op, const struct aws_answer *answer)
{
    const char *id = change_id_of(op, answer);
    for (size_t i = 0; i < op->n; i++) {
        if (id) {
            tell_done(op, i, id);
        } else {
            operation_tell(op, i, OUTCOME_UNKNOWN, NULL,
                           "route53 ChangeResourceRecordSets: the answer has no change id");
        }
    }
}

/* Neither what the change was to take the place of, nor what it was to make: somebody else's. */
static void tell_conflict(struct operation *op, const struct rrset *now)
{
    const struct swap *swap = ((struct switching *)op->state)->swaps;
    const char *name = route53_input(op, 0, "record"), *type = route53_input(op, 0, "type");
    const char *is = rrset_text(op->arena, now), *from = rrset_text(op->arena, &swap->from);
    if (restores(op)) {
        operation_tell(
            op, 0, OUTCOME_FATAL,
            "somebody else changed it since: look whether that is right; drc does not take "
            "it back",
            "%s %s is %s: not restored, because it is not what the run wrote (%s; before "
            "the run: %s)",
            name, type, is, from, rrset_text(op->arena, &swap->to));
    } else {
        operation_tell(
            op, 0, OUTCOME_FATAL,
            "somebody else changed it meanwhile: look whether that is right; give it the "
            "old value again and resume, or begin a new run",
            "%s %s is %s: not switched, because it was %s when it was read", name, type, is, from);
    }
}

/* --- batches --- */

static const char *batch_body(struct operation *op, const struct swap *swaps, size_t count)
{
    const struct call *call = op->calls[0];
    struct buffer out = {0};
    buffer_puts(&out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ChangeResourceRecordSetsRequest "
                "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Comment>");
    xml_escape(&out, arena_printf(op->arena, "drc %.100s %s %.60s", call->graph->plan_name,
                                  workflow_name(call->graph->workflow), call->run_id));
    buffer_puts(&out, "</Comment><Changes>");
    for (size_t i = 0; i < count; i++) {
        if (swaps[i].from.there) {
            rrset_write_change(&out, op->arena, "DELETE", &swaps[i].from);
        }
        if (swaps[i].to.there) {
            rrset_write_change(&out, op->arena, "CREATE", &swaps[i].to);
        }
    }
    buffer_puts(&out, "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>");
    const char *body = arena_strdup(op->arena, buffer_text(&out));
    buffer_free(&out);
    return body;
}

static void send_batch(struct operation *op, const struct swap *swaps, size_t count, bool first,
                       operation_step next)
{
    route53_send(op,
                 &(struct route53_request){.operation = "ChangeResourceRecordSets",
                                           .method = "POST",
                                           .path = arena_printf(op->arena, "hostedzone/%s/rrset/",
                                                                route53_input(op, 0, "zone_id")),
                                           .body = batch_body(op, swaps, count),
                                           .first = first},
                 next);
}

static void count_up(const struct rrset *set, size_t *elements, size_t *characters)
{
    *elements += set->count;
    for (size_t i = 0; i < set->count; i++) {
        *characters += strlen(set->values[i]);
    }
}

/* A batch that Route 53 would refuse for its size. */
static bool is_too_large(const struct swap *swaps, size_t count)
{
    size_t elements = 0, characters = 0;
    for (size_t i = 0; i < count; i++) {
        count_up(&swaps[i].from, &elements, &characters);
        count_up(&swaps[i].to, &elements, &characters);
    }
    return count > 1 && (elements > ELEMENTS_MAX || characters > CHARACTERS_MAX);
}

/* --- what is there now --- */

static void on_confirmed(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome == OUTCOME_OK) {
        tell_changed(op, answer);
    } else if (answer->outcome == OUTCOME_FATAL) {
        operation_tell(op, 0, OUTCOME_RETRY, NULL, "%s", answer->error.message);
    } else {
        operation_refused(op, answer);
    }
}

/* It is there already. Which change made it nobody knows any more, but a change of it to itself,
 * which is refused if it is not there by then, is in sync no sooner. */
static void confirm(struct operation *op, const struct rrset *there)
{
    struct swap *same = ARENA_NEW(op->arena, struct swap);
    *same = (struct swap){*there, *there};
    if (there->there) {
        send_batch(op, same, 1, false, on_confirmed);
    } else {
        tell_done(op, 0, "");
    }
}

/* Refused although the record is what it was to be: the reason is another one, such as a CNAME
 * beside it. */
static void tell_refusal(struct operation *op, const struct aws_answer *answer)
{
    const struct switching *switching = op->state;
    const char *name = route53_input(op, 0, "record"), *others = "";
    for (const struct xml *one = xml_first(answer->xml, "ResourceRecordSets"); one;
         one = one->next) {
        const char *of_name = xml_text(one, "Name");
        if (of_name && strcmp(rrset_name(op->arena, of_name), rrset_name(op->arena, name)) == 0) {
            struct rrset set = rrset_of_xml(op->arena, one);
            others = arena_printf(op->arena, "%s%s%s %s", others, *others ? "; " : "", set.type,
                                  rrset_text(op->arena, &set));
        }
    }
    struct aws_answer told = switching->refusal;
    told.error.message = arena_printf(op->arena, "%s (%s has now: %s)", told.error.message, name,
                                      *others ? others : "no record");
    operation_refused_one(op, 0, &told);
}

static void on_now(struct operation *op, const struct aws_answer *answer)
{
    const struct switching *switching = op->state;
    const struct swap *swap = switching->swaps;
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    struct rrset now = route53_find(op->arena, answer, route53_input(op, 0, "record"),
                                    route53_input(op, 0, "type"));
    if (rrset_equal(op->arena, &now, &swap->to)) {
        struct rrset *there = ARENA_NEW(op->arena, struct rrset);
        *there = now;
        confirm(op, there);
    } else if (!rrset_equal(op->arena, &now, &swap->from)) {
        tell_conflict(op, &now);
    } else if (switching->looked_up) {
        operation_tell(op, 0, OUTCOME_ABSENT, NULL, "%s %s is still %s",
                       route53_input(op, 0, "record"), route53_input(op, 0, "type"),
                       rrset_text(op->arena, &now));
    } else {
        tell_refusal(op, answer);
    }
}

/* All types of the name: what stands in the way may be of another one. */
static void look(struct operation *op)
{
    route53_list(op, route53_input(op, 0, "zone_id"), route53_input(op, 0, "record"), NULL,
                 CONFLICT_PAGE, false, on_now);
}

/* --- starts and lookups --- */

static struct aws_answer kept_refusal(struct arena *arena, const struct aws_answer *answer)
{
    struct aws_answer kept = {.outcome = answer->outcome, .error = answer->error};
    kept.error.message = arena_strdup(arena, answer->error.message);
    kept.error.code = answer->error.code ? arena_strdup(arena, answer->error.code) : NULL;
    kept.error.request_id =
        answer->error.request_id ? arena_strdup(arena, answer->error.request_id) : NULL;
    return kept;
}

static void on_switched(struct operation *op, const struct aws_answer *answer)
{
    struct switching *switching = op->state;
    bool invalid = answer->error.code && strcmp(answer->error.code, "InvalidChangeBatch") == 0;
    if (answer->outcome == OUTCOME_OK) {
        tell_changed(op, answer);
    } else if (invalid && op->n == 1) {
        switching->refusal = kept_refusal(op->arena, answer);
        look(op);
    } else {
        operation_refused_named(op, answer, "record"); /* who is to blame goes again in halves */
    }
}

static void on_unreadable(void *context)
{
    struct operation *op = context;
    op->task = NULL;
    struct switching *switching = op->state;
    for (size_t i = 0; i < op->n; i++) {
        operation_refused_one(op, i, &switching->refusal);
    }
    operation_destroy(op);
}

/* Refused without a request; results never come from within. */
static void refuse_later(struct operation *op, const char *message, const char *help)
{
    struct switching *switching = op->state;
    switching->refusal.outcome = OUTCOME_FATAL;
    switching->refusal.error = (struct call_error){
        .service = "route53", .message = arena_strdup(op->arena, message), .help = help};
    op->task = world_timer(aws_client_world(op->client), 0, on_unreadable, op);
}

static bool prepare(struct operation *op)
{
    struct switching *switching = ARENA_NEW(op->arena, struct switching);
    struct error error = {0};
    op->state = switching;
    op->service = AWS_SERVICE_ROUTE53;
    switching->swaps = ARENA_ARRAY(op->arena, struct swap, op->n);
    for (size_t i = 0; i < op->n; i++) {
        if (!read_swap(op, i, &switching->swaps[i], &error)) {
            refuse_later(op, error.message, "the run's journal is damaged");
            error_clear(&error);
            return false;
        }
    }
    return true;
}

static void start_switch(struct operation *op)
{
    if (!prepare(op)) {
        return;
    }
    const struct swap *swaps = ((struct switching *)op->state)->swaps;
    if (is_too_large(swaps, op->n)) {
        refuse_later(op, "more than Route 53 takes in one change", NULL); /* goes in halves */
    } else if (op->n == 1 && !swaps->from.there && !swaps->to.there) {
        look(op);
    } else {
        send_batch(op, swaps, op->n, true, on_switched);
    }
}

static void look_up_switch(struct operation *op)
{
    if (prepare(op)) {
        ((struct switching *)op->state)->looked_up = true;
        look(op);
    }
}

const struct aws_action change_record_set_action = {
    .start = start_switch, .lookup = look_up_switch, .together = route53_same_zone};
const struct aws_action restore_record_set_action = {
    .start = start_switch, .lookup = look_up_switch, .together = route53_same_zone};
