#include "runtime/aws/store_s3_call.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

struct s3_call *s3_call_create(enum s3_verb verb, const char *key)
{
    struct s3_call *call = base_alloc(sizeof *call);
    call->verb = verb;
    call->key = base_strdup(key);
    return call;
}

void s3_call_free(struct s3_call *call)
{
    for (size_t i = 0; i < call->key_count; i++) {
        free(call->keys[i]);
    }
    free(call->keys);
    free(call->key);
    free(call->bytes);
    free(call->version);
    free(call->after);
    free(call->token);
    free(call);
}

static void take_key(struct s3_call *call, const char *key)
{
    if (!store_key_is_valid(key) || strncmp(key, call->key, strlen(call->key)) != 0 ||
        strcmp(key, call->after) <= 0) {
        return;
    }
    if (call->key_count == call->key_capacity) {
        call->key_capacity = call->key_capacity ? call->key_capacity * 2 : 64;
        call->keys = base_realloc(call->keys, call->key_capacity * sizeof *call->keys);
    }
    call->keys[call->key_count++] = base_strdup(key);
}

enum s3_page s3_call_take_page(struct s3_call *call, const struct xml *page, const char *prefix)
{
    size_t length = strlen(prefix);
    if (!page || strcmp(page->name, "ListBucketResult") != 0) {
        return S3_PAGE_ODD;
    }
    for (const struct xml *item = page->first; item; item = item->next) {
        const char *key = strcmp(item->name, "Contents") == 0 ? xml_text(item, "Key") : NULL;
        if (key && length == 0) {
            take_key(call, key);
        } else if (key && strncmp(key, prefix, length) == 0 && key[length] == '/') {
            take_key(call, key + length + 1);
        }
    }
    const char *truncated = xml_text(page, "IsTruncated");
    if (!truncated || strcmp(truncated, "true") != 0) {
        return S3_PAGE_LAST;
    }
    const char *token = xml_text(page, "NextContinuationToken");
    if (!token || (call->token && strcmp(token, call->token) == 0)) {
        return S3_PAGE_ODD;
    }
    free(call->token);
    call->token = base_strdup(token);
    return S3_PAGE_MORE;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void s3_call_sort(struct s3_call *call)
{
    if (call->key_count) {
        qsort(call->keys, call->key_count, sizeof *call->keys, compare);
    }
}
