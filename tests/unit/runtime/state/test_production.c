#include "runtime/state/production.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/state_directory.h"

static void test_round_trip(void **state)
{
    struct arena *arena = arena_create();
    struct error error = {0};
    struct production *production = production_read(arena, *state, "shop", &error);
    assert_non_null(production);
    assert_int_equal(production->count, 0);
    assert_int_equal(production_of(production, "db").place, PRODUCTION_PRIMARY);
    struct production_vm db = {.name = "db", .place = PRODUCTION_FAILING_OVER, .run = "7k2f0000",
                               .since_utc_ms = 1763805600000};
    struct production_vm app = {.name = "app", .place = PRODUCTION_FAILING_BACK};
    production_set(arena, production, &db);
    production_set(arena, production, &app);
    db.place = PRODUCTION_RECOVERY;
    db.instance_id = "i-0a1";
    db.committed = true;
    production_set(arena, production, &db);
    assert_true(production_write(production, *state, "shop", &error));
    production = production_read(arena, *state, "shop", &error);
    assert_int_equal(production->count, 2);
    struct production_vm read = production_of(production, "db");
    assert_int_equal(read.place, PRODUCTION_RECOVERY);
    assert_string_equal(read.instance_id, "i-0a1");
    assert_string_equal(read.run, "7k2f0000");
    assert_int_equal(read.since_utc_ms, 1763805600000);
    read = production_of(production, "app");
    assert_int_equal(read.place, PRODUCTION_FAILING_BACK);
    assert_null(read.instance_id);
    assert_false(read.committed);
    assert_true(production_of(production, "db").committed);
    arena_destroy(arena);
}

static void test_damaged(void **state)
{
    static const char *const texts[] = {
        "", "{", "[]", "{\"format\":\"drc-production/2\",\"vms\":[]}",
        "{\"format\":\"drc-production/1\",\"vms\":[{\"name\":\"db\",\"place\":\"moon\"}]}",
        "{\"format\":\"drc-production/1\",\"vms\":[{\"place\":\"primary\"}]}",
        "{\"format\":\"drc-production/1\",\"vms\":[]} and more",
    };
    struct arena *arena = arena_create();
    char path[128];
    snprintf(path, sizeof path, "%s/shop", (const char *)*state);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/shop/production.json", (const char *)*state);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        FILE *file = fopen(path, "w");
        fputs(texts[i], file);
        fclose(file);
        struct error error = {0};
        assert_null(production_read(arena, *state, "shop", &error));
        assert_non_null(strstr(error.message, path));
        assert_non_null(error.help);
        error_clear(&error);
    }
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_damaged, state_directory_make, state_directory_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
