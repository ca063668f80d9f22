/* Requests to a run that another process carries out. */
#include "runtime/state/inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

enum { SEEN_MAX = 16, START_MS = 1000 };

struct fixture {
    struct world *world;
    struct store_memory *memory;
    struct store *store; /* the asker's */
    struct inbox *inbox;
    size_t count, wanted;
    bool enough;
    bool keep; /* does not say that it is done */
    char seen[SEEN_MAX][200];
};

static void no_http(void *context, int64_t utc_ms, const struct http_request *request,
                    struct http_response *response, int64_t *latency_ms)
{
    (void)context, (void)utc_ms, (void)request, (void)response, (void)latency_ms;
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    f->world = world_simulated_create(1, START_MS, (struct world_responder){.http = no_http});
    f->memory = store_memory_create();
    f->store = store_memory_open(f->world, f->memory);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    inbox_close(f->inbox);
    store_destroy(f->store);
    store_memory_destroy(f->memory);
    world_destroy(f->world);
    test_free(f);
    return 0;
}

static void arrived(void *context, const struct inbox_message *message)
{
    struct fixture *f = context;
    assert_true(f->count < SEEN_MAX);
    snprintf(f->seen[f->count++], sizeof f->seen[0], "%s %s %s %s",
             message->problem ? message->problem : inbox_verb_name(message->verb),
             message->target ? message->target : "-", message->who ? message->who : "-",
             message->comment ? message->comment : "-");
    if (!f->keep) {
        inbox_done(f->inbox, message->id);
    }
    f->enough = f->count >= f->wanted;
}

static void watch(struct fixture *f)
{
    f->inbox = inbox_watch(store_memory_open(f->world, f->memory), f->world, "shop", "7k2f", 0,
                           arrived, f);
}

static void alarm_rang(void *context)
{
    *(bool *)context = true;
}

static void pass(struct fixture *f, int64_t ms)
{
    bool over = false;
    world_timer(f->world, ms, alarm_rang, &over);
    world_run(f->world, &over);
}

static void await(struct fixture *f, size_t count)
{
    f->wanted = count;
    f->enough = f->count >= count;
    world_run(f->world, &f->enough);
    assert_int_equal(f->count, count);
}

static void post(struct fixture *f, enum inbox_verb verb, const char *target, const char *comment)
{
    struct inbox_message message = {.verb = verb,
                                    .target = target,
                                    .who = "ada",
                                    .comment = comment,
                                    .at_utc_ms = world_utc_ms(f->world)};
    struct error error = {0};
    char id[INBOX_ID_MAX];
    assert_true(inbox_post(f->store, f->world, "shop", "7k2f", &message, id, &error));
    assert_int_equal(strlen(id), 26);
}

static void put(struct fixture *f, const char *name, const void *bytes, size_t length)
{
    char key[100];
    struct error error = {0};
    snprintf(key, sizeof key, "shop/runs/7k2f/inbox/%s", name);
    assert_int_equal(store_put_now(f->store, f->world, key, bytes, length, STORE_ALWAYS, NULL,
                                   &error),
                     STORE_OK);
}

static size_t left(struct fixture *f)
{
    struct arena *arena = arena_create();
    const char **keys = NULL;
    size_t count = 0;
    struct error error = {0};
    assert_int_equal(store_list_now(f->store, f->world, "shop/runs/7k2f/inbox/", "", arena, &keys,
                                    &count, &error),
                     STORE_OK);
    arena_destroy(arena);
    return count;
}

static void test_each_message_once_oldest_first(void **state)
{
    struct fixture *f = *state;
    post(f, INBOX_SKIP, "app/ready/http-8080", "it lies");
    pass(f, 10);
    post(f, INBOX_APPROVE, NULL, NULL);
    watch(f);
    await(f, 2);
    pass(f, 10);
    post(f, INBOX_CANCEL, NULL, "enough");
    await(f, 3);
    assert_string_equal(f->seen[0], "skip app/ready/http-8080 ada it lies");
    assert_string_equal(f->seen[1], "approve - ada -");
    assert_string_equal(f->seen[2], "cancel - ada enough");
    pass(f, 10000);
    assert_int_equal(f->count, 3);
    assert_int_equal(left(f), 0);
}

