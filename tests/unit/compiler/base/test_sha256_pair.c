/* Held against OpenSSL. On a processor that cannot do it there is nothing to hold. */
#include "compiler/base/sha256_pair.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/cmocka_all.h"

enum { BLOCK = 512 << 10 };

static sha256_pair pair_or_skip(void)
{
    sha256_pair pair = sha256_pair_here();
    if (!pair) {
        skip();
    }
    return pair;
}

static void fill(uint8_t *bytes, size_t length, uint32_t seed)
{
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

/* Room that ends where the bytes end, so that a sanitizer sees who reads behind them. */
static void check(sha256_pair pair, const uint8_t *from_a, const uint8_t *from_b, size_t length)
{
    uint8_t *a = malloc(length + 1), *b = malloc(length + 1);
    uint8_t found_a[SHA256_SIZE], found_b[SHA256_SIZE], expected[SHA256_SIZE];
    memcpy(a + 1, from_a, length);
    memcpy(b + 1, from_b, length);
    pair(a + 1, b + 1, length, found_a, found_b);
    sha256(a + 1, length, expected);
    assert_memory_equal(found_a, expected, SHA256_SIZE);
    sha256(b + 1, length, expected);
    assert_memory_equal(found_b, expected, SHA256_SIZE);
    free(a);
    free(b);
}

/* Each way that the last pieces can be: up to ten pieces, and around the block of a disk. */
static void every_length(void **state)
{
    (void)state;
    sha256_pair pair = pair_or_skip();
    uint8_t *a = malloc(BLOCK + 70), *b = malloc(BLOCK + 70);
    fill(a, BLOCK + 70, 1);
    fill(b, BLOCK + 70, 2);
    for (size_t length = 0; length <= 640; length++) {
        check(pair, a, b, length);
    }
    for (size_t length = BLOCK - 70; length <= BLOCK + 70; length += 7) {
        check(pair, a, b, length);
    }
    free(a);
    free(b);
}

static void every_content(void **state)
{
    (void)state;
    sha256_pair pair = pair_or_skip();
    uint8_t *a = malloc(BLOCK), *b = malloc(BLOCK);
    for (uint32_t seed = 0; seed < 64; seed++) {
        size_t length = (size_t)4096 + seed * 61;
        fill(a, length, seed);
        memset(b, seed % 2 ? 0xff : 0, length);
        check(pair, a, b, length);
        check(pair, b, a, length);
        check(pair, a, a, length);
        a[seed] ^= (uint8_t)(1u << seed % 8);
        check(pair, a, b, length);
    }
    fill(a, BLOCK, 99);
    memset(b, 0, BLOCK);
    check(pair, a, b, BLOCK);
    free(a);
    free(b);
}

/* FIPS 180-2, appendix B: what OpenSSL is not asked for. */
static void a_published_vector(void **state)
{
    (void)state;
    sha256_pair pair = pair_or_skip();
    uint8_t a[SHA256_SIZE], b[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    pair("abc", "abd", 3, a, b);
    sha256_to_hex(a, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_memory_not_equal(a, b, SHA256_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length),
        cmocka_unit_test(every_content),
        cmocka_unit_test(a_published_vector),
    };
    return cmocka_run_group_tests_name("base/sha256_pair", tests, NULL, NULL);
}
