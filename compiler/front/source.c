#include "compiler/front/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"

enum { READ_CHUNK = 64 << 10, PIPE_SILENCE_MS = 30000 };

static bool starts_with_bom(const char *text, size_t length)
{
    return length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0;
}

/* The first LF or CR at or after `at`; `end` when there is none. Few files have a CR: memchr is
 * many times faster than a look at each byte. */
static const char *line_end(const char *at, const char *end, bool has_cr)
{
    if (at >= end) {
        return end;
    }
    if (!has_cr) {
        const char *found = memchr(at, '\n', (size_t)(end - at));
        return found ? found : end;
    }
    while (at < end && *at != '\n' && *at != '\r') {
        at++;
    }
    return at;
}

/* Where the line after the line end at `at` begins. */
static const char *after_line_end(const char *at, const char *end)
{
    return at + (at[0] == '\r' && at + 1 < end && at[1] == '\n' ? 2 : 1);
}

static uint32_t count_lines(const char *text, const char *end, bool has_cr)
{
    uint32_t count = 1;
    for (const char *at = line_end(text, end, has_cr); at < end; at = line_end(at, end, has_cr)) {
        at = after_line_end(at, end);
        count++;
    }
    return count;
}

static void find_lines(struct arena *arena, struct source *source)
{
    const char *end = source->text + source->length;
    bool has_cr = memchr(source->text, '\r', source->length) != NULL;
    source->line_count = count_lines(source->text, end, has_cr);
    uint32_t *starts = arena_alloc(arena, source->line_count * sizeof *starts);
    uint32_t count = 0;
    starts[count++] = 0;
    for (const char *at = line_end(source->text, end, has_cr); at < end;
         at = line_end(at, end, has_cr)) {
        at = after_line_end(at, end);
        starts[count++] = (uint32_t)(at - source->text);
    }
    source->line_starts = starts;
}

struct source *source_from_text(struct arena *arena, const char *path, const char *text,
                                size_t length)
{
    if (starts_with_bom(text, length)) {
        text += 3;
        length -= 3;
    }
    struct source *source = ARENA_NEW(arena, struct source);
    char *copy = arena_alloc(arena, length + 1);
    if (length > 0) {
        memcpy(copy, text, length);
    }
    copy[length] = '\0';
    source->path = arena_strdup(arena, path);
    source->text = copy;
    source->length = length;
    find_lines(arena, source);
    return source;
}

static bool too_large(const char *path, struct error *error)
{
    error_set(error, "reading %s: it is larger than %d MiB", path, SOURCE_SIZE_MAX >> 20);
    return error_help(error, "no plan, facts or graph is that large; is it the right file?");
}

/* What can be told before a byte is read. *silence_ms: how long it may say nothing; a named pipe
 * without a writer would do so for ever. */
static bool check_kind(int file, const char *path, int *silence_ms, struct error *error)
{
    struct stat status;
    if (fstat(file, &status) != 0) {
        return error_set(error, "reading %s: %s", path, strerror(errno));
    }
    *silence_ms = S_ISFIFO(status.st_mode) && file != STDIN_FILENO ? PIPE_SILENCE_MS : -1;
    if (S_ISDIR(status.st_mode)) {
        error_set(error, "reading %s: it is a directory", path);
        return error_help(error, "name a file in it");
    }
    if (S_ISREG(status.st_mode)) {
        return status.st_size <= SOURCE_SIZE_MAX || too_large(path, error);
    }
    if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode) || S_ISSOCK(status.st_mode)) {
        return true; /* its size is counted as it comes */
    }
    return error_set(error, "reading %s: it is no file that can be read", path);
}

static bool wait_for_bytes(int file, const char *path, int silence_ms, struct error *error)
{
    struct pollfd wait = {.fd = file, .events = POLLIN};
    int ready = poll(&wait, 1, silence_ms);
    if (ready == 0) {
        error_set(error, "reading %s: nothing was written to this pipe for %d s", path,
                  silence_ms / 1000);
        return error_help(error, "start its writer, or give the text on standard input as -");
    }
    return ready > 0 || errno == EINTR || error_set(error, "reading %s: %s", path, strerror(errno));
}

/* Reads to the end, SOURCE_SIZE_MAX bytes at most. *bytes is the caller's to free in any case. */
static bool read_all(int file, const char *path, int silence_ms, char **bytes, size_t *length,
                     struct error *error)
{
    size_t capacity = 0;
    for (;;) {
        if (capacity - *length < READ_CHUNK) {
            capacity = capacity * 2 + READ_CHUNK;
            *bytes = base_realloc(*bytes, capacity);
        }
        if (!wait_for_bytes(file, path, silence_ms, error)) {
            return false;
        }
        ssize_t count = read(file, *bytes + *length, capacity - *length);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (count < 0) {
            return error_set(error, "reading %s: %s", path, strerror(errno));
        }
        if (count == 0) {
            return true;
        }
        *length += (size_t)count;
        if (*length > SOURCE_SIZE_MAX) {
            return too_large(path, error);
        }
    }
}

struct source *source_read(struct arena *arena, const char *path, struct error *error)
{
    bool from_stdin = strcmp(path, "-") == 0;
    const char *name = from_stdin ? "<stdin>" : path;
    int file = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0) {
        error_set(error, "reading %s: %s", name, strerror(errno));
        return NULL;
    }
    char *bytes = NULL;
    size_t length = 0;
    int silence_ms = -1;
    struct source *source = NULL;
    if (check_kind(file, name, &silence_ms, error) &&
        read_all(file, name, silence_ms, &bytes, &length, error)) {
        source = source_from_text(arena, name, bytes, length);
    }
    free(bytes);
    if (!from_stdin) {
        close(file);
    }
    return source;
}

const char *source_line(const struct source *source, uint32_t line, size_t *length)
{
    if (line < 1 || line > source->line_count) {
        *length = 0;
        return "";
    }
    const char *start = source->text + source->line_starts[line - 1];
    if (line == source->line_count) {
        *length = source->length - source->line_starts[line - 1];
        return start;
    }
    const char *end = source->text + source->line_starts[line]; /* behind LF, CRLF or CR */
    bool crlf = end - start >= 2 && end[-1] == '\n' && end[-2] == '\r';
    *length = (size_t)(end - start) - (crlf ? 2 : 1);
    return start;
}
