/* The same contract for every store, and what is a directory's own. With a URL (s3://BUCKET/PREFIX) as
 * its argument: the contract there (tests/interop/test_s3_minio.py).
 * Covers: store_call.c store_directory.c store_memory.c */
#include "runtime/world/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/aws/store_s3.h"
#include "runtime/world/world.h"
#include "tests/unit/support/state_directory.h"

enum kind { MEMORY, DIRECTORY, DIRECTORY_REAL_WORLD, DIRECTORY_LAZY, KIND_COUNT, S3 };

static const char *s3_url; /* of the argument */

/* Two runners' stores on one place. */
struct place {
    enum kind kind;
    struct world *world;
    struct store_memory *memory;
    void *directory;
    char *url; /* S3 */
    struct store *ours, *theirs;
};

static struct store *open_store(struct place *place)
{
    if (place->kind == S3) {
        struct error error = {0};
        struct store_s3_options options = {.world = place->world, .url = place->url};
        struct store *store = store_s3_open(&options, &error);
        if (!store) {
            fail_msg("%s", error.message);
        }
        return store;
    }
    return place->kind == MEMORY ? store_memory_open(place->world, place->memory)
           : place->kind == DIRECTORY_LAZY
               ? store_directory_create_lazy(place->world, place->directory, NULL)
               : store_directory_create(place->world, place->directory, NULL);
}

static struct place place_make(enum kind kind)
{
    struct place place = {.kind = kind};
    place.world =
        kind == DIRECTORY_REAL_WORLD || kind == S3 ? world_real_create(NULL) : quiet_world(1);
    if (kind == S3) { /* a new folder each time */
        static int places;
        struct buffer url = {0};
        buffer_printf(&url, "%s/%d", s3_url, places++);
        place.url = buffer_steal(&url);
    }
    place.memory = store_memory_create();
    assert_int_equal(state_directory_make(&place.directory), 0);
    place.ours = open_store(&place);
    place.theirs = open_store(&place);
    assert_non_null(place.ours);
    assert_non_null(place.theirs);
    return place;
}

static void place_clear(struct place *place)
{
    store_destroy(place->ours);
    store_destroy(place->theirs);
    store_memory_destroy(place->memory);
    world_destroy(place->world);
    free(place->url);
    state_directory_remove(&place->directory);
}

static enum store_outcome put(struct place *place, struct store *store, const char *key,
                              const char *text, enum store_condition condition, const char *version)
{
    return store_put_now(store, place->world, key, text, strlen(text), condition, version, NULL);
}

static void expect(struct place *place, const char *key, const char *text,
                   char version[STORE_VERSION_MAX])
{
    void *bytes = NULL;
    size_t length = 0;
    char own[STORE_VERSION_MAX];
    enum store_outcome outcome = store_get_now(place->theirs, place->world, key, &bytes, &length,
                                               version ? version : own, NULL);
    assert_int_equal(outcome, text ? STORE_OK : STORE_ABSENT);
    if (text) {
        assert_int_equal(length, strlen(text));
        assert_string_equal(bytes, text);
    }
    free(bytes);
}

static void check_put_get_remove(struct place *place)
{
    expect(place, "shop/a", NULL, NULL);
    assert_int_equal(put(place, place->ours, "shop/a", "one", STORE_ALWAYS, NULL), STORE_OK);
    expect(place, "shop/a", "one", NULL);
    expect(place, "shop", NULL, NULL);     /* a folder is no object */
    expect(place, "shop/a/b", NULL, NULL); /* nor has an object something below it */
    assert_int_equal(put(place, place->theirs, "shop/a", "", STORE_ALWAYS, NULL), STORE_OK);
    expect(place, "shop/a", "", NULL);
    assert_int_equal(store_remove_now(place->ours, place->world, "shop/a", NULL), STORE_OK);
    /* S3 does not say whether there was anything. */
    enum store_outcome none = place->kind == S3 ? STORE_OK : STORE_ABSENT;
    assert_int_equal(store_remove_now(place->ours, place->world, "shop/a", NULL), none);
    assert_int_equal(store_remove_now(place->ours, place->world, "shop", NULL), none);
    expect(place, "shop/a", NULL, NULL);
}

