#include "runtime/dns/resolvers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/cmocka_all.h"

static void the_file_says_whom_to_ask(void **state)
{
    (void)state;
    char path[] = "/tmp/drc-resolv-XXXXXX";
    int file = mkstemp(path);
    dprintf(
        file,
        "# comment\nsearch example\nnameserver\t10.0.0.1\nnameservers 9.9.9.9\n"
        "nameserver  2001:db8::53  \noptions edns0\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n");
    close(file);
    struct world *world = world_simulated_create(1, 0, (struct world_responder){0});
    struct arena *arena = arena_create();
    const char **found;
    assert_int_equal(resolvers_find(world, path, arena, &found), 3);
    assert_string_equal(found[0], "10.0.0.1");
    assert_string_equal(found[1], "2001:db8::53");
    assert_string_equal(found[2], "10.0.0.3");
    unlink(path);
    assert_int_equal(resolvers_find(world, path, arena, &found), 1);
    assert_string_equal(found[0], "127.0.0.1");
    world_simulated_set_environment(world, "DRC_RESOLVER", "10.9.9.9:5300");
    assert_int_equal(resolvers_find(world, path, arena, &found), 1);
    assert_string_equal(found[0], "10.9.9.9:5300");
    arena_destroy(arena);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_file_says_whom_to_ask)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
