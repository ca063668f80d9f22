#include "runtime/engine/decision.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/text.h"
#include "compiler/front/diagnostic.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/executor_state.h"
#include "runtime/state/journal.h"

/* --- records --- */

static void put_clean(struct json_writer *json, const char *key, const char *text)
{
    char *clean = text_clean(text);
    json_key_string(json, key, clean);
    free(clean);
}

void decision_record(struct journal *journal, const struct decision *decision, int32_t node,
                     int64_t alive_ms)
{
    struct buffer record = {0};
    struct json_writer json = json_writer(&record, 0);
    json_begin_object(&json);
    json_key_string(&json, "r", "decision");
    if (node != NO_NODE) {
        json_key_int(&json, "n", node);
    }
    if (alive_ms >= 0) {
        json_key_int(&json, "t", alive_ms);
    }
    put_clean(&json, "verb", decision->verb);
    put_clean(&json, "id", decision->id);
    put_clean(&json, "target", decision->target);
    put_clean(&json, "who", decision->who);
    put_clean(&json, "comment", decision->comment);
    put_clean(&json, "refused", decision->refused);
    json_key_int(&json, "at", decision->at_utc_ms);
    json_end_object(&json);
    journal_append(journal, buffer_text(&record));
    buffer_free(&record);
}

static const char *text_of(struct arena *arena, const cJSON *record, const char *key)
{
    const char *text = json_text_of(record, key);
    return text ? arena_strdup(arena, text) : NULL;
}

struct decision decision_read(struct arena *arena, const cJSON *record)
{
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(record, "at");
    const char *verb = text_of(arena, record, "verb");
    return (struct decision){
        .verb = verb ? verb : "",
        .id = text_of(arena, record, "id"),
        .target = text_of(arena, record, "target"),
        .who = text_of(arena, record, "who"),
        .comment = text_of(arena, record, "comment"),
        .refused = text_of(arena, record, "refused"),
        .at_utc_ms = json_int_or(at, 0),
    };
}

static const char *kept(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

struct decision *decision_copy(struct arena *arena, const struct decision *decision)
{
    struct decision *copy = ARENA_NEW(arena, struct decision);
    *copy = (struct decision){
        .verb = kept(arena, decision->verb),
        .id = kept(arena, decision->id),
        .target = kept(arena, decision->target),
        .who = kept(arena, decision->who),
        .comment = kept(arena, decision->comment),
        .refused = kept(arena, decision->refused),
        .at_utc_ms = decision->at_utc_ms,
    };
    return copy;
}

void decision_put(const struct decision *decision, struct buffer *out)
{
    text_put(out, decision->verb);
    if (decision->target) {
        buffer_putc(out, ' ');
        text_put(out, decision->target);
    }
    if (decision->who) {
        buffer_puts(out, ", by ");
        text_put(out, decision->who);
    }
    if (decision->comment) {
        buffer_puts(out, ": ");
        text_put(out, decision->comment);
    }
    if (decision->refused) {
        buffer_puts(out, " (refused: ");
        text_put(out, decision->refused);
        buffer_putc(out, ')');
    }
}

/* --- going on without a node --- */

static const char *output_wanted(const struct value *value, uint32_t node)
{
    if (value->kind == VALUE_OUTPUT) {
        return value->node == (int32_t)node ? value->text : NULL;
    }
    if (value->kind == VALUE_LIST || value->kind == VALUE_MAP || value->kind == VALUE_TEMPLATE) {
        for (uint32_t i = 0; i < value->count; i++) {
            const char *wanted = output_wanted(&value->items[i], node);
            if (wanted) {
                return wanted;
            }
        }
    }
    return NULL;
}

static bool is_wanted(const struct graph *graph, decision_status status, const void *context,
                      uint32_t node, struct error *error)
{
    for (uint32_t i = node + 1; i < graph->node_count; i++) {
        const struct graph_node *after = &graph->nodes[i];
        if (status(context, i)->state == NODE_DONE) {
            continue;
        }
        for (uint32_t k = 0; k < after->input_count; k++) {
            const char *wanted = output_wanted(&after->inputs[k].value, node);
            if (wanted) {
                error_set(error, "%s cannot be left out: %s needs its %s", graph->nodes[node].id,
                          after->id, wanted);
                error_help(error, "skip %s too, or drc run retry takes %s up again", after->id,
                           graph->nodes[node].id);
                return true;
            }
        }
    }
    return false;
}

/* What stands before a milestone; NULL: nothing. */
static const struct graph_node *undone_before(const struct graph *graph, decision_status status,
                                              const void *context, uint32_t node)
{
    const struct graph_node *milestone = &graph->nodes[node];
    for (uint32_t e = 0; e < milestone->after_count; e++) {
        uint32_t before = milestone->after[e].node;
        if (status(context, before)->state != NODE_DONE) {
            return &graph->nodes[before];
        }
    }
    return NULL;
}

static bool refuse_milestone(const struct graph *graph, decision_status status,
                             const void *context, uint32_t node, struct error *error)
{
    const struct graph_node *before = undone_before(graph, status, context, node);
    error_set(error, "%s is a milestone: it holds when what comes before it is done",
              graph->nodes[node].id);
    return before ? error_help(error, "skip what stands before it: %s", before->id)
                  : error_help(error, "drc run show --all lists what comes before it");
}

/* What an action waits for before it may begin; NULL: nothing. */
static const struct graph_node *awaited(const struct graph *graph, decision_status status,
                                        const void *context, uint32_t node)
{
    const struct graph_node *skipped = &graph->nodes[node];
    for (uint32_t e = 0; e < skipped->after_count; e++) {
        const struct graph_node *before = &graph->nodes[skipped->after[e].node];
        enum node_state state = status(context, before->index)->state;
        bool ended = skipped->after[e].when != WHEN_OK || before->continue_on_failure;
        if (state != NODE_DONE && !(ended && node_is_final(state))) {
            return before;
        }
    }
    return NULL;
}

/* Skipped too early it would let what comes after it begin before what it waits for: a database's
 * check skipped before the database runs. */
static bool refuse_early(const struct graph_node *node, const struct graph_node *before,
                         struct error *error)
{
    error_set(error, "%s cannot be skipped yet: it waits for %s, without which what comes after it would "
              "begin", node->id, before->id);
    return error_help(error, "skip it when its turn has come (drc run show --explain %s), or skip both",
                      node->id);
}

bool decision_may_skip(const struct graph *graph, decision_status status, const void *context,
                       uint32_t node, struct error *error)
{
    const struct action_info *info = action_info(graph->nodes[node].action);
    const struct node_status *now = status(context, node);
    if (now->state == NODE_DONE) {
        return error_set(error, now->waived ? "%s is skipped already" : "%s is done already",
                         graph->nodes[node].id);
    }
    if (info->effect == EFFECT_LOCAL) {
        return refuse_milestone(graph, status, context, node, error);
    }
    if (now->state == NODE_RUNNING && info->effect != EFFECT_WAIT) {
        error_set(error, "%s is being carried out right now", graph->nodes[node].id);
        return error_help(error, "it can be skipped once it has failed, or while it waits");
    }
    if (is_wanted(graph, status, context, node, error)) {
        return false;
    }
    const struct graph_node *before = awaited(graph, status, context, node);
    return !before || refuse_early(&graph->nodes[node], before, error);
}

/* --- names --- */

static const char *nearest(const struct graph *graph, bool vms, const char *name)
{
    size_t count = 0;
    const char **names = base_alloc((graph->vm_count + graph->node_count + 1) * sizeof *names);
    for (size_t i = 0; vms && i < graph->vm_count; i++) {
        names[count++] = graph->vms[i].name;
    }
    for (uint32_t i = 0; i < graph->node_count; i++) {
        names[count++] = graph->nodes[i].id;
    }
    const char *near = nearest_name(name, names, count);
    free(names);
    return near;
}

static bool unknown(const struct graph *graph, bool vms, const char *name, struct error *error)
{
    const char *near = nearest(graph, vms, name);
    error_set(error, "the run has no %s \"%s\"%s%s%s", vms ? "VM or action" : "action", name,
              near ? ": did you mean " : "", near ? near : "", near ? "?" : "");
    return error_help(error, "drc run show --all lists them");
}

static const struct graph_node *node_of(const struct graph *graph, const char *id)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (!strcmp(id, graph->nodes[i].id)) {
            return &graph->nodes[i];
        }
    }
    return NULL;
}

