#include "runtime/world/job.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/world/files.h"
#include "runtime/world/job_supervisor.h"

enum {
    RESULT_ROOM = 4096, /* taken beforehand, so that a full disk cannot keep the result from being written */
    BUFFER_SIZE = 64 << 10,
    REMOVE_OPEN_MAX = 16,
    };

static struct flock whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

/* --- beginning --- */

/* What the parent holds of a launch; all of it is closed and freed when the fork is made. */
struct preparation {
    struct job_launch launch;
    struct arena *arena;
    const char *folder;
};

static bool failed(struct error *error, const char *doing, const char *folder)
{
    return files_error(error, errno, doing, folder);
}

static int open_in(const struct preparation *prep, const char *name, int flags, mode_t mode)
{
    return openat(prep->launch.folder, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
}

static bool open_folder(struct preparation *prep, struct error *error)
{
    if (!files_make_parents(prep->folder, error)) {
        return false;
    }
    if (mkdir(prep->folder, 0700) == 0) {
        if (!files_sync_parent(prep->folder)) {
            return failed(error, "making the directory", prep->folder);
        }
    } else if (errno != EEXIST) {
        return failed(error, "making the directory", prep->folder);
    }
    prep->launch.folder = open(prep->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return prep->launch.folder >= 0 || failed(error, "opening the directory", prep->folder);
}

/* Held from before the fork on: there is no moment at which a job is started and nobody's. */
static bool take_lock(struct preparation *prep, struct error *error)
{
    struct flock lock = whole_file(F_WRLCK);
    prep->launch.lock = open_in(prep, "lock", O_RDWR | O_CREAT, 0600);
    if (prep->launch.lock < 0 || fcntl(prep->launch.lock, F_OFD_SETLK, &lock) != 0) {
        return failed(error, "locking the job", prep->folder);
    }
    if (faccessat(prep->launch.folder, "started", F_OK, 0) == 0) {
        error_set(error, "starting the job in %s: one was started there already", prep->folder);
        return false;
    }
    return true;
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

static bool write_program(const struct preparation *prep, const struct job_request *request,
                          struct error *error)
{
    unlinkat(prep->launch.folder, "script", 0);
    int file = open_in(prep, "script", O_WRONLY | O_CREAT | O_EXCL, 0700);
    bool ok = file >= 0 && write_all(file, request->bytes, request->length) &&
              fchmod(file, 0700) == 0;
    int reason = errno;
    if (file >= 0 && close(file) != 0 && ok) {
        reason = errno;
        ok = false;
    }
    errno = reason;
    return ok || failed(error, "writing the script into", prep->folder);
}

static bool open_tail(struct preparation *prep)
{
    unlinkat(prep->launch.folder, "tail", 0);
    prep->launch.tail = open_in(prep, "tail", O_RDWR | O_CREAT | O_EXCL, 0600);
    return prep->launch.tail >= 0 && unlinkat(prep->launch.folder, "tail", 0) == 0;
}

static bool make_room_for_result(struct preparation *prep)
{
    char *room = arena_zalloc(prep->arena, RESULT_ROOM);
    prep->launch.result = open_in(prep, "result.new", O_RDWR | O_CREAT | O_TRUNC, 0600);
    return prep->launch.result >= 0 && write_all(prep->launch.result, room, RESULT_ROOM) &&
           fsync(prep->launch.result) == 0;
}

static bool open_files(struct preparation *prep, struct error *error)
{
    struct job_launch *launch = &prep->launch;
    launch->nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    launch->output = open_in(prep, "output", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (mkdirat(launch->folder, "work", 0700) == 0 || errno == EEXIST) {
        launch->work = open_in(prep, "work", O_RDONLY | O_DIRECTORY, 0);
    }
    bool ok = launch->nothing >= 0 && launch->output >= 0 && launch->work >= 0 && open_tail(prep) &&
              make_room_for_result(prep);
    return ok || failed(error, "preparing the job in", prep->folder);
}

static char **copy_words(struct arena *arena, const char *first, const char *const *words)
{
    size_t count = 0, used = 0;
    while (words && words[count]) {
        count++;
    }
    char **copy = ARENA_ARRAY(arena, char *, count + 2);
    if (first) {
        copy[used++] = arena_strdup(arena, first);
    }
    for (size_t i = 0; i < count; i++) {
        copy[used++] = arena_strdup(arena, words[i]);
    }
    return copy;
}

static bool prepare_words(struct preparation *prep, const struct job_request *request,
                          struct error *error)
{
    char *folder = realpath(prep->folder, NULL); /* its working directory is another */
    if (!folder) {
        return failed(error, "looking for", prep->folder);
    }
    struct job_launch *launch = &prep->launch;
    launch->program = arena_printf(prep->arena, "%s/script", folder);
    launch->words = copy_words(prep->arena, launch->program, request->args);
    launch->environment = copy_words(
        prep->arena, arena_printf(prep->arena, "TMPDIR=%s/work", folder), request->environment);
    launch->timeout_ms = request->timeout_ms;
    launch->head_max = launch->tail_max = JOB_OUTPUT_MAX / 2;
    launch->buffer_size = BUFFER_SIZE;
    launch->buffer = arena_alloc(prep->arena, BUFFER_SIZE);
    free(folder);
    return true;
}

static void close_preparation(struct preparation *prep)
{
    const struct job_launch *launch = &prep->launch;
    int files[] = {launch->work, launch->nothing, launch->output, launch->tail,
                   launch->result, launch->lock, launch->folder};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (files[i] >= 0) {
            close(files[i]);
        }
    }
    arena_destroy(prep->arena);
}

static bool launch_supervisor(struct preparation *prep, pid_t *pid, struct error *error)
{
    /* Not fork(): what libraries have registered to run in a child (pthread_atfork(3)) is made for one
     * that goes on with them. libuv would close descriptors whose numbers are others' by then. */
    *pid = _Fork();
    if (*pid == 0) {
        job_supervise(&prep->launch);
    }
    return *pid > 0 || failed(error, "starting the job in", prep->folder);
}

bool job_start(const struct job_request *request, int lifeline, pid_t *pid, struct error *error)
{
    struct preparation prep = {.arena = arena_create(), .folder = request->folder};
    struct job_launch *launch = &prep.launch;
    launch->folder = launch->work = launch->nothing = launch->lock = -1;
    launch->output = launch->tail = launch->result = -1;
    launch->lifeline = lifeline;
    bool ok = open_folder(&prep, error) && take_lock(&prep, error) &&
              write_program(&prep, request, error) && open_files(&prep, error) &&
              prepare_words(&prep, request, error) && launch_supervisor(&prep, pid, error);
    close_preparation(&prep);
    return ok;
}

void job_reap(pid_t *pid, bool has_ended)
{
    if (*pid > 0 && waitpid(*pid, NULL, has_ended ? 0 : WNOHANG) != 0) {
        *pid = 0;
    }
}

/* --- looking --- */

static bool take_number(const char **at, const char *name, int64_t *number)
{
    size_t length = strlen(name);
    char *end;
    if (strncmp(*at, name, length) != 0 || (*at)[length] != ' ') {
        return false;
    }
    *number = strtoll(*at + length + 1, &end, 10);
    if (*end != '\n') {
        return false;
    }
    *at = end + 1;
    return true;
}

bool job_result_read(const char *text, struct job_status *status)
{
    static const char *const ends[] = {[JOB_END_EXIT] = "exit",
                                       [JOB_END_SIGNAL] = "signal",
                                       [JOB_END_EXEC] = "exec",
                                       [JOB_END_LATE] = "late",
                                       [JOB_END_STOPPED] = "stopped"};
    int64_t code = 0;
    size_t end = 0;
    while (end < sizeof ends / sizeof *ends && !take_number(&text, ends[end], &code)) {
        end++;
    }
    *status = (struct job_status){.state = JOB_ENDED, .end = (enum job_end)end, .code = (int)code};
    return end < sizeof ends / sizeof *ends && take_number(&text, "took_ms", &status->took_ms) &&
           take_number(&text, "output_bytes", &status->output_bytes) &&
           take_number(&text, "left", &status->left) && strcmp(text, "end\n") == 0;
}

/* False with an empty error: there is none. */
static bool read_result(const char *folder, struct job_status *status, struct error *error)
{
    struct arena *arena = arena_create();
    size_t length = 0;
    const char *path = arena_printf(arena, "%s/result", folder);
    const char *text = files_read(arena, path, RESULT_ROOM, &length, error);
    bool ok = text && job_result_read(text, status);
    if (text && !ok) {
        error_set(error, "reading %s: it is not what a job leaves there", path);
    }
    arena_destroy(arena);
    return ok;
}

static bool exists(const char *folder, const char *name)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s", folder, name);
    bool there = access(buffer_text(&path), F_OK) == 0;
    buffer_free(&path);
    return there;
}

static bool is_locked(const char *folder)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/lock", folder);
    int file = open(buffer_text(&path), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct flock lock = whole_file(F_WRLCK);
    bool held = file >= 0 && fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (file >= 0) {
        close(file);
    }
    buffer_free(&path);
    return held;
}

bool job_look(const char *folder, struct job_status *status, struct error *error)
{
    struct error why = {0};
    bool alive = is_locked(folder); /* first: a result that comes meanwhile is seen */
    *status = (struct job_status){.state = JOB_RUNNING};
    if (read_result(folder, status, &why)) {
        return true;
    }
    if (why.message) {
        error_move(error, &why);
        return false;
    }
    if (!alive) {
        status->state = exists(folder, "started") ? JOB_DIED : JOB_NONE;
    }
    return true;
}

/* --- tidying --- */

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info, (void)type, (void)place;
    (void)remove(path);
    return 0;
}

static void remove_in(const char *folder, const char *name)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s%s%s", folder, *name ? "/" : "", name);
    nftw(buffer_text(&path), remove_one, REMOVE_OPEN_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    buffer_free(&path);
}

void job_tidy(const char *folder, const struct job_status *status)
{
    remove_in(folder, "script");
    remove_in(folder, "work");
    if (status->end == JOB_END_EXIT && status->code == 0) {
        remove_in(folder, "output");
    }
}

bool job_remove(const char *folder)
{
    bool idle = !is_locked(folder);
    if (idle) {
        remove_in(folder, "");
    }
    return idle;
}
