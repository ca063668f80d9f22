#include "runtime/sandbox/xml_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "compiler/base/xml_text.h"

void xml_open(struct xml_writer *xml, const char *name)
{
    assert(xml->depth < XML_OPEN_MAX);
    xml->open[xml->depth++] = name;
    buffer_printf(&xml->out, "<%s>", name);
}

void xml_close(struct xml_writer *xml, const char *name)
{
    assert(xml->depth > 0 && strcmp(xml->open[xml->depth - 1], name) == 0);
    xml->depth--;
    buffer_printf(&xml->out, "</%s>", name);
}

void xml_put(struct xml_writer *xml, const char *name, const char *text)
{
    if (!text) {
        return;
    }
    buffer_printf(&xml->out, "<%s>", name);
    xml_escape(&xml->out, text);
    buffer_printf(&xml->out, "</%s>", name);
}

void xml_int(struct xml_writer *xml, const char *name, int64_t value)
{
    buffer_printf(&xml->out, "<%s>%" PRId64 "</%s>", name, value, name);
}

void xml_bool(struct xml_writer *xml, const char *name, bool value)
{
    xml_put(xml, name, value ? "true" : "false");
}

const char *iso_time(char out[32], int64_t utc_ms)
{
    time_t seconds = (time_t)(utc_ms / 1000);
    struct tm parts;
    if (!gmtime_r(&seconds, &parts) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%S.000Z", &parts)) {
        snprintf(out, 32, "1970-01-01T00:00:00.000Z");
    }
    return out;
}

void xml_time(struct xml_writer *xml, const char *name, int64_t utc_ms)
{
    char text[32];
    xml_put(xml, name, iso_time(text, utc_ms));
}