static void check_conditions(struct place *place)
{
    char first[STORE_VERSION_MAX], second[STORE_VERSION_MAX];
    assert_int_equal(put(place, place->ours, "l/site", "one", STORE_IF_VERSION, "any"), STORE_CONFLICT);
    expect(place, "l/site", NULL, NULL);
    assert_int_equal(put(place, place->ours, "l/site", "one", STORE_IF_ABSENT, NULL), STORE_OK);
    assert_int_equal(put(place, place->theirs, "l/site", "two", STORE_IF_ABSENT, NULL), STORE_CONFLICT);
    expect(place, "l/site", "one", first);
    assert_int_equal(put(place, place->theirs, "l/site", "two", STORE_IF_VERSION, first), STORE_OK);
    expect(place, "l/site", "two", second);
    assert_string_not_equal(first, second);
    assert_int_equal(put(place, place->ours, "l/site", "three", STORE_IF_VERSION, first),
                     STORE_CONFLICT);
    expect(place, "l/site", "two", NULL);
    assert_int_equal(store_remove_now(place->ours, place->world, "l/site", NULL), STORE_OK);
    assert_int_equal(put(place, place->ours, "l/site", "three", STORE_IF_VERSION, second),
                     STORE_CONFLICT);
}

struct race {
    int won, lost, left;
    bool over;
};

static void finish(void *context, const struct store_result *result)
{
    struct race *race = context;
    race->won += result->outcome == STORE_OK;
    race->lost += result->outcome == STORE_CONFLICT;
    race->over = --race->left == 0;
}

/* Many at once, of both runners: one wins, whatever the condition. */
static void check_race(struct place *place)
{
    enum { RUNNERS = 40 };
    char version[STORE_VERSION_MAX];
    for (int round = 0; round < 5; round++) {
        struct race race = {.left = RUNNERS};
        for (int i = 0; i < RUNNERS; i++) {
            char text[32];
            int length = snprintf(text, sizeof text, "%d of %d", i, round);
            struct store *store = i % 2 ? place->ours : place->theirs;
            store->put(store, "log/1", text, (size_t)length,
                       round ? STORE_IF_VERSION : STORE_IF_ABSENT, round ? version : NULL, finish,
                       &race);
            assert_int_equal(race.left, RUNNERS); /* never from within the call */
        }
        world_run(place->world, &race.over);
        assert_int_equal(race.won, 1);
        assert_int_equal(race.lost, RUNNERS - 1);
        void *bytes;
        size_t length;
        assert_int_equal(store_get_now(place->ours, place->world, "log/1", &bytes, &length, version,
                                       NULL), STORE_OK);
        free(bytes);
    }
}

static void list(struct place *place, const char *prefix, const char *after, const char *expected)
{
    struct arena *arena = arena_create();
    const char **keys;
    size_t count;
    struct buffer text = {0};
    assert_int_equal(store_list_now(place->theirs, place->world, prefix, after, arena, &keys, &count,
                                    NULL), STORE_OK);
    for (size_t i = 0; i < count; i++) {
        buffer_printf(&text, "%s ", keys[i]);
    }
    assert_string_equal(buffer_text(&text), expected);
    buffer_free(&text);
    arena_destroy(arena);
}

static void check_list(struct place *place)
{
    static const char *const keys[] = {"b/log/10", "b/log/2", "a-1", "b.x", "b/log/1/z", "c/~no",
                                       "b/log-2/1"};
    list(place, "", "", "");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        put(place, place->ours, keys[i], "x", STORE_ALWAYS, NULL);
    }
    list(place, "", "", "a-1 b.x b/log-2/1 b/log/1/z b/log/10 b/log/2 ");
    list(place, "b/", "", "b/log-2/1 b/log/1/z b/log/10 b/log/2 ");
    list(place, "b/log/1", "", "b/log/1/z b/log/10 ");
    list(place, "b/lo", "b/log/10", "b/log/2 ");
    list(place, "b/log/", "b/log/2", "");
    list(place, "b/log/10", "", "b/log/10 ");
    list(place, "none/", "", "");
    list(place, "../", "", "");
    list(place, "/", "", "");
}

