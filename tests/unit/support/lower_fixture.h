/* Lower fixture: plans and facts for tests, written as text and lowered. */
#ifndef DRC_TESTS_LOWER_FIXTURE_H
#define DRC_TESTS_LOWER_FIXTURE_H

#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"
#include "tests/unit/support/plan_fixture.h"

struct lower_fixture {
    struct plan_fixture plan; /* release with fixture_free */
    struct graph *graph;      /* NULL: lowering refused it */
};

/* Lowers the failover of a sound plan; facts_json NULL: none. A graph has passed graph_verify and
 * is indexed. */
struct lower_fixture lower_plan(const char *plan_text, const char *facts_json);
/* `vms` behind fixture_head, as in fixture_check_vms. */
struct lower_fixture lower_vms(const char *vms, const char *facts_json);
struct lower_fixture lower_workflow(const char *plan_text, const char *facts_json,
                                    enum workflow workflow);

/* The node of that id; its absence fails the test. */
const struct graph_node *lower_node(const struct lower_fixture *fixture, const char *id);
bool lower_has(const struct lower_fixture *fixture, const char *id);

/* Whether `node` comes directly after `before`. */
bool lower_follows(const struct lower_fixture *fixture, const char *node, const char *before,
                   enum edge_when when);
/* Whether `node` can only start when `before` is done, over any number of ok edges. */
bool lower_needs(const struct lower_fixture *fixture, const char *node, const char *before);

/* An input as JSON, as the compiled graph has it; "" when absent. Lies in the fixture's arena. */
const char *lower_input(const struct lower_fixture *fixture, const char *node, const char *input);

#endif
