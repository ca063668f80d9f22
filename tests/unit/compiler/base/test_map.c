#include "compiler/base/map.h"

#include <stdio.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"

enum { MANY = 20000 };

static int set_up(void **state)
{
    *state = arena_create();
    return 0;
}

static int tear_down(void **state)
{
    arena_destroy(*state);
    return 0;
}

/* All of one length, so that only the bytes tell them apart; enough to grow the table many times. */
static void many_keys_of_one_length(void **state)
{
    struct map map = {.arena = *state};
    int values[2];
    for (int i = 0; i < MANY; i++) {
        assert_true(map_put(&map, arena_printf(*state, "vm-%05d", i), &values[i % 2]));
    }
    assert_int_equal(map_count(&map), MANY);
    char key[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "vm-%05d", i);
        assert_ptr_equal(map_get(&map, key), &values[i % 2]);
    }
    assert_null(map_get(&map, "vm-20000"));
}

static void order_is_that_of_insertion(void **state)
{
    struct map map = {.arena = *state};
    assert_null(map_first(&map));
    uint32_t number = 1;
    const char *keys[1000];
    for (int i = 0; i < 1000; i++) {
        number = number * 1103515245u + 12345u; /* keys in no order of their own */
        keys[i] = arena_printf(*state, "%08x", number);
        assert_true(map_put(&map, keys[i], *state));
    }
    assert_false(map_put(&map, keys[500], &map)); /* replaced where it is */
    int i = 0;
    for (struct map_entry *entry = map_first(&map); entry; entry = map_next(entry), i++) {
        assert_ptr_equal(entry->key, keys[i]);
        assert_ptr_equal(entry->value, i == 500 ? (void *)&map : *state);
    }
    assert_int_equal(i, 1000);
}

static void a_key_is_replaced_by_what_it_says_not_where_it_is(void **state)
{
    struct map map = {.arena = *state};
    int one, other;
    char same[] = "db";
    assert_true(map_put(&map, "db", &one));
    assert_false(map_put(&map, same, &other));
    assert_int_equal(map_count(&map), 1);
    assert_ptr_equal(map_get(&map, "db"), &other);
    assert_ptr_not_equal(map_first(&map)->key, same); /* the first key stays */
}

static void prefixes_and_the_empty_key_are_keys(void **state)
{
    struct map map = {.arena = *state};
    int empty, db, db1;
    assert_null(map_get(&map, ""));
    map_put(&map, "", &empty);
    map_put(&map, "db", &db);
    map_put(&map, "db1", &db1);
    assert_ptr_equal(map_get(&map, ""), &empty);
    assert_ptr_equal(map_get(&map, "db"), &db);
    assert_ptr_equal(map_get_n(&map, "db1/disk-0", 3), &db1);
    assert_ptr_equal(map_get_n(&map, "db1/disk-0", 2), &db);
    assert_ptr_equal(map_get_n(&map, "db1/disk-0", 0), &empty);
    assert_null(map_get_n(&map, "db1/disk-0", 4));
    assert_null(map_get(&map, "d"));
    assert_null(map_get(&map, "DB"));
}

static void a_value_may_be_null(void **state)
{
    struct map map = {.arena = *state};
    assert_true(map_put(&map, "nothing", NULL));
    assert_null(map_get(&map, "nothing"));
    assert_false(map_put(&map, "nothing", state));
    assert_int_equal(map_count(&map), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_keys_of_one_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(order_is_that_of_insertion, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_is_replaced_by_what_it_says_not_where_it_is, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(prefixes_and_the_empty_key_are_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_value_may_be_null, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
