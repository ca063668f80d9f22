/* A plan goes out with its files and comes back as it was; what has been changed on the way is refused. */
#include "runtime/state/published.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/plan/files.h"
#include "runtime/world/files.h"
#include "runtime/world/simulated.h"
#include "runtime/world/store.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/state_directory.h"

struct bench {
    struct arena *arena;
    struct world *world;
    const char *directory; /* of the state; the cache is beside it */
    const char *url;
    struct store *store;
};

static struct bench make(const char *directory)
{
    struct bench bench = {.arena = arena_create(), .world = quiet_world(1)};
    struct error error = {0};
    bench.directory = arena_printf(bench.arena, "%s/state", directory);
    bench.url = arena_printf(bench.arena, "file://%s/steps", bench.directory);
    assert_true(files_make_directory(bench.directory, &error));
    world_simulated_set_environment(bench.world, "XDG_CACHE_HOME",
                                    arena_printf(bench.arena, "%s/cache", directory));
    bench.store = store_directory_create(bench.world, bench.directory, &error);
    assert_non_null(bench.store);
    return bench;
}

static void clear(struct bench *bench)
{
    store_destroy(bench->store);
    world_destroy(bench->world);
    arena_destroy(bench->arena);
}

static struct plan *load(struct bench *bench, const char *path)
{
    struct error error = {0};
    struct source *source = source_read(bench->arena, path, &error);
    assert_non_null(source);
    struct plan *plan =
        compile_plan(bench->arena, source, NULL, 0, diagnostics_create(bench->arena));
    assert_non_null(plan);
    return plan;
}

static struct published publish(struct bench *bench, const char *facts)
{
    struct published published;
    struct error error = {0};
    struct plan *plan = load(bench, "examples/steps.yaml");
    if (!published_put(bench->arena, bench->store, bench->world, plan, facts,
                       facts ? strlen(facts) : 0, &published, &error)) {
        fail_msg("%s", error.message);
    }
    return published;
}

static const char *fetch(struct bench *bench)
{
    struct error error = {0};
    const char *path = published_fetch(bench->arena, bench->world, bench->url, &error);
    if (!path) {
        fail_msg("%s", error.message);
    }
    return path;
}

static void expect_refusal(struct bench *bench, const char *message)
{
    struct error error = {0};
    assert_null(published_fetch(bench->arena, bench->world, bench->url, &error));
    if (!strstr(error.message, message) || !error.help) {
        fail_msg("%s", error.message);
    }
    error_clear(&error);
}

