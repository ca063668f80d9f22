#include "runtime/sandbox/chunked.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/percent.h"

/* A line without its CRLF; NULL when there is none. Moves *at behind it. */
static const char *line(const char **at, const char *end, size_t *length)
{
    const char *begin = *at;
    const char *feed = memchr(begin, '\n', (size_t)(end - begin));
    if (!feed || feed == begin || feed[-1] != '\r') {
        return NULL;
    }
    *length = (size_t)(feed - 1 - begin);
    *at = feed + 1;
    return begin;
}

/* The hex number that a chunk's line begins with. */
static bool read_size(const char *text, size_t length, size_t limit, size_t *size)
{
    size_t digits = 0;
    *size = 0;
    while (digits < length && hex_digit(text[digits]) >= 0) {
        *size = *size * 16 + (size_t)hex_digit(text[digits++]);
        if (*size > limit) {
            return false;
        }
    }
    return digits > 0 && (digits == length || text[digits] == ';');
}

static bool read_trailer(struct arena *arena, const char *at, const char *end,
                         struct chunked *chunked)
{
    size_t length;
    const char *text = line(&at, end, &length);
    if (text && length) {
        chunked->trailer = arena_strndup(arena, text, length);
    }
    return text != NULL || at == end;
}

bool chunked_read(struct arena *arena, const char *body, size_t length, struct chunked *chunked)
{
    const char *at = body, *end = body ? body + length : body;
    char *out = arena_alloc(arena, length + 1);
    *chunked = (struct chunked){.bytes = out};
    while (at < end) {
        size_t size, line_length;
        const char *head = line(&at, end, &line_length);
        if (!head || !read_size(head, line_length, length, &size)) {
            return false;
        }
        if (size == 0) {
            return read_trailer(arena, at, end, chunked);
        }
        if ((size_t)(end - at) < size + 2 || memcmp(at + size, "\r\n", 2) != 0) {
            return false;
        }
        memcpy(out + chunked->length, at, size);
        chunked->length += size;
        at += size + 2;
    }
    return false;
}
