/* Records of a shared journal: written, read back, contested, damaged.
 * Covers: record_form.c journal_state.h */
#include "runtime/state/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/state/journal.h"
#include "runtime/state/record_form.h"
#include "runtime/world/world.h"
#include "tests/unit/support/flaky_store.h"
#include "tests/unit/support/state_directory.h"

#define PREFIX "shop/runs/7k2f0000"

struct bench {
    struct world *world;
    struct store_memory *memory;
    struct flaky_store *store;
    void *directory;
    int files;
};

static int bench_make(void **state)
{
    struct bench *bench = base_alloc(sizeof *bench);
    bench->world = quiet_world(7);
    bench->memory = store_memory_create();
    bench->store = flaky_store_create(bench->world, store_memory_open(bench->world, bench->memory));
    *state = bench;
    return state_directory_make(&bench->directory);
}

static int bench_clear(void **state)
{
    struct bench *bench = *state;
    store_destroy(&bench->store->store);
    store_memory_destroy(bench->memory);
    world_destroy(bench->world);
    state_directory_remove(&bench->directory);
    free(bench);
    return 0;
}

/* An empty copy, as on another runner. */
static struct journal *new_file(struct bench *bench)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%d.db", (char *)bench->directory, bench->files++);
    struct journal *journal = journal_create(path, NULL);
    journal_use_clock(journal, bench->world);
    return journal;
}

static struct records *open_records(struct bench *bench)
{
    return records_open(&bench->store->store, bench->world, PREFIX);
}

static struct journal *publish(struct bench *bench)
{
    struct journal *journal = new_file(bench);
    assert_true(journal_put_blob(journal, "plan", "drc: 1\n", 7, NULL));
    journal_append(journal, "{\"r\":\"run\"}");
    journal_summarize(journal, "status", "preparing");
    assert_true(journal_commit(journal, NULL));
    assert_true(records_publish(open_records(bench), journal, NULL));
    return journal;
}

static bool commit(struct journal *journal, const char *record, const char *status,
                   struct error *error)
{
    journal_append(journal, record);
    if (status) {
        journal_summarize(journal, "status", status);
    }
    return journal_commit(journal, error);
}

static bool collect(void *context, int64_t number, const char *record)
{
    buffer_printf(context, "%lld %s\n", (long long)number, record);
    return true;
}

static void expect_records(struct journal *journal, const char *expected)
{
    struct buffer text = {0};
    assert_true(journal_replay(journal, collect, &text, NULL));
    static const char holder[] = "{\"r\":\"holder\"";
    for (char *at = text.data; (at = strstr(at, holder));) { /* host, pid and time vary */
        at += strlen(holder);
        char *end = strstr(at, "}\n");
        memmove(at, end, strlen(end) + 1);
    }
    assert_string_equal(buffer_text(&text), expected);
    buffer_free(&text);
}

static void expect_status(struct journal *journal, const char *expected)
{
    struct arena *arena = arena_create();
    assert_string_equal(journal_summary(journal, arena, "status"), expected);
    arena_destroy(arena);
}

/* A new copy of what the store holds. */
static struct journal *rebuild(struct bench *bench, struct error *error)
{
    struct journal *copy = new_file(bench);
    struct records *records = open_records(bench);
    bool ok = records_sync(records, copy, error);
    records_close(records);
    if (!ok) {
        journal_close(copy);
        copy = NULL;
    }
    return copy;
}

static void test_rebuild(void **state)
{
    struct bench *bench = *state;
    struct journal *journal = publish(bench);
    size_t length = (size_t)RECORDS_BLOB_PART + 5, got;
    char *big = base_alloc(length);
    memset(big, 'g', length);
    assert_true(journal_put_blob(journal, "graph", big, length, NULL));
    assert_true(journal_put_blob(journal, "empty", "", 0, NULL));
    assert_true(commit(journal, "{\"r\":\"start\"}", "running", NULL));
    assert_true(commit(journal, "{\"r\":\"done\"}", NULL, NULL));
    struct journal *copy = rebuild(bench, NULL);
    assert_int_equal(journal_number(copy), 3);
    expect_records(copy, "1 {\"r\":\"run\"}\n2 {\"r\":\"start\"}\n3 {\"r\":\"done\"}\n");
    expect_status(copy, "running");
    void *bytes;
    assert_true(journal_get_blob(copy, "plan", &bytes, &got, NULL));
    assert_string_equal(bytes, "drc: 1\n");
    free(bytes);
    assert_true(journal_get_blob(copy, "graph", &bytes, &got, NULL));
    assert_int_equal(got, length);
    assert_memory_equal(bytes, big, length);
    free(bytes);
    assert_true(journal_get_blob(copy, "empty", &bytes, &got, NULL));
    assert_int_equal(got, 0);
    free(bytes);
    free(big);
    /* What came since is added to a copy that is there. */
    assert_true(commit(journal, "{\"r\":\"end\"}", "failed", NULL));
    struct records *records = open_records(bench);
    assert_true(records_sync(records, copy, NULL));
    records_close(records);
    assert_int_equal(journal_number(copy), 4);
    expect_status(copy, "failed");
    journal_close(copy);
    journal_close(journal);
}

