#include "runtime/site/dns_findings.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/graph/builder.h"
#include "runtime/aws/aws.h"
#include "runtime/dns/dns.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/canned_dns.h"
#include "tests/unit/support/cmocka_all.h"

struct fixture {
    struct canned_dns canned;
    struct world *world;
    struct provider *dns;
    struct arena *arena;
    struct graph *graph;
    struct findings findings;
};

/* Queries shop (and expects it), then new, then shop again; all with one key. */
static struct graph *make_graph(struct arena *arena)
{
    static const char *const records[] = {"shop.corp.example", "new.corp.example", "shop.corp.example"};
    struct graph *graph = ARENA_NEW(arena, struct graph);
    graph->arena = arena;
    struct graph_builder *builder = builder_create(arena, graph, 8);
    for (int i = 0; i < 3; i++) {
        for (int change = 0; change < 2; change++) {
            builder_node(builder, change ? ACTION_UPDATE_RECORD : ACTION_QUERY_RECORD,
                         arena_printf(arena, "web/post-boot-%d", i + 1), NO_VM, (struct because){0});
            builder_input_text(builder, "zone", "corp.example");
            builder_input_text(builder, "server", "10.0.0.53");
            builder_input_text(builder, "record", records[i]);
            builder_input_text(builder, "type", "A");
            if (change) {
                builder_input_text(builder, "tsig_name", "drc-key");
                builder_input(builder, "tsig_secret",
                              (struct value){.kind = VALUE_SECRET, .text = "env:KEY"});
            } else if (i != 1) {
                struct value *items = ARENA_NEW(arena, struct value);
                *items = text_value(i == 0 ? "192.0.2.10" : "what the first step wrote");
                builder_input(builder, "expect", list_value(items, 1));
            }
        }
    }
    return builder_finish(builder);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *records[] = {"corp.example. 60 IN SOA ns.corp.example. h.corp.example. 1 1 1 1 1",
                             "shop.corp.example. 60 IN A 192.0.2.10", NULL};
    memcpy(f->canned.records, records, sizeof records);
    f->world = world_simulated_create(1, 0, canned_dns_responder(&f->canned));
    f->dns = dns_provider_create(&(struct dns_options){.world = f->world});
    f->arena = arena_create();
    f->graph = make_graph(f->arena);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    f->dns->destroy(f->dns);
    world_destroy(f->world);
    arena_destroy(f->arena);
    canned_dns_clear(&f->canned);
    free(f);
    return 0;
}

static void find(struct fixture *f, bool own_secrets)
{
    f->findings = (struct findings){0};
    dns_findings(&(struct dns_findings_options){f->world, f->dns, NULL, own_secrets}, f->graph, f->arena,
                 &f->findings);
}

static void what_is_there_is_shown(void **state)
{
    struct fixture *f = *state;
    world_simulated_set_environment(f->world, "KEY", "c2VjcmV0");
    find(f, false);
    assert_int_equal(f->findings.count, 3);
    assert_int_equal(f->findings.passed, 3);
    assert_string_equal(f->findings.items[0].subject, "DNS record shop.corp.example A");
    assert_string_equal(f->findings.items[0].text, "is 192.0.2.10 (ttl 60)");
    assert_string_equal(f->findings.items[1].subject, "TSIG key drc-key");
    assert_string_equal(f->findings.items[2].text, "is not there yet");
    assert_int_equal(f->canned.updates, 0);
}

static void what_will_not_go_is_told_before(void **state)
{
    struct fixture *f = *state;
    f->canned.records[1] = "shop.corp.example. 60 IN A 203.0.113.5";
    find(f, false);
    assert_int_equal(f->findings.fatal, 2);
    assert_non_null(strstr(f->findings.items[0].text, "the plan expects 192.0.2.10"));
    assert_non_null(strstr(f->findings.items[1].text, "KEY is not set"));
    find(f, true);
    assert_int_equal(f->findings.fatal, 1);
    f->canned.way = CANNED_SILENT;
    find(f, true);
    assert_int_equal(f->findings.warnings, 2);
    assert_non_null(strstr(f->findings.items[0].text, "does not answer"));
}

static void a_plan_without_zones_asks_nobody(void **state)
{
    struct fixture *f = *state;
    f->graph->node_count = 0;
    find(f, false);
    assert_int_equal(f->findings.count, 0);
    assert_int_equal(f->canned.queries, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_there_is_shown),
        TEST(what_will_not_go_is_told_before),
        TEST(a_plan_without_zones_asks_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
