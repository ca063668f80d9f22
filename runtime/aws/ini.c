#include "runtime/aws/ini.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

static char *trimmed(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1])) {
        text[--length] = '\0';
    }
    return text;
}

struct parser {
    struct arena *arena;
    struct ini *ini;
    struct map *section;    /* NULL before the first */
    const char *parent_key; /* of sub-keys; NULL: the last key has a value */
    const char *path;
    size_t line;
    struct error *error;
};

static bool parse_section(struct parser *parser, char *line)
{
    char *end = strchr(line, ']');
    if (!end) {
        return error_set(parser->error, "%s:%zu: a section has no closing bracket", parser->path,
                         parser->line);
    }
    *end = '\0';
    char *name = trimmed(line + 1);
    char *to = name; /* "profile   x" is "profile x" */
    for (const char *from = name; *from; from++) {
        bool space = *from == ' ' || *from == '\t';
        if (!space || (to > name && to[-1] != ' ')) {
            *to++ = space ? ' ' : *from;
        }
    }
    *to = '\0';
    parser->parent_key = NULL;
    parser->section = map_get(&parser->ini->sections, name);
    if (!parser->section) {
        if (map_count(&parser->ini->sections) == INI_SECTIONS_MAX) {
            return error_set(parser->error, "%s:%zu: more than %d sections", parser->path,
                             parser->line, INI_SECTIONS_MAX);
        }
        parser->section = ARENA_NEW(parser->arena, struct map);
        parser->section->arena = parser->arena;
        map_put(&parser->ini->sections, arena_strdup(parser->arena, name), parser->section);
    }
    return true;
}

static bool parse_key(struct parser *parser, char *line, bool indented)
{
    char *equals = strchr(line, '=');
    if (indented && parser->section && !parser->parent_key) {
        return true; /* goes on with a value of several lines, of which no key here has any use */
    }
    if (!equals || !parser->section) {
        return error_set(parser->error, "%s:%zu: expected %s", parser->path, parser->line,
                         parser->section ? "\"key = value\"" : "a [section]");
    }
    *equals = '\0';
    char *key = trimmed(line), *value = trimmed(equals + 1);
    for (char *at = key; *at; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    const char *name = indented ? arena_printf(parser->arena, "%s.%s", parser->parent_key, key)
                                : arena_strdup(parser->arena, key);
    map_put(parser->section, name, arena_strdup(parser->arena, value));
    if (!indented) {
        parser->parent_key = *value ? NULL : name;
    }
    return true;
}

static bool parse_line(struct parser *parser, char *line)
{
    bool indented = *line == ' ' || *line == '\t';
    char *text = trimmed(line);
    if (*text == '\0' || *text == '#' || *text == ';') {
        return true;
    }
    if (*text == '[' && !indented) {
        return parse_section(parser, text);
    }
    return parse_key(parser, text, indented);
}

struct ini *ini_parse(struct arena *arena, const char *path, const char *text, size_t length,
                      struct error *error)
{
    struct ini *ini = ARENA_NEW(arena, struct ini);
    ini->sections.arena = arena;
    struct parser parser = {.arena = arena, .ini = ini, .path = path, .error = error};
    if (length > INI_BYTES_MAX || memchr(text, '\0', length)) {
        error_set(error, "%s: not a config file: %s", path,
                  length > INI_BYTES_MAX ? "larger than 1 MiB" : "it has NUL bytes");
        return NULL;
    }
    char *copy = arena_strndup(arena, text, length);
    copy += strncmp(copy, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (*copy) {
        char *end = copy + strcspn(copy, "\n");
        bool last = *end == '\0';
        *end = '\0';
        parser.line++;
        if (!parse_line(&parser, copy)) {
            return NULL;
        }
        copy = last ? end : end + 1;
    }
    return ini;
}

char *read_small_file(struct arena *arena, const char *path, size_t max, size_t *length,
                      bool *absent, struct error *error)
{
    if (absent) {
        *absent = false;
    }
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (file < 0) {
        if (absent && (errno == ENOENT || errno == ENOTDIR)) {
            *absent = true;
            return NULL;
        }
        error_set(error, "cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    struct buffer bytes = {0};
    char chunk[8192];
    ssize_t got = 0;
    int failure = fstat(file, &status) != 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
    while (!failure && bytes.length <= max && (got = read(file, chunk, sizeof chunk)) != 0) {
        if (got > 0) {
            buffer_append(&bytes, chunk, (size_t)got);
        } else if (errno != EINTR) {
            failure = errno;
        }
    }
    close(file);
    char *text = NULL;
    if (failure) {
        error_set(error, "cannot read %s: %s", path, strerror(failure));
    } else if (bytes.length > max) {
        error_set(error, "%s is larger than %zu bytes", path, max);
    } else {
        text = arena_strndup(arena, buffer_text(&bytes), bytes.length);
        if (length) {
            *length = bytes.length;
        }
    }
    buffer_wipe(&bytes); /* keys and tokens are read by this, too */
    explicit_bzero(chunk, sizeof chunk);
    return text;
}

struct ini *ini_read(struct arena *arena, const char *path, struct error *error)
{
    bool absent = false;
    size_t length = 0;
    char *text = read_small_file(arena, path, INI_BYTES_MAX, &length, &absent, error);
    return text || absent ? ini_parse(arena, path, text ? text : "", length, error) : NULL;
}

const struct map *ini_section(const struct ini *ini, const char *section)
{
    return ini ? map_get(&ini->sections, section) : NULL;
}

const char *ini_get(const struct ini *ini, const char *section, const char *key)
{
    const struct map *keys = ini_section(ini, section);
    return keys ? map_get(keys, key) : NULL;
}
