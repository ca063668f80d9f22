#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "runtime/state/place.h"
#include "runtime/world/files.h"
#include "runtime/world/simulated.h"

static void each_folder_is_a_place(void **state)
{
    (void)state;
    char one[] = "/tmp/drc-test-place-XXXXXX", two[] = "/tmp/drc-test-place-XXXXXX", command[100];
    struct world *world = world_simulated_create(1, 0, (struct world_responder){0});
    struct arena *arena = arena_create();
    struct error error = {0};
    assert_non_null(mkdtemp(one));
    assert_non_null(mkdtemp(two));
    const char *first = place_of(arena, world, one, &error);
    assert_int_equal(strlen(first), 16);
    assert_string_equal(place_of(arena, world, one, &error), first);
    assert_string_not_equal(place_of(arena, world, two, &error), first);
    /* what is no place is made anew */
    const char *path = arena_printf(arena, "%s/place", one);
    assert_true(files_write_atomically(path, "x", 1, &error));
    assert_int_equal(strlen(place_of(arena, world, one, &error)), 16);
    assert_null(place_of(arena, world, "/no/such/folder", &error));
    assert_non_null(error.message);
    error_clear(&error);
    snprintf(command, sizeof command, "rm -rf %s %s", one, two);
    assert_int_equal(system(command), 0);
    arena_destroy(arena);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_folder_is_a_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