static void test_there_and_back(void **state)
{
    struct bench bench = make(*state);
    struct published out = publish(&bench, NULL);
    assert_string_equal(out.plan, "steps");
    assert_int_equal(out.file_count, 4);
    assert_false(out.facts);
    const char *path = fetch(&bench);
    struct plan *plan = load(&bench, path);
    assert_string_equal(plan->digest, out.digest);
    assert_null(published_facts(bench.arena, path));
    /* Executable as it was; nobody else's to read. */
    struct stat status;
    assert_int_equal(stat(plan_file_path(plan, plan->files[0]), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    /* With facts it is another publication, and both are kept. */
    assert_true(publish(&bench, "{\"facts\": 1}").facts);
    const char *again = fetch(&bench);
    assert_string_not_equal(again, path);
    const char *facts = published_facts(bench.arena, again);
    size_t length;
    assert_string_equal(files_read(bench.arena, facts, 100, &length, NULL), "{\"facts\": 1}");
    clear(&bench);
}

static void test_the_cache_is_verified(void **state)
{
    struct bench bench = make(*state);
    publish(&bench, NULL);
    const char *path = fetch(&bench);
    FILE *file = fopen(path, "a");
    fputs("\n# changed here\n", file);
    fclose(file);
    struct plan *plan = load(&bench, fetch(&bench));
    assert_null(strstr(plan->source->text, "changed here"));
    unlink(plan_file_path(plan, plan->files[0]));
    load(&bench, fetch(&bench));
    clear(&bench);
}

/* Calls `change` with the path of the first object (in the order of the file system). */
static void change_object(struct bench *bench, const char *command)
{
    char line[512];
    snprintf(line, sizeof line, "f=$(find %s/steps/plan/objects -type f | sort | head -1); %s \"$f\"",
             bench->directory, command);
    assert_int_equal(system(line), 0);
}

static void test_damaged_objects(void **state)
{
    struct bench bench = make(*state);
    publish(&bench, NULL);
    change_object(&bench, "printf x >>");
    expect_refusal(&bench, "is not what its name says");
    change_object(&bench, "rm");
    expect_refusal(&bench, "is missing");
    publish(&bench, NULL);
    fetch(&bench);
    clear(&bench);
}

static void test_odd_manifests(void **state)
{
#define ENTRY(path)                                                                                \
    "{\"path\":\"" path "\",\"bytes\":1,\"executable\":true,\"sha256\":"                            \
    "\"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\"}"
#define MANIFEST(files) "{\"format\":\"drc-published/1\",\"plan\":\"steps\",\"files\":[" files "]}"
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "is no manifest"},
        {"{", "is no manifest"},
        {"[]", "is no manifest"},
        {"{\"format\":\"drc-published/9\",\"plan\":\"steps\"}", "this version does not know"},
        {"{\"format\":\"drc-published/1\",\"plan\":\"shop\",\"files\":[]}", "is no manifest"},
        {MANIFEST(""), "names no files"},
        {MANIFEST(ENTRY("../../.bashrc")), "names a file that cannot be"},
        {MANIFEST(ENTRY("/etc/passwd")), "names a file that cannot be"},
        {MANIFEST(ENTRY("a/../b")), "names a file that cannot be"},
        {MANIFEST(ENTRY("a//b")), "names a file that cannot be"},
        {MANIFEST(ENTRY("a\\nb")), "names a file that cannot be"},
        {MANIFEST("{\"path\":\"a\",\"bytes\":1,\"sha256\":\"../../x\"}"), "names a file that cannot be"},
        {MANIFEST("{\"path\":\"a\",\"bytes\":-1}"), "names a file that cannot be"},
        {MANIFEST("7"), "names a file that cannot be"},
        {MANIFEST(ENTRY("a")), "is missing"},
    };
    struct bench bench = make(*state);
    expect_refusal(&bench, "no plan is published at");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(store_put_now(bench.store, bench.world, "steps/plan/manifest", rows[i].text,
                                       strlen(rows[i].text), STORE_ALWAYS, NULL, NULL), STORE_OK);
        expect_refusal(&bench, rows[i].message);
    }
    clear(&bench);
}

static void test_files_from_elsewhere(void **state)
{
    struct bench bench = make(*state);
    struct plan plan = *load(&bench, "examples/steps.yaml");
    static const char *const elsewhere[] = {"../other/x.sh", "/usr/bin/true", "scripts/../../x"};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        struct published published;
        struct error error = {0};
        plan.files = (const char **)&elsewhere[i];
        plan.file_count = 1;
        assert_false(published_put(bench.arena, bench.store, bench.world, &plan, NULL, 0, &published,
                                   &error));
        assert_non_null(strstr(error.message, "outside of the plan's folder"));
        error_clear(&error);
    }
    expect_refusal(&bench, "no plan is published at"); /* nothing half */
    clear(&bench);
}

static void test_urls(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_true(published_is_url("s3://bucket/state/shop"));
    assert_true(published_is_url("s3://bucket/shop/"));
    assert_true(published_is_url("file:///dr/state/shop"));
    assert_false(published_is_url("s3://bucket"));
    assert_false(published_is_url("s3://bucket/"));
    assert_false(published_is_url("plans/shop"));
    assert_false(published_is_url("file://shop"));
    assert_string_equal(published_state(arena, "s3://bucket/state/shop/"), "s3://bucket/state");
    assert_string_equal(published_state(arena, "s3://bucket/shop"), "s3://bucket");
    assert_string_equal(published_state(arena, "file:///dr/shop"), "file:///dr");
    arena_destroy(arena);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, state_directory_make, state_directory_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_there_and_back), TEST(test_the_cache_is_verified),  TEST(test_damaged_objects),
        TEST(test_odd_manifests),  TEST(test_files_from_elsewhere), TEST(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
