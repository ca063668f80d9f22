/* Work on libuv's pool of threads. */
#include <stdlib.h>

#include "compiler/base/arena.h"
#include "runtime/world/real.h"

struct work_task {
    struct real_task task;
    uv_work_t request;
    uv_sem_t ran; /* posted when `run` has returned */
    world_callback run, done;
    bool released;  /* the user is through with it */
    bool collected; /* libuv is through with it */
};

static void free_when_unused(struct work_task *work)
{
    if (work->released && work->collected) {
        uv_sem_destroy(&work->ran);
        free(work);
    }
}

static void on_thread(uv_work_t *request)
{
    struct work_task *work = request->data;
    work->run(work->task.context);
    uv_sem_post(&work->ran);
}

static void on_done(uv_work_t *request, int status)
{
    (void)status; /* UV_ECANCELED: released already */
    struct work_task *work = request->data;
    work->collected = true;
    if (work->released) {
        free_when_unused(work);
    } else {
        real_task_ready(&work->task);
    }
}

static void work_deliver(struct real_task *task)
{
    ((struct work_task *)task)->done(task->context);
}

/* What `run` uses is the caller's, who is free to destroy it when this returns: so wait. */
static void work_release(struct real_task *task)
{
    struct work_task *work = (struct work_task *)task;
    if (!work->collected && uv_cancel((uv_req_t *)&work->request) != 0) {
        uv_sem_wait(&work->ran);
    }
    real_task_end(task);
    work->released = true;
    free_when_unused(work);
}

struct world_task *real_work(struct world *world, world_callback run, world_callback done,
                             void *context)
{
    static const struct real_kind KIND = {.deliver = work_deliver, .release = work_release};
    struct real *real = (struct real *)world;
    struct work_task *work = base_alloc(sizeof *work);
    real_task_begin(real, &work->task, &KIND, context);
    work->run = run;
    work->done = done;
    work->request.data = work;
    if (uv_sem_init(&work->ran, 0) != 0 ||
        uv_queue_work(&real->loop, &work->request, on_thread, on_done) != 0) {
        base_out_of_memory();
    }
    return &work->task.base;
}
