#include "compiler/base/error.h"

#include <stdarg.h>
#include <stdlib.h>

#include "compiler/base/buffer.h"

static void set_text(char **slot, const char *format, va_list args)
{
    struct buffer text = {0};
    buffer_vprintf(&text, format, args);
    free(*slot);
    *slot = buffer_steal(&text);
}

bool error_set(struct error *error, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        set_text(&error->message, format, args);
        va_end(args);
        error->passing = false;
    }
    return false;
}

bool error_help(struct error *error, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        set_text(&error->help, format, args);
        va_end(args);
    }
    return false;
}

bool error_prefix(struct error *error, const char *format, ...)
{
    if (error) {
        struct buffer text = {0};
        va_list args;
        va_start(args, format);
        buffer_vprintf(&text, format, args);
        va_end(args);
        buffer_puts(&text, ": ");
        buffer_puts(&text, error->message ? error->message : "failed");
        free(error->message);
        error->message = buffer_steal(&text);
    }
    return false;
}

bool error_move(struct error *to, struct error *from)
{
    if (to && to != from) {
        error_clear(to);
        *to = *from;
        *from = (struct error){0};
    } else if (!to) {
        error_clear(from);
    }
    return false;
}

bool error_copy(struct error *to, const struct error *from)
{
    error_clear(to);
    error_set(to, "%s", from && from->message ? from->message : "failed");
    if (from && from->help) {
        error_help(to, "%s", from->help);
    }
    if (to && from) {
        to->passing = from->passing;
    }
    return false;
}

void error_clear(struct error *error)
{
    if (error) {
        free(error->message);
        free(error->help);
        *error = (struct error){0};
    }
}
