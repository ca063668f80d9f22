#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "compiler/front/tree.h"
#include "compiler/plan/expand.h"
#include "tests/unit/support/plan_fixture.h"

struct expanded {
    struct plan_fixture fixture;
    struct tree *root;
    bool done;
};

static struct expanded expand(const char *text, const struct variable *variables, size_t count)
{
    struct expanded expanded = {.fixture.arena = arena_create()};
    struct arena *arena = expanded.fixture.arena;
    expanded.fixture.diagnostics = diagnostics_create(arena);
    struct source *source = source_from_text(arena, "plan.yaml", text, strlen(text));
    expanded.root = yaml_parse(arena, source, expanded.fixture.diagnostics);
    assert_non_null(expanded.root);
    expanded.done =
        plan_expand(arena, source, expanded.root, variables, count, expanded.fixture.diagnostics);
    return expanded;
}

static const char text[] = "vars: {port: 80, share: 0.5, live: true, who: us, cash: \"$5\"}\n"
                           "name: shop-${vars.who}\n"
                           "alone: ${vars.port}\n"
                           "number: ${vars.share}\n"
                           "truth: ${vars.live}\n"
                           "word: ${vars.who}\n"
                           "mixed: \"${vars.who}:${vars.port} of ${plan.name}\"\n"
                           "dollars: \"${vars.cash} $$1 $x\"\n"
                           "later: \"${vars.who} ${run.id}\"\n"
                           "list: [\"${vars.who}\", {deep: \"${vars.who}\"}]\n";

static void variables_are_filled_in(void **state)
{
    (void)state;
    struct expanded expanded = expand(text, NULL, 0);
    const struct tree *root = expanded.root;
    assert_true(expanded.done);
    assert_string_equal(tree_get(root, "name")->text, "shop-us");
    assert_string_equal(tree_get(root, "word")->text, "us");
    assert_false(tree_get(root, "word")->filled_in);
    assert_string_equal(tree_get(root, "mixed")->text, "us:80 of shop-us");
    assert_int_equal(tree_get(root, "mixed")->kind, TREE_STRING);
    /* Still to be read as a text with $$ for each dollar sign. */
    assert_string_equal(tree_get(root, "dollars")->text, "$$5 $$1 $$x");
    assert_string_equal(tree_get(root, "later")->text, "${vars.who} ${run.id}");
    assert_string_equal(tree_get(root, "list")->items[0]->text, "us");
    assert_string_equal(tree_get(tree_get(root, "list")->items[1], "deep")->text, "us");
    fixture_free(&expanded.fixture);
}

static void references_alone_have_the_variables_type(void **state)
{
    (void)state;
    struct variable other[] = {{"port", "81"}, {"live", "false"}};
    for (size_t count = 0; count <= 2; count += 2) {
        struct expanded expanded = expand(text, other, count);
        const struct tree *alone = tree_get(expanded.root, "alone");
        assert_int_equal(alone->kind, TREE_INT);
        assert_true(alone->filled_in);
        assert_int_equal(alone->integer, count ? 81 : 80);
        assert_string_equal(alone->text, count ? "81" : "80");
        assert_int_equal(tree_get(expanded.root, "number")->kind, TREE_FLOAT);
        assert_int_equal(tree_get(expanded.root, "truth")->kind, TREE_BOOL);
        assert_int_equal(tree_get(expanded.root, "truth")->boolean, count == 0);
        fixture_free(&expanded.fixture);
    }
}

static void unknown_variables_are_told(void **state)
{
    (void)state;
    struct expanded expanded = expand("vars: {a: 1}\nx: ${vars.b}\ny: [\"${vars.c}\"]\n", NULL, 0);
    assert_false(expanded.done);
    assert_int_equal(fixture_count(&expanded.fixture, DIAG_UNKNOWN_VARIABLE), 2);
    fixture_free(&expanded.fixture);
}

static void anything_may_stand_in_the_file(void **state)
{
    (void)state;
    static const char *const odd[] = {"x\n",
                                      "[]\n",
                                      "vars: [a]\nb: \"${vars.a}\"\n",
                                      "vars: {a: [1]}\nb: \"${vars.a}\"\n",
                                      "name: ${plan.name}\n",
                                      "name: {a: b}\n",
                                      "a: \"${vars.\"\nb: \"${vars.}\"\n"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct expanded expanded = expand(odd[i], NULL, 0);
        assert_int_equal(expanded.done, expanded.fixture.diagnostics->error_count == 0);
        fixture_free(&expanded.fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_filled_in),
        cmocka_unit_test(references_alone_have_the_variables_type),
        cmocka_unit_test(unknown_variables_are_told),
        cmocka_unit_test(anything_may_stand_in_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
