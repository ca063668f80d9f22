#include "compiler/emit/text.h"

#include <string.h>
#include <utf8proc.h>

#include "compiler/base/buffer.h"

/* The next character's bytes; `printable` is false for what a terminal should not get. */
static size_t next_character(const char *text, size_t length, bool *printable, int *columns)
{
    utf8proc_int32_t point;
    utf8proc_ssize_t bytes =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &point);
    utf8proc_category_t category = bytes > 0 ? utf8proc_category(point) : UTF8PROC_CATEGORY_CC;
    /* Format characters (Cf) can turn the direction of a line around. */
    *printable = category != UTF8PROC_CATEGORY_CC && category != UTF8PROC_CATEGORY_CF &&
                 category != UTF8PROC_CATEGORY_ZL && category != UTF8PROC_CATEGORY_ZP;
    *columns = *printable ? utf8proc_charwidth(point) : 1;
    return bytes > 0 ? (size_t)bytes : 1;
}

static int columns_of(const char *text, size_t length)
{
    int sum = 0;
    for (size_t at = 0; at < length;) {
        bool printable;
        int columns;
        at += next_character(text + at, length - at, &printable, &columns);
        sum += columns;
    }
    return sum;
}

int text_columns(const char *text)
{
    return columns_of(text, strlen(text));
}

static void put_n(struct buffer *out, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        bool printable;
        int columns;
        size_t bytes = next_character(text + at, length - at, &printable, &columns);
        if (printable) {
            buffer_append(out, text + at, bytes);
        } else {
            buffer_putc(out, '?');
        }
        at += bytes;
    }
}

void text_put(struct buffer *out, const char *text)
{
    put_n(out, text, strlen(text));
}

static void put_spaces(struct buffer *out, int count)
{
    for (int i = 0; i < count; i++) {
        buffer_putc(out, ' ');
    }
}

void text_pad(struct buffer *out, const char *text, int columns)
{
    text_put(out, text);
    put_spaces(out, columns - text_columns(text));
}

void text_pad_left(struct buffer *out, const char *text, int columns)
{
    put_spaces(out, columns - text_columns(text));
    text_put(out, text);
}

void text_wrap(struct buffer *out, const char *text, int column, int indent, int width)
{
    int at = column;
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");
        int columns = columns_of(word, length);
        bool first = word == text;
        if (!first && width > 0 && at + 1 + columns > width && at > indent) {
            buffer_putc(out, '\n');
            put_spaces(out, indent);
            at = indent;
        } else if (!first) {
            buffer_putc(out, ' ');
            at++;
        }
        put_n(out, word, length);
        at += columns;
        word += length;
        word += strspn(word, " ");
    }
}
