/* The compiled graph read back: the same bytes when written again; anything else is refused with
 * its place, and no bytes crash it.
 * Covers: graph.c graph_read_node.c compiler/emit/json.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "tests/unit/support/lower_fixture.h"

static const char plan_vms[] =
    "  db:\n"
    "    source: /DC0/vm/db\n"
    "    nics: [{subnet: db, security_groups: [db]}, {subnet: app}]\n"
    "    tags: {\"quoted \\\"key\\\"\": \"täg \\\\ \\n\"}\n"
    "    ready: [{instance_status: ok}, {http: {port: 80}}]\n"
    "    post_boot: [{check: {tcp: 80}, on_failure: continue, retries: 1}]\n"
    "  app: {source: /DC0/vm/app, subnet: app, depends_on: [db], delay: 1s, elastic_ip: "
    "{production: eipalloc-1}}\n";

static void write_fixture(struct buffer *json)
{
    struct lower_fixture fixture = lower_vms(plan_vms, NULL);
    graph_write_json(fixture.graph, json);
    fixture_free(&fixture.plan);
}

static bool reads(const char *text, size_t length, struct error *error)
{
    struct arena *arena = arena_create();
    bool ok = graph_read(arena, "graph.json", text, length, error) != NULL;
    arena_destroy(arena);
    return ok;
}

static void test_writing_what_was_read_gives_the_same(void **state)
{
    (void)state;
    struct buffer first = {0}, second = {0};
    struct error error = {0};
    struct arena *arena = arena_create();
    write_fixture(&first);
    struct graph *graph = graph_read(arena, "graph.json", first.data, first.length, &error);
    assert_non_null(graph);
    graph_write_json(graph, &second);
    assert_string_equal(first.data, second.data);
    assert_non_null(graph_node_by_id(graph, "app/associate-address"));
    char digest[65], again[65];
    graph_digest(graph, digest);
    struct lower_fixture fixture = lower_vms(plan_vms, NULL);
    graph_digest(fixture.graph, again);
    assert_string_equal(digest, again);
    fixture_free(&fixture.plan);
    arena_destroy(arena);
    buffer_free(&first);
    buffer_free(&second);
}

/* Order of members and white space do not matter; what is written is canonical again. */
static void test_members_in_any_order(void **state)
{
    (void)state;
    static const char text[] =
        "{\"nodes\":[{\"because\":{\"rule\":\"r\"},\"timeout_ms\":5,\"action\":\"running\",\"vm\":"
        "\"db\",\"id\":\"db/running\"}],\"pools\":[],\"vms\":[{\"critical\":true,\"name\":\"db\"}],"
        "\"region\":\"eu-west-1\",\"workflow\":\"failover\",\"digests\":{\"tool\":\"t\",\"plan\":"
        "\"p\"},\"plan\":{\"name\":\"shop\"},\"format\":\"drc-graph/1\"}";
    struct arena *arena = arena_create();
    struct error error = {0};
    struct graph *graph = graph_read(arena, "g", text, strlen(text), &error);
    assert_non_null(graph);
    assert_int_equal(graph->node_count, 1);
    assert_null(graph->account);
    assert_string_equal(graph->inventory_digest, "");
    arena_destroy(arena);
}

static const char *const head =
    "{\"format\":\"drc-graph/1\",\"plan\":{\"name\":\"shop\"},\"digests\":{\"plan\":\"p\",\"tool\":"
    "\"t\"},\"workflow\":\"failover\",\"region\":\"r\",\"vms\":[{\"name\":\"db\",\"critical\":true}"
    "]"
    ",\"pools\":[{\"id\":\"p\",\"capacity\":1}],\"nodes\":[";

#define STOP_NODE                                                                                  \
    "{\"id\":\"db/stop-instance\",\"action\":\"stop-instance\",\"vm\":\"db\",\"inputs\":{"         \
    "\"instance_id\":{\"value\":\"i\"}},\"timeout_ms\":1,\"because\":{\"rule\":\"r\"}}"

static void expect_refused(const char *text, const char *words)
{
    struct error error = {0};
    if (reads(text, strlen(text), &error)) {
        fail_msg("taken for a graph: %s", text);
    }
    if (!strstr(error.message, words)) {
        fail_msg("\"%s\" does not say \"%s\"", error.message, words);
    }
    assert_ptr_equal(strstr(error.message, "graph.json: "), error.message);
    assert_non_null(error.help);
    error_clear(&error);
}

/* A graph with one node, in which `from` is replaced. */
static void expect_node_refused(const char *from, const char *to, const char *words)
{
    struct arena *arena = arena_create();
    const char *whole = arena_printf(arena, "%s%s]}", head, STOP_NODE);
    assert_true(reads(whole, strlen(whole), NULL));
    expect_refused(fixture_replace(arena, whole, from, to), words);
    arena_destroy(arena);
}

static void test_documents_that_are_refused(void **state)
{
    (void)state;
    expect_refused("", "not valid JSON, line 1");
    expect_refused("[]", "an object is expected");
    expect_refused("{}", "\"format\" is missing");
    expect_refused("{\"nodes\":[],\"nodes\":[]}", "/nodes: the key is given twice");
    expect_refused("{\"what\":1}", "there is no key \"what\" in a graph");
    expect_node_refused("drc-graph/1", "drc-graph/2", "/format: \"drc-graph/2\"");
    expect_node_refused("\"failover\"", "\"fail\"", "/workflow: there is no such workflow");
    expect_node_refused("\"failover\"", "7", "/workflow: a text is expected");
    expect_node_refused("{\"name\":\"shop\"}", "{\"name\":1}", "/plan/name: a text");
    expect_node_refused("\"tool\":\"t\"", "\"tool\":null", "/digests/tool: a text");
    expect_node_refused("\"critical\":true", "\"critical\":1", "/vms/0/critical: true or false");
    expect_node_refused("\"capacity\":1", "\"capacity\":0", "/pools/0/capacity: the number");
    expect_node_refused("\"capacity\":1", "\"capacity\":1.5", "a whole number");
    expect_node_refused("\"capacity\":1", "\"capacity\":2,\"slots\":[\"a\"]", "needs that many");
    expect_node_refused("\"pools\":[", "\"pools\":[{\"id\":\"p\",\"capacity\":1},",
                        "is there twice");
    expect_node_refused("\"vms\":[", "\"vms\":[{\"name\":\"db\",\"critical\":true},", "twice");
}