static void test_unpublished_is_nothing(void **state)
{
    struct bench *bench = *state;
    struct journal *copy = rebuild(bench, NULL);
    assert_int_equal(journal_number(copy), 0);
    journal_close(copy);
}

/* A take-over: whatever the former holder sends afterwards is refused. */
static void test_fence(void **state)
{
    struct bench *bench = *state;
    struct journal *old = publish(bench);
    struct journal *new = new_file(bench);
    assert_true(records_claim(open_records(bench), new, NULL));
    expect_records(new, "1 {\"r\":\"run\"}\n2 {\"r\":\"holder\"}\n");
    struct error error = {0};
    assert_false(commit(old, "{\"r\":\"intent\"}", NULL, &error));
    assert_non_null(strstr(error.message, "another process has taken the run over (process"));
    assert_non_null(error.help);
    error_clear(&error);
    assert_false(commit(old, "{\"r\":\"intent\"}", NULL, &error)); /* nor later */
    error_clear(&error);
    assert_true(commit(new, "{\"r\":\"resume\"}", NULL, NULL));
    struct journal *copy = rebuild(bench, NULL);
    expect_records(copy, "1 {\"r\":\"run\"}\n2 {\"r\":\"holder\"}\n3 {\"r\":\"resume\"}\n");
    journal_close(copy);
    journal_close(new);
    journal_close(old);
}

/* The former holder's last record comes in between: it is read, and the claim put behind it. */
struct late {
    struct store store;
    struct flaky_store *inner;
    struct journal *old;
    bool done;
};

static void late_put(struct store *store, const char *key, const void *bytes, size_t length,
                     enum store_condition condition, const char *version, store_callback done,
                     void *context)
{
    struct late *late = (struct late *)store;
    if (!late->done) {
        late->done = true;
        assert_true(commit(late->old, "{\"r\":\"late\"}", NULL, NULL));
    }
    late->inner->store.put(&late->inner->store, key, bytes, length, condition, version, done,
                           context);
}

static void late_get(struct store *store, const char *key, store_callback done, void *context)
{
    struct store *inner = &((struct late *)store)->inner->store;
    inner->get(inner, key, done, context);
}

static void late_list(struct store *store, const char *prefix, const char *after,
                      store_callback done, void *context)
{
    struct store *inner = &((struct late *)store)->inner->store;
    inner->list(inner, prefix, after, done, context);
}

static void late_forget(struct store *store, void *context)
{
    struct store *inner = &((struct late *)store)->inner->store;
    inner->forget(inner, context);
}

static void test_claim_beside_a_late_record(void **state)
{
    struct bench *bench = *state;
    struct late late = {{.get = late_get, .put = late_put, .list = late_list,
                         .forget = late_forget}, bench->store,
                        publish(bench), false};
    struct journal *new = new_file(bench);
    struct records *records = records_open(&late.store, bench->world, PREFIX);
    assert_true(records_claim(records, new, NULL));
    expect_records(new, "1 {\"r\":\"run\"}\n2 {\"r\":\"late\"}\n3 {\"r\":\"holder\"}\n");
    assert_false(commit(late.old, "{}", NULL, NULL));
    journal_close(new);
    journal_close(late.old);
}

/* An answer that is lost says nothing: what is found there decides. */
static void test_unknown_outcome(void **state)
{
    struct bench *bench = *state;
    struct journal *journal = publish(bench);
    static const enum flaw flaws[] = {FLAW_LOST_ANSWER, FLAW_LOST_REQUEST};
    for (size_t i = 0; i < 2; i++) {
        bench->store->flaw = flaws[i];
        bench->store->next = 3;
        bench->store->puts = 0;
        assert_true(commit(journal, "{\"r\":\"done\"}", NULL, NULL));
        assert_int_equal(bench->store->puts, 4);
    }
    struct journal *copy = rebuild(bench, NULL);
    expect_records(copy, "1 {\"r\":\"run\"}\n2 {\"r\":\"done\"}\n3 {\"r\":\"done\"}\n");
    journal_close(copy);
    journal_close(journal);
}

