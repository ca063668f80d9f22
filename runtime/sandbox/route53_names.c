/* Names and values in the forms that Route 53 gives them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/route53.h"

/* \NNN at `text`: its byte; -1: no such escape. */
static int escaped_byte(const char *text)
{
    bool octal = text[0] == '\\' && strspn(text + 1, "01234567") >= 3 && text[1] < '4';
    return octal ? (int)strtol((char[]){text[1], text[2], text[3], '\0'}, NULL, 8) : -1;
}

const char *route53_name(struct arena *arena, const char *name)
{
    struct buffer out = {0};
    while (*name) {
        int byte = escaped_byte(name);
        bool printable = byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\';
        buffer_putc(&out, (char)tolower(printable ? byte : (unsigned char)*name));
        name += printable ? 4 : 1;
    }
    const char *text = buffer_text(&out);
    size_t length = strlen(text);
    const char *copy = arena_strndup(arena, text, length - (length > 1 && text[length - 1] == '.'));
    buffer_free(&out);
    return copy;
}

const char *route53_name_told(struct arena *arena, const char *name)
{
    struct buffer out = {0};
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        if (isalnum(c) || strchr("-_.\\", c)) {
            buffer_putc(&out, *name);
        } else {
            buffer_printf(&out, "\\%03o", c); /* of * too */
        }
    }
    const char *copy = arena_printf(arena, "%s.", buffer_text(&out));
    buffer_free(&out);
    return copy;
}

const char *route53_place(struct arena *arena, const char *name)
{
    size_t length = strlen(name), used = 0;
    char *place = arena_alloc(arena, length + 2);
    while (length > 0) {
        size_t at = length;
        while (at > 0 && name[at - 1] != '.') {
            at--;
        }
        memcpy(place + used, name + at, length - at);
        used += length - at;
        place[used++] = '.';
        length = at ? at - 1 : 0;
    }
    place[used] = '\0';
    return place;
}

const char *route53_value(struct arena *arena, const char *type, const char *value)
{
    if (strcmp(type, "CNAME") == 0) {
        return arena_printf(arena, "%s.", value);
    }
    if (strcmp(type, "TXT") != 0) {
        return value;
    }
    struct buffer out = {0};
    buffer_putc(&out, '"');
    for (; *value; value++) {
        buffer_printf(&out, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    }
    buffer_putc(&out, '"');
    const char *copy = arena_strdup(arena, buffer_text(&out));
    buffer_free(&out);
    return copy;
}

const char *record_text(struct arena *arena, const struct record *record)
{
    if (record->alias_zone) {
        return arena_printf(arena, "alias of %s", record->alias_name);
    }
    const char *text = "";
    for (size_t i = 0; i < record->count; i++) {
        text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", record->values[i]);
    }
    return text;
}
