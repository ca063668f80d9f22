/* Scripts on the runner: a step's, begun once and awaited however often drc is killed meanwhile, and a
 * check's, begun anew for each try. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/error.h"
#include "compiler/emit/emit.h"
#include "compiler/graph/graph.h"
#include "runtime/host/host_state.h"
#include "runtime/world/call_file.h"
#include "runtime/world/last_lines.h"

enum {
    INTERRUPT_PATIENCE_MS = 5000, /* most scripts end within that: then their end is journalled at once */
    CHECK_TRY_MAX_MS = 60000,
    SIGNAL_NAME_MAX = 16,
};

static const char *script_of(const struct ask *ask)
{
    const char *name = call_text(ask->call, "script");
    return name ? name : "the script";
}

/* --- what it gets --- */

static bool has(const struct value *env, const char *name)
{
    return value_member(env, name) != NULL;
}

static void add_own(struct ask *ask, struct arena *arena, const char **words, size_t *count,
                    const char *name, const char *otherwise)
{
    const char *value = world_environment(ask->host->world, name);
    value = value && *value ? value : otherwise;
    if (value && !has(call_input(ask->call, "env"), name)) {
        words[(*count)++] = arena_printf(arena, "%s=%s", name, value);
    }
}

/* The node's env, and what no program does without. TMPDIR is the job's. */
static const char *const *environment_of(struct ask *ask, struct arena *arena)
{
    const struct value *env = call_input(ask->call, "env");
    size_t given = env && env->kind == VALUE_MAP ? env->count : 0, count = 0;
    const char **words = ARENA_ARRAY(arena, const char *, given + 4);
    for (size_t i = 0; i < given; i++) {
        const char *value = value_text(&env->items[i]);
        words[count++] = arena_printf(arena, "%s=%s", env->keys[i], value ? value : "");
    }
    add_own(ask, arena, words, &count, "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    add_own(ask, arena, words, &count, "HOME", NULL);
    add_own(ask, arena, words, &count, "LANG", "C.UTF-8");
    return words;
}

static const char *const *arguments_of(const struct ask *ask, struct arena *arena)
{
    const struct value *args = call_input(ask->call, "args");
    size_t count = args && args->kind == VALUE_LIST ? args->count : 0;
    const char **words = ARENA_ARRAY(arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        const char *word = value_text(&args->items[i]);
        words[i] = word ? word : "";
    }
    return words;
}

/* RUN/jobs/NODE */
static bool find_folder(struct ask *ask, const char *kind, int generation, struct error *error)
{
    if (!ask->host->folder) {
        return error_set(error, "%s cannot be run here: there is no run to keep it in",
                         script_of(ask));
    }
    buffer_printf(&ask->folder, "%s/%s/", ask->host->folder, kind);
    call_file_name(ask->call->node->id, generation, &ask->folder);
    return true;
}

/* --- what came of it --- */

static void hear(void *context, const void *bytes, size_t length)
{
    struct ask *ask = context;
    if (ask->call->output) {
        ask->call->output(ask->call, bytes, length);
        ask->said = true;
    }
    size_t over = length > LAST_LINES_KEPT ? length - LAST_LINES_KEPT : 0;
    ask->cut = ask->cut || over > 0;
    buffer_append(&ask->last, (const char *)bytes + over, length - over);
    if (ask->last.length > 2 * LAST_LINES_KEPT) {
        size_t from = ask->last.length - LAST_LINES_KEPT;
        memmove(ask->last.data, ask->last.data + from, LAST_LINES_KEPT);
        ask->last.length = LAST_LINES_KEPT;
        ask->cut = true;
    }
}

static void end_output(struct ask *ask)
{
    if (ask->said) {
        ask->call->output(ask->call, NULL, 0);
        ask->said = false;
    }
}

static void put_last_lines(struct ask *ask)
{
    size_t before = ask->detail.length;
    buffer_puts(&ask->detail, ": ");
    size_t empty = ask->detail.length;
    last_lines(&ask->detail, world_redactor(ask->host->world), buffer_text(&ask->last),
               ask->last.length, ask->cut);
    if (ask->detail.length == empty) {
        ask->detail.length = before;
        buffer_puts(&ask->detail, ", and wrote nothing");
    }
}

static void put_exec(struct ask *ask, int reason)
{
    const char *name = script_of(ask);
    buffer_printf(&ask->detail, "%s could not be executed: %s", name, strerror(reason));
    if (reason == ENOEXEC) {
        buffer_printf(&ask->help, "begin it with the interpreter that it is for, such as #!/bin/sh");
    } else if (reason == ENOENT) {
        buffer_printf(&ask->help, "the interpreter in its first line (#!) is not installed on this runner");
    } else if (reason == EACCES) {
        buffer_printf(&ask->help,
                      "its interpreter may not be executed, or %s is on a file system that is mounted "
                      "noexec: give another state directory with --state", ask->host->folder);
    } else if (reason == E2BIG) {
        buffer_printf(&ask->help, "its arguments and environment are larger than this system allows");
    }
}

static void put_end(struct ask *ask, const struct job_status *status)
{
    const char *name = script_of(ask);
    char time[32];
    switch (status->end) {
    case JOB_END_EXIT:
        buffer_printf(&ask->detail, "%s ended with status %d", name, status->code);
        break;
    case JOB_END_SIGNAL:
        buffer_printf(&ask->detail, "%s was killed by signal %d (%s)", name, status->code,
                      strsignal(status->code));
        break;
    case JOB_END_LATE:
        buffer_printf(&ask->detail, "%s was killed, with all that it had started: it had not ended within %s",
                      name, format_duration(time, (status->took_ms + 500) / 1000 * 1000));
        break;
    case JOB_END_STOPPED:
        buffer_printf(&ask->detail, "%s was killed because somebody ended the process that watches over it",
                      name);
        break;
    case JOB_END_EXEC:
        put_exec(ask, status->code);
        return;
    }
    put_last_lines(ask);
}

static bool succeeded(const struct job_status *status)
{
    return status->state == JOB_ENDED && status->end == JOB_END_EXIT && status->code == 0;
}

static void put_choice(struct ask *ask)
{
    buffer_printf(&ask->help,
                  "see what it has done; then drc run retry %s %s runs it once more, drc run skip %s %s goes "
                  "on without it", ask->call->run_id, ask->call->node->id, ask->call->run_id,
                  ask->call->node->id);
}

/* A run whose state is shared, taken over from another runner. */
static void put_elsewhere(struct ask *ask)
{
    buffer_printf(&ask->detail,
                  "%s was to be begun on another machine, where it may still run or have ended: how far "
                  "it came is not known here, so it is not run again by itself", script_of(ask));
    put_choice(ask);
}

static void put_died(struct ask *ask)
{
    buffer_printf(&ask->detail,
                  "%s was begun, and its machine went down, or it was killed with all that watched over it: "
                  "how far it came is not known, so it is not run again by itself", script_of(ask));
    put_choice(ask);
}

static void put_refused(struct ask *ask, const struct job_status *status)
{
    buffer_printf(&ask->detail, "%s could not be begun: %s", script_of(ask), status->problem);
    buffer_puts(&ask->help, status->help ? status->help : "");
}

static void on_ended(void *context, const struct job_status *status)
{
    struct ask *ask = context;
    enum outcome outcome = OUTCOME_FATAL;
    end_output(ask);
    ask->gone = status->state != JOB_REFUSED;
    switch (status->state) {
    case JOB_ENDED:
        if (succeeded(status)) {
            outcome = OUTCOME_OK;
        } else {
            put_end(ask, status);
        }
        break;
    case JOB_DIED:
        put_died(ask);
        break;
    case JOB_NONE:
    case JOB_RUNNING:
        outcome = ask->call->elsewhere ? OUTCOME_FATAL : OUTCOME_ABSENT;
        if (ask->call->elsewhere) {
            put_elsewhere(ask);
        }
        break;
    case JOB_REFUSED:
        put_refused(ask, status);
        break;
    }
    ask->gone = ask->gone && outcome == OUTCOME_FATAL;
    ask_tell(ask, outcome);
}

static void on_tried(void *context, const struct job_status *status)
{
    struct ask *ask = context;
    end_output(ask);
    if (succeeded(status)) {
        ask_tell(ask, OUTCOME_OK);
        return;
    }
    if (status->state == JOB_ENDED) {
        put_end(ask, status);
    } else if (status->problem) {
        put_refused(ask, status);
    } else {
        buffer_printf(&ask->detail, "%s was killed while it ran", script_of(ask));
    }
    buffer_clear(&ask->help);
    ask_tell(ask, OUTCOME_PENDING);
}

/* --- beginning --- */

static void settle_error(struct ask *ask, struct error *error)
{
    buffer_puts(&ask->detail, error->message);
    buffer_puts(&ask->help, error->help ? error->help : "");
    error_clear(error);
    ask_settle(ask, OUTCOME_FATAL);
}

static void begin(struct ask *ask, int64_t timeout_ms, bool attached, world_job_callback callback)
{
    struct error error = {0};
    struct buffer bytes = {0};
    struct arena *arena = arena_create();
    if (script_read(&ask->host->scripts, script_of(ask), call_text(ask->call, "digest"), &bytes, &error)) {
        struct job_request request = {
            .folder = buffer_text(&ask->folder),
            .bytes = buffer_text(&bytes),
            .length = bytes.length,
            .args = arguments_of(ask, arena),
            .environment = environment_of(ask, arena),
            .timeout_ms = timeout_ms,
            .attached = attached,
            .on_output = hear,
        };
        ask->task = world_job(ask->host->world, &request, callback, ask);
    } else {
        settle_error(ask, &error);
    }
    arena_destroy(arena);
    buffer_free(&bytes);
}

void host_script_run(struct ask *ask)
{
    struct error error = {0};
    if (!find_folder(ask, "jobs", ask->call->generation, &error)) {
        settle_error(ask, &error);
        return;
    }
    begin(ask, call_int(ask->call, "timeout_ms", 0), false, on_ended);
}

void host_script_look_up(struct ask *ask)
{
    struct error error = {0};
    if (!find_folder(ask, "jobs", ask->call->generation, &error)) {
        settle_error(ask, &error);
        return;
    }
    struct job_request request = {.folder = buffer_text(&ask->folder), .on_output = hear};
    ask->task = world_job(ask->host->world, &request, on_ended, ask);
}

void host_script_check(struct ask *ask)
{
    struct error error = {0};
    int64_t left_ms = ask->call->deadline_ms - world_monotonic_ms(ask->host->world);
    if (!find_folder(ask, "checks", ask->call->attempt, &error)) {
        settle_error(ask, &error);
        return;
    }
    left_ms = left_ms < CHECK_TRY_MAX_MS ? left_ms : CHECK_TRY_MAX_MS;
    begin(ask, left_ms > 1000 ? left_ms : 1000, true, on_tried);
}

/* --- interrupted --- */

static void leave_alone(void *context)
{
    struct ask *ask = context;
    ask->patience = NULL;
    world_cancel(ask->host->world, ask->task);
    buffer_printf(&ask->detail, "%s goes on without drc; drc run resume awaits it", script_of(ask));
    ask_tell(ask, OUTCOME_UNKNOWN);
}

void host_script_interrupt(struct ask *ask)
{
    bool runs = ask->call->node->action == ACTION_RUN_SCRIPT && ask->task && ask->folder.length > 0;
    if (runs && !ask->patience) {
        ask->patience = world_timer(ask->host->world, INTERRUPT_PATIENCE_MS, leave_alone, ask);
    }
}