struct outcome_seen {
    int waits, ends;
    bool over, ok;
    char why[256];
};

static void seen_end(void *context, const struct error *error)
{
    struct outcome_seen *seen = context;
    seen->ends++;
    seen->over = true;
    seen->ok = !error;
    snprintf(seen->why, sizeof seen->why, "%s", error ? error->message : "");
}

static void seen_wait(void *context, const char *why)
{
    struct outcome_seen *seen = context;
    seen->waits++;
    assert_true(strcmp(why, "the network is down") == 0 || strstr(why, "is there already, and it is not"));
}

static void test_store_that_takes_nothing(void **state)
{
    struct bench *bench = *state;
    static const enum flaw flaws[] = {FLAW_LOST_REQUEST, FLAW_REFUSED, FLAW_SILENT};
    struct journal *journal = publish(bench);
    for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
        struct outcome_seen seen = {0};
        int64_t before = world_monotonic_ms(bench->world);
        bench->store->flaw = flaws[i];
        bench->store->next = -1;
        journal_append(journal, "{\"r\":\"intent\"}");
        assert_true(journal_commit_begin(journal, seen_end, seen_wait, &seen, NULL));
        journal_append(journal, "{\"r\":\"later\"}"); /* belongs to the next group */
        assert_true(journal_is_dirty(journal));
        world_run(bench->world, &seen.over);
        assert_false(seen.ok);
        assert_int_equal(seen.ends, 1);
        assert_int_equal(world_monotonic_ms(bench->world) - before, RECORDS_PATIENCE_MS);
        assert_non_null(strstr(seen.why, "the state does not take record"));
        assert_true(flaws[i] == FLAW_SILENT ? seen.waits == 0 : seen.waits > 20);
        assert_false(journal_commit(journal, NULL));
        journal_close(journal);
        bench->store->flaw = FLAW_NONE;
        journal = new_file(bench);
        assert_true(records_claim(open_records(bench), journal, NULL));
    }
    expect_records(journal, "1 {\"r\":\"run\"}\n2 {\"r\":\"holder\"}\n3 {\"r\":\"holder\"}\n"
                            "4 {\"r\":\"intent\"}\n5 {\"r\":\"holder\"}\n");
    journal_close(journal);
}

/* Two groups, one behind the other, and one given up. */
static void test_one_after_the_other(void **state)
{
    struct bench *bench = *state;
    struct journal *journal = publish(bench);
    struct outcome_seen seen = {0};
    for (int i = 0; i < 2; i++) {
        seen.over = false;
        journal_append(journal, i ? "{\"n\":2}" : "{\"n\":1}");
        assert_true(journal_commit_begin(journal, seen_end, seen_wait, &seen, NULL));
        assert_false(journal_is_dirty(journal));
        world_run(bench->world, &seen.over);
        assert_true(seen.ok);
    }
    expect_records(journal, "1 {\"r\":\"run\"}\n2 {\"n\":1}\n3 {\"n\":2}\n");
    journal_append(journal, "{\"n\":3}");
    assert_true(journal_commit_begin(journal, seen_end, seen_wait, &seen, NULL));
    journal_abandon(journal);
    assert_false(commit(journal, "{}", NULL, NULL));
    journal_close(journal);
    world_run(bench->world, NULL);
    assert_int_equal(seen.ends, 2);
}

/* --- damage --- */

static void replace(struct bench *bench, const char *key, const char *bytes, size_t length)
{
    assert_int_equal(store_put_now(&bench->store->store, bench->world, key, bytes, length,
                                   STORE_ALWAYS, NULL, NULL), STORE_OK);
}

static char *fetch(struct bench *bench, const char *key, size_t *length)
{
    void *bytes = NULL;
    assert_int_equal(store_get_now(&bench->store->store, bench->world, key, &bytes, length, NULL,
                                   NULL), STORE_OK);
    return bytes;
}

static void expect_damage(struct bench *bench, const char *words)
{
    struct error error = {0};
    assert_null(rebuild(bench, &error));
    if (!strstr(error.message, words)) {
        fail_msg("%s\nhas not: %s", error.message, words);
    }
    assert_non_null(error.help);
    error_clear(&error);
}

