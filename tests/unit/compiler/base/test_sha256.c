#include "compiler/base/sha256.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/cmocka_all.h"

struct vector {
    const char *text, *digest;
};

/* FIPS 180-2, appendix B; the empty message and the 896-bit one: NIST's examples of FIPS 180-4. */
static const struct vector vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
     "lmnopqrsmnopqrstnopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};

static void published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char hex[SHA256_HEX_SIZE];
        sha256_hex(vectors[i].text, strlen(vectors[i].text), hex);
        assert_string_equal(hex, vectors[i].digest);
    }
}

/* A million times "a" (FIPS 180-2, B.3), in pieces of every length. */
static void a_million_in_pieces(void **state)
{
    (void)state;
    enum { LENGTH = 1000000 };
    char *bytes = malloc(LENGTH);
    memset(bytes, 'a', LENGTH);
    struct sha256 *digest = sha256_create();
    for (size_t done = 0, piece = 0; done < LENGTH; done += piece) {
        piece = piece + 1 < LENGTH - done ? piece + 1 : LENGTH - done;
        sha256_update(digest, bytes + done, piece);
    }
    uint8_t out[SHA256_SIZE], whole[SHA256_SIZE];
    sha256_finish(digest, out);
    char hex[SHA256_HEX_SIZE];
    sha256_to_hex(out, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    sha256(bytes, LENGTH, whole);
    assert_memory_equal(out, whole, SHA256_SIZE);
    free(bytes);
}

static void a_nul_byte_counts(void **state)
{
    (void)state;
    char without[SHA256_HEX_SIZE], with[SHA256_HEX_SIZE];
    sha256_hex("abc", 3, without);
    sha256_hex("abc", 4, with);
    assert_string_not_equal(with, without);
}

static void hex_is_lower_case_and_in_order(void **state)
{
    (void)state;
    uint8_t digest[SHA256_SIZE];
    for (int i = 0; i < SHA256_SIZE; i++) {
        digest[i] = (uint8_t)(i * 8 + 7);
    }
    char hex[SHA256_HEX_SIZE];
    sha256_to_hex(digest, hex);
    assert_string_equal(hex, "070f171f272f373f474f575f676f777f878f979fa7afb7bfc7cfd7dfe7eff7ff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(a_million_in_pieces),
        cmocka_unit_test(a_nul_byte_counts),
        cmocka_unit_test(hex_is_lower_case_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
