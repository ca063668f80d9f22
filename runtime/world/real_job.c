/* Jobs in the real world: begun, then looked at until there is a result. Nothing but its folder connects
 * drc with a job, so that one begun by another process is awaited in the same way. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/world/job.h"
#include "runtime/world/real.h"

enum {
    FIRST_LOOK_MS = 5,
    LOOK_MAX_MS = 250,
    READ_SIZE = 64 << 10,
    READS_MAX = 16, /* at one look, while it runs: others want their turn */
};

struct job_task {
    struct real_task task;
    uv_timer_t timer;
    world_job_callback callback;
    void (*on_output)(void *context, const void *bytes, size_t length);
    char *folder;
    pid_t pid;    /* of the supervisor, where this process has begun it; 0 */
    bool attached;
    int lifeline; /* the writing end; -1 */
    int output;   /* -1: not there yet */
    int64_t look_ms;
    struct job_status status;
    struct error error;
};

static void job_closed(uv_handle_t *handle)
{
    struct job_task *job = handle->data;
    error_clear(&job->error);
    free(job->folder);
    free(job);
}

static void job_release(struct real_task *task)
{
    struct job_task *job = (struct job_task *)task;
    real_task_end(task);
    if (job->lifeline >= 0) {
        close(job->lifeline);
    }
    if (job->output >= 0) {
        close(job->output);
    }
    job_reap(&job->pid, job->status.state == JOB_ENDED);
    if (job->attached) {
        job_remove(job->folder);
    }
    uv_close((uv_handle_t *)&job->timer, job_closed);
}

/* Its beginning until it has ended (then its end is appended in one go). */
static void hear(struct job_task *job, bool ended)
{
    if (job->on_output && job->output < 0) {
        struct buffer path = {0};
        buffer_printf(&path, "%s/output", job->folder);
        job->output = open(buffer_text(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        buffer_free(&path);
    }
    char *bytes = job->on_output && job->output >= 0 ? base_alloc(READ_SIZE) : NULL;
    for (int i = 0; bytes && (ended || i < READS_MAX) && !job->task.cancelled; i++) {
        ssize_t got = read(job->output, bytes, READ_SIZE);
        if (got <= 0) {
            break;
        }
        job->on_output(job->task.context, bytes, (size_t)got);
    }
    free(bytes);
}

static void refuse(struct job_task *job)
{
    job->status = (struct job_status){
        .state = JOB_REFUSED, .problem = job->error.message, .help = job->error.help};
}

/* True: it is settled. */
static bool look(struct job_task *job)
{
    if (!job_look(job->folder, &job->status, &job->error)) {
        refuse(job);
        return true;
    }
    if (job->status.state == JOB_NONE && job->pid > 0) {
        error_set(&job->error, "starting the job in %s: its supervisor could not make a mark there",
                  job->folder);
        error_help(&job->error, "look whether the disk is full");
        refuse(job);
    }
    return job->status.state != JOB_RUNNING;
}

static void on_timer(uv_timer_t *handle)
{
    struct job_task *job = handle->data;
    real_task_ready(&job->task);
    uv_stop(handle->loop); /* as for timers */
}

/* A job of a second is noticed within a sixteenth of one, a long one within a quarter. */
static void look_later(struct job_task *job)
{
    job->look_ms = 2 * job->look_ms < LOOK_MAX_MS ? 2 * job->look_ms : LOOK_MAX_MS;
    uv_update_time(&real_of(&job->task)->loop);
    uv_timer_start(&job->timer, on_timer, (uint64_t)job->look_ms, 0);
}

static void job_deliver(struct real_task *task)
{
    struct job_task *job = (struct job_task *)task;
    bool settled = job->error.message != NULL;
    if (settled) {
        refuse(job);
    } else {
        settled = look(job);
    }
    job_reap(&job->pid, false);
    hear(job, settled);
    if (task->cancelled) {
        return;
    }
    if (settled) {
        job->callback(task->context, &job->status);
        task->cancelled = true; /* it is over: see dispatch */
        if (job->on_output && job->status.state == JOB_ENDED) {
            job_tidy(job->folder, &job->status);
        }
        return;
    }
    look_later(job);
}

static void begin(struct job_task *job, const struct job_request *request)
{
    struct job_status status;
    int ends[2] = {-1, -1};
    if (request->attached && !job_remove(request->folder)) {
        error_set(&job->error, "what was begun before it in %s has not ended yet", request->folder);
        return;
    }
    if (!job_look(request->folder, &status, &job->error) || !request->bytes ||
        status.state != JOB_NONE) {
        return;
    }
    if (request->attached && pipe2(ends, O_CLOEXEC) != 0) {
        error_set(&job->error, "starting the job in %s: %s", request->folder, strerror(errno));
        return;
    }
    job->lifeline = ends[1];
    job_start(request, ends[0], &job->pid, &job->error);
    if (ends[0] >= 0) {
        close(ends[0]);
    }
}

struct world_task *real_job(struct world *world, const struct job_request *request,
                            world_job_callback callback, void *context)
{
    static const struct real_kind KIND = {
        .repeats = true, .deliver = job_deliver, .release = job_release};
    struct real *real = (struct real *)world;
    struct job_task *job = base_alloc(sizeof *job);
    real_task_begin(real, &job->task, &KIND, context);
    job->callback = callback;
    job->on_output = request->on_output;
    job->folder = base_strdup(request->folder);
    job->attached = request->attached;
    job->output = job->lifeline = -1;
    job->timer.data = job;
    uv_timer_init(&real->loop, &job->timer);
    begin(job, request);
    job->look_ms = FIRST_LOOK_MS;
    look_later(job);
    return &job->task.base;
}
