#include "runtime/mover/map_form.h"

#include <string.h>

#include "tests/unit/support/cmocka_all.h"

static const struct block_digest DIGEST = {{0xaa, 1, 2, 3}};

static void make_segment(struct buffer *out)
{
    segment_begin(out);
    segment_add(out, 0, &DIGEST);
    segment_add(out, 258, &DIGEST);
    segment_add(out, 16383, &DIGEST);
    assert_int_equal(segment_finish(out), 3);
}

/* A disk of 20 GiB and a bit: three segments, the last of 8,193 blocks. */
static void make_root(struct buffer *out)
{
    root_begin(out, (INT64_C(20) << 30) + 1);
    root_add(out, &(struct root_entry){.segment = 0, .blocks = 16384, .digest = DIGEST});
    root_add(out, &(struct root_entry){.segment = 2, .blocks = 8193, .digest = DIGEST});
    root_finish(out);
}

static void expect_segment(struct buffer *object, uint32_t blocks, const char *message)
{
    struct error error = {0};
    bool ok = segment_check(object->data, object->length, blocks, &error);
    assert_string_equal(ok ? "" : error.message, message);
    error_clear(&error);
}

static void expect_root(struct buffer *object, const char *message)
{
    struct error error = {0};
    int64_t bytes;
    uint32_t count;
    bool ok = root_check(object->data, object->length, &bytes, &count, &error);
    assert_string_equal(ok ? "" : error.message, message);
    error_clear(&error);
}

static void test_segment(void **state)
{
    (void)state;
    struct buffer object = {0};
    make_segment(&object);
    assert_int_equal(object.length, 12 + 3 * 34);
    assert_memory_equal(object.data, "DRCS\1\0\0\0\3\0\0\0", 12);
    assert_memory_equal(object.data + 12 + 34, "\2\1\xaa\1\2\3", 6);
    expect_segment(&object, 3, "");
    struct segment_entry entry;
    segment_entry(object.data, 1, &entry);
    assert_int_equal(entry.block, 258);
    assert_true(block_digest_equal(&entry.digest, &DIGEST));
    expect_segment(&object, 4, "it has 3 blocks, and its map says 4");
    buffer_free(&object);
}

static void test_bad_segments(void **state)
{
    (void)state;
    struct buffer object = {0};
    make_segment(&object);
    for (size_t length = object.length; object.length-- > 0;) {
        struct error error = {0};
        assert_false(segment_check(object.data, object.length, 3, &error));
        assert_non_null(error.message);
        error_clear(&error);
        assert_true(length);
    }
    make_segment(&object);
    object.data[12] = 2;
    object.data[13] = 1; /* 258 twice */
    expect_segment(&object, 3, "its entry 1 (block 258) is out of order");
    make_segment(&object);
    object.data[12 + 2 * 34 + 1] = 0x40; /* 16639 */
    expect_segment(&object, 3, "its entry 2 (block 16639) is out of order");
    make_segment(&object);
    object.data[3] = 'M';
    expect_segment(&object, 3, "it is no segment of a block map");
    object.data[3] = 'S';
    object.data[4] = 7;
    expect_segment(&object, 3, "it is of a form that this drc does not know (version 7)");
    object.data[4] = 1;
    object.data[8] = 4;
    expect_segment(&object, 3, "it says 4 entries and has 114 bytes");
    buffer_free(&object);
}

static void test_root(void **state)
{
    (void)state;
    struct buffer object = {0};
    int64_t bytes;
    uint32_t count;
    make_root(&object);
    assert_memory_equal(object.data, "DRCM\1\0\0\0\2\0\0\0\1\0\0\0\5\0\0\0", 20);
    assert_true(root_check(object.data, object.length, &bytes, &count, NULL));
    assert_int_equal(bytes, (INT64_C(20) << 30) + 1);
    assert_int_equal(count, 2);
    assert_int_equal(root_blocks(object.data), 16384 + 8193);
    struct root_entry entry;
    root_entry(object.data, 1, &entry);
    assert_int_equal(entry.segment, 2);
    assert_int_equal(entry.blocks, 8193);
    assert_true(block_digest_equal(&entry.digest, &DIGEST));
    buffer_free(&object);
}

static void test_bad_roots(void **state)
{
    (void)state;
    struct buffer object = {0};
    make_root(&object);
    object.data[20 + 40 + 4] = 2; /* 8194 blocks in the last segment, which has room for 8193 */
    expect_root(&object, "its segment 2 cannot have 8194 blocks");
    object.data[20 + 40 + 4] = object.data[20 + 40 + 5] = 0;
    expect_root(&object, "its segment 2 cannot have 0 blocks");
    make_root(&object);
    object.data[20 + 40] = 0;
    expect_root(&object, "its entry 1 (segment 0) is out of order");
    object.data[20 + 40] = 3;
    expect_root(&object, "its entry 1 (segment 3) is out of order");
    make_root(&object);
    object.data[19] = 1;
    expect_root(&object, "it says 72057615512764417 bytes, and a disk has at most 64 TiB");
    make_root(&object);
    object.length--;
    expect_root(&object, "it says 2 entries and has 99 bytes");
    object.length = 19;
    expect_root(&object, "it is cut off (19 bytes)");
    buffer_free(&object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segment),
        cmocka_unit_test(test_bad_segments),
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_bad_roots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
