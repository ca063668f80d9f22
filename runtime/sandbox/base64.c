#include "runtime/sandbox/base64.h"

#include <openssl/evp.h>
#include <string.h>

#include "compiler/base/arena.h"

enum { DECODED_MAX = 64 };

const char *base64(struct arena *arena, const void *bytes, size_t length)
{
    char *text = arena_alloc(arena, (length + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    return text;
}

bool base64_decode(const char *text, void *out, size_t length)
{
    unsigned char decoded[DECODED_MAX + 3];
    size_t letters = text ? strlen(text) : 0, padding = (3 - length % 3) % 3;
    if (!letters || length > DECODED_MAX || letters != (length + 2) / 3 * 4 ||
        strcspn(text, "=") != letters - padding ||
        EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)letters) < (int)length) {
        return false;
    }
    memcpy(out, decoded, length);
    return true;
}
