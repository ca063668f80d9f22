#include "compiler/front/diagnostic_write.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/visible.h"

const char *diagnostic_severity_name(enum diagnostic_severity severity)
{
    return severity == SEVERITY_ERROR ? "error" : "warning";
}

uint32_t diagnostic_end_column(const struct span *span)
{
    uint32_t end = span->end_column;
    if (span->end_line > span->line) {
        size_t length;
        const char *line = source_line(span->source, span->line, &length);
        length = length > SHOWN_LINE_MAX ? 0 : length;
        while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t')) {
            length--;
        }
        end = (uint32_t)visible_count(line, length) + 1;
    }
    return end > span->column ? end : span->column + 1;
}

static bool covers(const struct span *span, uint32_t line, uint32_t column)
{
    bool begun = line > span->line || (line == span->line && column >= span->column);
    bool ended = line > span->end_line || (line == span->end_line && column >= span->end_column);
    return begun && !ended;
}

static bool is_concealed(const struct diagnostics *all, const struct source *source, uint32_t line,
                         uint32_t column)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct diagnostic_label *label = &all->items[i]->primary;
        if (label->concealed && label->span.source == source &&
            covers(&label->span, line, column)) {
            return true;
        }
    }
    return false;
}

static bool conceals(const struct diagnostics *all, const struct source *source, uint32_t line)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct diagnostic_label *label = &all->items[i]->primary;
        if (label->concealed && label->span.source == source && line >= label->span.line &&
            line <= label->span.end_line) {
            return true;
        }
    }
    return false;
}

void diagnostic_line(const struct diagnostics *all, const struct source *source, uint32_t line,
                     uint32_t first, const char *bytes, size_t length, struct buffer *out)
{
    if (!conceals(all, source, line)) {
        buffer_append(out, bytes, length);
        return;
    }
    for (uint32_t column = first; length > 0; column++) {
        size_t taken = visible_offset(bytes, length, 1);
        taken = taken > 0 ? taken : 1;
        if (is_concealed(all, source, line, column)) {
            buffer_putc(out, '*');
        } else {
            buffer_append(out, bytes, taken);
        }
        bytes += taken;
        length -= taken;
    }
}

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_places(const void *a, const void *b)
{
    const struct span *left = &(*(struct diagnostic *const *)a)->primary.span;
    const struct span *right = &(*(struct diagnostic *const *)b)->primary.span;
    if (!left->source || !right->source) {
        return (left->source != NULL) - (right->source != NULL);
    }
    int order = strcmp(left->source->path, right->source->path);
    order = order ? order : compare_numbers(left->line, right->line);
    return order ? order : compare_numbers(left->column, right->column);
}

/* Merge sort, because diagnostics of one place stay in the order of their finding. */
static void sort(struct diagnostic **items, struct diagnostic **spare, size_t count)
{
    if (count < 2) {
        return;
    }
    size_t half = count / 2;
    sort(items, spare, half);
    sort(items + half, spare, count - half);
    memcpy(spare, items, half * sizeof *items);
    size_t left = 0, right = half, to = 0;
    while (left < half && right < count) {
        items[to++] =
            compare_places(&spare[left], &items[right]) <= 0 ? spare[left++] : items[right++];
    }
    memcpy(items + to, spare + left, (half - left) * sizeof *items);
}

static void write_one(const struct diagnostics *all, const struct diagnostic *diagnostic,
                      enum diagnostic_format format, bool colour, struct buffer *out)
{
    switch (format) {
    case DIAGNOSTIC_FORMAT_HUMAN:
        diagnostic_write_human(all, diagnostic, colour, out);
        buffer_putc(out, '\n');
        break;
    case DIAGNOSTIC_FORMAT_JSON:
        diagnostic_write_json(all, diagnostic, out);
        break;
    case DIAGNOSTIC_FORMAT_GITHUB:
        diagnostic_write_github(diagnostic, out);
        break;
    case DIAGNOSTIC_FORMAT_SARIF:
        break; /* one document for all */
    }
}

void diagnostics_write(const struct diagnostics *diagnostics, enum diagnostic_format format,
                       bool colour, struct buffer *out)
{
    size_t count = diagnostics->count;
    struct diagnostic **items = base_alloc((2 * count + 1) * sizeof *items);
    if (count > 0) {
        memcpy(items, diagnostics->items, count * sizeof *items);
    }
    sort(items, items + count, count);
    for (size_t i = 0; i < count; i++) {
        write_one(diagnostics, items[i], format, colour, out);
    }
    if (format == DIAGNOSTIC_FORMAT_SARIF) {
        diagnostics_write_sarif(diagnostics, items, out);
    } else if (format == DIAGNOSTIC_FORMAT_HUMAN && count > 0) {
        diagnostics_write_summary(diagnostics, colour, out);
    }
    free(items);
}
