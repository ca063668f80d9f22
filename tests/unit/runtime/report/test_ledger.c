#include "runtime/report/ledger.h"

#include <stdlib.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/graph_maker.h"

enum { VOLUME, RUN, ATTACH, KEEP, DETACH, REMOVE, TERMINATE, IMAGE, DEREGISTER, NODES };

struct fixture {
    struct arena *arena;
    struct graph *graph;
    struct ledger *ledger;
};

static void add(struct graph *graph, uint32_t expected, const char *id, enum action action)
{
    assert_int_equal(maker_node(graph, id, action, 0), expected);
}

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->arena = arena_create();
    struct graph *graph = f->graph = maker_graph(f->arena, NODES);
    maker_vm(graph, "db", true);
    add(graph, VOLUME, "db/create-volume", ACTION_CREATE_VOLUME);
    add(graph, RUN, "db/run-instance", ACTION_RUN_INSTANCE);
    add(graph, ATTACH, "db/attach-volume", ACTION_ATTACH_VOLUME);
    add(graph, KEEP, "db/set-delete-on-termination", ACTION_SET_DELETE_ON_TERMINATION);
    add(graph, DETACH, "db/detach-volume", ACTION_DETACH_VOLUME);
    add(graph, REMOVE, "db/delete-volume", ACTION_DELETE_VOLUME);
    add(graph, TERMINATE, "db/terminate-instance", ACTION_TERMINATE_INSTANCE);
    add(graph, IMAGE, "db/register-image", ACTION_REGISTER_IMAGE);
    add(graph, DEREGISTER, "db/deregister-image", ACTION_DEREGISTER_IMAGE);
    static const uint32_t of_volume[] = {ATTACH, DETACH, REMOVE};
    static const uint32_t of_instance[] = {ATTACH, KEEP, TERMINATE};
    for (int i = 0; i < 3; i++) {
        maker_output(graph, of_volume[i], "volume_id", VOLUME, "volume_id");
        maker_output(graph, of_instance[i], "instance_id", RUN, "instance_id");
    }
    maker_text(graph, DEREGISTER, "image_id", "ami-1");
    f->ledger = ledger_create(f->arena, graph);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_destroy(f->arena);
    free(f);
    return 0;
}

/* The journal's record goes away after it was told. */
static void done(struct fixture *f, uint32_t node, const char *json)
{
    cJSON *outputs = json ? cJSON_Parse(json) : NULL;
    ledger_done(f->ledger, node, outputs);
    cJSON_Delete(outputs);
}

static void make_both(struct fixture *f)
{
    done(f, VOLUME, "{\"volume_id\":\"vol-1\"}");
    done(f, RUN, "{\"instance_id\":\"i-1\",\"state\":\"pending\"}");
}

static void what_is_made_is_listed(void **state)
{
    struct fixture *f = *state;
    make_both(f);
    done(f, IMAGE, "{\"image_id\":\"ami-1\"}");
    assert_int_equal(f->ledger->count, 3);
    assert_int_equal(f->ledger->things[0].kind, LEDGER_VOLUME);
    assert_string_equal(f->ledger->things[0].id, "vol-1");
    assert_int_equal(f->ledger->things[1].kind, LEDGER_INSTANCE);
    assert_int_equal(f->ledger->things[1].node, RUN);
    assert_string_equal(f->ledger->things[2].id, "ami-1");
    assert_string_equal(ledger_output(f->ledger, RUN, "state"), "pending");
    assert_null(ledger_output(f->ledger, RUN, "volume_id"));
    assert_null(ledger_output(f->ledger, ATTACH, "state"));
    done(f, DEREGISTER, NULL);
    assert_true(f->ledger->things[2].gone);
    assert_false(f->ledger->things[0].gone);
}

/* A volume goes with its instance only while it is attached and was told to. */
static void a_volume_goes_with_its_instance(void **state)
{
    struct fixture *f = *state;
    make_both(f);
    done(f, ATTACH, NULL);
    struct ledger_thing *volume = &f->ledger->things[0], *instance = &f->ledger->things[1];
    assert_string_equal(volume->attached_to, "i-1");
    assert_false(volume->with_instance);
    done(f, KEEP, NULL);
    assert_true(volume->with_instance);
    done(f, TERMINATE, NULL);
    assert_true(instance->gone);
    assert_true(volume->gone);
}

