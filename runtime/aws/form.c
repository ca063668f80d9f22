#include "runtime/aws/form.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "runtime/aws/sigv4.h"

void form_begin(struct form *form, enum aws_service service, const char *operation)
{
    buffer_clear(&form->body);
    buffer_printf(&form->body, "Action=%s&Version=%s", operation,
                  aws_service_info(service)->version);
}

static void add(struct form *form, const char *value, const char *name, va_list args)
{
    buffer_putc(&form->body, '&');
    buffer_vprintf(&form->body, name, args);
    buffer_putc(&form->body, '=');
    uri_encode(&form->body, value, false);
}

void form_add(struct form *form, const char *value, const char *name, ...)
{
    if (value) {
        va_list args;
        va_start(args, name);
        add(form, value, name, args);
        va_end(args);
    }
}

void form_add_int(struct form *form, int64_t value, const char *name, ...)
{
    char text[24];
    va_list args;
    snprintf(text, sizeof text, "%" PRId64, value);
    va_start(args, name);
    add(form, text, name, args);
    va_end(args);
}

void form_filter(struct form *form, int number, const char *name, const char *value)
{
    form_add(form, name, "Filter.%d.Name", number);
    form_add(form, value, "Filter.%d.Value.1", number);
}
