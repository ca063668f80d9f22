#include "runtime/report/exposition.h"

#include "compiler/base/buffer.h"

void exposition_family(struct buffer *out, const char *name, const char *help)
{
    buffer_printf(out, "# HELP drc_%s %s\n# TYPE drc_%s gauge\n", name, help, name);
}

void exposition_begin(struct buffer *out, const char *name)
{
    buffer_printf(out, "drc_%s{", name);
}

/* Backslash, quote and line feed are escaped in labels. */
void exposition_label(struct buffer *out, const char *key, const char *value, const char *comma)
{
    buffer_printf(out, "%s%s=\"", comma, key);
    for (const char *c = value ? value : ""; *c; c++) {
        if (*c == '\\' || *c == '"') {
            buffer_putc(out, '\\');
        }
        buffer_puts(out, *c == '\n' ? "\\n" : (char[2]){*c, 0});
    }
    buffer_putc(out, '"');
}

void exposition_end(struct buffer *out, double value)
{
    buffer_printf(out, "} %.15g\n", value);
}