static void test_damage(void **state)
{
    struct bench *bench = *state;
    struct journal *journal = publish(bench);
    assert_true(commit(journal, "{\"r\":\"two\"}", NULL, NULL));
    assert_true(commit(journal, "{\"r\":\"three\"}", NULL, NULL));
    size_t length, other_length;
    char *two = fetch(bench, PREFIX "/log/00000002", &length);
    char *three = fetch(bench, PREFIX "/log/00000003", &other_length);
    /* every byte counts */
    for (size_t i = 0; i < length; i++) {
        two[i] ^= 1;
        replace(bench, PREFIX "/log/00000002", two, length);
        struct error error = {0};
        assert_null(rebuild(bench, &error));
        error_clear(&error);
        two[i] ^= 1;
    }
    for (size_t i = 0; i < length; i++) {
        replace(bench, PREFIX "/log/00000002", two, i);
        expect_damage(bench, "log/0000000");
    }
    replace(bench, PREFIX "/log/00000002", three, other_length);
    expect_damage(bench, "it says that it is number 3");
    replace(bench, PREFIX "/log/00000002", "{\"format\":\"drc-record/9\"}\n", 26);
    expect_damage(bench, "this drc knows drc-record/1");
    replace(bench, PREFIX "/log/00000002", two, length);
    struct journal *copy = rebuild(bench, NULL);
    assert_int_equal(journal_number(copy), 3);
    journal_close(copy);
    replace(bench, "shop/runs/other/log/00000001", two, length);
    struct records *records = records_open(&bench->store->store, bench->world, "shop/runs/other");
    copy = new_file(bench);
    struct error error = {0};
    assert_false(records_sync(records, copy, &error));
    assert_non_null(strstr(error.message, "it belongs to \"" PREFIX "\""));
    error_clear(&error);
    records_close(records);
    journal_close(copy);
    free(two);
    free(three);
    journal_close(journal);
}

static void test_gap_and_missing_blob(void **state)
{
    struct bench *bench = *state;
    struct journal *journal = publish(bench);
    assert_true(commit(journal, "{\"r\":\"two\"}", NULL, NULL));
    assert_true(commit(journal, "{\"r\":\"three\"}", NULL, NULL));
    replace(bench, PREFIX "/log/.DS_Store", "", 0); /* what is no record's name is nobody's */
    journal_close(rebuild(bench, NULL));
    struct store *store = &bench->store->store;
    store_remove_now(store, bench->world, PREFIX "/log/00000002", NULL);
    expect_damage(bench, "00000002 is missing, and 00000003 is there");
    store_remove_now(store, bench->world, PREFIX "/log/00000003", NULL);
    journal_close(rebuild(bench, NULL));
    struct arena *arena = arena_create();
    const char **keys;
    size_t count;
    store_list_now(store, bench->world, PREFIX "/blob/", "", arena, &keys, &count, NULL);
    assert_int_equal(count, 1);
    replace(bench, keys[0], "other", 5);
    expect_damage(bench, "is damaged");
    store_remove_now(store, bench->world, keys[0], NULL);
    expect_damage(bench, "is missing");
    arena_destroy(arena);
    journal_close(journal);
}

/* A record that is whole, but of a writer who did not hold the run. */
static void test_usurper(void **state)
{
    struct bench *bench = *state;
    journal_close(publish(bench));
    size_t length;
    char *one = fetch(bench, PREFIX "/log/00000001", &length);
    static const struct {
        int64_t epoch;
        const char *writer, *says;
    } cases[] = {
        {1, "00000000000000000000000000000000", "did not hold the run"},
        {3, "00000000000000000000000000000000", "did not hold the run"},
        {2, "short", "does not say who wrote it"},
        {2, "00000000000000000000000000000000", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct record_chain chain = {.number = 2, .epoch = cases[i].epoch};
        snprintf(chain.writer, sizeof chain.writer, "%s", cases[i].writer);
        sha256_hex(one, length, chain.digest);
        struct record_source source = {PREFIX, ""};
        struct journal_write write = {.number = 2, .text = "{}\n", .length = 3};
        struct buffer record = {0};
        record_form_write(&source, &chain, &write, &record);
        replace(bench, PREFIX "/log/00000002", record.data, record.length);
        buffer_free(&record);
        if (cases[i].says) {
            expect_damage(bench, cases[i].says);
        } else {
            journal_close(rebuild(bench, NULL));
        }
    }
    free(one);
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_make, bench_clear)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_rebuild),
        WITH_BENCH(test_unpublished_is_nothing),
        WITH_BENCH(test_fence),
        WITH_BENCH(test_claim_beside_a_late_record),
        WITH_BENCH(test_unknown_outcome),
        WITH_BENCH(test_store_that_takes_nothing),
        WITH_BENCH(test_one_after_the_other),
        WITH_BENCH(test_damage),
        WITH_BENCH(test_gap_and_missing_blob),
        WITH_BENCH(test_usurper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
