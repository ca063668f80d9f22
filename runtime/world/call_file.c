#include "runtime/world/call_file.h"

#include <stdbool.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"

enum { NAME_MAX_BYTES = 120 };

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

void call_file_name(const char *node_id, int generation, struct buffer *out)
{
    size_t length = strlen(node_id);
    bool plain = length > 0 && length <= NAME_MAX_BYTES;
    for (size_t i = 0; i < length && i < NAME_MAX_BYTES; i++) {
        char c = node_id[i];
        plain = plain && (is_plain(c) || c == '/');
        buffer_putc(out, c == '/' ? '.' : is_plain(c) ? c : '_');
    }
    if (!plain) { /* told apart by its hash */
        char hash[SHA256_HEX_SIZE];
        sha256_hex(node_id, length, hash);
        buffer_printf(out, "~%.16s", hash);
    }
    if (generation > 0) {
        buffer_printf(out, ".%d", generation + 1);
    }
}
