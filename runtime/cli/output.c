#include "runtime/cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/text.h"

enum { ASIDE_PATIENCE_MS = 5000 };

/* Much of what errors say comes from outside (services, journals, leases, arguments): a terminal gets
 * no control characters of theirs, and no line that looks like one of drc's own. */
static void tell_line(const char *before, const char *ink, const char *word, const char *text)
{
    bool colour = wants_colour(stderr);
    struct buffer line = {0};
    buffer_printf(&line, "%s%s%s%s: ", before, colour ? ink : "", word, colour ? "\033[0m" : "");
    text_put(&line, text);
    fprintf(stderr, "%s\n", buffer_text(&line));
    buffer_free(&line);
}

enum exit_status tell_error(struct error *error)
{
    tell_line("", "\033[1;31m", "error", error->message ? error->message : "failed");
    if (error->help) {
        tell_line("  ", "\033[1m", "help", error->help);
    }
    error_clear(error);
    return EXIT_ERROR;
}

void tell_warning(const char *text)
{
    tell_line("", "", "warning", text);
}

static bool write_all(FILE *file, const void *bytes, size_t length)
{
    bool written = fwrite(bytes, 1, length, file) == length;
    return fflush(file) == 0 && written;
}

/* A device, a pipe, or what this process has open already (which may be a file): nothing to rename
 * over. */
static bool is_special(const char *path)
{
    static const char *const open_already[] = {"/dev/std", "/dev/fd/", "/proc/"};
    for (size_t i = 0; i < sizeof open_already / sizeof *open_already; i++) {
        if (strncmp(path, open_already[i], strlen(open_already[i])) == 0) {
            return true;
        }
    }
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

/* Where others may write too (/tmp), nobody's link is followed. */
static FILE *open_new(const char *path)
{
    unlink(path); /* of a process of that number that died */
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    return file < 0 ? NULL : fdopen(file, "w");
}

bool write_file(const char *path, const void *bytes, size_t length, struct error *error)
{
    struct buffer temporary = {0};
    bool special = is_special(path);
    buffer_printf(&temporary, special ? "%s" : "%s.tmp%ld", path, (long)getpid());
    FILE *file = special ? fopen(buffer_text(&temporary), "w") : open_new(buffer_text(&temporary));
    bool ok = file && write_all(file, bytes, length);
    int reason = errno;
    if (file && fclose(file) != 0 && ok) {
        ok = false;
        reason = errno;
    }
    if (ok && !special && rename(buffer_text(&temporary), path) != 0) {
        ok = false;
        reason = errno;
    }
    if (!ok) {
        if (file && !special) {
            unlink(buffer_text(&temporary));
        }
        error_set(error, "cannot write %s: %s", path, strerror(reason));
    }
    buffer_free(&temporary);
    return ok;
}

/* Nobody may be at the other end, or may read nothing. 0, or an errno. */
static int write_patiently(int file, const char *bytes, size_t length)
{
    struct pollfd ready = {.fd = file, .events = POLLOUT};
    while (length > 0) {
        ssize_t n = write(file, bytes, length);
        if (n > 0) {
            bytes += n;
            length -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            if (poll(&ready, 1, ASIDE_PATIENCE_MS) == 0) {
                return ETIMEDOUT;
            }
        } else if (n == 0 || errno != EINTR) {
            return n == 0 ? ENOSPC : errno;
        }
    }
    return 0;
}

bool write_aside(const char *path, mode_t mode, const void *bytes, size_t length,
                 struct error *error)
{
    struct stat status;
    path = strcmp(path, "-") == 0 ? "/dev/stdout" : path;
    if (!is_special(path)) {
        bool ok = write_file(path, bytes, length, error);
        if (ok && mode && lstat(path, &status) == 0 && S_ISREG(status.st_mode)) {
            chmod(path, mode);
        }
        return ok;
    }
    fflush(stdout);
    int file = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_APPEND);
    int reason = file < 0 ? errno : write_patiently(file, bytes, length);
    if (file >= 0) {
        close(file);
    }
    if (reason != 0) {
        error_set(error, "cannot write %s: %s", path,
                  reason == ENXIO ? "nobody reads from it" : strerror(reason));
    }
    return reason == 0;
}

bool write_result(const struct invocation *invocation, const struct buffer *text,
                  struct error *error)
{
    const char *path = invocation->values[FLAG_OUTPUT];
    if (path && strcmp(path, "-") != 0) {
        return write_file(path, buffer_text(text), text->length, error);
    }
    if (!write_all(stdout, buffer_text(text), text->length) && errno != EPIPE) {
        /* EPIPE: who reads (head, a pager that was left) has had enough. */
        return error_set(error, "cannot write to standard output: %s", strerror(errno));
    }
    return true;
}

static void let_go(int signal)
{
    (void)signal; /* the read ends, which is an answer: no */
}

bool ask_yes(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    enum { COUNT = sizeof signals / sizeof *signals };
    const struct sigaction no = {.sa_handler = let_go}; /* without SA_RESTART */
    struct sigaction before[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        sigaction(signals[i], &no, &before[i]);
    }
    fputs("\nOnly \"yes\" goes on: ", stderr);
    char line[16];
    bool answered = fgets(line, sizeof line, stdin) != NULL;
    for (size_t i = 0; i < COUNT; i++) {
        sigaction(signals[i], &before[i], NULL);
    }
    if (!answered) {
        fputc('\n', stderr);
    }
    return answered && strcmp(line, "yes\n") == 0;
}

bool wants_colour(FILE *stream)
{
    const char *never = getenv("NO_COLOR");
    if (never && *never) {
        return false;
    }
    const char *force = getenv("CLICOLOR_FORCE");
    if (force && *force && strcmp(force, "0") != 0) {
        return true;
    }
    const char *terminal = getenv("TERM");
    return isatty(fileno(stream)) && terminal && strcmp(terminal, "dumb") != 0;
}

int output_width(FILE *stream)
{
    struct winsize size;
    if (isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 &&
        size.ws_col > 20) {
        return size.ws_col;
    }
    return 100;
}
