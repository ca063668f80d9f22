#include "runtime/state/run_options.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/state/journal.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/state_directory.h"

/* `text` as the blob "options" of a journal, read back; NULL: there is none. */
static bool read_back(const char *directory, struct arena *arena, const char *text,
                      struct run_options *options, struct error *error)
{
    const char *path = arena_printf(arena, "%s/journal.db", directory);
    struct journal *journal = journal_create(path, error);
    assert_non_null(journal);
    if (text) {
        assert_true(journal_put_blob(journal, "options", text, strlen(text), error));
    }
    bool ok = run_options_read(arena, journal, options, error);
    journal_close(journal);
    return ok;
}

static void what_is_written_is_read(void **state)
{
    struct arena *arena = arena_create();
    struct error error = {0};
    struct variable variables[] = {{.name = "a", .value = "1"}, {.name = "b", .value = "x \"y\""}};
    struct run_options out = {
        .plan_path = "/plans/shop",
        .plan_digest = "00ff",
        .plan_name = "shop",
        .owner = "ops",
        .workflow = WORKFLOW_TEST,
        .limits = "none",
        .region = "eu-west-1",
        .account = "111122223333",
        .bandwidth = 200 << 20,
        .mover_memory = INT64_C(8) << 30,
        .rto_ms = 1200000,
        .rpo_ms = 1800000,
        .approved = true,
        .disaster_utc_ms = 1795341600123,
        .data_loss_accepted = true,
        .variables = variables,
        .variable_count = 2,
    };
    struct run_options in;
    struct buffer text = {0};
    run_options_write(&out, &text);
    assert_true(read_back(*state, arena, buffer_text(&text), &in, &error));
    assert_string_equal(in.plan_path, "/plans/shop");
    assert_string_equal(in.owner, "ops");
    assert_int_equal(in.workflow, WORKFLOW_TEST);
    assert_null(in.sandbox); /* what is not given stays so */
    assert_null(in.recovery_point);
    assert_string_equal(in.account, "111122223333");
    assert_int_equal(in.bandwidth, 200 << 20);
    assert_int_equal(in.mover_memory, INT64_C(8) << 30);
    assert_int_equal(in.rto_ms, 1200000);
    assert_int_equal(in.disaster_utc_ms, 1795341600123);
    assert_true(in.data_loss_accepted);
    assert_true(in.approved);
    assert_int_equal(in.variable_count, 2);
    assert_string_equal(in.variables[1].name, "b");
    assert_string_equal(in.variables[1].value, "x \"y\"");
    buffer_free(&text);
    arena_destroy(arena);
}

static void without_them_there_are_defaults(void **state)
{
    struct arena *arena = arena_create();
    struct error error = {0};
    struct run_options in = {.approved = true};
    assert_true(read_back(*state, arena, NULL, &in, &error));
    assert_false(in.approved);
    assert_null(in.plan_path);
    arena_destroy(arena);
}

/* Damaged ones are never taken for something else: the workflow is what a resume would carry out.
 */
static void damaged_ones_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "nonsense",
                                      "[]",
                                      "{}",
                                      "{\"workflow\": 3}",
                                      "{\"workflow\": \"fail\"}",
                                      "{\"workflow\": \"failover\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct arena *arena = arena_create();
        struct error error = {0};
        struct run_options in;
        char *directory = arena_printf(arena, "%s/%zu", (const char *)*state, i);
        const char *command = arena_printf(arena, "mkdir %s", directory);
        assert_int_equal(system(command), 0);
        assert_false(read_back(directory, arena, bad[i], &in, &error));
        assert_non_null(strstr(error.message, "cannot be read back"));
        error_clear(&error);
        arena_destroy(arena);
    }
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, state_directory_make, state_directory_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(without_them_there_are_defaults),
        TEST(damaged_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
