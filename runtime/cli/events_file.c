#include "runtime/cli/events_file.h"

#include <cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_reader.h"

enum {
    BEHIND_MAX = 4 << 20, /* bytes kept for a reader that is slow */
    TAIL_MAX = 64 << 10,  /* of a file, where its last line is looked for */
    LAST_WAIT_MS = 2000,
};

struct events_file {
    int file;
    struct buffer behind; /* not written yet */
    size_t written;       /* of it */
    bool failed;
};

/* The number of a line of this run; -1: it is none. */
static int64_t number_of(const char *line, const char *run_id)
{
    cJSON *event = cJSON_ParseWithOpts(line, NULL, 1);
    const char *run = json_text_of(event, "run");
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(event, "seq");
    int64_t found = run && !strcmp(run, run_id) ? json_int_or(number, -1) : -1;
    cJSON_Delete(event);
    return found;
}

/* The last whole line of the file says. One that a killed process left half is ended, and its number
 * used again. */
static int64_t continue_after(struct events_file *self, const char *run_id)
{
    char *tail = base_alloc(TAIL_MAX + 1);
    off_t size = lseek(self->file, 0, SEEK_END);
    off_t from = size > TAIL_MAX ? size - TAIL_MAX : 0;
    ssize_t length = size > 0 ? pread(self->file, tail, TAIL_MAX, from) : 0;
    tail[length > 0 ? length : 0] = '\0';
    char *end = strrchr(tail, '\n');
    if (length > 0 && (!end || end[1])) {
        buffer_putc(&self->behind, '\n');
    }
    int64_t found = -1;
    if (end) {
        *end = '\0';
        char *start = strrchr(tail, '\n');
        found = number_of(start ? start + 1 : tail, run_id);
    }
    free(tail);
    return found + 1;
}

bool events_file_check(const char *path, struct error *error)
{
    struct stat info;
    if (!path || !strcmp(path, "-")) {
        return true;
    }
    if (access(path, W_OK) == 0) {
        bool directory = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
        return !directory || error_set(error, "cannot write events to %s: it is a directory", path);
    }
    const char *slash = strrchr(path, '/');
    struct buffer above = {0};
    buffer_append(&above, slash ? path : ".", !slash ? 1 : slash == path ? 1 : (size_t)(slash - path));
    bool ok = errno == ENOENT && access(buffer_text(&above), W_OK) == 0;
    buffer_free(&above);
    return ok || error_set(error, "cannot write events to %s: %s", path, strerror(errno));
}

/* A description of our own, so that not waiting is not forced on others who have the same one. */
static int open_standard(void)
{
    int file = open("/dev/stdout", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);
    return file >= 0 ? file : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3); /* sockets */
}

struct events_file *events_file_open(const char *path, const char *run_id, int64_t *first,
                                     struct error *error)
{
    bool standard = strcmp(path, "-") == 0;
    struct stat info;
    bool is_file = !standard && (stat(path, &info) != 0 || S_ISREG(info.st_mode));
    int flags = O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | (is_file ? O_RDWR : O_WRONLY);
    int file = standard ? open_standard() : open(path, flags, 0666);
    if (file < 0) {
        error_set(error, "cannot write events to %s: %s", path,
                  errno == ENXIO ? "nobody reads this FIFO" : strerror(errno));
        if (errno == ENXIO) {
            error_help(error, "start its reader first");
        }
        return NULL;
    }
    struct events_file *self = base_alloc(sizeof *self);
    self->file = file;
    *first = is_file ? continue_after(self, run_id) : 0;
    return self;
}

/* What a disk that is full took of a line is no event. Of a file only: a reader has read it. */
static void cut_half_line(struct events_file *self)
{
    struct stat info;
    size_t half = 0;
    while (half < self->written && self->behind.data[self->written - half - 1] != '\n') {
        half++;
    }
    if (half > 0 && fstat(self->file, &info) == 0 && S_ISREG(info.st_mode) &&
        info.st_size >= (off_t)half && ftruncate(self->file, info.st_size - (off_t)half) != 0) {
        return; /* the next session ends the line */
    }
}

static void write_behind(struct events_file *self)
{
    while (!self->failed && self->written < self->behind.length) {
        ssize_t n = write(self->file, self->behind.data + self->written,
                          self->behind.length - self->written);
        if (n > 0) {
            self->written += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            return;
        } else if (n == 0 || errno != EINTR) {
            self->failed = true;
            cut_half_line(self);
        }
    }
    buffer_clear(&self->behind);
    self->written = 0;
}

/* Once something is lost nothing more is written: a gap would look like a whole. */
bool events_file_write(void *file, const char *line, size_t length)
{
    struct events_file *self = file;
    if (self->failed) {
        return false;
    }
    if (self->behind.length - self->written + length > BEHIND_MAX) {
        self->failed = true;
        return false;
    }
    buffer_append(&self->behind, line, length);
    write_behind(self);
    return !self->failed;
}

bool events_file_close(struct events_file *self)
{
    if (!self) {
        return true;
    }
    struct pollfd ready = {.fd = self->file, .events = POLLOUT};
    while (!self->failed && self->behind.length > 0) {
        if (poll(&ready, 1, LAST_WAIT_MS) <= 0) {
            self->failed = true;
        } else {
            write_behind(self);
        }
    }
    bool ok = !self->failed;
    close(self->file);
    buffer_free(&self->behind);
    free(self);
    return ok;
}
