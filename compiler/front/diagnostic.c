#include "compiler/front/diagnostic.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

static const struct diagnostic_info infos[] = {
#define DIAGNOSTIC(code, name, severity, title, explanation, wrong, right)                         \
    [DIAG_##name] = {#code, SEVERITY_##severity, title, explanation, wrong, right},
#include "compiler/front/diagnostic.def"
#undef DIAGNOSTIC
};

const struct diagnostic_info *diagnostic_info(enum diagnostic_code code)
{
    return &infos[code];
}

const struct diagnostic_info *diagnostic_info_by_code(const char *code)
{
    for (size_t i = 0; i < DIAGNOSTIC_CODE_COUNT; i++) {
        if (strcasecmp(infos[i].code, code) == 0) {
            return &infos[i];
        }
    }
    return NULL;
}

struct diagnostics *diagnostics_create(struct arena *arena)
{
    struct diagnostics *diagnostics = ARENA_NEW(arena, struct diagnostics);
    diagnostics->arena = arena;
    return diagnostics;
}

static const char *format_text(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

struct diagnostic *diagnose(struct diagnostics *diagnostics, enum diagnostic_code code,
                            struct span span, const char *format, ...)
{
    if (infos[code].severity == SEVERITY_ERROR) {
        diagnostics->error_count++;
    } else {
        diagnostics->warning_count++;
    }
    if (diagnostics->count == DIAGNOSTICS_MAX) {
        return &diagnostics->spare; /* what is added to it is dropped */
    }
    struct diagnostic *diagnostic = ARENA_NEW(diagnostics->arena, struct diagnostic);
    diagnostic->code = code;
    diagnostic->severity = infos[code].severity;
    diagnostic->primary = (struct diagnostic_label){.span = span, .text = ""};
    va_list args;
    va_start(args, format);
    diagnostic->message = format_text(diagnostics->arena, format, args);
    va_end(args);
    diagnostics->items = arena_grow(diagnostics->arena, diagnostics->items, diagnostics->count,
                                    &diagnostics->capacity, sizeof *diagnostics->items);
    diagnostics->items[diagnostics->count++] = diagnostic;
    return diagnostic;
}

void diagnostic_label(struct diagnostics *list, struct diagnostic *diagnostic, const char *format,
                      ...)
{
    if (diagnostic == &list->spare) {
        return;
    }
    va_list args;
    va_start(args, format);
    diagnostic->primary.text = format_text(list->arena, format, args);
    va_end(args);
}

void diagnostic_secondary(struct diagnostics *list, struct diagnostic *diagnostic, struct span span,
                          const char *format, ...)
{
    if (diagnostic == &list->spare) {
        return;
    }
    diagnostic->secondary =
        arena_grow(list->arena, diagnostic->secondary, diagnostic->secondary_count,
                   &diagnostic->secondary_capacity, sizeof *diagnostic->secondary);
    struct diagnostic_label *label = &diagnostic->secondary[diagnostic->secondary_count++];
    va_list args;
    va_start(args, format);
    *label = (struct diagnostic_label){span, format_text(list->arena, format, args), false};
    va_end(args);
}

void diagnostic_help(struct diagnostics *list, struct diagnostic *diagnostic, const char *format,
                     ...)
{
    if (diagnostic == &list->spare) {
        return;
    }
    diagnostic->helps = arena_grow(list->arena, diagnostic->helps, diagnostic->help_count,
                                   &diagnostic->help_capacity, sizeof *diagnostic->helps);
    va_list args;
    va_start(args, format);
    diagnostic->helps[diagnostic->help_count++] = format_text(list->arena, format, args);
    va_end(args);
}

void diagnostic_note(struct diagnostics *list, struct diagnostic *diagnostic, const char *format,
                     ...)
{
    if (diagnostic == &list->spare) {
        return;
    }
    diagnostic->notes = arena_grow(list->arena, diagnostic->notes, diagnostic->note_count,
                                   &diagnostic->note_capacity, sizeof *diagnostic->notes);
    va_list args;
    va_start(args, format);
    diagnostic->notes[diagnostic->note_count++] = format_text(list->arena, format, args);
    va_end(args);
}

static void indent_lines(struct buffer *out, const char *text)
{
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        buffer_puts(out, "    ");
        buffer_append(out, line, length);
        buffer_putc(out, '\n');
        line += length + (line[length] == '\n');
    }
}

void diagnostic_wrap(struct buffer *out, const char *text, size_t width)
{
    size_t column = 0;
    while (*text) {
        if (*text == '\n') {
            buffer_putc(out, '\n');
            column = 0;
            text++;
            continue;
        }
        size_t length = strcspn(text, " \n");
        if (column > 0 && column + 1 + length > width) {
            buffer_putc(out, '\n');
            column = 0;
        } else if (column > 0) {
            buffer_putc(out, ' ');
            column++;
        }
        buffer_append(out, text, length);
        column += length;
        text += length;
        text += *text == ' ';
    }
    buffer_putc(out, '\n');
}

void diagnostic_explain(const struct diagnostic_info *info, struct buffer *out)
{
    buffer_printf(out, "%s %s: %s\n\n", info->code,
                  info->severity == SEVERITY_ERROR ? "error" : "warning", info->title);
    diagnostic_wrap(out, info->explanation, 80);
    if (*info->wrong) {
        buffer_puts(out, "\nWrong:\n\n");
        indent_lines(out, info->wrong);
    }
    if (*info->right) {
        buffer_puts(out, "\nRight:\n\n");
        indent_lines(out, info->right);
    }
}
