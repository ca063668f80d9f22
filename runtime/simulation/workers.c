#include "runtime/simulation/workers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/simulation/rehearsal.h"

enum { TURN_MS = 100, FRAME_MAX = 64 << 20, READ_BYTES = 65536 };

/* What stands before each result on the pipe. */
struct frame {
    uint64_t run;
    uint32_t length;
    uint32_t failed; /* the bytes are why there is no sample */
};

/* --- in the worker --- */

static bool write_whole(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        bytes += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static bool rehearse(const struct workers_options *options, uint64_t seed, const char *directory,
                     struct buffer *out, struct error *error)
{
    struct arena *arena = arena_create();
    struct sample *sample = NULL;
    struct rehearsal *rehearsal = scenario_rehearse(options->scenario, seed, directory, error);
    if (rehearsal && (rehearsal_graph(rehearsal)->node_count != options->node_count ||
                      rehearsal_graph(rehearsal)->vm_count != options->vm_count)) {
        error_set(error, "the graph is another one than that of the other runs");
    } else if (rehearsal) {
        sample = sample_take(arena, options->scenario, rehearsal, seed, error);
    }
    rehearsal_destroy(rehearsal);
    if (sample) {
        sample_write(sample, out);
    }
    arena_destroy(arena);
    return sample != NULL;
}

static bool send_result(int fd, size_t run, const struct buffer *bytes, bool failed)
{
    struct frame frame = {run, (uint32_t)bytes->length, failed};
    return write_whole(fd, (const char *)&frame, sizeof frame) &&
           write_whole(fd, buffer_text(bytes), bytes->length);
}

static bool work_on(const struct workers_options *options, size_t run, const char *directory,
                    int fd)
{
    struct buffer bytes = {0};
    struct error error = {0};
    bool made = mkdir(directory, 0700) == 0;
    if (!made) {
        error_set(&error, "making %s: %s", directory, strerror(errno));
    }
    bool ok = made && rehearse(options, options->first_seed + run, directory, &bytes, &error);
    if (!ok) {
        buffer_clear(&bytes);
        buffer_puts(&bytes, error.message ? error.message : "it ended in no known way");
    }
    bool sent = send_result(fd, run, &bytes, !ok);
    scratch_destroy(directory);
    buffer_free(&bytes);
    error_clear(&error);
    return ok && sent;
}

static _Noreturn void worker_main(const struct workers_options *options, int number, int fd)
{
    struct arena *arena = arena_create();
    const char *directory = arena_printf(arena, "%s/%d", options->scratch, number);
    bool ok = true;
    for (size_t run = (size_t)number; ok && run < options->runs; run += (size_t)options->jobs) {
        ok = work_on(options, run, directory, fd);
    }
    arena_destroy(arena);
    _exit(ok ? 0 : 1);
}

/* --- in the process that waits for them --- */

struct worker {
    pid_t pid;
    int fd;      /* -1: it has nothing more to say */
    size_t next; /* the run that it is at */
    struct buffer bytes;
};

struct crew {
    const struct workers_options *options;
    struct arena *arena;
    struct sample **samples;
    struct worker workers[WORKERS_MAX];
    int count;
    size_t done, failed;
    bool broken;
    struct error *error;
};

static bool hire(struct crew *crew, int number)
{
    int ends[2];
    struct worker *worker = &crew->workers[number];
    if (pipe(ends) != 0) {
        return error_set(crew->error, "making a pipe: %s", strerror(errno));
    }
    fflush(NULL);
    worker->pid = fork();
    if (worker->pid == 0) {
        for (int i = 0; i < number; i++) {
            close(crew->workers[i].fd);
        }
        close(ends[0]);
        worker_main(crew->options, number, ends[1]);
    }
    close(ends[1]);
    if (worker->pid < 0) {
        close(ends[0]);
        return error_set(crew->error, "starting a process: %s", strerror(errno));
    }
    worker->fd = ends[0];
    worker->next = (size_t)number;
    crew->count++;
    return true;
}

static uint64_t seed_of(const struct crew *crew, size_t run)
{
    return crew->options->first_seed + run;
}

static void break_off(struct crew *crew, size_t run, const char *why)
{
    if (!crew->broken) {
        crew->broken = true;
        error_set(crew->error, "simulating with seed %llu: %s",
                  (unsigned long long)seed_of(crew, run), why);
    }
}

static void take_result(struct crew *crew, struct worker *worker, const struct frame *frame,
                        const char *bytes)
{
    struct error error = {0};
    if (frame->failed) {
        char *why = arena_strndup(crew->arena, bytes, frame->length);
        break_off(crew, worker->next, why);
        return;
    }
    struct sample *sample = sample_read(crew->arena, bytes, frame->length,
                                        crew->options->node_count, crew->options->vm_count, &error);
    if (!sample) {
        break_off(crew, worker->next, error.message);
        error_clear(&error);
        return;
    }
    crew->samples[worker->next] = sample;
    crew->done++;
    crew->failed += !sample->succeeded;
    worker->next += (size_t)crew->options->jobs;
}

static void take_results(struct crew *crew, struct worker *worker)
{
    size_t at = 0;
    struct frame frame;
    while (!crew->broken && worker->bytes.length - at >= sizeof frame) {
        memcpy(&frame, worker->bytes.data + at, sizeof frame);
        if (frame.length > FRAME_MAX || frame.run != worker->next) {
            break_off(crew, worker->next, "its process sent something else than results");
        }
        if (crew->broken || worker->bytes.length - at - sizeof frame < frame.length) {
            break;
        }
        take_result(crew, worker, &frame, worker->bytes.data + at + sizeof frame);
        at += sizeof frame + frame.length;
    }
    struct buffer rest = {0};
    buffer_append(&rest, worker->bytes.data + at, worker->bytes.length - at);
    buffer_free(&worker->bytes);
    worker->bytes = rest;
}

/* It is at its end: as it should be, or by a signal. */
static void dismiss(struct crew *crew, struct worker *worker)
{
    close(worker->fd);
    worker->fd = -1;
    int status = 0;
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
    }
    worker->pid = 0;
    if (crew->broken || worker->next >= crew->options->runs) {
        return;
    }
    char why[80];
    if (WIFSIGNALED(status)) {
        snprintf(why, sizeof why, "its process was ended by signal %d", WTERMSIG(status));
    } else {
        snprintf(why, sizeof why, "its process ended with status %d", WEXITSTATUS(status));
    }
    break_off(crew, worker->next, why);
}

