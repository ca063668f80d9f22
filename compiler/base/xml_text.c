#include "compiler/base/xml_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <utf8proc.h>

static void escape_point(struct buffer *out, const char *bytes, size_t length, int32_t point)
{
    switch (point) {
    case '&':
        buffer_puts(out, "&amp;");
        return;
    case '<':
        buffer_puts(out, "&lt;");
        return;
    case '>':
        buffer_puts(out, "&gt;");
        return;
    case '"':
        buffer_puts(out, "&quot;");
        return;
    case '\r':
        buffer_puts(out, "&#13;");
        return;
    default:
        break;
    }
    bool allowed = point >= 0x20 || point == '\t' || point == '\n';
    if (!allowed || point == 0xFFFE || point == 0xFFFF) {
        buffer_puts(out, "\xEF\xBF\xBD");
        return;
    }
    buffer_append(out, bytes, length);
}

void xml_escape(struct buffer *out, const char *text)
{
    size_t length = strlen(text);
    while (length) {
        utf8proc_int32_t point = -1;
        utf8proc_ssize_t size =
            utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &point);
        size_t used = size > 0 ? (size_t)size : 1;
        escape_point(out, text, used, size > 0 ? point : -1);
        text += used;
        length -= used;
    }
}
