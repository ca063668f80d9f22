/* Shim: stands between drc and the C library (LD_PRELOAD), counts what it does to the files below
 * SWEEP_PATHS, and at operation number SWEEP_AT does what SWEEP_DO says:
 *   kill    the process dies before it          killed  … after it
 *   torn    half of the bytes are written, then the process dies
 *   ENOSPC EDQUOT EIO   it fails with that, this once; with SWEEP_EVER=1 so do all after it
 *   short   half of the bytes are written; then the disk is full
 * SWEEP_MEMORY=N: allocation number N gets no memory; with SWEEP_EVER=1 none after it does either.
 * SWEEP_RECORD=FILE: every operation with its bytes, so that a power cut can be replayed
 * (power_cut.py). SWEEP_COUNT=FILE: how many operations and allocations there were, at exit. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library's own, which glibc exports beside the public names. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

enum { FILES_MAX = 1024, SHORT = 1 << 20 };

static struct {
    bool active, ever, torn, before, after;
    int failure;           /* an errno; SHORT: half, then ENOSPC; 0: none */
    int64_t at, memory_at; /* 0: never */
    const char *paths, *count_file;
    int record;
    pid_t process;
    char files[FILES_MAX][PATH_MAX]; /* by descriptor: those that are watched */
} shim = {.record = -1};
static atomic_int_least64_t operations, allocations;
static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;

static int64_t number(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : 0;
}

static void choose(const char *what)
{
    static const struct {
        const char *name;
        int failure;
    } failures[] = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO}, {"short", SHORT}};
    shim.before = strcmp(what, "kill") == 0;
    shim.after = strcmp(what, "killed") == 0;
    shim.torn = strcmp(what, "torn") == 0;
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        if (strcmp(what, failures[i].name) == 0) {
            shim.failure = failures[i].failure;
        }
    }
}