static void hear(struct crew *crew, struct worker *worker)
{
    char *room = buffer_extend(&worker->bytes, READ_BYTES);
    ssize_t length = read(worker->fd, room, READ_BYTES);
    worker->bytes.length -= READ_BYTES - (size_t)(length > 0 ? length : 0);
    if (length > 0) {
        take_results(crew, worker);
    } else if (length == 0 || errno != EINTR) {
        dismiss(crew, worker);
    }
}

/* One turn of listening; false when nobody is left. */
static bool listen_to_all(struct crew *crew)
{
    struct pollfd polls[WORKERS_MAX];
    struct worker *of[WORKERS_MAX];
    nfds_t count = 0;
    for (int i = 0; i < crew->count; i++) {
        if (crew->workers[i].fd >= 0) {
            of[count] = &crew->workers[i];
            polls[count++] = (struct pollfd){.fd = crew->workers[i].fd, .events = POLLIN};
        }
    }
    if (count == 0) {
        return false;
    }
    if (poll(polls, count, TURN_MS) > 0) {
        for (nfds_t i = 0; i < count && !crew->broken; i++) {
            if (polls[i].revents) {
                hear(crew, of[i]);
            }
        }
    }
    return true;
}

static void send_home(struct crew *crew)
{
    for (int i = 0; i < crew->count; i++) {
        struct worker *worker = &crew->workers[i];
        if (worker->fd >= 0) {
            kill(worker->pid, SIGKILL);
            crew->broken = true; /* so that nobody asks why it ended */
            dismiss(crew, worker);
        }
        buffer_free(&worker->bytes);
    }
}

static bool asked_to_stop(const sigset_t *signals)
{
    struct timespec at_once = {0};
    return sigtimedwait(signals, NULL, &at_once) > 0;
}

static bool oversee(struct crew *crew, const sigset_t *signals, bool *interrupted)
{
    const struct workers_options *options = crew->options;
    while (!crew->broken && !*interrupted && listen_to_all(crew)) {
        if (options->progress) {
            options->progress(options->progress_context, crew->done, crew->failed);
        }
        *interrupted = asked_to_stop(signals);
    }
    return !crew->broken;
}

bool workers_run(struct arena *arena, const struct workers_options *options,
                 struct sample **samples, bool *interrupted, struct error *error)
{
    struct crew crew = {.options = options, .arena = arena, .samples = samples, .error = error};
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    /* The workers have them blocked, too: it is for this process to end them. */
    sigprocmask(SIG_BLOCK, &signals, &before);
    bool ok = true;
    for (int i = 0; ok && i < options->jobs; i++) {
        ok = hire(&crew, i);
    }
    ok = ok && oversee(&crew, &signals, interrupted);
    send_home(&crew);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return ok;
}
