#include "runtime/cli/show_why.h"

#include <inttypes.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "compiler/emit/words.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/state/run.h"
#include "runtime/state/script_outputs.h"
#include "runtime/world/world.h"

enum { LABEL_WIDTH = 12, NEXT_MAX = 6, NOTES_SHOWN = 6, INDENT_MAX = 20 };

static const struct graph_node *node_of(const struct why_page *page, uint32_t index)
{
    return &page->history->graph->nodes[index];
}

static int64_t timeout_ms(const struct graph_node *node)
{
    return node->timeout_ms > 0 ? node->timeout_ms : action_info(node->action)->deadline_ms;
}

static void put_duration(struct buffer *out, int64_t ms)
{
    char text[32];
    buffer_puts(out, format_duration(text, ms > 0 ? ms : 0));
}

/* "(12 tries, 3m 50s left)" */
static void put_patience(const struct why_page *page, uint32_t index, struct buffer *out)
{
    const struct graph_node *node = node_of(page, index);
    const struct node_status *status = &page->history->nodes[index].status;
    int64_t left = status->started_ms + timeout_ms(node) - page->now_ms;
    bool wait = action_info(node->action)->effect == EFFECT_WAIT;
    buffer_puts(out, " (");
    if (status->attempts > 0) {
        int tries = status->attempts + !wait;
        buffer_printf(out, "%d %s, ", tries, tries == 1 ? "try" : "tries");
    }
    put_duration(out, left);
    buffer_puts(out, " left)");
}

static void put_running(const struct why_page *page, uint32_t index, struct buffer *out)
{
    const struct history_node *node = &page->history->nodes[index];
    buffer_puts(out, page->alive ? "is running since " : "was begun ");
    put_duration(out, page->now_ms - node->status.started_ms);
    buffer_puts(out, page->alive ? "" : " before the run was stopped");
    if (node->status.detail) {
        buffer_puts(out, "; last seen: ");
        text_put(out, node->status.detail);
    }
    put_patience(page, index, out);
}

static void put_retrying(const struct why_page *page, uint32_t index, struct buffer *out)
{
    const struct history_node *node = &page->history->nodes[index];
    buffer_puts(out, "is tried again");
    if (node->due_ms > page->now_ms && page->alive) {
        buffer_puts(out, " in ");
        put_duration(out, node->due_ms - page->now_ms);
    }
    if (node->status.detail) {
        buffer_puts(out, "; the last answer was: ");
        text_put(out, node->status.detail);
    }
    put_patience(page, index, out);
}

static void put_failed(const struct why_page *page, uint32_t index, struct buffer *out)
{
    const struct node_status *status = &page->history->nodes[index].status;
    buffer_puts(out, "failed: ");
    text_put(out, status->detail ? status->detail : "nothing more is known");
    if (status->code) {
        buffer_printf(out, " (%s%s", status->service ? status->service : "",
                      status->service ? " " : "");
        text_put(out, status->code);
        if (status->request_id) {
            buffer_puts(out, ", request ");
            text_put(out, status->request_id);
        }
        buffer_putc(out, ')');
    }
}

/* "waits for a place in conversion/i-0f…: all 5 are held, by db/disk-0/attach-volume (since …), …" */
static void put_pool(const struct why_page *page, uint32_t index, struct buffer *out)
{
    const struct graph_pool *pool = &page->history->graph->pools[node_of(page, index)->acquire];
    uint32_t *holders;
    size_t count =
        why_holders(page->arena, page->history, node_of(page, index)->acquire, &holders);
    buffer_printf(out, "waits for a place in %s: %s held, by", pool->id,
                  pool->capacity == 1 ? "the only one is" : "all are");
    for (size_t i = 0; i < count; i++) {
        int64_t since = page->now_ms - page->history->nodes[holders[i]].status.started_ms;
        buffer_printf(out, "%s %s (", i ? "," : "", node_of(page, holders[i])->id);
        put_duration(out, since);
        buffer_putc(out, ')');
    }
}