static void check_hostile_keys(struct place *place)
{
    char longest[STORE_KEY_MAX + 2];
    memset(longest, 'k', sizeof longest);
    longest[200] = longest[400] = '/';
    longest[STORE_KEY_MAX] = '\0';
    assert_true(store_key_is_valid(longest));
    assert_int_equal(put(place, place->ours, longest, "x", STORE_IF_ABSENT, NULL), STORE_OK);
    longest[STORE_KEY_MAX] = 'k';
    longest[STORE_KEY_MAX + 1] = '\0';
    static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b",
                                      "a b", "a\nb", "a~", "~lock", "a\\b", "\xc3\xa9", "a:b", "a?b"};
    for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
        const char *key = i < sizeof bad / sizeof *bad ? bad[i] : longest;
        struct error error = {0};
        void *bytes;
        size_t length;
        assert_false(store_key_is_valid(key));
        assert_int_equal(store_put_now(place->ours, place->world, key, "x", 1, STORE_ALWAYS, NULL,
                                       &error), STORE_FAILED);
        assert_non_null(strstr(error.message, "is not a key"));
        error_clear(&error);
        assert_int_equal(store_get_now(place->ours, place->world, key, &bytes, &length, NULL, NULL),
                         STORE_FAILED);
        assert_int_equal(store_remove_now(place->ours, place->world, key, NULL), STORE_FAILED);
    }
    memset(longest, 'p', STORE_PART_MAX + 1);
    longest[STORE_PART_MAX + 1] = '\0';
    assert_false(store_key_is_valid(longest));
    longest[STORE_PART_MAX] = '\0';
    assert_int_equal(put(place, place->ours, longest, "x", STORE_IF_ABSENT, NULL), STORE_OK);
    expect(place, longest, "x", NULL);
}

static void check_size(struct place *place)
{
    size_t length = (size_t)STORE_OBJECT_MAX + 1, got;
    char *big = base_alloc(length);
    struct error error = {0};
    void *bytes;
    assert_int_equal(store_put_now(place->ours, place->world, "big", big, length, STORE_ALWAYS, NULL,
                                   &error), STORE_FAILED);
    assert_non_null(strstr(error.message, "at most"));
    error_clear(&error);
    expect(place, "big", NULL, NULL);
    assert_int_equal(store_put_now(place->ours, place->world, "big", big, length - 1, STORE_ALWAYS,
                                   NULL, NULL), STORE_OK);
    assert_int_equal(store_get_now(place->theirs, place->world, "big", &bytes, &got, NULL, NULL),
                     STORE_OK);
    assert_int_equal(got, length - 1);
    free(bytes);
    free(big);
}

static void must_not_come(void *context, const struct store_result *result)
{
    (void)context;
    (void)result;
    fail();
}

static void check_destroy_under_way(struct place *place)
{
    for (int i = 0; i < 20; i++) {
        place->ours->put(place->ours, "k", "v", 1, STORE_ALWAYS, NULL, must_not_come, NULL);
        place->ours->list(place->ours, "", "", must_not_come, NULL);
    }
    store_destroy(place->ours);
    place->ours = open_store(place);
    expect(place, "none", NULL, NULL); /* runs the loop */
}

static void check_forget(struct place *place)
{
    struct race race = {.left = 1};
    struct store *store = place->ours;
    store->put(store, "a", "1", 1, STORE_ALWAYS, NULL, must_not_come, place);
    store->put(store, "b", "1", 1, STORE_ALWAYS, NULL, finish, &race);
    store->put(store, "c", "1", 1, STORE_ALWAYS, NULL, must_not_come, place);
    store->forget(store, place);
    world_run(place->world, NULL);
    assert_int_equal(race.won, 1);
    list(place, "", "", "a b c "); /* it happened all the same */
}

struct fetched {
    bool over;
    char text[32];
};

static void keep_fetched(void *context, const struct store_result *result)
{
    struct fetched *fetched = context;
    fetched->over = true;
    snprintf(fetched->text, sizeof fetched->text, "%d %s", (int)result->outcome,
             result->outcome == STORE_OK ? (const char *)result->bytes : "");
}

static void expect_fetched(struct place *place, const char *key, const char *text)
{
    struct fetched fetched = {0};
    store_fetch(place->theirs, key, keep_fetched, &fetched);
    assert_false(fetched.over);
    world_run(place->world, &fetched.over);
    assert_string_equal(fetched.text, text);
}

/* Of the same bytes: whether they are put again or were there already is the store's choice. */
static void check_lazily(struct place *place)
{
    assert_int_equal(put(place, place->ours, "blocks/ab/1", "one", STORE_LAZILY, NULL), STORE_OK);
    expect_fetched(place, "blocks/ab/1", "0 one"); /* all see it, before it is durable */
    enum store_outcome again = put(place, place->theirs, "blocks/ab/1", "one", STORE_LAZILY, NULL);
    assert_true(again == STORE_CONFLICT || place->kind == S3);
    assert_int_equal(store_sync_now(place->ours, place->world, NULL), STORE_OK);
    expect(place, "blocks/ab/1", "one", NULL);
    assert_int_equal(put(place, place->ours, "blocks/ab/1", "two", STORE_ALWAYS, NULL), STORE_OK);
    expect_fetched(place, "blocks/ab/1", "0 two");
    assert_int_equal(store_remove_now(place->ours, place->world, "blocks/ab/1", NULL), STORE_OK);
    expect_fetched(place, "blocks/ab/1", "1 ");
    list(place, "", "", "");
}

