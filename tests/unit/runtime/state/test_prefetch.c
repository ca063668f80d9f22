#include "runtime/state/prefetch.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/state_directory.h"

struct bench {
    struct world *world;
    struct store_memory *memory;
    struct store *inner;
};

static struct bench make(void)
{
    struct bench bench = {.world = quiet_world(1), .memory = store_memory_create()};
    bench.inner = store_memory_open(bench.world, bench.memory);
    return bench;
}

static void clear(struct bench *bench)
{
    store_destroy(bench->inner);
    store_memory_destroy(bench->memory);
    world_destroy(bench->world);
}

static void put(struct bench *bench, const char *key, const char *bytes, size_t length)
{
    assert_int_equal(store_put_now(bench->inner, bench->world, key, bytes, length, STORE_ALWAYS, NULL,
                                   NULL), STORE_OK);
}

static enum store_outcome get(struct bench *bench, struct store *store, const char *key,
                              const char *expected)
{
    void *bytes = NULL;
    size_t length = 0;
    char version[STORE_VERSION_MAX];
    enum store_outcome outcome =
        store_get_now(store, bench->world, key, &bytes, &length, version, NULL);
    if (outcome == STORE_OK && expected) {
        assert_int_equal(length, strlen(expected));
        assert_string_equal(bytes, expected);
        assert_string_not_equal(version, "");
    }
    free(bytes);
    return outcome;
}

/* What was read is answered from memory, all else by the store behind. */
static void test_reads_once(void **state)
{
    (void)state;
    static const char *const keys[] = {"log/1", "log/2", "log/3"};
    struct bench bench = make();
    put(&bench, "log/1", "one", 3);
    put(&bench, "log/2", "", 0);
    struct store *store = prefetch_open(bench.inner, bench.world, keys, 3);
    store_remove_now(bench.inner, bench.world, "log/1", NULL);
    store_remove_now(bench.inner, bench.world, "log/2", NULL);
    assert_int_equal(get(&bench, store, "log/1", "one"), STORE_OK);
    assert_int_equal(get(&bench, store, "log/1", "one"), STORE_OK);
    assert_int_equal(get(&bench, store, "log/2", ""), STORE_OK);
    assert_int_equal(get(&bench, store, "log/3", NULL), STORE_ABSENT);
    put(&bench, "log/3", "three", 5); /* came later */
    assert_int_equal(get(&bench, store, "log/3", "three"), STORE_OK);
    assert_int_equal(store_put_now(store, bench.world, "log/4", "4", 1, STORE_IF_ABSENT, NULL, NULL),
                     STORE_OK);
    assert_int_equal(get(&bench, bench.inner, "log/4", "4"), STORE_OK);
    assert_int_equal(store_remove_now(store, bench.world, "log/4", NULL), STORE_OK);
    assert_int_equal(store_sync_now(store, bench.world, NULL), STORE_OK);
    struct arena *arena = arena_create();
    const char **found;
    size_t count;
    assert_int_equal(store_list_now(store, bench.world, "log/", "", arena, &found, &count, NULL),
                     STORE_OK);
    assert_int_equal(count, 1);
    arena_destroy(arena);
    store_destroy(store);
    clear(&bench);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b"};
    size_t length = PREFETCH_BYTES_MAX / 2 + 1;
    char *big = calloc(1, length);
    struct bench bench = make();
    put(&bench, "a", big, length);
    put(&bench, "b", big, length);
    struct store *store = prefetch_open(bench.inner, bench.world, keys, 2);
    store_remove_now(bench.inner, bench.world, "a", NULL);
    store_remove_now(bench.inner, bench.world, "b", NULL);
    int kept = (get(&bench, store, "a", NULL) == STORE_OK) + (get(&bench, store, "b", NULL) == STORE_OK);
    assert_int_equal(kept, 1);
    store_destroy(store);
    free(big);
    clear(&bench);
}

static void must_not_come(void *context, const struct store_result *result)
{
    (void)context, (void)result;
    fail();
}

static void count(void *context, const struct store_result *result)
{
    assert_int_equal(result->outcome, STORE_OK);
    ++*(int *)context;
}

static void test_forgotten_and_destroyed(void **state)
{
    (void)state;
    static const char *const keys[] = {"a"};
    struct bench bench = make();
    int came = 0;
    put(&bench, "a", "x", 1);
    struct store *store = prefetch_open(bench.inner, bench.world, keys, 1);
    store->get(store, "a", must_not_come, &bench);
    store->get(store, "a", count, &came);
    assert_int_equal(came, 0); /* never from within */
    store->forget(store, &bench);
    world_run(bench.world, NULL);
    assert_int_equal(came, 1);
    store->get(store, "a", must_not_come, NULL);
    store_destroy(store);
    world_run(bench.world, NULL);
    store_destroy(prefetch_open(bench.inner, bench.world, NULL, 0));
    clear(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_once),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_forgotten_and_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
