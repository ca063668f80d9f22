/* rustc's layout: the line with a caret under the place, other places with dashes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/diagnostic_write.h"
#include "compiler/front/visible.h"

enum {
    LABELS_MAX = 64,  /* more places are counted, not shown */
    LINE_WIDTH = 100, /* columns of a source line that are shown */
    CONTEXT = 30,     /* characters kept before the first place of a line that is cut */
    CHARACTERS_MAX = 4 * LINE_WIDTH,
};

enum colour { PLAIN, BOLD, RED, YELLOW, BLUE };

struct mark {
    const struct diagnostic_label *label;
    bool primary;
    unsigned start, end; /* display columns in the line's view */
};

/* A source line that is shown, with the marks under it. */
struct shown_line {
    const struct source *source;
    uint32_t line;
    bool begins_block; /* a place of another file, or before the last one */
    struct mark *marks;
    size_t mark_count;
};

/* The part of a line that fits. */
struct view {
    struct buffer text;
    uint32_t from;                        /* its first character, from 1 */
    size_t count;                         /* characters in it */
    unsigned columns[CHARACTERS_MAX + 1]; /* display column of each character, and of the end */
};

struct writer {
    struct buffer *out;
    const struct diagnostics *all;
    const struct diagnostic *diagnostic;
    bool colour;
    int gutter; /* width of line numbers */
    struct shown_line lines[LABELS_MAX];
    size_t line_count;
    struct mark marks[LABELS_MAX]; /* grouped by line once they are placed */
    size_t hidden;
};

static void set_colour(const struct writer *writer, enum colour colour)
{
    static const char *const codes[] = {
        [PLAIN] = "\033[0m",     [BOLD] = "\033[1m",    [RED] = "\033[1;31m",
        [YELLOW] = "\033[1;33m", [BLUE] = "\033[1;34m",
    };
    if (writer->colour) {
        buffer_puts(writer->out, codes[colour]);
    }
}

static enum colour severity_colour(const struct writer *writer)
{
    return writer->diagnostic->severity == SEVERITY_ERROR ? RED : YELLOW;
}

static void write_spaces(struct buffer *out, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        buffer_putc(out, ' ');
    }
}

/* ---- which lines are shown ---- */

static struct shown_line *find_line(struct writer *writer, const struct span *span)
{
    for (size_t i = 0; i < writer->line_count; i++) {
        struct shown_line *line = &writer->lines[i];
        if (line->source == span->source && line->line == span->line) {
            return line;
        }
    }
    struct shown_line *last = writer->line_count ? &writer->lines[writer->line_count - 1] : NULL;
    struct shown_line *line = &writer->lines[writer->line_count++];
    *line = (struct shown_line){.source = span->source, .line = span->line};
    line->begins_block = !last || last->source != span->source || last->line > span->line;
    return line;
}

static const struct diagnostic_label *label_at(const struct diagnostic *diagnostic, size_t index)
{
    return index == 0 ? &diagnostic->primary : &diagnostic->secondary[index - 1];
}

/* Counts the marks of each line, then hands each line its part of the array. */
static void place_labels(struct writer *writer)
{
    const struct diagnostic *diagnostic = writer->diagnostic;
    size_t count = diagnostic->secondary_count + 1;
    size_t shown = count < LABELS_MAX ? count : LABELS_MAX;
    writer->hidden = count - shown;
    for (size_t i = 0; i < shown; i++) {
        if (label_at(diagnostic, i)->span.source) {
            find_line(writer, &label_at(diagnostic, i)->span)->mark_count++;
        }
    }
    struct mark *next = writer->marks;
    for (size_t i = 0; i < writer->line_count; i++) {
        writer->lines[i].marks = next;
        next += writer->lines[i].mark_count;
        writer->lines[i].mark_count = 0;
    }
    for (size_t i = 0; i < shown; i++) {
        const struct diagnostic_label *label = label_at(diagnostic, i);
        if (label->span.source) {
            struct shown_line *line = find_line(writer, &label->span);
            line->marks[line->mark_count++] = (struct mark){.label = label, .primary = i == 0};
        }
    }
}

static int gutter_width(const struct writer *writer)
{
    uint32_t largest = 1;
    for (size_t i = 0; i < writer->line_count; i++) {
        largest = writer->lines[i].line > largest ? writer->lines[i].line : largest;
    }
    return snprintf(NULL, 0, "%u", largest);
}

