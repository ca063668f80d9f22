/* Values: inputs with what was open in them filled in, their digest, tokens. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor_state.h"
#include "tests/unit/support/cmocka_all.h"
#include "compiler/graph/facts.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

enum { VOLUME, HOLDER, ATTACH, RUN, NODES };

struct fixture {
    struct arena *arena;
    struct graph *graph;
    struct bench bench;
    struct executor *executor;
    struct error error;
};

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->arena = arena_create();
    f->graph = maker_graph(f->arena, NODES);
    maker_vm(f->graph, "db", true);
    int32_t pool = maker_pool(f->graph, "conversion/i-1", 2);
    maker_node(f->graph, "db/create-volume", ACTION_CREATE_VOLUME, 0);
    maker_node(f->graph, "db/conversion/attach-volume", ACTION_ATTACH_VOLUME, 0);
    maker_node(f->graph, "db/attach-volume", ACTION_ATTACH_VOLUME, 0);
    maker_node(f->graph, "db/run-instance", ACTION_RUN_INSTANCE, 0);
    f->graph->nodes[HOLDER].acquire = pool;
    f->graph->nodes[ATTACH].release = pool;
    maker_edge(f->graph, VOLUME, HOLDER);
    maker_edge(f->graph, HOLDER, ATTACH);
    maker_edge(f->graph, VOLUME, RUN);
    *state = f;
    return 0;
}

/* The node's inputs are made before this. */
static bool resolve(struct fixture *f, uint32_t node)
{
    if (!f->executor) {
        bench_open(&f->bench, f->graph, 1);
        bench_begin(&f->bench);
        f->executor = f->bench.executor;
        static struct call_output outputs[] = {{"volume_id", "vol-1"}};
        f->executor->nodes[VOLUME].outputs = outputs;
        f->executor->nodes[VOLUME].output_count = 1;
    }
    return values_resolve(f->executor, node, &f->error);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->executor) {
        bench_close(&f->bench);
    }
    error_clear(&f->error);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static const char *text_of(const struct fixture *f, uint32_t node, const char *name)
{
    const struct node_run *run = &f->executor->nodes[node];
    for (uint32_t i = 0; i < run->input_count; i++) {
        if (!strcmp(run->inputs[i].name, name)) {
            assert_int_equal(run->inputs[i].value.kind, VALUE_TEXT);
            return run->inputs[i].value.text;
        }
    }
    return NULL;
}

static void literals_are_not_copied(void **state)
{
    struct fixture *f = *state;
    maker_text(f->graph, VOLUME, "zone", "eu-west-1a");
    assert_true(resolve(f, VOLUME));
    assert_ptr_equal(f->executor->nodes[VOLUME].inputs, f->graph->nodes[VOLUME].inputs);
}

static void outputs_bindings_and_the_runs_id(void **state)
{
    struct fixture *f = *state;
    maker_output(f->graph, ATTACH, "volume_id", VOLUME, "volume_id");
    maker_bind(f->graph, ATTACH, "instance_id", "db/instance");
    maker_bind(f->graph, ATTACH, "device", "run.id");
    assert_true(resolve(f, ATTACH));
    assert_string_equal(text_of(f, ATTACH, "volume_id"), "vol-1");
    assert_string_equal(text_of(f, ATTACH, "instance_id"), "snap-1"); /* what the bench binds */
    assert_string_equal(text_of(f, ATTACH, "device"), "run00001");
}

static void the_oldest_recovery_point_is_the_runs(void **state)
{
    struct fixture *f = *state;
    maker_vm(f->graph, "app", true);
    maker_vm(f->graph, "web", true);
    maker_bind(f->graph, ATTACH, "instance_id", "recovery_point.time");
    assert_true(resolve(f, VOLUME));
    struct facts *facts = (struct facts *)f->bench.facts;
    f->executor->nodes[ATTACH].inputs = NULL;
    assert_false(values_resolve(f->executor, ATTACH, &f->error)); /* of no VM is there one */
    error_clear(&f->error);
    map_put(&facts->bindings, "db/recovery-point", (void *)"2026-11-22T10:00:00Z");
    map_put(&facts->bindings, "web/recovery-point", (void *)"2026-11-22T09:50:00Z");
    assert_true(values_resolve(f->executor, ATTACH, &f->error));
    assert_string_equal(text_of(f, ATTACH, "instance_id"), "2026-11-22T09:50:00Z");
}