const struct graph_node *decision_find_node(const struct graph *graph, const char *id,
                                            struct error *error)
{
    const struct graph_node *node = node_of(graph, id);
    if (!node) {
        unknown(graph, false, id, error);
    }
    return node;
}

bool decision_find(const struct graph *graph, const char *name, struct decision_target *target,
                   struct error *error)
{
    *target = (struct decision_target){NO_VM, NO_NODE};
    for (size_t i = 0; i < graph->vm_count; i++) {
        if (!strcmp(graph->vms[i].name, name)) {
            target->vm = (int32_t)i;
            return true;
        }
    }
    const struct graph_node *node = node_of(graph, name);
    target->node = node ? (int32_t)node->index : NO_NODE;
    return node || unknown(graph, true, name, error);
}

/* --- trying again --- */

static bool may_retry_node(const struct graph *graph, const struct node_status *status,
                           const struct graph_node *node, struct error *error)
{
    if (status->state == NODE_SKIPPED && status->cause != NO_NODE) {
        const char *cause = graph->nodes[status->cause].id;
        error_set(error, "%s was skipped because %s failed", node->id, cause);
        return error_help(error, "drc run retry %s takes both up again", cause);
    }
    if (status->state != NODE_FAILED || node->continue_on_failure) {
        return error_set(error, "%s has not failed: it is %s", node->id,
                         node_state_name(status->state));
    }
    return true;
}

static bool may_retry_vm(const struct graph *graph, decision_status status, const void *context,
                         int32_t vm, struct error *error)
{
    int32_t cause = NO_NODE;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct node_status *now = status(context, i);
        if (graph->nodes[i].vm != vm) {
            continue;
        }
        if (now->state == NODE_FAILED && !graph->nodes[i].continue_on_failure) {
            return true;
        }
        cause = now->state == NODE_SKIPPED ? now->cause : cause;
    }
    const char *name = graph->vms[vm].name;
    if (cause == NO_NODE) {
        error_set(error, "nothing of %s has failed", name);
        return error_help(error, "drc run resume goes on with all that is unfinished");
    }
    int32_t other = graph->nodes[cause].vm;
    error_set(error, "%s was skipped because %s failed", name, graph->nodes[cause].id);
    return error_help(error, "drc run retry %s takes it up, and %s with it",
                      other == NO_VM ? graph->nodes[cause].id : graph->vms[other].name, name);
}

bool decision_may_retry(const struct graph *graph, decision_status status, const void *context,
                        const char *name, struct decision_target *target, struct error *error)
{
    if (!decision_find(graph, name, target, error)) {
        return false;
    }
    return target->vm != NO_VM
               ? may_retry_vm(graph, status, context, target->vm, error)
               : may_retry_node(graph, status(context, (uint32_t)target->node),
                                &graph->nodes[target->node], error);
}
