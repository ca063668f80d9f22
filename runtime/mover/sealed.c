#include "runtime/mover/sealed.h"

#include <string.h>

#include "compiler/base/json_reader.h"
#include "compiler/base/sha256.h"

#define SEAL ",\"sha256\":\""

enum { SEAL_BYTES = sizeof SEAL - 1, SEALED_TAIL = SEAL_BYTES + SHA256_HEX_SIZE - 1 + 2 };

void sealed_finish(struct buffer *text)
{
    char hex[SHA256_HEX_SIZE];
    text->length--; /* the '}' */
    sha256_hex(text->data, text->length, hex);
    buffer_printf(text, SEAL "%s\"}\n", hex);
}

static bool check_seal(const char *text, size_t length, struct error *error)
{
    char hex[SHA256_HEX_SIZE];
    while (length > 0 && strchr(" \r\n\t", text[length - 1])) {
        length--;
    }
    if (length < SEALED_TAIL || memcmp(text + length - SEALED_TAIL, SEAL, SEAL_BYTES) != 0) {
        return error_set(error, "it is cut off, or was altered: its checksum is not at its end");
    }
    const char *seal = text + length - SEALED_TAIL;
    sha256_hex(text, (size_t)(seal - text), hex);
    return memcmp(seal + SEAL_BYTES, hex, SHA256_HEX_SIZE - 1) == 0 ||
           error_set(error, "it was altered: its checksum (SHA-256) is of another text");
}

/* "drc-point/2" is of a later drc when "drc-point/1" is wanted. */
static bool check_format(const cJSON *tree, const char *format, struct error *error)
{
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "format"));
    size_t family = (size_t)(strchr(format, '/') - format) + 1;
    if (found && strcmp(found, format) == 0) {
        return true;
    }
    if (found && strncmp(found, format, family) == 0) {
        error_set(error, "it is of the format %.40s, and this drc knows %s", found, format);
        return error_help(error, "a later drc wrote it: use that one");
    }
    return error_set(error, "it is no %s", format);
}

cJSON *sealed_read(const char *text, size_t length, const char *format, struct error *error)
{
    if (!json_check(text, length, error)) {
        return NULL;
    }
    cJSON *tree = json_tree((struct json_text){.at = text, .length = length}, NULL, error);
    if (tree && json_expect_object(tree, NULL, NULL, error) && check_format(tree, format, error) &&
        check_seal(text, length, error)) {
        return tree;
    }
    cJSON_Delete(tree);
    return NULL;
}