static void put_limit(const struct why_page *page, uint32_t index, struct buffer *out)
{
    const struct action_info *info = action_info(node_of(page, index)->action);
    const struct bucket_info *bucket = bucket_info(info->bucket);
    buffer_puts(out, "could start, and waits for its turn");
    if (bucket->refill_per_s > 0) {
        buffer_printf(out, " at the rate limit %s (%g a second, %g at once)", bucket->name,
                      bucket->refill_per_s, bucket->capacity);
    }
}

static void put_link(const struct why_page *page, const struct why_link *link, struct buffer *out)
{
    const struct node_status *status = &page->history->nodes[link->node].status;
    buffer_printf(out, "%s ", node_of(page, link->node)->id);
    switch (link->kind) {
    case WHY_DONE:
        buffer_puts(out, "is done, after ");
        put_duration(out, status->ended_ms - status->started_ms);
        break;
    case WHY_RUNNING:
        put_running(page, link->node, out);
        break;
    case WHY_RETRYING:
        put_retrying(page, link->node, out);
        break;
    case WHY_FAILED:
        put_failed(page, link->node, out);
        break;
    case WHY_SKIPPED:
        buffer_puts(out, "was skipped");
        if (link->other != NO_NODE) {
            buffer_printf(out, " because %s failed", node_of(page, (uint32_t)link->other)->id);
        }
        break;
    case WHY_WAITS_FOR_NODE:
        buffer_printf(out, "waits for %s", node_of(page, (uint32_t)link->other)->id);
        break;
    case WHY_WAITS_FOR_POOL:
        put_pool(page, link->node, out);
        break;
    case WHY_WAITS_FOR_LIMIT:
        put_limit(page, link->node, out);
        break;
    case WHY_STOPPED:
        buffer_puts(out, "could start, but no process works on the run");
        break;
    }
}

/* Waiting within one VM is told in one line: of `from` the last link that still waits there. */
static size_t last_within(const struct why_page *page, const struct why *why, size_t from)
{
    size_t i = from;
    while (i + 1 < why->count && why->links[i].kind == WHY_WAITS_FOR_NODE &&
           why->links[i + 1].kind == WHY_WAITS_FOR_NODE &&
           node_of(page, why->links[i + 1].node)->vm == node_of(page, why->links[from].node)->vm) {
        i++;
    }
    return i;
}

static void put_waiting(const struct why_page *page, const struct why *why, size_t from, size_t to,
                        struct buffer *out)
{
    buffer_printf(out, "%s waits for %s", node_of(page, why->links[from].node)->id,
                  node_of(page, (uint32_t)why->links[to].other)->id);
    if (to > from) {
        buffer_printf(out, " (before it %s%s", to - from > 1 ? "come " : "comes ",
                      node_of(page, why->links[from + 1].node)->id);
        if (to - from > 1) {
            buffer_printf(out, "%s%s", to - from > 2 ? " … " : ", ",
                          node_of(page, why->links[to].node)->id);
        }
        buffer_putc(out, ')');
    }
}

/* The chain: each link under the one that waits for it. */
static void put_chain(const struct why_page *page, const struct why *why, int indent,
                      struct buffer *out)
{
    for (size_t i = 0; i < why->count; i++, indent += 2) {
        struct buffer text = {0};
        size_t to = last_within(page, why, i);
        if (to > i) {
            put_waiting(page, why, i, to, &text);
        } else {
            put_link(page, &why->links[i], &text);
        }
        i = to;
        int column = indent < INDENT_MAX ? indent : INDENT_MAX;
        buffer_printf(out, "%*s", column, "");
        text_wrap(out, buffer_text(&text), column, column + 4, page->width);
        buffer_putc(out, '\n');
        buffer_free(&text);
    }
}

/* The file with what the node's script has written (so far); NULL: there is none here. */
static const char *output_of(const struct why_page *page, uint32_t index)
{
    return script_outputs_find(page->arena, page->run->directory, node_of(page, index)->id,
                               page->history->nodes[index].status.generation);
}

static struct why find(const struct why_page *page, uint32_t node)
{
    return why_find(page->arena, page->history, page->schedule, node, page->alive);
}

static void put_stopped(const struct why_page *page, struct buffer *out)
{
    if (!page->alive && !run_status_is_final(page->run->status)) {
        buffer_printf(out, "\nno process works on the run (%s); drc run resume %s goes on\n",
                      lookup_status_word(page->run), page->run->id);
    }
}

