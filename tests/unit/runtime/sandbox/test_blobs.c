/* Bytes by their digest, in files and in memory. */
#include "tests/unit/support/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/sandbox/blobs.h"

static void put(struct blobs *blobs, const char *text, uint8_t digest[SHA256_SIZE])
{
    struct error error = {0};
    sha256(text, strlen(text), digest);
    if (!blobs_put(blobs, digest, text, strlen(text), &error)) {
        fail_msg("%s", error.message);
    }
}

static void expect(struct blobs *blobs, const uint8_t digest[SHA256_SIZE], int64_t offset,
                   size_t length, const char *text)
{
    struct buffer out = {0};
    assert_true(blobs_get(blobs, digest, offset, length, &out));
    assert_int_equal(out.length, length);
    assert_memory_equal(out.data, text, length);
    buffer_free(&out);
}

static void parts_and_the_whole(struct blobs *blobs)
{
    uint8_t digest[SHA256_SIZE], other[SHA256_SIZE] = {1};
    struct buffer out = {0};
    put(blobs, "some bytes", digest);
    put(blobs, "some bytes", digest); /* once more is no harm */
    expect(blobs, digest, 0, 10, "some bytes");
    expect(blobs, digest, 5, 3, "byt");
    assert_false(blobs_get(blobs, digest, 5, 6, &out));
    assert_false(blobs_get(blobs, other, 0, 1, &out));
    assert_int_equal(out.length, 0);
    buffer_free(&out);
}

static void zeros_need_nothing(struct blobs *blobs)
{
    char *zeros = base_alloc(BLOCK_BYTES);
    uint8_t digest[SHA256_SIZE];
    struct buffer out = {0};
    struct error error = {0};
    sha256(zeros, BLOCK_BYTES, digest);
    assert_true(blobs_is_zero_block(digest));
    assert_true(blobs_put(blobs, digest, zeros, BLOCK_BYTES, &error));
    assert_int_equal(blobs_open(blobs, digest), -1);
    expect(blobs, digest, 0, BLOCK_BYTES, zeros);
    assert_false(blobs_get(blobs, digest, 1, BLOCK_BYTES, &out));
    buffer_free(&out);
    free(zeros);
}

static void test_memory(void **state)
{
    (void)state;
    struct blobs *blobs = blobs_create(NULL);
    parts_and_the_whole(blobs);
    zeros_need_nothing(blobs);
    blobs_destroy(blobs);
}

static void test_files(void **state)
{
    (void)state;
    char directory[] = "/tmp/drc-blobs-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct blobs *blobs = blobs_create(directory);
    parts_and_the_whole(blobs);
    zeros_need_nothing(blobs);
    blobs_destroy(blobs);
    blobs = blobs_create(directory); /* as another process finds them */
    uint8_t digest[SHA256_SIZE];
    sha256("some bytes", 10, digest);
    expect(blobs, digest, 0, 10, "some bytes");
    blobs_destroy(blobs);
    blobs_remove(directory);
    assert_int_equal(rmdir(directory), 0);
}

/* What was put just now may be about to be named. */
static void test_only_old_ones_are_dropped(void **state)
{
    (void)state;
    char directory[] = "/tmp/drc-blobs-XXXXXX", path[256], hex[SHA256_HEX_SIZE];
    assert_non_null(mkdtemp(directory));
    struct blobs *blobs = blobs_create(directory);
    uint8_t digest[SHA256_SIZE];
    struct utimbuf long_ago = {1000, 1000};
    put(blobs, "old", digest);
    sha256_to_hex(digest, hex);
    snprintf(path, sizeof path, "%s/blocks/%.2s/%s", directory, hex, hex);
    blobs_drop(blobs, digest);
    expect(blobs, digest, 0, 3, "old");
    assert_int_equal(utime(path, &long_ago), 0);
    put(blobs, "old", digest);
    blobs_drop(blobs, digest);
    expect(blobs, digest, 0, 3, "old");
    assert_int_equal(utime(path, &long_ago), 0);
    blobs_drop(blobs, digest);
    assert_int_equal(access(path, F_OK), -1);
    blobs_destroy(blobs);
    blobs_remove(directory);
    assert_int_equal(rmdir(directory), 0);
}

/* Piece by piece, as they come over a connection. */
static void test_drafts(void **state)
{
    (void)state;
    char directory[] = "/tmp/drc-blobs-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct blobs *blobs = blobs_create(directory);
    struct error error = {0};
    struct buffer out = {0};
    uint8_t digest[SHA256_SIZE];
    sha256("two pieces", 10, digest);
    for (int keep = 0; keep < 3; keep++) { /* taken back, kept, there already */
        struct blob_draft *draft = blobs_begin(blobs, digest);
        assert_non_null(draft);
        blobs_add(draft, "two ", 4);
        blobs_add(draft, "pieces", 6);
        assert_int_equal(blobs_get(blobs, digest, 0, 10, &out), keep > 1);
        assert_int_equal(blobs_end(draft, keep > 0, &error), keep > 0);
    }
    expect(blobs, digest, 0, 10, "two pieces");
    buffer_free(&out);
    blobs_destroy(blobs);
    blobs = blobs_create(NULL);
    assert_null(blobs_begin(blobs, digest)); /* memory takes them as a whole */
    blobs_destroy(blobs);
    blobs_remove(directory);
    assert_int_equal(rmdir(directory), 0);
}

static void test_what_cannot_be_written_is_told(void **state)
{
    (void)state;
    struct blobs *blobs = blobs_create("/proc/nowhere");
    struct error error = {0};
    uint8_t digest[SHA256_SIZE];
    sha256("x", 1, digest);
    assert_false(blobs_put(blobs, digest, "x", 1, &error));
    assert_non_null(strstr(error.message, "/proc/nowhere/blocks"));
    error_clear(&error);
    blobs_destroy(blobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_only_old_ones_are_dropped),
        cmocka_unit_test(test_drafts),
        cmocka_unit_test(test_what_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
