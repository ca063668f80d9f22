#include "compiler/base/sha256.h"

#include <openssl/evp.h>

#include "compiler/base/arena.h"

/* OpenSSL fails here only without memory. */
static EVP_MD_CTX *check(EVP_MD_CTX *context, int ok)
{
    if (!context || ok != 1) {
        base_out_of_memory();
    }
    return context;
}

struct sha256 *sha256_create(void)
{
    EVP_MD_CTX *context = check(EVP_MD_CTX_new(), 1);
    check(context, EVP_DigestInit_ex(context, EVP_sha256(), NULL));
    return (struct sha256 *)context;
}

void sha256_update(struct sha256 *digest, const void *bytes, size_t length)
{
    EVP_MD_CTX *context = (EVP_MD_CTX *)digest;
    check(context, EVP_DigestUpdate(context, bytes, length));
}

void sha256_finish(struct sha256 *digest, uint8_t out[SHA256_SIZE])
{
    EVP_MD_CTX *context = (EVP_MD_CTX *)digest;
    check(context, EVP_DigestFinal_ex(context, out, NULL));
    EVP_MD_CTX_free(context);
}

void sha256(const void *bytes, size_t length, uint8_t out[SHA256_SIZE])
{
    struct sha256 *digest = sha256_create();
    sha256_update(digest, bytes, length);
    sha256_finish(digest, out);
}

void sha256_to_hex(const uint8_t digest[SHA256_SIZE], char out[SHA256_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA256_SIZE; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * SHA256_SIZE] = '\0';
}

void sha256_hex(const void *bytes, size_t length, char out[SHA256_HEX_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    sha256(bytes, length, digest);
    sha256_to_hex(digest, out);
}