/* ---- one line ---- */

static uint32_t first_place(const struct shown_line *line)
{
    uint32_t first = UINT32_MAX;
    for (size_t i = 0; i < line->mark_count; i++) {
        uint32_t column = line->marks[i].label->span.column;
        first = column < first ? column : first;
        if (line->marks[i].primary && column > first + LINE_WIDTH / 2) {
            return column; /* the place that matters, when not all fit */
        }
    }
    return first;
}

/* Whether the line fits without a cut. */
static bool fits(const char *text, size_t length)
{
    if (length <= LINE_WIDTH / VISIBLE_TAB_WIDTH) {
        return true;
    }
    if (length > CHARACTERS_MAX) {
        return false;
    }
    struct buffer scratch = {0};
    unsigned total = 0, width;
    for (size_t at = 0; at < length; total += width) {
        at += visible_character(&scratch, text + at, length - at, &width);
    }
    buffer_free(&scratch);
    return total <= LINE_WIDTH;
}

/* Fills the view with the characters from byte `at` on. */
static void fill_view(struct view *view, const char *text, size_t length, unsigned column)
{
    size_t at = 0;
    while (at < length && view->count < CHARACTERS_MAX && column < LINE_WIDTH) {
        view->columns[view->count++] = column;
        unsigned width;
        at += visible_character(&view->text, text + at, length - at, &width);
        column += width;
    }
    view->columns[view->count] = column;
    if (at < length) {
        buffer_puts(&view->text, "…");
    }
}

static void make_view(const struct writer *writer, const struct shown_line *line, struct view *view)
{
    size_t length;
    const char *text = source_line(line->source, line->line, &length);
    if (length > SHOWN_LINE_MAX) {
        buffer_printf(&view->text, "(a line of %zu bytes)", length);
        return;
    }
    uint32_t first = first_place(line);
    view->from = fits(text, length) || first <= CONTEXT ? 1 : first - CONTEXT;
    size_t skip = visible_offset(text, length, view->from - 1);
    size_t rest = length - skip;
    if (rest > CHARACTERS_MAX * 4) {
        rest = visible_offset(text + skip, CHARACTERS_MAX * 4, CHARACTERS_MAX);
    }
    struct buffer shown = {0};
    diagnostic_line(writer->all, line->source, line->line, view->from, text + skip, rest, &shown);
    if (view->from > 1) {
        buffer_puts(&view->text, "…");
    }
    fill_view(view, buffer_text(&shown), shown.length, view->from > 1 ? 1 : 0);
    buffer_free(&shown);
}

static unsigned display_column(const struct view *view, uint32_t column)
{
    if (column < view->from) {
        return 0;
    }
    size_t index = column - view->from;
    return view->columns[index < view->count ? index : view->count];
}

static void place_marks(const struct view *view, struct shown_line *line)
{
    for (size_t i = 0; i < line->mark_count; i++) {
        struct mark *mark = &line->marks[i];
        mark->start = display_column(view, mark->label->span.column);
        mark->end = display_column(view, diagnostic_end_column(&mark->label->span));
        if (mark->end <= mark->start) {
            mark->end = mark->start + 1;
        }
    }
}

static int rightmost_first(const void *a, const void *b)
{
    const struct mark *left = a, *right = b;
    if (left->start != right->start) {
        return left->start < right->start ? 1 : -1;
    }
    if (left->primary != right->primary) {
        return left->primary ? -1 : 1;
    }
    return (left->label > right->label) - (left->label < right->label);
}

static void write_gutter(const struct writer *writer, uint32_t line)
{
    set_colour(writer, BLUE);
    if (line > 0) {
        buffer_printf(writer->out, "%*u |", writer->gutter, line);
    } else {
        buffer_printf(writer->out, "%*s |", writer->gutter, "");
    }
    set_colour(writer, PLAIN);
}

static void write_label(const struct writer *writer, const struct mark *mark)
{
    set_colour(writer, mark->primary ? severity_colour(writer) : BLUE);
    visible_text(writer->out, mark->label->text);
    set_colour(writer, PLAIN);
}

