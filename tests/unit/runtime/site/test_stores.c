#include "runtime/site/stores.h"

#include <stdio.h>
#include <string.h>

#include "runtime/world/simulated.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/state_directory.h"

static void expect_store(struct world *world, const char *url, const char *name)
{
    struct error error = {0};
    struct store *store = store_open(world, url, false, &error);
    if (!store) {
        fail_msg("%s: %s", url, error.message);
    }
    assert_string_equal(store->name, name);
    store_destroy(store);
}

static void expect_refusal(struct world *world, const char *url, const char *message)
{
    struct error error = {0};
    assert_null(store_open(world, url, false, &error));
    if (!strstr(error.message, message)) {
        fail_msg("%s: %s", url, error.message);
    }
    error_clear(&error);
}

static void test_each_kind(void **state)
{
    struct world *world = quiet_world(1);
    char url[256];
    expect_refusal(world, "s3://bucket/x", "cannot be opened here");
    struct site_stores_options options = {.world = world, .region = "eu-west-1"};
    struct site_stores *stores = site_stores_create(&options);
    world_set_stores(world, site_stores_opener(stores));
    snprintf(url, sizeof url, "dir:%s/repository", (char *)*state);
    expect_store(world, url, "directory");
    snprintf(url, sizeof url, "file://%s/state", (char *)*state);
    expect_store(world, url, "directory");
    expect_store(world, "s3://bucket/x", "s3");
    expect_refusal(world, "dir:", "names no directory");
    expect_refusal(world, "file://relative", "names no directory");
    expect_refusal(world, "s3://bucket//x", "names no place in S3");
    expect_refusal(world, "gs://bucket/x", "is no place for objects");
    struct error error = {0};
    struct store_opener opener = site_stores_opener(stores);
    struct store *lazy = opener.open(opener.context, url, true, &error);
    assert_non_null(lazy);
    store_destroy(lazy);
    world_destroy(world);
    site_stores_destroy(stores);
    site_stores_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_kind, state_directory_make, state_directory_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
