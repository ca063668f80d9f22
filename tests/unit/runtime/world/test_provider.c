#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/world/provider.h"

static const struct value ITEMS[] = {
    {.kind = VALUE_TEXT, .text = "vol-1"},
    {.kind = VALUE_INT, .integer = 8},
};
static const char *KEYS[] = {"id", "size"};

static const struct input INPUTS[] = {
    {"zone", {.kind = VALUE_TEXT, .text = "eu-west-1a"}},
    {"size_gib", {.kind = VALUE_INT, .integer = 8}},
    {"yielded", {.kind = VALUE_TEXT, .text = "42"}},
    {"tls", {.kind = VALUE_BOOL, .boolean = true}},
    {"off", {.kind = VALUE_TEXT, .text = "false"}},
    {"tags", {.kind = VALUE_MAP, .items = (struct value *)ITEMS, .keys = KEYS, .count = 2}},
    {"key", {.kind = VALUE_SECRET, .text = "env:X"}},
};
static const struct call CALL = {.inputs = INPUTS, .input_count = sizeof INPUTS / sizeof *INPUTS};

static void inputs(void **state)
{
    (void)state;
    assert_ptr_equal(call_input(&CALL, "tags"), &INPUTS[5].value);
    assert_null(call_input(&CALL, "absent"));
    assert_string_equal(call_text(&CALL, "zone"), "eu-west-1a");
    assert_null(call_text(&CALL, "size_gib"));
    assert_null(call_text(&CALL, "absent"));
    assert_null(call_text(&CALL, "key")); /* a reference to a secret is not its value */
    assert_int_equal(call_int(&CALL, "size_gib", -1), 8);
    assert_int_equal(call_int(&CALL, "yielded", -1), 42);
    assert_int_equal(call_int(&CALL, "zone", -1), -1);
    assert_int_equal(call_int(&CALL, "absent", 7), 7);
    assert_true(call_bool(&CALL, "tls", false));
    assert_false(call_bool(&CALL, "off", true));
    assert_true(call_bool(&CALL, "zone", true));
    assert_false(call_bool(&CALL, "absent", false));
}

static void members(void **state)
{
    (void)state;
    const struct value *tags = call_input(&CALL, "tags");
    assert_string_equal(value_text(value_member(tags, "id")), "vol-1");
    assert_null(value_text(value_member(tags, "size")));
    assert_null(value_member(tags, "absent"));
    assert_null(value_member(NULL, "id"));
    assert_null(value_member(&INPUTS[0].value, "id"));
    assert_null(value_text(NULL));
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(outcome_name(OUTCOME_OK), "ok");
    assert_string_equal(outcome_name(OUTCOME_UNKNOWN), "unknown");
    for (int i = OUTCOME_OK; i < OUTCOME_UNKNOWN; i++) {
        assert_string_not_equal(outcome_name((enum outcome)i), outcome_name((enum outcome)(i + 1)));
    }
}

static void start(struct provider *provider, struct call **calls, size_t n, call_done done,
                  void *context)
{
    (void)provider, (void)calls, (void)n, (void)done, (void)context;
}

static void lookup(struct provider *provider, struct call *call, call_done done, void *context)
{
    (void)provider, (void)call, (void)done, (void)context;
}

static void destroy(struct provider *provider)
{
    (void)provider;
}

static void check(void **state)
{
    (void)state;
    struct provider whole = {
        .name = "x", .start = start, .lookup = lookup, .poll = start, .destroy = destroy};
    assert_true(provider_check(&whole, NULL));
    struct error error = {0};
    struct provider half = whole;
    half.poll = NULL;
    assert_false(provider_check(&half, &error));
    assert_string_equal(error.message, "provider x lacks the operation poll");
    half = whole;
    half.name = NULL;
    assert_false(provider_check(&half, &error));
    error_clear(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs),
        cmocka_unit_test(members),
        cmocka_unit_test(names),
        cmocka_unit_test(check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
