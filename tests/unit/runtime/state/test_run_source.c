/* A run read by one who only looks on. */
#include "runtime/state/run_source.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/state/journal.h"
#include "runtime/state/lease.h"
#include "runtime/world/world.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/state_directory.h"

static bool collect(void *context, int64_t number, const char *record)
{
    buffer_printf(context, "%lld %s\n", (long long)number, record);
    return true;
}

static void expect(struct run_source *source, int64_t after, const char *text)
{
    struct buffer lines = {0};
    assert_true(source->read(source, after, collect, &lines, NULL));
    assert_string_equal(buffer_text(&lines), text);
    buffer_free(&lines);
}

/* While the writer has it open, what it commits is there at the next look, and from where the last
 * one ended. */
static void it_follows_a_writer(void **state)
{
    const char *directory = *state;
    struct arena *arena = arena_create();
    struct error error = {0};
    struct world *world = quiet_world(1);
    struct run_blob blob = {"graph", "{}", 2};
    struct run_info run;
    struct journal *journal =
        run_create(arena, directory, world, "shop", WORKFLOW_FAILOVER, &blob, 1, &run, &error);
    assert_non_null(journal);
    struct run_source *source = run_source_journal(world, directory, &run, &error);
    assert_non_null(source);
    void *bytes = NULL;
    size_t length = 0;
    assert_true(source->blob(source, "graph", &bytes, &length, &error));
    assert_memory_equal(bytes, "{}", 2);
    free(bytes);
    assert_false(source->blob(source, "facts", &bytes, &length, &error));
    assert_null(error.message);
    int64_t number = journal_number(journal);
    journal_append(journal, "one");
    expect(source, number, "");
    assert_true(journal_commit(journal, NULL));
    journal_append(journal, "two");
    journal_append(journal, "three");
    assert_true(journal_commit(journal, NULL));
    expect(source, number + 1, number == 1 ? "3 two\n3 three\n" : "?");
    expect(source, number + 2, "");
    assert_false(source->is_alive(source));
    struct lease *lease = lease_take(directory, "shop", "site", run.id, world, &error);
    assert_non_null(lease);
    assert_true(source->is_alive(source));
    lease_release(lease);
    assert_false(source->is_alive(source));
    run_source_close(source);
    run_source_close(NULL);
    source = run_source_over(journal);
    expect(source, number + 1, "3 two\n3 three\n");
    assert_false(source->is_alive(source));
    run_source_close(source);
    journal_append(journal, "four");
    assert_true(journal_commit(journal, NULL)); /* it is the caller's still */
    journal_close(journal);
    world_destroy(world);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_follows_a_writer, state_directory_make,
                                        state_directory_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