static void a_volume_without_the_switch_stays(void **state)
{
    struct fixture *f = *state;
    make_both(f);
    done(f, ATTACH, NULL);
    done(f, TERMINATE, NULL);
    assert_true(f->ledger->things[1].gone);
    assert_false(f->ledger->things[0].gone);
}

static void a_detached_volume_stays_until_it_is_deleted(void **state)
{
    struct fixture *f = *state;
    make_both(f);
    done(f, ATTACH, NULL);
    done(f, KEEP, NULL);
    done(f, DETACH, NULL);
    struct ledger_thing *volume = &f->ledger->things[0];
    assert_null(volume->attached_to);
    done(f, TERMINATE, NULL);
    assert_false(volume->gone);
    done(f, REMOVE, NULL);
    assert_true(volume->gone);
}

/* A guard undid it and it was made again: both are known, each once. */
static void made_again_is_another_thing(void **state)
{
    struct fixture *f = *state;
    done(f, VOLUME, "{\"volume_id\":\"vol-1\"}");
    done(f, VOLUME, "{\"volume_id\":\"vol-1\"}");
    assert_int_equal(f->ledger->count, 1);
    done(f, VOLUME, "{\"volume_id\":\"vol-2\"}");
    assert_int_equal(f->ledger->count, 2);
    done(f, REMOVE, NULL); /* of the newest */
    assert_false(f->ledger->things[0].gone);
    assert_true(f->ledger->things[1].gone);
}

/* Journals come from disk. */
static void odd_outputs_make_nothing(void **state)
{
    struct fixture *f = *state;
    done(f, VOLUME, NULL);
    done(f, VOLUME, "{\"volume_id\":17}");
    done(f, RUN, "[]");
    assert_int_equal(f->ledger->count, 0);
    done(f, ATTACH, NULL);
    done(f, KEEP, NULL);
    done(f, TERMINATE, NULL);
    assert_int_equal(f->ledger->count, 0);
}

/* A snapshot is left over until it is tagged as a DR copy, and then for good. */
static void a_snapshot_is_finished_by_its_tags(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = maker_graph(arena, 2);
    maker_vm(graph, "db", true);
    uint32_t start = maker_node(graph, "db/disk-0/start-snapshot", ACTION_START_SNAPSHOT, 1);
    uint32_t tag = maker_node(graph, "db/disk-0/tag-copy", ACTION_TAG_COPY, 1);
    maker_edge(graph, start, tag);
    maker_output(graph, tag, "snapshot_id", start, "snapshot_id");
    struct ledger *ledger = ledger_create(arena, graph);
    cJSON *outputs = cJSON_Parse("{\"snapshot_id\":\"snap-1\"}");
    ledger_done(ledger, start, outputs);
    cJSON_Delete(outputs);
    assert_int_equal(ledger->count, 1);
    assert_int_equal(ledger->things[0].kind, LEDGER_SNAPSHOT);
    assert_false(ledger->things[0].finished);
    ledger_done(ledger, tag, NULL);
    assert_true(ledger->things[0].finished);
    assert_false(ledger->things[0].gone);
    arena_destroy(arena);
}

static void kinds_have_names(void **state)
{
    (void)state;
    assert_string_equal(ledger_kind_name(LEDGER_INSTANCE), "instance");
    assert_string_equal(ledger_kind_name(LEDGER_VOLUME), "volume");
    assert_string_equal(ledger_kind_name(LEDGER_IMAGE), "image");
    assert_string_equal(ledger_kind_name(LEDGER_SNAPSHOT), "snapshot");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_made_is_listed),
        TEST(a_volume_goes_with_its_instance),
        TEST(a_volume_without_the_switch_stays),
        TEST(a_detached_volume_stays_until_it_is_deleted),
        TEST(made_again_is_another_thing),
        TEST(odd_outputs_make_nothing),
        cmocka_unit_test(a_snapshot_is_finished_by_its_tags),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