/* --- one node: all that is known of it --- */

static void put_label(struct buffer *out, const char *label)
{
    buffer_puts(out, "  ");
    text_pad(out, label, LABEL_WIDTH);
}

static void put_field(const struct why_page *page, const char *label, const char *text,
                      struct buffer *out)
{
    put_label(out, label);
    text_wrap(out, text, LABEL_WIDTH + 2, LABEL_WIDTH + 2, page->width);
    buffer_putc(out, '\n');
}

static void put_because(const struct why_page *page, const struct graph_node *node,
                        struct buffer *out)
{
    struct buffer text = {0};
    if (node->because.file) {
        buffer_printf(&text, "%s:%" PRIu32 "%s", node->because.file, node->because.line,
                      node->because.rule ? ", " : "");
    }
    buffer_puts(&text, node->because.rule ? node->because.rule : "");
    if (text.length) {
        put_field(page, "because", buffer_text(&text), out);
    }
    buffer_free(&text);
}

/* "began at 6m 02s, predicted at 5m 16s; took 1m, predicted 20s" */
static void put_times(const struct why_page *page, uint32_t index, struct buffer *out)
{
    const struct node_status *status = &page->history->nodes[index].status;
    struct buffer text = {0};
    char duration[32];
    if (status->started_ms >= 0) {
        buffer_printf(&text, "began at %s of the run", format_duration(duration, status->started_ms));
        if (status->ended_ms >= 0) {
            buffer_puts(&text, ", took ");
            put_duration(&text, status->ended_ms - status->started_ms);
        }
    }
    if (page->schedule) {
        const struct schedule_entry *entry = &page->schedule->entries[index];
        buffer_printf(&text, "%spredicted: at %s", text.length ? "; " : "",
                      format_duration(duration, entry->start_ms));
        buffer_printf(&text, ", for %s", format_duration(duration, entry->end_ms - entry->start_ms));
        buffer_puts(&text, entry->critical ? ", on the critical path" : "");
    }
    put_field(page, "times", buffer_text(&text), out);
    buffer_free(&text);
}

static void put_inputs(const struct why_page *page, const struct graph_node *node,
                       struct buffer *out)
{
    for (uint32_t i = 0; i < node->input_count; i++) {
        struct buffer text = {0};
        struct value value = why_value(page->arena, page->history, page->facts, node->index,
                                       &node->inputs[i].value);
        buffer_printf(&text, "%s = ", node->inputs[i].name);
        words_value(page->history->graph, &value, &text);
        put_field(page, i == 0 ? "inputs" : "", buffer_text(&text), out);
        buffer_free(&text);
    }
}

static void put_outputs(const struct why_page *page, uint32_t index, struct buffer *out)
{
    const struct ledger_outputs *outputs = &page->history->ledger->outputs[index];
    for (size_t i = 0; i < outputs->count; i++) {
        put_field(page, i == 0 ? "yielded" : "",
                  arena_printf(page->arena, "%s = %s", outputs->items[i].name,
                               outputs->items[i].value),
                  out);
    }
}

static void put_note(const struct why_page *page, const struct history_note *note,
                     struct buffer *out)
{
    static const char *const words[] = {
        [HISTORY_SENT] = "request sent",
        [HISTORY_RETRY] = "failed in passing",
        [HISTORY_SEEN] = "saw",
        [HISTORY_NEXT] = "takes the next alternative",
    };
    char time[32];
    format_time(time, note->utc_ms);
    buffer_printf(out, "%.8s %s", time + 11, words[note->kind]);
    if (note->kind == HISTORY_SENT) {
        buffer_printf(out, ", try %d", note->attempt + 1);
        return;
    }
    const char *colon = ": ";
    const char *const texts[] = {note->outcome, note->code, note->text};
    for (size_t i = 0; i < 3; i++) {
        if (texts[i]) {
            buffer_puts(out, colon);
            text_put(out, texts[i]);
            colon = ", ";
        }
    }
    if (note->request_id) {
        buffer_puts(out, " (request ");
        text_put(out, note->request_id);
        buffer_putc(out, ')');
    }
    if (note->wait_ms >= 0) {
        buffer_puts(out, "; again after ");
        put_duration(out, note->wait_ms);
    }
    (void)page;
}

