#include "runtime/cli/progress_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "compiler/base/buffer.h"

static const char *const INKS[] = {
    [INK_PLAIN] = "",          [INK_BOLD] = "\033[1m",  [INK_DIM] = "\033[2m",
    [INK_GREEN] = "\033[32m",  [INK_CYAN] = "\033[36m", [INK_RED] = "\033[31m",
    [INK_YELLOW] = "\033[33m",
};

struct glyph {
    char bytes[5];
    int size, columns; /* size: of what was read */
};

static bool is_harmless(utf8proc_int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return category != UTF8PROC_CATEGORY_CC && category != UTF8PROC_CATEGORY_CF &&
           category != UTF8PROC_CATEGORY_ZL && category != UTF8PROC_CATEGORY_ZP &&
           category != UTF8PROC_CATEGORY_CN && category != UTF8PROC_CATEGORY_CO &&
           category != UTF8PROC_CATEGORY_CS;
}

static struct glyph next_glyph(const char *text)
{
    utf8proc_int32_t point;
    utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, &point);
    if (size <= 0 || !is_harmless(point)) {
        return (struct glyph){"?", size > 0 ? (int)size : 1, 1};
    }
    struct glyph glyph = {.size = (int)size, .columns = utf8proc_charwidth(point)};
    memcpy(glyph.bytes, text, (size_t)size);
    return glyph;
}

static int columns_of(const char *text)
{
    int columns = 0;
    while (*text) {
        struct glyph glyph = next_glyph(text);
        columns += glyph.columns;
        text += glyph.size;
    }
    return columns;
}

/* All of it, or as much as leaves room for the "…". */
static void put_glyphs(struct line *line, const char *text)
{
    int room = line->width - line->column;
    bool fits = columns_of(text) <= room;
    while (*text) {
        struct glyph glyph = next_glyph(text);
        if (!fits && glyph.columns > room - 1) {
            break;
        }
        buffer_puts(line->out, glyph.bytes);
        room -= glyph.columns;
        line->column += glyph.columns;
        text += glyph.size;
    }
    if (!fits) {
        buffer_puts(line->out, "…");
        line->column++;
        line->full = true;
    }
}

/* Spaces come only before text: lines end where their text does. */
static void pad(struct line *line)
{
    while (line->column < line->next) {
        buffer_putc(line->out, ' ');
        line->column++;
    }
}

void line_put(struct line *line, enum ink ink, const char *text)
{
    if (line->full || !*text) {
        return;
    }
    if (line->column >= line->width || line->next >= line->width) {
        line->full = true;
        return;
    }
    pad(line);
    bool inked = line->colour && ink != INK_PLAIN;
    if (inked) {
        buffer_puts(line->out, INKS[ink]);
    }
    put_glyphs(line, text);
    if (inked) {
        buffer_puts(line->out, "\033[0m");
    }
}

void line_printf(struct line *line, enum ink ink, const char *format, ...)
{
    struct buffer text = {0};
    va_list args;
    va_start(args, format);
    buffer_vprintf(&text, format, args);
    va_end(args);
    line_put(line, ink, buffer_text(&text));
    buffer_free(&text);
}

void line_to_column(struct line *line, int column)
{
    line->next = column > line->next ? column : line->next;
}

void line_end(struct line *line)
{
    buffer_putc(line->out, '\n');
    line->column = line->next = 0;
    line->full = false;
}

const char *line_clock(char out[32], int64_t ms)
{
    uint64_t s = ms > 0 ? (uint64_t)ms / 1000 : 0;
    if (s >= 3600) {
        snprintf(out, 32, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(out, 32, "%02" PRIu64 ":%02" PRIu64, s / 60, s % 60);
    }
    return out;
}
