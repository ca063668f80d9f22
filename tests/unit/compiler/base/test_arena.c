#include "compiler/base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/support/cmocka_all.h"

static bool aligned(const void *memory)
{
    return (uintptr_t)memory % alignof(max_align_t) == 0;
}

static void every_size_is_aligned_and_its_own(void **state)
{
    (void)state;
    enum { SIZES = 300 };
    struct arena *arena = arena_create();
    unsigned char *pieces[SIZES];
    for (int i = 0; i < SIZES; i++) {
        pieces[i] = arena_alloc(arena, (size_t)i);
        assert_true(aligned(pieces[i]));
        memset(pieces[i], i, (size_t)i);
    }
    for (int i = 0; i < SIZES; i++) {
        for (int k = 0; k < i; k++) {
            assert_int_equal(pieces[i][k], i & 255); /* nobody else's memory was written */
        }
    }
    arena_destroy(arena);
}

/* A large request does not cost what is left of the block at hand. */
static void a_large_block_leaves_the_small_one_in_use(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    char *first = arena_alloc(arena, 16);
    char *large = arena_alloc(arena, 5 << 20);
    memset(large, 'x', 5 << 20);
    char *second = arena_alloc(arena, 16);
    assert_ptr_equal(second, first + 16);
    assert_true(aligned(large));
    arena_destroy(arena);
}

/* Beyond LARGE_ARENA blocks are made of huge pages: as much of them is usable as is said. */
static void a_large_arena_goes_on(void **state)
{
    (void)state;
    enum { PIECE = 100 << 10, PIECES = 400 };
    struct arena *arena = arena_create();
    unsigned char *pieces[PIECES];
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = arena_alloc(arena, PIECE);
        assert_true(aligned(pieces[i]));
        pieces[i][0] = pieces[i][PIECE - 1] = (unsigned char)i;
    }
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(pieces[i][0], i & 255);
        assert_int_equal(pieces[i][PIECE - 1], i & 255);
    }
    assert_int_equal(arena_bytes(arena), PIECES * PIECE);
    unsigned char *huge = arena_alloc(arena, 20 << 20); /* larger than any block so far */
    huge[0] = huge[(20 << 20) - 1] = 1;
    arena_destroy(arena);
}

static void zeros_where_they_are_promised(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    for (int i = 1; i < 200; i++) {
        unsigned char *bytes = arena_zalloc(arena, (size_t)i);
        for (int k = 0; k < i; k++) {
            assert_int_equal(bytes[k], 0);
        }
        memset(bytes, 0xff, (size_t)i);
    }
    arena_destroy(arena);
}

static void texts_are_copies(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    char text[] = "recovery";
    char *copy = arena_strdup(arena, text);
    text[0] = 'X';
    assert_string_equal(copy, "recovery");
    assert_string_equal(arena_strndup(arena, "recovery point", 8), "recovery");
    assert_string_equal(arena_strndup(arena, "short", 100), "short"); /* no further than the NUL */
    assert_string_equal(arena_strndup(arena, "", 0), "");
    assert_string_equal(arena_printf(arena, "%s/disk-%d", "db", 7), "db/disk-7");
    char *wide = arena_printf(arena, "%5000d", 1); /* longer than the first block */
    assert_int_equal(strlen(wide), 5000);
    assert_int_equal(wide[4999], '1');
    arena_destroy(arena);
}

static void an_array_grows_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    uint64_t *items = NULL;
    size_t count = 0, capacity = 0;
    int moves = 0;
    for (; count < 1000; count++) {
        uint64_t *grown = arena_grow(arena, items, count, &capacity, sizeof *items);
        moves += grown != items;
        items = grown;
        assert_true(capacity > count);
        items[count] = count * 3;
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(items[i], i * 3);
    }
    assert_true(moves <= 10); /* doubles: 1000 items do not take 1000 copies */
    arena_destroy(arena);
}

static void nothing_to_destroy(void **state)
{
    (void)state;
    arena_destroy(NULL);
    arena_destroy(arena_create());
    struct arena *arena = arena_create();
    assert_int_equal(arena_bytes(arena), 0);
    assert_non_null(arena_alloc(arena, 0));
    arena_destroy(arena);
}

/* In a child: what the process ends with, and what it says. */
static int status_of(void (*what)(void), char said[200])
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        what();
        _exit(0);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], said, 199);
    said[length > 0 ? length : 0] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static volatile size_t too_much = SIZE_MAX - 8; /* not seen through by the compiler */

static struct arena *volatile of_child; /* still reachable at its end: no leak for valgrind */

static void ask_for_too_much(void)
{
    of_child = arena_create();
    arena_alloc(of_child, too_much);
}

static void grow_too_far(void)
{
    size_t capacity = 1;
    of_child = arena_create();
    arena_grow(of_child, NULL, 1, &capacity, too_much);
}

static void count_too_far(void)
{
    free(base_calloc(too_much / 2, 3)); /* the product alone would be small */
}

static void stay_modest(void)
{
    struct arena *arena = arena_create();
    arena_alloc(arena, 1 << 20);
    arena_destroy(arena);
}

static void no_memory_ends_the_process_with_status_1(void **state)
{
    (void)state;
    char said[200];
    assert_int_equal(status_of(ask_for_too_much, said), 1);
    assert_non_null(strstr(said, "out of memory"));
    assert_non_null(strstr(said, "can be resumed"));
    assert_int_equal(status_of(grow_too_far, said), 1);
    assert_int_equal(status_of(count_too_far, said), 1);
    assert_int_equal(status_of(stay_modest, said), 0);
    assert_string_equal(said, "");
}

static void memory_of_the_heap(void **state)
{
    (void)state;
    unsigned char *zeros = base_alloc(64);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(zeros[i], 0);
        zeros[i] = (unsigned char)i;
    }
    zeros = base_realloc(zeros, 4096);
    assert_int_equal(zeros[63], 63);
    free(zeros);
    unsigned char *items = base_calloc(3, 8);
    assert_int_equal(items[23], 0);
    free(items);
    free(base_alloc(0)); /* never NULL, and to be freed */
    char *copy = base_strdup("volume");
    assert_string_equal(copy, "volume");
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_aligned_and_its_own),
        cmocka_unit_test(a_large_block_leaves_the_small_one_in_use),
        cmocka_unit_test(a_large_arena_goes_on),
        cmocka_unit_test(zeros_where_they_are_promised),
        cmocka_unit_test(texts_are_copies),
        cmocka_unit_test(an_array_grows_and_keeps_what_it_has),
        cmocka_unit_test(nothing_to_destroy),
        cmocka_unit_test(no_memory_ends_the_process_with_status_1),
        cmocka_unit_test(memory_of_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