/* The row of carets and dashes, with the rightmost mark's label behind. */
static void write_underline(const struct writer *writer, const struct shown_line *line)
{
    char row[LINE_WIDTH + CHARACTERS_MAX];
    unsigned end = 0;
    memset(row, ' ', sizeof row);
    for (int pass = 0; pass < 2; pass++) { /* the primary one is drawn over the others */
        for (size_t i = 0; i < line->mark_count; i++) {
            const struct mark *mark = &line->marks[i];
            if (mark->primary == (pass == 1) && mark->end < sizeof row) {
                memset(row + mark->start, pass ? '^' : '-', mark->end - mark->start);
                end = mark->end > end ? mark->end : end;
            }
        }
    }
    write_gutter(writer, 0);
    buffer_putc(writer->out, ' ');
    char last = ' ';
    for (unsigned i = 0; i < end; i++) {
        if (row[i] != last && row[i] != ' ') {
            set_colour(writer, row[i] == '^' ? severity_colour(writer) : BLUE);
        }
        last = row[i];
        buffer_putc(writer->out, row[i]);
    }
    set_colour(writer, PLAIN);
    if (*line->marks[0].label->text) {
        buffer_putc(writer->out, ' ');
        write_label(writer, &line->marks[0]);
    }
    buffer_putc(writer->out, '\n');
}

/* A row of bars down from the marks from `from` on; then, when `labelled`, the label of the first
 * of them in place of its bar. */
static void write_bars(const struct writer *writer, const struct shown_line *line, size_t from,
                       bool labelled)
{
    write_gutter(writer, 0);
    buffer_putc(writer->out, ' ');
    unsigned column = 0;
    for (size_t i = line->mark_count; i-- > from + labelled;) {
        const struct mark *mark = &line->marks[i];
        if (*mark->label->text && mark->start >= column &&
            !(labelled && mark->start == line->marks[from].start)) {
            write_spaces(writer->out, mark->start - column);
            set_colour(writer, mark->primary ? severity_colour(writer) : BLUE);
            buffer_putc(writer->out, '|');
            set_colour(writer, PLAIN);
            column = mark->start + 1;
        }
    }
    if (labelled) {
        write_spaces(writer->out, line->marks[from].start - column);
        write_label(writer, &line->marks[from]);
    }
    buffer_putc(writer->out, '\n');
}

static void write_marks(const struct writer *writer, struct shown_line *line)
{
    qsort(line->marks, line->mark_count, sizeof *line->marks, rightmost_first);
    write_underline(writer, line);
    bool barred = false;
    for (size_t i = 1; i < line->mark_count; i++) {
        if (*line->marks[i].label->text) {
            if (!barred) {
                write_bars(writer, line, i, false);
                barred = true;
            }
            write_bars(writer, line, i, true);
        }
    }
}

static void write_line(const struct writer *writer, struct shown_line *line)
{
    struct view view = {0};
    make_view(writer, line, &view);
    write_gutter(writer, line->line);
    if (view.text.length > 0) {
        buffer_putc(writer->out, ' ');
        buffer_append(writer->out, view.text.data, view.text.length);
    }
    buffer_putc(writer->out, '\n');
    place_marks(&view, line);
    write_marks(writer, line);
    buffer_free(&view.text);
}

/* ---- the whole ---- */

static void write_place(const struct writer *writer, const struct shown_line *line, bool first)
{
    set_colour(writer, BLUE);
    buffer_printf(writer->out, "%*s%s ", writer->gutter, "", first ? "-->" : ":::");
    set_colour(writer, PLAIN);
    visible_text(writer->out, line->source->path);
    uint32_t column = line->marks[0].label->span.column;
    buffer_printf(writer->out, ":%u:%u\n", line->line, column);
    write_gutter(writer, 0);
    buffer_putc(writer->out, '\n');
}

/* What stands between two lines of one block. */
static void write_gap(const struct writer *writer, const struct shown_line *before,
                      const struct shown_line *line)
{
    if (line->line > before->line + 1) {
        set_colour(writer, BLUE);
        buffer_puts(writer->out, "...\n");
        set_colour(writer, PLAIN);
    }
}

static void write_header(const struct writer *writer)
{
    const struct diagnostic *diagnostic = writer->diagnostic;
    set_colour(writer, severity_colour(writer));
    buffer_printf(writer->out, "%s[%s]", diagnostic_severity_name(diagnostic->severity),
                  diagnostic_info(diagnostic->code)->code);
    set_colour(writer, PLAIN);
    set_colour(writer, BOLD);
    buffer_puts(writer->out, ": ");
    visible_text(writer->out, diagnostic->message);
    set_colour(writer, PLAIN);
    buffer_putc(writer->out, '\n');
}