static void test_a_message_is_told_once_though_it_is_still_there(void **state)
{
    struct fixture *f = *state;
    f->keep = true;
    watch(f);
    post(f, INBOX_CANCEL, NULL, NULL);
    await(f, 1);
    pass(f, 20000);
    assert_int_equal(f->count, 1);
    assert_int_equal(left(f), 1);
    inbox_close(f->inbox); /* the process dies; the next one sees it again */
    watch(f);
    await(f, 2);
}

static void test_other_runs_have_other_inboxes(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    struct inbox_message message = {.verb = INBOX_CANCEL};
    watch(f);
    assert_true(inbox_post(f->store, f->world, "shop", "7k2fff", &message, NULL, &error));
    assert_true(inbox_post(f->store, f->world, "other", "7k2f", &message, NULL, &error));
    pass(f, 20000);
    assert_int_equal(f->count, 0);
}

static void test_what_cannot_be_understood_says_so(void **state)
{
    static const struct {
        const char *text, *problem;
    } bad[] = {
        {"", "it is no JSON"},
        {"skip it", "it is no JSON"},
        {"[]", "it is no JSON"},
        {"{}", "no message of this version"},
        {"{\"format\":\"drc-inbox/2\",\"verb\":\"skip\"}", "no message of this version"},
        {"{\"format\":\"drc-inbox/1\",\"verb\":\"explode\"}", "does not know"},
        {"{\"format\":\"drc-inbox/1\",\"verb\":3}", "does not know"},
        {"{\"format\":\"drc-inbox/1\",\"verb\":\"skip\"}", "names no action"},
        {"{\"format\":\"drc-inbox/1\",\"verb\":\"cancel\"} x", "it is no JSON"},
    };
    struct fixture *f = *state;
    watch(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char name[16];
        snprintf(name, sizeof name, "%03zu", i);
        put(f, name, bad[i].text, strlen(bad[i].text));
    }
    await(f, sizeof bad / sizeof *bad);
    for (size_t i = 0; i < f->count; i++) {
        assert_non_null(strstr(f->seen[i], bad[i].problem));
    }
    pass(f, 10000);
    assert_int_equal(left(f), 0);
}

static void test_sizes_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    size_t length = 1 << 20;
    char *text = test_malloc(length);
    memset(text, ' ', length);
    memcpy(text, "{}", 2);
    put(f, "0", text, length);
    memset(text, 'x', 5000);
    text[5000] = '\0';
    struct inbox_message message = {.verb = INBOX_CANCEL, .who = text, .at_utc_ms = 5000};
    assert_true(inbox_post(f->store, f->world, "shop", "7k2f", &message, NULL, &error));
    watch(f);
    await(f, 2);
    assert_non_null(strstr(f->seen[0], "too long"));
    assert_string_equal(f->seen[1], "cancel - - -"); /* a name of 5000 letters is none */
    test_free(text);
}

static void failing_put(struct store *store, const char *key, const void *bytes, size_t length,
                        enum store_condition condition, const char *version, store_callback done,
                        void *context)
{
    struct error error = {0};
    (void)store, (void)key, (void)bytes, (void)length, (void)condition, (void)version;
    error_set(&error, "writing it: no space left");
    done(context, &(struct store_result){.outcome = STORE_FAILED, .error = &error});
    error_clear(&error);
}

static void test_a_store_that_fails(void **state)
{
    struct fixture *f = *state;
    struct store full = {.name = "full", .put = failing_put};
    struct inbox_message message = {.verb = INBOX_CANCEL};
    struct error error = {0};
    assert_false(inbox_post(&full, f->world, "shop", "7k2f", &message, NULL, &error));
    assert_string_equal(error.message, "telling run 7k2f: writing it: no space left");
    error_clear(&error);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_each_message_once_oldest_first),
        TEST(test_a_message_is_told_once_though_it_is_still_there),
        TEST(test_other_runs_have_other_inboxes),
        TEST(test_what_cannot_be_understood_says_so),
        TEST(test_sizes_are_bounded),
        TEST(test_a_store_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
