/* Tokens of blocks and pages: opaque to clients, of no use for another snapshot, and expiring. */
#include <string.h>

#include "compiler/base/sha256.h"
#include "runtime/sandbox/base64.h"
#include "runtime/sandbox/ebs.h"

enum { PAGE_TOKEN_MS = 60 * 60 * 1000, SEAL_BYTES = 24 };

/* What a token says, and the seal that makes it this sandbox's. */
struct token {
    int64_t until_ms, position;
    uint64_t nonce;
    uint8_t seal[SEAL_BYTES];
};

static void seal(struct request *r, const char *kind, const char *of, const struct token *token,
                 uint8_t out[SEAL_BYTES])
{
    uint8_t digest[SHA256_SIZE];
    struct sha256 *sha = sha256_create();
    sha256_update(sha, &r->seed, sizeof r->seed);
    sha256_update(sha, kind, strlen(kind) + 1);
    sha256_update(sha, of, strlen(of) + 1);
    sha256_update(sha, &token->until_ms, sizeof token->until_ms);
    sha256_update(sha, &token->position, sizeof token->position);
    sha256_update(sha, &token->nonce, sizeof token->nonce);
    sha256_finish(sha, digest);
    memcpy(out, digest, SEAL_BYTES);
}

static const char *make(struct request *r, const char *kind, const char *of, struct token token)
{
    seal(r, kind, of, &token, token.seal);
    return base64(r->arena, &token, sizeof token);
}

static bool read(struct request *r, const char *kind, const char *of, const char *text,
                 struct token *token)
{
    uint8_t expected[SEAL_BYTES];
    if (!base64_decode(text, token, sizeof *token)) {
        return false;
    }
    seal(r, kind, of, token, expected);
    return memcmp(expected, token->seal, SEAL_BYTES) == 0 && r->now_ms < token->until_ms;
}

const char *block_token(struct request *r, const char *snapshot, int64_t position,
                        int64_t expires_ms)
{
    return make(r, "block", snapshot, (struct token){.until_ms = expires_ms, .position = position});
}

bool block_token_check(struct request *r, const char *text, const char *snapshot, int64_t position)
{
    struct token token;
    return (read(r, "block", snapshot, text, &token) && token.position == position) ||
           ebs_invalid(r, "INVALID_BLOCK_TOKEN", "The block token is not valid or has expired");
}

/* Two tokens for one place differ: clients take the same token twice for a service that hangs. */
const char *page_token(struct request *r, const char *of, int64_t position)
{
    return make(r, "page", of,
                (struct token){
                    .until_ms = r->now_ms + PAGE_TOKEN_MS, .position = position, .nonce = draw(r)});
}

bool page_token_read(struct request *r, const char *text, const char *of, int64_t *position)
{
    struct token token;
    if (!read(r, "page", of, text, &token)) {
        return ebs_invalid(r, "INVALID_PAGE_TOKEN", "The page token is not valid or has expired");
    }
    *position = token.position;
    return true;
}
