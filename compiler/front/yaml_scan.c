/* What is looked at before libyaml sees the text: its own messages about bytes have no place, and
 * some input costs it quadratic time. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/visible.h"
#include "compiler/front/yaml_read.h"

enum {
    BLOCK = 64,
    DIRECTIVES_MAX = 8
}; /* lines that begin with %; libyaml compares each with all before */

/* The place of the byte at `offset`. */
static struct span byte_span(const struct source *source, size_t offset)
{
    uint32_t low = 0, high = source->line_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (source->line_starts[middle] <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const char *line = source->text + source->line_starts[low];
    size_t before = offset - source->line_starts[low];
    uint32_t column = (uint32_t)visible_count(line, before) + 1;
    return (struct span){source, low + 1, column, low + 1, column + 1};
}

static bool looks_like_utf16(const struct source *source)
{
    const unsigned char *text = (const unsigned char *)source->text;
    if (source->length < 2) {
        return false;
    }
    if ((text[0] == 0xFF && text[1] == 0xFE) || (text[0] == 0xFE && text[1] == 0xFF)) {
        return true;
    }
    /* Without a mark: an ASCII character and a NUL in turns. */
    return source->length >= 4 && ((!text[0] && text[1] && !text[2] && text[3]) ||
                                   (text[0] && !text[1] && text[2] && !text[3]));
}

/* The bytes of the UTF-8 sequence at `at` (Unicode, table 3-7), 0 when it is none. */
static size_t sequence_length(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0];
    size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                    : (lead & 0xF0) == 0xE0        ? 3
                    : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                   : 0;
    if (length == 0 || length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool wrong = (lead == 0xE0 && at[1] < 0xA0) || (lead == 0xED && at[1] > 0x9F) ||
                 (lead == 0xF0 && at[1] < 0x90) || (lead == 0xF4 && at[1] > 0x8F);
    return wrong ? 0 : length;
}

/* Whether YAML forbids the character, which is well-formed: a C1 control, a byte order mark within
 * the text, or a noncharacter. */
static bool is_forbidden(const unsigned char *at, size_t length)
{
    if (length == 2) {
        return at[0] == 0xC2 && at[1] < 0xA0 && at[1] != 0x85;
    }
    return length == 3 && at[0] == 0xEF &&
           ((at[1] == 0xBB && at[2] == 0xBF) || (at[1] == 0xBF && at[2] >= 0xBE));
}

static void report_invalid(const struct source *source, size_t offset,
                           struct diagnostics *diagnostics)
{
    unsigned byte = (unsigned char)source->text[offset];
    struct diagnostic *diagnostic =
        diagnose(diagnostics, DIAG_NOT_UTF8, byte_span(source, offset),
                 "%s is not valid UTF-8: byte 0x%02X at offset %zu", source->path, byte, offset);
    diagnostic_label(diagnostics, diagnostic, "no UTF-8 text has this byte here");
    diagnostic_help(diagnostics, diagnostic,
                    "save the file as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8");
}

static void report_control(const struct source *source, size_t offset, size_t length,
                           struct diagnostics *diagnostics)
{
    const unsigned char *at = (const unsigned char *)source->text + offset;
    unsigned code = length == 1   ? at[0]
                    : length == 2 ? (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu)
                                  : (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    struct diagnostic *diagnostic =
        diagnose(diagnostics, DIAG_CONTROL_CHARACTER, byte_span(source, offset),
                 "%s (U+%04X) stands in the file, at offset %zu",
                 code == 0        ? "a NUL byte"
                 : code == 0xFEFF ? "a byte order mark"
                                  : "a control character",
                 code, offset);
    diagnostic_label(diagnostics, diagnostic, "YAML does not allow it");
    diagnostic_help(diagnostics, diagnostic,
                    code == 0 ? "is this a text file? If so, remove the byte"
                              : "remove it, or write it as an escape in double quotes: \"\\u%04x\"",
                    code);
}

/* Whether a block holds only ASCII that YAML allows. Without a branch, so that compilers make
 * vector code of it. */
static bool is_plain_block(const unsigned char *text)
{
    unsigned char odd = 0;
    for (int i = 0; i < BLOCK; i++) {
        unsigned char byte = text[i];
        odd |= (unsigned char)((byte < 0x20) & (byte != '\n') & (byte != '\t') & (byte != '\r'));
        odd |= (unsigned char)(byte >= 0x7F);
    }
    return !odd;
}

/* Character by character from *at until `end`, or a little behind it. */
static bool scan_slowly(const struct source *source, size_t *at, size_t end,
                        struct diagnostics *diagnostics, bool *ascii)
{
    const unsigned char *text = (const unsigned char *)source->text;
    size_t i = *at;
    while (i < end) {
        unsigned char byte = text[i];
        bool control = byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r';
        if (control || byte == 0x7F) {
            report_control(source, i, 1, diagnostics);
            return false;
        }
        if (byte < 0x80) {
            i++;
            continue;
        }
        *ascii = false;
        size_t length = sequence_length(text + i, source->length - i);
        if (length == 0) {
            report_invalid(source, i, diagnostics);
            return false;
        }
        if (is_forbidden(text + i, length)) {
            report_control(source, i, length, diagnostics);
            return false;
        }
        i += length;
    }
    *at = i;
    return true;
}

static bool scan_bytes(const struct source *source, struct diagnostics *diagnostics, bool *ascii)
{
    const unsigned char *text = (const unsigned char *)source->text;
    *ascii = true;
    for (size_t i = 0; i < source->length;) {
        if (source->length - i >= BLOCK && is_plain_block(text + i)) {
            i += BLOCK;
            continue;
        }
        size_t end = source->length - i < BLOCK ? source->length : i + BLOCK;
        if (!scan_slowly(source, &i, end, diagnostics, ascii)) {
            return false;
        }
    }
    return true;
}

/* Directives stand before the first line that is neither one, nor blank, nor a comment. */
static bool scan_directives(const struct source *source, struct diagnostics *diagnostics)
{
    int count = 0;
    for (uint32_t line = 1; line <= source->line_count; line++) {
        size_t length;
        const char *text = source_line(source, line, &length);
        size_t blank = 0;
        while (blank < length && (text[blank] == ' ' || text[blank] == '\t')) {
            blank++;
        }
        if (blank == length || text[blank] == '#') {
            continue;
        }
        if (text[0] != '%') {
            return true;
        }
        if (++count > DIRECTIVES_MAX) {
            struct diagnostic *diagnostic = diagnose(
                diagnostics, DIAG_YAML_SYNTAX, byte_span(source, source->line_starts[line - 1]),
                "there are more than %d YAML directives", DIRECTIVES_MAX);
            diagnostic_help(diagnostics, diagnostic, "a plan needs none: remove the lines with %%");
            return false;
        }
    }
    return true;
}

bool yaml_scan(const struct source *source, struct diagnostics *diagnostics, bool *ascii)
{
    if (looks_like_utf16(source)) {
        struct diagnostic *diagnostic =
            diagnose(diagnostics, DIAG_NOT_UTF8_BUT_UTF16, (struct span){0},
                     "%s is UTF-16 or UTF-32, not UTF-8", source->path);
        diagnostic_help(diagnostics, diagnostic,
                        "save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 %s",
                        source->path);
        return false;
    }
    return scan_bytes(source, diagnostics, ascii) && scan_directives(source, diagnostics);
}

struct yaml_places yaml_places(struct arena *arena, const struct source *source, bool ascii)
{
    struct yaml_places places = {.source = source, .starts = source->line_starts};
    if (!ascii) {
        uint32_t *starts = arena_alloc(arena, source->line_count * sizeof *starts);
        uint32_t characters = 0;
        for (uint32_t i = 0; i < source->line_count; i++) {
            size_t end = i + 1 < source->line_count ? source->line_starts[i + 1] : source->length;
            starts[i] = characters;
            characters += (uint32_t)visible_count(source->text + source->line_starts[i],
                                                  end - source->line_starts[i]);
        }
        places.starts = starts;
    }
    return places;
}

/* libyaml's own line numbers also count other breaks (NEL, LS), so only the index is used. */
static uint32_t find_line(struct yaml_places *places, size_t index)
{
    uint32_t line = places->line;
    while (line + 1 < places->source->line_count && places->starts[line + 1] <= index) {
        line++;
    }
    while (places->starts[line] > index) {
        line--;
    }
    places->line = line;
    return line;
}

struct span yaml_span(struct yaml_places *places, const yaml_mark_t *start, const yaml_mark_t *end)
{
    uint32_t line = find_line(places, start->index);
    struct span span = {.source = places->source, .line = line + 1};
    span.column = (uint32_t)(start->index - places->starts[line]) + 1;
    line = find_line(places, end->index);
    span.end_line = line + 1;
    span.end_column = (uint32_t)(end->index - places->starts[line]) + 1;
    return span;
}