__attribute__((constructor)) static void begin(void)
{
    const char *record = getenv("SWEEP_RECORD"), *what = getenv("SWEEP_DO");
    shim.paths = getenv("SWEEP_PATHS");
    shim.count_file = getenv("SWEEP_COUNT");
    shim.at = number("SWEEP_AT");
    shim.memory_at = number("SWEEP_MEMORY");
    shim.ever = number("SWEEP_EVER") != 0;
    shim.process = getpid();
    choose(what ? what : "");
    if (record) {
        shim.record = (int)syscall(SYS_openat, AT_FDCWD, record,
                                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    unsetenv("LD_PRELOAD"); /* scripts of a plan are not the ones to be killed */
    shim.active = true;
}

__attribute__((destructor)) static void tell_counts(void)
{
    shim.active = false;
    if (shim.count_file && getpid() == shim.process) {
        char text[64];
        int length = snprintf(text, sizeof text, "%lld %lld\n", (long long)operations,
                              (long long)allocations);
        int file = (int)syscall(SYS_openat, AT_FDCWD, shim.count_file,
                                O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (syscall(SYS_write, file, text, length) != length) {
            _exit(99);
        }
        close(file);
    }
}

/* --- memory --- */

static bool no_memory(void)
{
    if (!shim.active || shim.memory_at == 0) {
        allocations++;
        return false;
    }
    int64_t mine = ++allocations;
    return mine == shim.memory_at || (shim.ever && mine > shim.memory_at);
}

static void *refuse(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size)
{
    return no_memory() ? refuse() : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return no_memory() ? refuse() : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return size > 0 && no_memory() ? refuse() : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return no_memory() ? refuse() : __libc_memalign(alignment, size);
}

/* --- which files --- */

static bool is_watched(const char *path)
{
    if (!shim.active || !shim.paths || !path || getpid() != shim.process) {
        return false;
    }
    for (const char *prefix = shim.paths; *prefix;) {
        size_t length = strcspn(prefix, ":");
        if (strncmp(path, prefix, length) == 0 && (path[length] == '/' || path[length] == '\0')) {
            return true;
        }
        prefix += length + (prefix[length] == ':');
    }
    return false;
}

static const char *file_of(int descriptor)
{
    bool known = descriptor >= 0 && descriptor < FILES_MAX && shim.files[descriptor][0];
    return known && is_watched(shim.files[descriptor]) ? shim.files[descriptor] : NULL;
}

static void note(int descriptor, const char *path)
{
    if (descriptor >= 0 && descriptor < FILES_MAX) {
        snprintf(shim.files[descriptor], PATH_MAX, "%s", is_watched(path) ? path : "");
    }
}

/* --- what happens --- */

static void die(void)
{
    syscall(SYS_kill, shim.process, SIGKILL);
    for (;;) {
        pause();
    }
}

/* A header line, then the bytes: "pwrite 4096 24 /path\n" (offset or -1, length). */
static void record(const char *operation, const char *path, int64_t offset, const void *bytes,
                   size_t length)
{
    if (shim.record < 0) {
        return;
    }
    char head[PATH_MAX + 100];
    int used = snprintf(head, sizeof head, "%s %lld %zu %s\n", operation, (long long)offset, length,
                        path);
    pthread_mutex_lock(&recording);
    if (syscall(SYS_write, shim.record, head, used) != used ||
        (length && syscall(SYS_write, shim.record, bytes, length) != (long)length)) {
        _exit(98);
    }
    pthread_mutex_unlock(&recording);
}

/* Counts it. The errno that it fails with; 0: it goes on. *last: the process ends after it. */
static int enter(bool takes_room, bool *last)
{
    int64_t mine = ++operations;
    *last = false;
    bool now = mine == shim.at;
    if (now && shim.before) {
        die();
    }
    *last = now && (shim.after || shim.torn);
    bool fails = shim.failure && shim.at > 0 && (now || (shim.ever && mine > shim.at));
    if (!fails || (!takes_room && shim.failure != EIO)) {
        return 0;
    }
    if (shim.failure == SHORT) {
        return now ? SHORT : ENOSPC;
    }
    return shim.failure;
}

static void leave(bool last)
{
    if (last) {
        die();
    }
}

static int fail_with(int failure)
{
    errno = failure == SHORT ? ENOSPC : failure;
    return -1;
}

/* offset -1: where the file stands. */
static ssize_t put(int descriptor, const void *bytes, size_t length, int64_t offset)
{
    return offset < 0 ? syscall(SYS_write, descriptor, bytes, length)
                      : syscall(SYS_pwrite64, descriptor, bytes, length, offset);
}

static ssize_t write_watched(const char *path, int descriptor, const void *bytes, size_t length,
                             int64_t offset)
{
    bool last;
    int failure = enter(true, &last);
    if (failure == SHORT && length > 1) {
        length /= 2;
    } else if (failure) {
        return fail_with(failure);
    }
    if (last && shim.torn) {
        length /= 2;
    }
    ssize_t written = put(descriptor, bytes, length, offset);
    if (written > 0) {
        record("write", path, offset, bytes, (size_t)written);
    }
    leave(last);
    return written;
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    const char *path = file_of(descriptor);
    return path ? write_watched(path, descriptor, bytes, length, -1)
                : put(descriptor, bytes, length, -1);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset)
{
    const char *path = file_of(descriptor);
    return path ? write_watched(path, descriptor, bytes, length, offset)
                : put(descriptor, bytes, length, offset);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset)
{
    return pwrite64(descriptor, bytes, length, offset);
}

/* `operation`: "sync" of one file or directory, "sync-all" of what is below the directory. */
static int sync_file(int descriptor, long call, const char *operation)
{
    const char *path = file_of(descriptor);
    bool last = false;
    int failure = path ? enter(false, &last) : 0;
    if (failure) {
        return fail_with(failure);
    }
    int result = (int)syscall(call, descriptor);
    if (path) {
        record(operation, path, -1, NULL, 0);
    }
    leave(last);
    return result;
}

int fsync(int descriptor)
{
    return sync_file(descriptor, SYS_fsync, "sync");
}

int fdatasync(int descriptor)
{
    return sync_file(descriptor, SYS_fdatasync, "sync");
}

int syncfs(int descriptor)
{
    return sync_file(descriptor, SYS_syncfs, "sync-all");
}

int ftruncate64(int descriptor, off64_t length)
{
    const char *path = file_of(descriptor);
    bool last = false;
    int failure = path ? enter(true, &last) : 0;
    if (failure) {
        return fail_with(failure);
    }
    int result = (int)syscall(SYS_ftruncate, descriptor, length);
    if (path && result == 0) {
        record("truncate", path, length, NULL, 0);
    }
    leave(last);
    return result;
}

int ftruncate(int descriptor, off_t length)
{
    return ftruncate64(descriptor, length);
}

static int open_file(const char *path, int flags, mode_t mode)
{
    bool last = false;
    struct stat found;
    bool makes = is_watched(path) && (flags & O_CREAT) && stat(path, &found) != 0;
    int failure = makes ? enter(true, &last) : 0;
    if (failure) {
        return fail_with(failure);
    }
    int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    note(descriptor, path);
    if (descriptor >= 0 && makes) {
        record("create", path, -1, NULL, 0);
    } else if (descriptor >= 0 && is_watched(path) && (flags & O_TRUNC)) {
        record("truncate", path, 0, NULL, 0);
    }
    leave(last);
    return descriptor;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_file(path, flags, mode);
}

int close(int descriptor)
{
    note(descriptor, NULL);
    return (int)syscall(SYS_close, descriptor);
}

/* What has a path and no bytes. */
static int change(const char *operation, const char *path, const char *other, bool takes_room,
                  long result_of(const char *path, const char *other))
{
    bool watched = is_watched(path), last = false;
    int failure = watched ? enter(takes_room, &last) : 0;
    if (failure) {
        return fail_with(failure);
    }
    int result = (int)result_of(path, other);
    if (watched && result == 0) {
        record(operation, path, -1, other ? other : "", other ? strlen(other) : 0);
    }
    leave(last);
    return result;
}

static long call_rename(const char *path, const char *other)
{
    return syscall(SYS_rename, path, other);
}

static long call_link(const char *path, const char *other)
{
    return syscall(SYS_link, path, other);
}

static long call_unlink(const char *path, const char *other)
{
    (void)other;
    return syscall(SYS_unlink, path);
}

static long call_rmdir(const char *path, const char *other)
{
    (void)other;
    return syscall(SYS_rmdir, path);
}

static long call_mkdir(const char *path, const char *other)
{
    (void)other;
    return syscall(SYS_mkdir, path, 0700);
}

int rename(const char *path, const char *other)
{
    return change("rename", path, other, true, call_rename);
}

int link(const char *path, const char *other)
{
    return change("link", path, other, true, call_link);
}

int unlink(const char *path)
{
    return change("unlink", path, NULL, false, call_unlink);
}

int rmdir(const char *path)
{
    return change("rmdir", path, NULL, false, call_rmdir);
}

int mkdir(const char *path, mode_t mode)
{
    struct stat found; /* one that is there already is not made */
    (void)mode;
    return stat(path, &found) == 0 ? (int)syscall(SYS_mkdir, path, mode)
                                   : change("mkdir", path, NULL, true, call_mkdir);
}