static void put_notes(const struct why_page *page, uint32_t index, struct buffer *out)
{
    const struct history_node *node = &page->history->nodes[index];
    size_t first = node->note_count > NOTES_SHOWN ? node->note_count - NOTES_SHOWN : 0;
    for (size_t i = first; i < node->note_count; i++) {
        struct buffer text = {0};
        put_note(page, &node->notes[i], &text);
        put_field(page, i == first ? "so far" : "", buffer_text(&text), out);
        buffer_free(&text);
    }
}

void show_why_node(const struct why_page *page, uint32_t index, struct buffer *out)
{
    const struct graph_node *node = node_of(page, index);
    const struct node_status *status = &page->history->nodes[index].status;
    struct why why = find(page, index);
    struct buffer what = {0};
    put_chain(page, &why, 0, out);
    buffer_putc(out, '\n');
    words_what(page->history->graph, node, &what);
    put_field(page, "action",
              arena_printf(page->arena, "%s%s%s", action_info(node->action)->name,
                           what.length ? ": " : "", buffer_text(&what)),
              out);
    buffer_free(&what);
    put_because(page, node, out);
    put_times(page, index, out);
    if (status->help) {
        put_field(page, "help", status->help, out);
    }
    const char *output = output_of(page, index);
    if (output) {
        put_field(page, "output", output, out);
    }
    put_inputs(page, node, out);
    put_outputs(page, index, out);
    put_notes(page, index, out);
    put_stopped(page, out);
}

/* --- a VM --- */

static const char *vm_name(const struct why_page *page, int32_t vm)
{
    return vm == NO_VM ? "the plan" : page->history->graph->vms[vm].name;
}

void show_why_vm(const struct why_page *page, int32_t vm, struct buffer *out)
{
    size_t done = 0, total = 0;
    for (uint32_t i = 0; i < page->history->graph->node_count; i++) {
        bool own = node_of(page, i)->vm == vm;
        total += own;
        done += own && page->history->nodes[i].status.state == NODE_DONE;
    }
    uint32_t *next;
    size_t count = why_frontier(page->arena, page->history, vm, &next);
    buffer_printf(out, "%s: %zu of %zu actions done%s\n", vm_name(page, vm), done, total,
                  count == 0 ? "" : ":");
    for (size_t i = 0; i < count && i < NEXT_MAX; i++) {
        struct why why = find(page, next[i]);
        put_chain(page, &why, 2, out);
    }
    if (count > NEXT_MAX) {
        buffer_printf(out, "  and %zu more\n", count - NEXT_MAX);
    }
    put_stopped(page, out);
}

/* --- JSON --- */

static void key_moment(struct json_writer *json, const char *key, int64_t ms)
{
    if (ms >= 0) {
        json_key_int(json, key, ms);
    }
}

static void write_holders(const struct why_page *page, uint32_t index, struct json_writer *json)
{
    uint32_t *holders;
    int32_t pool = node_of(page, index)->acquire;
    size_t count = why_holders(page->arena, page->history, pool, &holders);
    json_key_string(json, "pool", page->history->graph->pools[pool].id);
    json_key(json, "held_by");
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        json_string(json, node_of(page, holders[i])->id);
    }
    json_end_array(json);
}

static void write_link(const struct why_page *page, const struct why_link *link,
                       struct json_writer *json)
{
    const struct history_node *node = &page->history->nodes[link->node];
    struct buffer text = {0};
    put_link(page, link, &text);
    json_begin_object(json);
    json_key_string(json, "node", node_of(page, link->node)->id);
    json_key_string(json, "why", why_name(link->kind));
    json_key_string(json, "text", buffer_text(&text));
    if (link->other != NO_NODE) {
        json_key_string(json, "other", node_of(page, (uint32_t)link->other)->id);
    }
    if (link->kind == WHY_WAITS_FOR_POOL) {
        write_holders(page, link->node, json);
    } else if (link->kind == WHY_WAITS_FOR_LIMIT) {
        enum bucket bucket = action_info(node_of(page, link->node)->action)->bucket;
        json_key_string(json, "limit", bucket_info(bucket)->name);
    }
    key_moment(json, "started_ms", node->status.started_ms);
    key_moment(json, "ended_ms", node->status.ended_ms);
    key_moment(json, "next_attempt_ms", node->due_ms);
    if (link->kind == WHY_RUNNING || link->kind == WHY_RETRYING) {
        json_key_int(json, "attempts", node->status.attempts);
        json_key_int(json, "deadline_ms",
                     node->status.started_ms + timeout_ms(node_of(page, link->node)));
    }
    json_key_string(json, "detail", node->status.detail);
    json_key_string(json, "output", output_of(page, link->node));
    json_key_string(json, "code", node->status.code);
    json_key_string(json, "request_id", node->status.request_id);
    json_end_object(json);
    buffer_free(&text);
}

