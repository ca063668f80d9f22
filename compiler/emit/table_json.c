#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/bound.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/summary.h"
#include "compiler/emit/words.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"

static const char *binding_name(enum binding_kind kind)
{
    static const char *const names[] = {"nothing", "node", "pool", "bucket"};
    return names[kind];
}

static void put_binding(struct json_writer *json, const struct graph *graph,
                        const struct graph_node *node, const struct schedule_entry *entry)
{
    json_key(json, "bound_by");
    json_begin_object(json);
    json_key_string(json, "kind", binding_name(entry->bound_by));
    if (entry->binding_node != NO_NODE) {
        json_key_string(json, "node", graph->nodes[entry->binding_node].id);
    }
    if (entry->bound_by == BOUND_BY_POOL) {
        json_key_string(json, "pool", graph->pools[node->acquire].id);
    }
    if (entry->bound_by == BOUND_BY_BUCKET) {
        json_key_string(json, "bucket", bucket_info(action_info(node->action)->bucket)->name);
    }
    json_end_object(json);
}

static void put_inputs(struct json_writer *json, const struct graph *graph,
                       const struct graph_node *node)
{
    struct buffer text = {0};
    json_key(json, "inputs");
    json_begin_object(json);
    for (uint32_t i = 0; i < node->input_count; i++) {
        buffer_clear(&text);
        words_value(graph, &node->inputs[i].value, &text);
        json_key_string(json, node->inputs[i].name, buffer_text(&text));
    }
    json_end_object(json);
    buffer_free(&text);
}

static void put_action(struct json_writer *json, const struct graph *graph,
                       const struct graph_node *node, const struct schedule_entry *entry)
{
    const struct action_info *info = action_info(node->action);
    struct buffer what = {0};
    words_what(graph, node, &what);
    json_begin_object(json);
    json_key_string(json, "id", node->id);
    json_key_string(json, "action", info->name);
    json_key_string(json, "effect", action_effect_name(info->effect));
    json_key_string(json, "vm", node->vm == NO_VM ? NULL : graph->vms[node->vm].name);
    json_key_int(json, "start_ms", entry->start_ms);
    json_key_int(json, "end_ms", entry->end_ms);
    json_key_int(json, "slack_ms", entry->slack_ms);
    json_key_bool(json, "critical", entry->critical);
    put_binding(json, graph, node, entry);
    if (what.length > 0) {
        json_key_string(json, "what", buffer_text(&what));
    }
    put_inputs(json, graph, node);
    json_end_object(json);
    buffer_free(&what);
}

static void put_path(struct json_writer *json, const struct graph *graph,
                     const struct schedule *schedule)
{
    json_key(json, "critical_path");
    json_begin_array(json);
    for (size_t i = 0; i < schedule->critical_path_count; i++) {
        json_string(json, graph->nodes[schedule->critical_path[i]].id);
    }
    json_end_array(json);
}

static void put_head(struct json_writer *json, const struct graph *graph,
                     const struct schedule *schedule, const struct table_options *options)
{
    json_key_string(json, "format", "drc-schedule/1");
    json_key_string(json, "plan", graph->plan_name);
    json_key_string(json, "workflow", workflow_name(graph->workflow));
    if (schedule->rto_ms > 0) {
        json_key_int(json, "predicted_rto_ms", schedule->rto_ms);
    }
    if (options->rto_objective_ms > 0) {
        json_key_int(json, "objective_rto_ms", options->rto_objective_ms);
    }
    json_key_int(json, "makespan_ms", schedule->makespan_ms);
    json_key_int(json, "action_count", (int64_t)graph->node_count);
    int64_t gain_ms = summary_gain_of_prepare_ms(graph, schedule);
    if (gain_ms > 0) {
        json_key_int(json, "gain_of_prepare_ms", gain_ms);
    }
    json_key(json, "assumptions");
    json_begin_array(json);
    for (size_t i = 0; i < graph->assumption_count; i++) {
        json_string(json, graph->assumptions[i]);
    }
    json_end_array(json);
}

void emit_table_json(const struct graph *graph, const struct schedule *schedule,
                     const struct table_options *options, struct buffer *out)
{
    struct arena *arena = arena_create();
    graph = graph_bound(arena, graph, options->facts);
    struct json_writer json = json_writer(out, 2);
    json.compact_from = 3;
    json_begin_object(&json);
    put_head(&json, graph, schedule, options);
    put_path(&json, graph, schedule);
    json_key(&json, "actions");
    json_begin_array(&json);
    for (size_t i = 0; i < graph->node_count; i++) {
        put_action(&json, graph, &graph->nodes[i], &schedule->entries[i]);
    }
    json_end_array(&json);
    json_end_object(&json);
    buffer_putc(out, '\n');
    arena_destroy(arena);
}
