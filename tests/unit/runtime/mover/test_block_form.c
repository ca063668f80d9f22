#include "runtime/mover/block_form.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/mover_place.h"

struct packed {
    struct block_packer *packer;
    char *bytes;
    unsigned char *object;
    size_t length;
    struct block_digest digest;
};

static struct packed pack(int kind)
{
    struct packed packed = {.packer = block_packer_create(), .bytes = mover_block(kind, 5),
                            .object = base_alloc(BLOCK_OBJECT_MAX + 1)};
    block_digest(packed.bytes, BLOCK_BYTES, &packed.digest);
    packed.length = block_pack(packed.packer, packed.bytes, packed.object);
    return packed;
}

static void packed_free(struct packed *packed)
{
    block_packer_destroy(packed->packer);
    free(packed->bytes);
    free(packed->object);
}

/* "": it unpacks to the same. */
static char *unpack(struct packed *packed)
{
    struct error error = {0};
    char *into = base_alloc(BLOCK_BYTES);
    bool ok = block_unpack(packed->packer, packed->object, packed->length, &packed->digest, into, &error);
    assert_true(!ok || memcmp(into, packed->bytes, BLOCK_BYTES) == 0);
    char *said = base_strdup(ok ? "" : error.message);
    error_clear(&error);
    free(into);
    return said;
}

static void expect(struct packed *packed, const char *message)
{
    char *said = unpack(packed);
    assert_string_equal(said, message);
    free(said);
}

static void test_round_trip(void **state)
{
    (void)state;
    const int codecs[] = {BLOCK_RAW, BLOCK_ZSTD, BLOCK_ZSTD, BLOCK_ZSTD};
    for (int kind = 0; kind < 4; kind++) {
        struct packed packed = pack(kind);
        assert_memory_equal(packed.object, "DRCB\1", 5);
        assert_int_equal(packed.object[5], codecs[kind]);
        assert_memory_equal(packed.object + 6, "\0\0\0\0\10\0", 6);
        assert_true(packed.length <= BLOCK_OBJECT_MAX);
        assert_true(kind == 0 ? packed.length == BLOCK_OBJECT_MAX
                              : packed.length < BLOCK_BYTES * 3 / 4);
        expect(&packed, "");
        packed_free(&packed);
    }
}

static void test_cut_off_anywhere(void **state)
{
    (void)state;
    struct packed packed = pack(1);
    for (size_t length = 0, whole = packed.length; length < whole; length++) {
        packed.length = length;
        char *said = unpack(&packed);
        assert_true(*said);
        free(said);
    }
    packed_free(&packed);
}

static void test_altered(void **state)
{
    (void)state;
    struct packed packed = pack(0);
    packed.object[1000] ^= 1;
    expect(&packed, "its bytes are not those that its name says (SHA-256)");
    packed.object[1000] ^= 1;
    packed.length++;
    expect(&packed, "it holds 524289 bytes, not 524288");
    packed.length--;
    packed.object[0] = 'd';
    expect(&packed, "it is no block of a repository");
    packed.object[0] = 'D';
    packed.object[4] = 2;
    expect(&packed, "it is of a form that this drc does not know (version 2, codec 0)");
    packed.object[4] = 1;
    packed.object[5] = 2;
    expect(&packed, "it is of a form that this drc does not know (version 1, codec 2)");
    packed.object[5] = 1;
    expect(&packed, "it does not unpack: Unknown frame descriptor");
    packed.object[5] = 0;
    packed.object[10] = 9;
    expect(&packed, "it says that it holds 589824 bytes, not 524288");
    packed_free(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_cut_off_anywhere),
        cmocka_unit_test(test_altered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
