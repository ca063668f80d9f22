#include "compiler/front/visible.h"

#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

#include "compiler/base/buffer.h"

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* Characters that change what is beside them, or cannot be seen, are written as their number. */
static bool is_deceptive(utf8proc_int32_t code)
{
    utf8proc_category_t category = utf8proc_category(code);
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP ||
           category == UTF8PROC_CATEGORY_CN || category == UTF8PROC_CATEGORY_CS;
}

static void append_code(struct buffer *out, utf8proc_int32_t code)
{
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t length = utf8proc_encode_char(code, bytes);
    buffer_append(out, bytes, (size_t)length);
}

static unsigned append_special(struct buffer *out, utf8proc_int32_t code)
{
    if (code == '\t') {
        buffer_puts(out, "    ");
        return VISIBLE_TAB_WIDTH;
    }
    if (code < 0x20 || code == 0x7F) { /* control pictures: U+2400 and up */
        append_code(out, code == 0x7F ? 0x2421 : 0x2400 + code);
        return 1;
    }
    size_t before = out->length;
    buffer_printf(out, "\\u{%x}", (unsigned)code);
    return (unsigned)(out->length - before);
}

size_t visible_character(struct buffer *out, const char *at, size_t length, unsigned *width)
{
    if (*at >= 0x20 && *at < 0x7F) {
        buffer_putc(out, *at);
        *width = 1;
        return 1;
    }
    utf8proc_int32_t code;
    utf8proc_ssize_t taken =
        utf8proc_iterate((const utf8proc_uint8_t *)at, (utf8proc_ssize_t)length, &code);
    if (taken <= 0) {
        append_code(out, 0xFFFD);
        *width = 1;
        return 1;
    }
    if (is_deceptive(code)) {
        *width = append_special(out, code);
    } else {
        buffer_append(out, at, (size_t)taken);
        int columns = utf8proc_charwidth(code);
        *width = columns > 0 ? (unsigned)columns : 0;
    }
    return (size_t)taken;
}

void visible_text(struct buffer *out, const char *text)
{
    unsigned width;
    for (size_t left = strlen(text); left > 0;) {
        size_t taken = visible_character(out, text, left, &width);
        text += taken;
        left -= taken;
    }
}

void visible_utf8(struct buffer *out, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t taken = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                  (utf8proc_ssize_t)(length - at), &code);
        if (taken <= 0 || code == 0) {
            append_code(out, 0xFFFD);
            at++;
        } else {
            buffer_append(out, text + at, (size_t)taken);
            at += (size_t)taken;
        }
    }
}

size_t visible_count(const char *line, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        count += !is_continuation(line[i]);
    }
    return count;
}

size_t visible_offset(const char *line, size_t length, size_t count)
{
    enum { CHUNK = 1024 };
    size_t offset = 0;
    while (length - offset >= CHUNK) {
        size_t in_chunk = visible_count(line + offset, CHUNK);
        if (in_chunk > count) {
            break;
        }
        count -= in_chunk;
        offset += CHUNK;
    }
    while (offset < length && (count > 0 || is_continuation(line[offset]))) {
        count -= !is_continuation(line[offset]);
        offset++;
    }
    return offset;
}