struct room {
    struct store_room base;
    char bytes[8];
    size_t looked; /* length that was looked at, and 1 */
    enum store_outcome outcome;
    bool over;
};

static void look(void *context, size_t length)
{
    ((struct room *)context)->looked = length + 1;
}

static void in_room(void *context, const struct store_result *result)
{
    struct room *room = context;
    room->outcome = result->outcome;
    room->over = true;
    assert_true(result->outcome != STORE_OK || result->bytes == room->bytes);
    assert_true(result->outcome != STORE_OK || room->looked == result->length + 1);
}

static enum store_outcome fetch_into(struct place *place, const char *key, size_t size, struct room *room)
{
    *room = (struct room){0};
    room->base = (struct store_room){.bytes = room->bytes, .size = size, .look = look, .context = room};
    place->ours->fetch_into(place->ours, key, &room->base, in_room, room);
    world_run(place->world, &room->over);
    return room->outcome;
}

static void check_fetch_into(struct place *place)
{
    struct room room;
    if (!place->ours->fetch_into) {
        return; /* S3 */
    }
    store_put_now(place->ours, place->world, "k", "12345", 5, STORE_ALWAYS, NULL, NULL);
    assert_int_equal(fetch_into(place, "k", 8, &room), STORE_OK);
    assert_memory_equal(room.bytes, "12345\0\0\0", 8);
    assert_int_equal(fetch_into(place, "k", 5, &room), STORE_OK);
    assert_int_equal(fetch_into(place, "k", 4, &room), STORE_FAILED);
    assert_int_equal(room.looked, 0);
    assert_memory_equal(room.bytes, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(fetch_into(place, "none", 8, &room), STORE_ABSENT);
    assert_int_equal(fetch_into(place, "../k", 8, &room), STORE_FAILED);
    for (int i = 0; i < 100; i++) { /* forgotten: the room may go at once */
        struct room *gone = calloc(1, sizeof *gone);
        gone->base = (struct store_room){.bytes = gone->bytes, .size = 8, .look = look, .context = gone};
        place->ours->fetch_into(place->ours, "k", &gone->base, must_not_come, gone);
        place->ours->forget(place->ours, gone);
        free(gone);
    }
    world_run(place->world, NULL);
}

static void each_kind(void (*check)(struct place *place))
{
    if (s3_url) {
        struct place place = place_make(S3);
        check(&place);
        place_clear(&place);
        return;
    }
    for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
        struct place place = place_make(kind);
        check(&place);
        place_clear(&place);
    }
}

static void test_put_get_remove(void **state)
{
    (void)state;
    each_kind(check_put_get_remove);
}

static void test_conditions(void **state)
{
    (void)state;
    each_kind(check_conditions);
}

static void test_race(void **state)
{
    (void)state;
    each_kind(check_race);
}

static void test_lazily(void **state)
{
    (void)state;
    each_kind(check_lazily);
}

static void test_list(void **state)
{
    (void)state;
    each_kind(check_list);
}

static void test_hostile_keys(void **state)
{
    (void)state;
    each_kind(check_hostile_keys);
}

static void test_size(void **state)
{
    (void)state;
    each_kind(check_size);
}

static void test_destroy_under_way(void **state)
{
    (void)state;
    each_kind(check_destroy_under_way);
}

static void test_fetch_into(void **state)
{
    (void)state;
    each_kind(check_fetch_into);
}

static void test_forget(void **state)
{
    (void)state;
    each_kind(check_forget);
}