static void write_values(const struct why_page *page, uint32_t index, struct json_writer *json)
{
    const struct graph_node *node = node_of(page, index);
    const struct ledger_outputs *outputs = &page->history->ledger->outputs[index];
    json_key(json, "inputs");
    json_begin_object(json);
    for (uint32_t i = 0; i < node->input_count; i++) {
        struct buffer text = {0};
        struct value value =
            why_value(page->arena, page->history, page->facts, index, &node->inputs[i].value);
        words_value(page->history->graph, &value, &text);
        json_key_string(json, node->inputs[i].name, buffer_text(&text));
        buffer_free(&text);
    }
    json_end_object(json);
    json_key(json, "outputs");
    json_begin_object(json);
    for (size_t i = 0; i < outputs->count; i++) {
        json_key_string(json, outputs->items[i].name, outputs->items[i].value);
    }
    json_end_object(json);
}

static void write_notes(const struct why_page *page, uint32_t index, struct json_writer *json)
{
    static const char *const kinds[] = {"sent", "retry", "seen", "next"};
    const struct history_node *node = &page->history->nodes[index];
    json_key(json, "notes");
    json_begin_array(json);
    for (size_t i = 0; i < node->note_count; i++) {
        char time[32];
        const struct history_note *note = &node->notes[i];
        json_begin_object(json);
        json_key_string(json, "t", format_time(time, note->utc_ms));
        json_key_string(json, "kind", kinds[note->kind]);
        json_key_string(json, "outcome", note->outcome);
        json_key_string(json, "code", note->code);
        json_key_string(json, "text", note->text);
        json_key_string(json, "request_id", note->request_id);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_node(const struct why_page *page, uint32_t index, struct json_writer *json)
{
    const struct graph_node *node = node_of(page, index);
    struct why why = find(page, index);
    json_begin_object(json);
    json_key_string(json, "node", node->id);
    json_key_string(json, "action", action_info(node->action)->name);
    json_key_string(json, "state", node_state_name(page->history->nodes[index].status.state));
    json_key(json, "why");
    json_begin_array(json);
    for (size_t i = 0; i < why.count; i++) {
        write_link(page, &why.links[i], json);
    }
    json_end_array(json);
    json_key_string(json, "file", node->because.file);
    key_moment(json, "line", node->because.line ? (int64_t)node->because.line : -1);
    json_key_string(json, "rule", node->because.rule);
    if (page->schedule) {
        json_key_int(json, "predicted_start_ms", page->schedule->entries[index].start_ms);
        json_key_int(json, "predicted_end_ms", page->schedule->entries[index].end_ms);
    }
    write_values(page, index, json);
    write_notes(page, index, json);
    json_end_object(json);
}

void show_why_json(const struct why_page *page, const uint32_t *nodes, size_t count, int32_t vm,
                   struct buffer *out)
{
    struct json_writer writer = json_writer(out, 2), *json = &writer;
    json_begin_object(json);
    json_key_string(json, "run", page->run->id);
    json_key_string(json, "status", run_status_name(page->run->status));
    json_key_bool(json, "alive", page->alive);
    json_key_int(json, "now_ms", page->now_ms);
    if (vm != NO_VM) {
        json_key_string(json, "vm", vm_name(page, vm));
    }
    json_key(json, "nodes");
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        write_node(page, nodes[i], json);
    }
    json_end_array(json);
    json_end_object(json);
}
