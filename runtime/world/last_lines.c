#include "runtime/world/last_lines.h"

#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/text.h"
#include "runtime/world/redactor.h"

struct line {
    const char *text;
    size_t length;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\0';
}

static struct line trimmed(const char *from, const char *to)
{
    while (from < to && is_blank(*from)) {
        from++;
    }
    while (to > from && is_blank(to[-1])) {
        to--;
    }
    return (struct line){from, (size_t)(to - from)};
}

/* From the end on; how many of those wanted are there. */
static size_t find(const char *text, size_t length, bool cut, struct line lines[LAST_LINES_MAX])
{
    size_t count = 0, room = LAST_LINES_BYTES;
    const char *end = text + length;
    while (end > text && count < LAST_LINES_MAX) {
        const char *from = memrchr(text, '\n', (size_t)(end - text));
        bool first = !from;
        from = from ? from + 1 : text;
        struct line line = trimmed(from, end);
        end = first ? text : from - 1;
        bool partial = first && cut;
        if (line.length == 0) {
            continue;
        }
        if (count > 0 && (partial || line.length > room)) {
            break;
        }
        if (line.length > room) { /* its end: that of a long line says more */
            line.text += line.length - room;
            line.length = room;
        }
        room -= line.length;
        lines[count++] = line;
    }
    return count;
}

void last_lines(struct buffer *out, const struct redactor *redactor, const char *text, size_t length,
                bool cut)
{
    struct buffer clean = {0};
    struct line lines[LAST_LINES_MAX];
    redactor_write(redactor, text, length, &clean);
    size_t count = find(buffer_text(&clean), clean.length, cut, lines);
    for (size_t i = count; i-- > 0;) {
        struct buffer one = {0};
        for (size_t k = 0; k < lines[i].length; k++) {
            buffer_putc(&one, lines[i].text[k] ? lines[i].text[k] : '?');
        }
        text_put(out, buffer_text(&one));
        buffer_puts(out, i ? " | " : "");
        buffer_free(&one);
    }
    buffer_free(&clean);
}
