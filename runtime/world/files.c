#include "runtime/world/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

bool files_error(struct error *error, int reason, const char *doing, const char *path)
{
    error_set(error, "%s %s: %s", doing, path, strerror(reason));
    switch (reason) {
    case ENOSPC:
    case EDQUOT:
        return error_help(error,
                          "free some disk space there, or give another directory with --state");
    case EACCES:
    case EPERM:
    case EROFS:
        return error_help(error, "make the state directory writable for this user, or give another "
                                 "one with --state");
    case ENOTDIR:
    case EEXIST:
        return error_help(error, "a file stands where a directory is needed: give another one with "
                                 "--state");
    default:
        return error_help(error, "look at the state directory, or give another one with --state");
    }
}

static char *parent_of(const char *path)
{
    char *copy = base_strdup(path);
    char *slash = strrchr(copy, '/');
    if (!slash) {
        free(copy);
        return base_strdup(".");
    }
    slash[slash == copy] = '\0';
    return copy;
}

bool files_sync_parent(const char *path)
{
    char *parent = parent_of(path);
    int directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(parent);
    bool ok = directory >= 0 && fsync(directory) == 0;
    int reason = errno;
    if (directory >= 0) {
        close(directory);
    }
    errno = reason;
    return ok;
}

bool files_check_private(const char *path, bool follow, struct error *error)
{
    struct stat info;
    if ((follow ? stat(path, &info) : lstat(path, &info)) != 0) {
        return errno == ENOENT || errno == ENOTDIR || files_error(error, errno, "looking at", path);
    }
    if (S_ISLNK(info.st_mode)) {
        error_set(error, "%s is a symbolic link, which drc does not make there", path);
        return error_help(error, "see who made it; put what it leads to in its place");
    }
    if (info.st_uid != geteuid() && info.st_uid != 0) {
        error_set(error, "%s belongs to another user (%ld)", path, (long)info.st_uid);
        return error_help(error, "run drc as that user, or give another state directory with "
                                 "--state: what is in it decides what drc does");
    }
    if (info.st_mode & (S_IWGRP | S_IWOTH)) {
        error_set(error, "%s can be written by other users (mode %04o)", path,
                  (unsigned)(info.st_mode & 07777));
        return error_help(error, "make sure that nobody did, then: chmod go-w %s; or give another state "
                                 "directory with --state", path);
    }
    return true;
}

static bool make_one(const char *path, bool sync, struct error *error)
{
    struct stat info;
    if (mkdir(path, 0700) == 0) {
        return !sync || files_sync_parent(path) || files_error(error, errno, "making the directory", path);
    }
    int reason = errno;
    if (reason == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return true;
    }
    return files_error(error, reason, "making the directory", path);
}

static bool make_directory(const char *path, bool sync, struct error *error)
{
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return true;
    }
    char *copy = base_strdup(path);
    bool ok = true;
    for (char *slash = strchr(copy + 1, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ok = make_one(copy, sync, error);
        *slash = '/';
    }
    ok = ok && make_one(copy, sync, error);
    free(copy);
    return ok;
}

bool files_make_directory(const char *path, struct error *error)
{
    return make_directory(path, true, error);
}

static bool make_parents(const char *path, bool sync, struct error *error)
{
    char *parent = parent_of(path);
    bool ok = make_directory(parent, sync, error);
    free(parent);
    return ok;
}

bool files_make_parents(const char *path, struct error *error)
{
    return make_parents(path, true, error);
}

bool files_make_parents_unsynced(const char *path, struct error *error)
{
    return make_parents(path, false, error);
}

static bool write_all(int file, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(file, bytes, length);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return true;
}

static int write_new(const char *path, const void *bytes, size_t length, bool sync)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) {
        return errno;
    }
    int reason = write_all(file, bytes, length) && (!sync || fsync(file) == 0) ? 0 : errno;
    if (close(file) != 0 && reason == 0) {
        reason = errno;
    }
    if (reason != 0) {
        unlink(path);
    }
    return reason;
}

int files_write_synced(const char *path, const void *bytes, size_t length)
{
    return write_new(path, bytes, length, true);
}

int files_write_unsynced(const char *path, const void *bytes, size_t length)
{
    return write_new(path, bytes, length, false);
}

bool files_write_atomically(const char *path, const void *bytes, size_t length, struct error *error)
{
    struct buffer beside = {0};
    buffer_printf(&beside, "%s.%ld.tmp", path, (long)getpid());
    int reason = files_write_synced(beside.data, bytes, length);
    if (reason == 0 && (rename(beside.data, path) != 0 || !files_sync_parent(path))) {
        reason = errno;
        unlink(beside.data);
    }
    if (reason != 0) {
        files_error(error, reason, "writing", path);
    }
    buffer_free(&beside);
    return reason == 0;
}

char *files_read(struct arena *arena, const char *path, size_t max, size_t *length,
                 struct error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would hold it up for ever */
    if (file < 0) {
        if (errno != ENOENT && errno != ENOTDIR) {
            files_error(error, errno, "reading", path);
        }
        return NULL;
    }
    struct stat info;
    char *text = NULL;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        error_set(error, "reading %s: not a regular file", path);
    } else if ((size_t)info.st_size > max) {
        error_set(error, "reading %s: larger than %zu bytes", path, max);
    } else {
        text = arena_alloc(arena, (size_t)info.st_size + 1);
        ssize_t got = 0, n;
        while (got < info.st_size &&
               (n = read(file, text + got, (size_t)(info.st_size - got))) > 0) {
            got += n;
        }
        text[got] = '\0';
        *length = (size_t)got;
    }
    close(file);
    return text;
}
