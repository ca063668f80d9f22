#include "runtime/mover/pairing.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/cmocka_all.h"

enum { THREADS = 4, ROUNDS = 60 };

struct scene {
    struct pairing pairing;
    struct paired a, b, c;
    char *bytes;
};

/* As it is where the processor can do two at once, on every machine. */
static void one_after_the_other(const void *a, const void *b, size_t length, uint8_t out_a[SHA256_SIZE],
                                uint8_t out_b[SHA256_SIZE])
{
    sha256(a, length, out_a);
    sha256(b, length, out_b);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    pairing_init(&scene->pairing);
    scene->pairing.pair = one_after_the_other;
    scene->bytes = malloc(3 * (size_t)BLOCK_BYTES);
    for (size_t i = 0; i < 3; i++) {
        memset(scene->bytes + i * BLOCK_BYTES, 'a' + (int)i, BLOCK_BYTES);
    }
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    pairing_free(&scene->pairing);
    free(scene->bytes);
    free(scene);
    return 0;
}

static const char *bytes_of(struct scene *scene, size_t i)
{
    return scene->bytes + i * BLOCK_BYTES;
}

static void assert_hashed(struct scene *scene, struct paired *paired, const void *bytes)
{
    struct block_digest expected;
    assert_int_equal(pairing_state(&scene->pairing, paired), PAIRED_HASHED);
    block_digest(bytes, BLOCK_BYTES, &expected);
    assert_true(block_digest_equal(&paired->found, &expected));
}

static void one_alone_is_hashed_at_once(void **state)
{
    struct scene *scene = *state;
    pairing_expect(&scene->pairing, &scene->a);
    assert_int_equal(pairing_state(&scene->pairing, &scene->a), PAIRED_EXPECTED);
    pairing_come(&scene->pairing, &scene->a, bytes_of(scene, 0));
    assert_hashed(scene, &scene->a, bytes_of(scene, 0));
}

static void the_first_waits_for_the_second(void **state)
{
    struct scene *scene = *state;
    pairing_expect(&scene->pairing, &scene->a);
    pairing_expect(&scene->pairing, &scene->b);
    pairing_expect(&scene->pairing, &scene->c);
    pairing_come(&scene->pairing, &scene->a, bytes_of(scene, 0));
    assert_int_equal(pairing_state(&scene->pairing, &scene->a), PAIRED_WAITS);
    assert_false(pairing_is_left(&scene->pairing, &scene->a));
    pairing_come(&scene->pairing, &scene->b, bytes_of(scene, 1));
    assert_hashed(scene, &scene->a, bytes_of(scene, 0));
    assert_hashed(scene, &scene->b, bytes_of(scene, 1));
    pairing_come(&scene->pairing, &scene->c, bytes_of(scene, 2));
    assert_hashed(scene, &scene->c, bytes_of(scene, 2));
}

static void without_a_way_nobody_waits(void **state)
{
    struct scene *scene = *state;
    scene->pairing.pair = NULL;
    pairing_expect(&scene->pairing, &scene->a);
    pairing_expect(&scene->pairing, &scene->b);
    pairing_come(&scene->pairing, &scene->a, bytes_of(scene, 0));
    assert_hashed(scene, &scene->a, bytes_of(scene, 0));
    pairing_come(&scene->pairing, &scene->b, bytes_of(scene, 1));
    assert_hashed(scene, &scene->b, bytes_of(scene, 1));
}

static void one_that_could_not_be_read_hashes_who_waits(void **state)
{
    struct scene *scene = *state;
    pairing_expect(&scene->pairing, &scene->a);
    pairing_expect(&scene->pairing, &scene->b);
    pairing_come(&scene->pairing, &scene->a, bytes_of(scene, 0));
    pairing_come(&scene->pairing, &scene->b, NULL);
    assert_hashed(scene, &scene->a, bytes_of(scene, 0));
    assert_int_equal(pairing_state(&scene->pairing, &scene->b), PAIRED_AWAY);
}

static void who_waits_is_left_when_the_others_leave(void **state)
{
    struct scene *scene = *state;
    pairing_expect(&scene->pairing, &scene->a);
    pairing_expect(&scene->pairing, &scene->b);
    pairing_come(&scene->pairing, &scene->a, bytes_of(scene, 0));
    pairing_leave(&scene->pairing, &scene->b);
    assert_true(pairing_is_left(&scene->pairing, &scene->a));
    pairing_come(&scene->pairing, &scene->a, bytes_of(scene, 0));
    assert_hashed(scene, &scene->a, bytes_of(scene, 0));
}

static void who_waits_may_leave(void **state)
{
    struct scene *scene = *state;
    pairing_expect(&scene->pairing, &scene->a);
    pairing_expect(&scene->pairing, &scene->b);
    pairing_come(&scene->pairing, &scene->a, bytes_of(scene, 0));
    pairing_leave(&scene->pairing, &scene->a);
    pairing_come(&scene->pairing, &scene->b, bytes_of(scene, 1));
    assert_hashed(scene, &scene->b, bytes_of(scene, 1));
    assert_int_equal(pairing_state(&scene->pairing, &scene->a), PAIRED_AWAY);
    pairing_leave(&scene->pairing, &scene->b); /* hashed ones too, and twice */
    pairing_leave(&scene->pairing, &scene->b);
}

/* --- on threads: each expects, comes, and leaves; bytes are free to be written to then --- */

struct worker {
    struct scene *scene;
    pthread_t thread;
    char *bytes;
    int wrong;
};

static void *come_and_go(void *context)
{
    struct worker *worker = context;
    struct pairing *pairing = &worker->scene->pairing;
    for (int round = 0; round < ROUNDS; round++) {
        struct paired mine = {0};
        memset(worker->bytes, round, BLOCK_BYTES);
        pairing_expect(pairing, &mine);
        pairing_come(pairing, &mine, round % 7 == 3 ? NULL : worker->bytes);
        if (pairing_is_left(pairing, &mine)) {
            pairing_come(pairing, &mine, worker->bytes);
        }
        bool hashed = pairing_state(pairing, &mine) == PAIRED_HASHED;
        struct block_digest expected;
        block_digest(worker->bytes, BLOCK_BYTES, &expected);
        worker->wrong += hashed && !block_digest_equal(&mine.found, &expected);
        pairing_leave(pairing, &mine);
    }
    return NULL;
}

static void threads_come_and_go(void **state)
{
    struct scene *scene = *state;
    struct worker workers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.scene = scene, .bytes = malloc(BLOCK_BYTES)};
        pthread_create(&workers[i].thread, NULL, come_and_go, &workers[i]);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].wrong, 0);
        free(workers[i].bytes);
    }
    assert_int_equal(scene->pairing.expected, 0);
    assert_null(scene->pairing.waits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_alone_is_hashed_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_waits_for_the_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_way_nobody_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_could_not_be_read_hashes_who_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_waits_is_left_when_the_others_leave, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_waits_may_leave, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_come_and_go, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("mover/pairing", tests, NULL, NULL);
}