static void what_was_not_yielded_is_named(void **state)
{
    struct fixture *f = *state;
    maker_output(f->graph, ATTACH, "instance_id", VOLUME, "instance_id");
    assert_false(resolve(f, ATTACH));
    assert_string_equal(f->error.message,
                        "instance_id is not known: db/create-volume did not yield instance_id");
}

static void an_unbound_name_is_told(void **state)
{
    struct fixture *f = *state;
    maker_text(f->graph, VOLUME, "zone", "eu-west-1a");
    assert_true(resolve(f, VOLUME)); /* the bench has bound everything by now */
    maker_bind(f->graph, ATTACH, "volume_id", "db/disk-9/snapshot");
    assert_false(resolve(f, ATTACH));
    assert_string_equal(f->error.message, "volume_id: nothing is bound to db/disk-9/snapshot");
    assert_non_null(strstr(f->error.help, "drc plan facts"));
}

static void a_slot_is_its_holders(void **state)
{
    struct fixture *f = *state;
    maker_value(f->graph, HOLDER, "device", (struct value){.kind = VALUE_SLOT, .node = 0});
    maker_value(f->graph, RUN, "device", (struct value){.kind = VALUE_SLOT, .node = 0});
    assert_false(resolve(f, HOLDER));
    assert_string_equal(f->error.message,
                        "device: no slot of the pool conversion/i-1 is held here");
    f->executor->nodes[HOLDER].slot = 1;
    error_clear(&f->error);
    assert_true(resolve(f, HOLDER));
    assert_string_equal(text_of(f, HOLDER, "device"), "/dev/sdg");
    assert_false(resolve(f, RUN)); /* it holds none */
}

static void templates_are_joined_and_members_without_value_left_out(void **state)
{
    struct fixture *f = *state;
    struct value parts[] = {
        {.kind = VALUE_TEXT, .text = "drc inject "},
        {.kind = VALUE_OUTPUT, .node = VOLUME, .text = "volume_id"},
        {.kind = VALUE_TEXT, .text = " "},
        {.kind = VALUE_INT, .integer = -7},
    };
    maker_value(f->graph, RUN, "image_id",
                (struct value){.kind = VALUE_TEMPLATE, .items = parts, .count = 4});
    static const char *const keys[] = {"one", "none", "other"};
    const struct value members[] = {
        {.kind = VALUE_OUTPUT, .node = VOLUME, .text = "volume_id"},
        {.kind = VALUE_OUTPUT, .node = VOLUME, .text = "nothing"},
        {.kind = VALUE_BOOL, .boolean = true},
    };
    maker_value(f->graph, RUN, "tags", maker_map(f->graph, keys, members, 3));
    assert_true(resolve(f, RUN));
    assert_string_equal(text_of(f, RUN, "image_id"), "drc inject vol-1 -7");
    const struct value *tags = &f->executor->nodes[RUN].inputs[1].value;
    assert_int_equal(tags->count, 2);
    assert_string_equal(tags->keys[0], "one");
    assert_string_equal(tags->items[0].text, "vol-1");
    assert_string_equal(tags->keys[1], "other");
    assert_true(tags->items[1].boolean);
}

static void secrets_stay_references(void **state)
{
    struct fixture *f = *state;
    maker_value(f->graph, RUN, "key_name", (struct value){.kind = VALUE_SECRET, .text = "env:KEY"});
    maker_output(f->graph, RUN, "image_id", VOLUME, "volume_id");
    assert_true(resolve(f, RUN));
    assert_int_equal(f->executor->nodes[RUN].inputs[0].value.kind, VALUE_SECRET);
    assert_string_equal(f->executor->nodes[RUN].inputs[0].value.text, "env:KEY");
}