static void test_modes_and_leftovers(void **state)
{
    (void)state;
    struct place place = place_make(DIRECTORY);
    char path[128];
    struct stat info;
    put(&place, place.ours, "shop/runs/a", "x", STORE_ALWAYS, NULL);
    snprintf(path, sizeof path, "%s/shop/runs/a", (char *)place.directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s/shop/runs", (char *)place.directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    /* A put that died yesterday, and one under way. */
    char old[160], young[160];
    snprintf(old, sizeof old, "%s/~old", path);
    snprintf(young, sizeof young, "%s/~young", path);
    close(open(young, O_CREAT | O_WRONLY, 0600));
    close(open(old, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(utimensat(AT_FDCWD, old, (struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 1}}, 0),
                     0);
    list(&place, "", "", "shop/runs/a ");
    assert_int_not_equal(access(old, F_OK), 0);
    assert_int_equal(access(young, F_OK), 0);
    /* What is no regular file is not read. */
    snprintf(old, sizeof old, "%s/pipe", path);
    assert_int_equal(mkfifo(old, 0600), 0);
    snprintf(young, sizeof young, "%s/link", path);
    assert_int_equal(symlink("/etc/passwd", young), 0);
    void *bytes;
    size_t length;
    assert_int_equal(store_get_now(place.ours, place.world, "shop/runs/pipe", &bytes, &length, NULL,
                                   NULL), STORE_FAILED);
    assert_int_equal(store_get_now(place.ours, place.world, "shop/runs/link", &bytes, &length, NULL,
                                   NULL), STORE_FAILED);
    place_clear(&place);
}

/* In a child, because root may write anywhere: it gives its rights away first. */
static int in_child(void (*run)(struct place *place), struct place *place)
{
    pid_t child = fork();
    if (child == 0) {
        run(place);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_failure(struct place *place, const char *message)
{
    struct error error = {0};
    enum store_outcome outcome = store_put_now(place->theirs, place->world, "shop/b",
                                               "0123456789abcdef", 16, STORE_IF_ABSENT, NULL, &error);
    if (outcome != STORE_FAILED || !strstr(error.message, message) || !error.help) {
        fprintf(stderr, "%d %s\n", outcome, error.message ? error.message : "-");
        _exit(3);
    }
    error_clear(&error);
}

static void write_without_rights(struct place *place)
{
    if (geteuid() == 0 && setuid(65534) != 0) {
        _exit(2);
    }
    expect_failure(place, "Permission denied");
}

/* A file that may not grow is what a full disk looks like from here. */
static void write_without_room(struct place *place)
{
    struct rlimit limit = {8, 8};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    expect_failure(place, "File too large");
    void *bytes;
    size_t length;
    if (store_get_now(place->ours, place->world, "shop/b", &bytes, &length, NULL, NULL) !=
        STORE_ABSENT) {
        _exit(4);
    }
    list(place, "", "", "shop/a ");
}

static void test_refusing_disk(void **state)
{
    (void)state;
    struct place place = place_make(DIRECTORY);
    put(&place, place.ours, "shop/a", "x", STORE_ALWAYS, NULL);
    assert_int_equal(in_child(write_without_room, &place), 0);
    assert_int_equal(chmod(place.directory, 0555), 0);
    assert_int_equal(in_child(write_without_rights, &place), 0);
    assert_int_equal(chmod(place.directory, 0755), 0);
    place_clear(&place);
    struct error error = {0};
    struct world *world = quiet_world(1);
    assert_null(store_directory_create(world, "/dev/null/state", &error));
    assert_non_null(error.help);
    error_clear(&error);
    world_destroy(world);
}

/* Processes, not only threads, leave one winner. */
static void test_race_of_processes(void **state)
{
    (void)state;
    enum { PROCESSES = 4, ROUNDS = 25 };
    struct place place = place_make(DIRECTORY);
    put(&place, place.ours, "count", "0", STORE_ALWAYS, NULL);
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        for (int done = 0; children[i] == 0 && done < ROUNDS;) {
            void *bytes = NULL;
            size_t length;
            char version[STORE_VERSION_MAX], text[32];
            store_get_now(place.ours, place.world, "count", &bytes, &length, version, NULL);
            snprintf(text, sizeof text, "%d", atoi(bytes) + 1);
            free(bytes);
            done += put(&place, place.ours, "count", text, STORE_IF_VERSION, version) == STORE_OK;
        }
        if (children[i] == 0) {
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    expect(&place, "count", "100", NULL);
    place_clear(&place);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest contract[] = {
        cmocka_unit_test(test_put_get_remove),    cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_race),              cmocka_unit_test(test_list),
        cmocka_unit_test(test_hostile_keys),      cmocka_unit_test(test_size),
        cmocka_unit_test(test_destroy_under_way), cmocka_unit_test(test_forget),
        cmocka_unit_test(test_lazily),
        cmocka_unit_test(test_fetch_into),
    };
    if (argc > 1) {
        s3_url = argv[1];
        return cmocka_run_group_tests(contract, NULL, NULL);
    }
    int failed = cmocka_run_group_tests(contract, NULL, NULL);
    const struct CMUnitTest own[] = {
        cmocka_unit_test(test_modes_and_leftovers),
        cmocka_unit_test(test_refusing_disk),    cmocka_unit_test(test_race_of_processes),
    };
    return failed + cmocka_run_group_tests(own, NULL, NULL);
}
