/* Idempotency (EC2 User Guide, "Ensuring idempotency in Amazon EC2 API requests"): the same token
 * with the same parameters yields what was made before; with others it is refused. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/sha256.h"
#include "runtime/sandbox/resource.h"

enum { TOKEN_MAX = 64 };

static int by_name(const void *a, const void *b)
{
    const struct map_entry *const *one = a, *const *two = b;
    return strcmp((*one)->key, (*two)->key);
}

/* SHA-256 over all parameters but the token, in the order of their names. */
static const char *digest_of(struct request *r)
{
    size_t count = 0;
    struct map_entry **entries =
        ARENA_ARRAY(r->arena, struct map_entry *, map_count(&r->query.pairs) + 1);
    for (struct map_entry *entry = map_first(&r->query.pairs); entry; entry = map_next(entry)) {
        if (strcmp(entry->key, "ClientToken") != 0 && strcmp(entry->key, "DryRun") != 0) {
            entries[count++] = entry;
        }
    }
    qsort(entries, count, sizeof(void *), by_name);
    struct sha256 *digest = sha256_create();
    for (size_t i = 0; i < count; i++) {
        const char *value = entries[i]->value;
        sha256_update(digest, entries[i]->key, strlen(entries[i]->key) + 1);
        sha256_update(digest, value, strlen(value) + 1);
    }
    uint8_t bytes[SHA256_SIZE];
    char *hex = arena_alloc(r->arena, SHA256_HEX_SIZE);
    sha256_finish(digest, bytes);
    sha256_to_hex(bytes, hex);
    return hex;
}

bool token_find(struct request *r, const char *token, const char *digest, const char **resource,
                bool *same)
{
    struct sqlite3_stmt *row = state_query(
        r->state, "SELECT digest, resource FROM tokens WHERE operation = ? AND token = ?", "ss",
        r->operation, token);
    if (!state_next(r->state, row)) {
        return false;
    }
    *same = strcmp(state_text(r->arena, row, 0), digest) == 0;
    *resource = state_text(r->arena, row, 1);
    state_done(row);
    return true;
}

void token_remember(struct request *r, const char *token, const char *digest, const char *resource)
{
    state_run(r->state, "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)", "ssss", r->operation,
              token, digest, resource);
}

bool token_check(struct request *r, const char **resource)
{
    const char *token = query_get(&r->query, "ClientToken");
    bool same = true;
    *resource = NULL;
    if (!token || !*token) {
        return true;
    }
    if (strlen(token) > TOKEN_MAX) {
        return fail(r, 400, "InvalidParameterValue",
                    "Invalid value '%s' for clientToken: it exceeds 64 ASCII characters", token);
    }
    if (!token_find(r, token, digest_of(r), resource, &same) || same) {
        return true;
    }
    *resource = NULL;
    return fail(r, 400, "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in "
                "previous request(s).");
}

void token_keep(struct request *r, const char *resource)
{
    const char *token = query_get(&r->query, "ClientToken");
    if (token && *token) {
        token_remember(r, token, digest_of(r), resource);
    }
}