static uint64_t digest_of(struct value value)
{
    const struct input input = {"name", value};
    return values_digest(&input, 1, 0);
}

/* Whatever is different in a request is different in its digest. */
static void digests_tell_requests_apart(void **state)
{
    (void)state;
    struct value ab[] = {{.kind = VALUE_TEXT, .text = "a"}, {.kind = VALUE_TEXT, .text = "b"}};
    struct value ba[] = {{.kind = VALUE_TEXT, .text = "b"}, {.kind = VALUE_TEXT, .text = "a"}};
    static const char *keys[] = {"a", "b"};
    struct value outer[] = {{.kind = VALUE_LIST, .items = ab, .count = 1}, ab[1]}; /* [[a], b] */
    struct value inner[] = {{.kind = VALUE_LIST, .items = ab, .count = 2}};        /* [[a, b]] */
    const uint64_t digests[] = {
        digest_of((struct value){.kind = VALUE_TEXT, .text = ""}),
        digest_of((struct value){.kind = VALUE_TEXT, .text = "1"}),
        digest_of((struct value){.kind = VALUE_SECRET, .text = "1"}),
        digest_of((struct value){.kind = VALUE_INT, .integer = 1}),
        digest_of((struct value){.kind = VALUE_INT, .integer = -1}),
        digest_of((struct value){.kind = VALUE_BOOL, .boolean = true}),
        digest_of((struct value){.kind = VALUE_BOOL}),
        digest_of((struct value){.kind = VALUE_LIST, .items = ab, .count = 2}),
        digest_of((struct value){.kind = VALUE_LIST, .items = ba, .count = 2}),
        digest_of((struct value){.kind = VALUE_LIST, .items = ab, .count = 1}),
        digest_of((struct value){.kind = VALUE_MAP, .items = ab, .keys = keys, .count = 2}),
        digest_of((struct value){.kind = VALUE_LIST, .items = outer, .count = 2}),
        digest_of((struct value){.kind = VALUE_LIST, .items = inner, .count = 1}),
        values_digest(NULL, 0, 0),
        values_digest(NULL, 0, 1), /* another alternative */
    };
    size_t count = sizeof digests / sizeof *digests;
    for (size_t i = 0; i < count; i++) {
        assert_true(digests[i] != 0); /* 0 is: none yet */
        for (size_t k = 0; k < i; k++) {
            assert_true(digests[i] != digests[k]);
        }
    }
    assert_true(digest_of((struct value){.kind = VALUE_TEXT, .text = "1"}) == digests[1]);
}

/* The same for one generation of one node of one run, for ever, and for nothing else. */
static void tokens_are_stable_and_distinct(void **state)
{
    (void)state;
    char token[65], again[65];
    token_make("run1", "db/run-instance", 0, token);
    token_make("run1", "db/run-instance", 0, again);
    assert_string_equal(token, again);
    assert_int_equal(strlen(token), 64); /* EC2's limit for a ClientToken */
    token_make("run1", "db/run-instance", 1, again);
    assert_string_not_equal(token, again);
    token_make("run2", "db/run-instance", 0, again);
    assert_string_not_equal(token, again);
    token_make("run1d", "b/run-instance", 0, again);
    assert_string_not_equal(token, again);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(literals_are_not_copied),
        TEST(outputs_bindings_and_the_runs_id),
        TEST(the_oldest_recovery_point_is_the_runs),
        TEST(what_was_not_yielded_is_named),
        TEST(an_unbound_name_is_told),
        TEST(a_slot_is_its_holders),
        TEST(templates_are_joined_and_members_without_value_left_out),
        TEST(secrets_stay_references),
        cmocka_unit_test(digests_tell_requests_apart),
        cmocka_unit_test(tokens_are_stable_and_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