/* "= help: …"; a line break in the text goes on below its beginning. */
static void write_remark(const struct writer *writer, const char *kind, const char *text)
{
    set_colour(writer, BLUE);
    buffer_printf(writer->out, "%*s = ", writer->gutter, "");
    set_colour(writer, PLAIN);
    set_colour(writer, BOLD);
    buffer_puts(writer->out, kind);
    set_colour(writer, PLAIN);
    buffer_puts(writer->out, ": ");
    for (const char *line = text;;) {
        size_t length = strcspn(line, "\n");
        unsigned width;
        for (size_t at = 0; at < length;) {
            at += visible_character(writer->out, line + at, length - at, &width);
        }
        buffer_putc(writer->out, '\n');
        if (!line[length]) {
            return;
        }
        line += length + 1;
        write_spaces(writer->out, (unsigned)writer->gutter + 5 + (unsigned)strlen(kind));
    }
}

static void write_remarks(const struct writer *writer)
{
    const struct diagnostic *diagnostic = writer->diagnostic;
    if (writer->line_count > 0) {
        write_gutter(writer, 0);
        buffer_putc(writer->out, '\n');
    }
    if (writer->hidden > 0) {
        char text[64];
        snprintf(text, sizeof text, "%zu more places are not shown", writer->hidden);
        write_remark(writer, "note", text);
    }
    for (size_t i = 0; i < diagnostic->help_count; i++) {
        write_remark(writer, "help", diagnostic->helps[i]);
    }
    for (size_t i = 0; i < diagnostic->note_count; i++) {
        write_remark(writer, "note", diagnostic->notes[i]);
    }
    char text[64];
    snprintf(text, sizeof text, "drc explain %s", diagnostic_info(diagnostic->code)->code);
    write_remark(writer, "note", text);
}

void diagnostic_write_human(const struct diagnostics *all, const struct diagnostic *diagnostic,
                            bool colour, struct buffer *out)
{
    struct writer *writer = base_alloc(sizeof *writer);
    *writer = (struct writer){.out = out, .all = all, .diagnostic = diagnostic, .colour = colour};
    place_labels(writer);
    writer->gutter = gutter_width(writer);
    write_header(writer);
    for (size_t i = 0; i < writer->line_count; i++) {
        struct shown_line *line = &writer->lines[i];
        if (line->begins_block && i > 0) {
            write_gutter(writer, 0);
            buffer_putc(out, '\n');
        }
        if (line->begins_block) {
            write_place(writer, line, i == 0);
        } else {
            write_gap(writer, line - 1, line);
        }
        write_line(writer, line);
    }
    write_remarks(writer);
    free(writer);
}

static void count_of(struct buffer *out, size_t count, const char *what)
{
    buffer_printf(out, "%zu %s%s", count, what, count == 1 ? "" : "s");
}

/* The path that all diagnostics are in; NULL when they are in several, or nowhere. */
static const char *common_path(const struct diagnostics *all)
{
    const struct source *source = all->items[0]->primary.span.source;
    for (size_t i = 1; i < all->count; i++) {
        if (all->items[i]->primary.span.source != source) {
            return NULL;
        }
    }
    return source ? source->path : NULL;
}

void diagnostics_write_summary(const struct diagnostics *all, bool colour, struct buffer *out)
{
    struct diagnostic most = {.severity = all->error_count ? SEVERITY_ERROR : SEVERITY_WARNING};
    struct writer writer = {.out = out, .diagnostic = &most, .colour = colour};
    set_colour(&writer, severity_colour(&writer));
    if (all->error_count > 0) {
        count_of(out, all->error_count, "error");
    }
    if (all->warning_count > 0) {
        buffer_puts(out, all->error_count > 0 ? ", " : "");
        count_of(out, all->warning_count, "warning");
    }
    set_colour(&writer, PLAIN);
    const char *path = common_path(all);
    if (path) {
        buffer_puts(out, " in ");
        visible_text(out, path);
    }
    if (all->error_count + all->warning_count > all->count) {
        buffer_printf(out, "; the first %zu are shown", all->count);
    }
    buffer_putc(out, '\n');
}
