#include "tests/unit/support/lower_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "compiler/lower/lower.h"
#include "compiler/plan/files.h"

static const struct facts *read_facts(struct arena *arena, const char *json)
{
    struct error error = {0};
    const struct facts *facts = facts_read(arena, "facts.json", json, strlen(json), &error);
    if (!facts) {
        fail_msg("%s", error.message);
    }
    return facts;
}

static void expect_sound(struct plan_fixture *plan)
{
    if (plan->plan && plan->diagnostics->error_count == 0) {
        return;
    }
    struct buffer text = {0};
    diagnostics_write(plan->diagnostics, DIAGNOSTIC_FORMAT_HUMAN, false, &text);
    print_error("%s", buffer_text(&text));
    buffer_free(&text);
    fail_msg("the plan of the test is not sound");
}

struct lower_fixture lower_workflow(const char *plan_text, const char *facts_json,
                                    enum workflow workflow)
{
    struct lower_fixture fixture = {.plan = fixture_check(plan_text)};
    expect_sound(&fixture.plan);
    struct arena *arena = fixture.plan.arena;
    plan_digest(fixture.plan.plan, NULL, 0, fixture.plan.diagnostics);
    fixture.graph =
        lower(arena, fixture.plan.plan, workflow, facts_json ? read_facts(arena, facts_json) : NULL,
              fixture.plan.diagnostics);
    if (fixture.graph) {
        struct error error = {0};
        if (!graph_verify(fixture.graph, &error)) {
            fail_msg("%s", error.message);
        }
        graph_index(fixture.graph);
    }
    return fixture;
}

struct lower_fixture lower_plan(const char *plan_text, const char *facts_json)
{
    return lower_workflow(plan_text, facts_json, WORKFLOW_FAILOVER);
}

struct lower_fixture lower_vms(const char *vms, const char *facts_json)
{
    struct arena *arena = arena_create();
    struct lower_fixture fixture =
        lower_plan(arena_printf(arena, "%svms:\n%s", fixture_head, vms), facts_json);
    arena_destroy(arena);
    return fixture;
}

const struct graph_node *lower_node(const struct lower_fixture *fixture, const char *id)
{
    assert_non_null(fixture->graph);
    const struct graph_node *node = graph_node_by_id(fixture->graph, id);
    if (!node) {
        fail_msg("there is no node %s", id);
    }
    return node;
}

bool lower_has(const struct lower_fixture *fixture, const char *id)
{
    assert_non_null(fixture->graph);
    return graph_node_by_id(fixture->graph, id) != NULL;
}

bool lower_follows(const struct lower_fixture *fixture, const char *node, const char *before,
                   enum edge_when when)
{
    const struct graph_node *from = lower_node(fixture, before), *to = lower_node(fixture, node);
    for (uint32_t i = 0; i < to->after_count; i++) {
        if (to->after[i].node == from->index) {
            return to->after[i].when == when;
        }
    }
    return false;
}

bool lower_needs(const struct lower_fixture *fixture, const char *node, const char *before)
{
    const struct graph *graph = fixture->graph;
    uint32_t from = lower_node(fixture, before)->index, to = lower_node(fixture, node)->index;
    bool *needs = ARENA_ARRAY(fixture->plan.arena, bool, graph->node_count);
    for (uint32_t i = from + 1; i <= to; i++) {
        for (uint32_t e = 0; e < graph->nodes[i].after_count; e++) {
            const struct edge *edge = &graph->nodes[i].after[e];
            needs[i] =
                needs[i] || (edge->when == WHEN_OK && (edge->node == from || needs[edge->node]));
        }
    }
    return needs[to];
}

/* Cut out of the compiled graph, which tells each node on a line of its own. */
const char *lower_input(const struct lower_fixture *fixture, const char *node, const char *input)
{
    struct arena *arena = fixture->plan.arena;
    const struct graph_node *of = lower_node(fixture, node);
    if (!graph_input(of, input)) {
        return "";
    }
    struct buffer json = {0};
    graph_write_json(fixture->graph, &json);
    const char *line = strstr(buffer_text(&json), arena_printf(arena, "{\"id\": \"%s\"", node));
    const char *key = arena_printf(arena, "\"%s\": ", input);
    const char *at = strstr(strstr(line, "\"inputs\": "), key) + strlen(key), *end = at;
    int depth = 0;
    do {
        depth += (*end == '{') - (*end == '}');
        end++;
    } while (depth > 0);
    const char *text = arena_strndup(arena, at, (size_t)(end - at));
    buffer_free(&json);
    return text;
}