static void test_nodes_that_are_refused(void **state)
{
    (void)state;
    expect_node_refused("\"action\":\"stop-instance\"", "\"action\":\"stop\"",
                        "/nodes/0/action: this is no action");
    expect_node_refused("\"action\":\"stop-instance\"", "\"action\":\"none\"",
                        "/nodes/0/action: this is no action");
    expect_node_refused("\"timeout_ms\":1", "\"timeout_ms\":0", "/nodes/0/timeout_ms");
    expect_node_refused("\"timeout_ms\":1", "\"timeout_ms\":1e300", "/nodes/0/timeout_ms");
    expect_node_refused("\"timeout_ms\":1,", "", "\"timeout_ms\" is missing");
    expect_node_refused("\"vm\":\"db\"", "\"vm\":\"web\"", "/nodes/0/vm: this VM is not among");
    expect_node_refused("\"vm\":\"db\",", "\"vm\":\"db\",\"vm\":\"db\",", "/nodes/0/vm: the key");
    expect_node_refused("\"rule\"", "\"rool\"", "/nodes/0/because/rool: there is no such key");
    expect_node_refused("\"because\":{\"rule\":\"r\"}",
                        "\"because\":{\"rule\":\"r\",\"file\":\"f\"}", "\"line\" is missing");
    expect_node_refused("\"timeout_ms\":1", "\"timeout_ms\":1,\"on_failure\":\"go\"",
                        "/nodes/0/on_failure");
    expect_node_refused("\"timeout_ms\":1", "\"timeout_ms\":1,\"outputs\":[\"x\"]",
                        "/nodes/0/outputs: these are not the outputs");
    expect_node_refused("\"timeout_ms\":1", "\"timeout_ms\":1,\"acquire\":\"q\"",
                        "/nodes/0/acquire: the id of a pool");
    expect_node_refused(
        "\"timeout_ms\":1",
        "\"timeout_ms\":1,\"after\":[{\"node\":\"db/stop-instance\",\"when\":\"ok\"}]",
        "/nodes/0/after/0/node: no node \"db/stop-instance\" stands before");
    expect_node_refused("\"timeout_ms\":1", "\"timeout_ms\":1,\"guards\":\"x\"", "/nodes/0/guards");
    expect_node_refused("{\"value\":\"i\"}", "{\"value\":null}",
                        "/nodes/0/inputs/instance_id/value: a text");
    expect_node_refused("{\"value\":\"i\"}", "{\"value\":1}",
                        "input instance_id: has to be of the type text");
    expect_node_refused("{\"value\":\"i\"}", "{\"value\":\"i\",\"bind\":\"b\"}", "one key");
    expect_node_refused("{\"value\":\"i\"}", "{}", "one key");
    expect_node_refused("{\"value\":\"i\"}", "\"i\"", "an object is expected");
    expect_node_refused("{\"value\":\"i\"}", "{\"what\":1}", "no such kind of value");
    expect_node_refused("{\"value\":\"i\"}", "{\"slot\":\"p\"}", "pool without slots");
    expect_node_refused("{\"value\":\"i\"}", "{\"node\":\"x\",\"output\":\"y\"}", "no node \"x\"");
    expect_node_refused("{\"value\":\"i\"}", "{\"value\":[[[[[[[[[[1]]]]]]]]]]}", "too deep");
    expect_node_refused("\"instance_id\":", "\"instance\":", "the action has no such input");
    expect_node_refused(STOP_NODE, STOP_NODE "," STOP_NODE, "is there twice");
}

/* Bytes changed and cut at many places: refused or read, but never more. What is read keeps the
 * rules, and writes what reads again. */
static void test_mutations(void **state)
{
    (void)state;
    struct buffer json = {0};
    write_fixture(&json);
    uint64_t random = 42;
    for (int i = 0; i < 3000; i++) {
        char *copy = base_alloc(json.length);
        memcpy(copy, json.data, json.length);
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t at = (size_t)(random >> 20) % json.length;
        size_t from = (size_t)(random >> 40) % json.length;
        size_t length = json.length;
        switch (random >> 62) {
        case 0:
            copy[at] = json.data[from];
            break;
        case 1:
            copy[at] = (char)(random >> 33);
            break;
        case 2:
            length = at;
            break;
        default:
            memmove(copy + at, json.data + from, json.length - (at > from ? at : from));
        }
        struct arena *arena = arena_create();
        struct error error = {0};
        struct graph *graph = graph_read(arena, "g", copy, length, &error);
        if (graph) {
            assert_true(graph_verify(graph, NULL));
            struct buffer again = {0};
            graph_write_json(graph, &again);
            assert_true(reads(again.data, again.length, NULL));
            buffer_free(&again);
        } else {
            assert_non_null(error.message);
        }
        error_clear(&error);
        arena_destroy(arena);
        free(copy);
    }
    buffer_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing_what_was_read_gives_the_same),
        cmocka_unit_test(test_members_in_any_order),
        cmocka_unit_test(test_documents_that_are_refused),
        cmocka_unit_test(test_nodes_that_are_refused),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
