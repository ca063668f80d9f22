/* drc schedule: units for systemd, or lines for cron, of a plan's own intervals. */
#include "runtime/cli/command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/emit/emit.h"
#include "compiler/front/diagnostic.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"
#include "runtime/cli/schedule.h"

enum { MINUTE_MS = 60000 };

/* What the schedule is made of. */
struct making {
    const struct invocation *invocation;
    const struct plan *plan;
    struct timetable schedule;
};

/* Also of what is not there yet; NULL where there is no working directory. */
static const char *absolute(struct arena *arena, const char *directory, const char *path)
{
    char working[PATH_MAX];
    const char *whole = *path == '/' ? path : arena_printf(arena, "%s/%s", directory, path);
    char *resolved = realpath(whole, NULL);
    if (!resolved && *whole != '/' && getcwd(working, sizeof working)) {
        return arena_printf(arena, "%s/%s", working, whole);
    }
    const char *copy = arena_strdup(arena, resolved ? resolved : whole);
    free(resolved);
    return copy;
}

static bool find_itself(struct arena *arena, const char **drc, struct error *error)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0) {
        return error_set(error, "cannot tell where this program is: %s", strerror(errno));
    }
    *drc = arena_strndup(arena, path, (size_t)length);
    return true;
}

/* A unit's or crontab's line ends where a path has a line feed. */
static bool is_one_line(const char *path, struct error *error)
{
    return !strpbrk(path, "\n\r") ||
           error_set(error, "a path with a line feed cannot stand in a schedule: %.60s", path);
}

static void add_word(struct schedule_job *job, const char *word)
{
    if (job->word_count < SCHEDULE_WORDS_MAX) {
        job->words[job->word_count] = word;
    }
    job->word_count++;
}

static void add_path(struct schedule_job *job, const char *path)
{
    if (path && job->write_count < SCHEDULE_PATHS_MAX) {
        job->writes[job->write_count++] = path;
    }
}

/* The folder that a state or repository is; NULL: it is in S3. */
static const char *folder_of(struct making *making, const char *place, const char *directory)
{
    struct arena *arena = making->invocation->arena;
    if (!place || strncmp(place, "s3://", 5) == 0) {
        return NULL;
    }
    if (strncmp(place, "file://", 7) == 0) {
        return place + 7;
    }
    return absolute(arena, directory, strncmp(place, "dir:", 4) == 0 ? place + 4 : place);
}

/* The state of a published plan, where that is a folder: file:///STATE/PLAN. NULL: it is none. */
static const char *published_in(struct arena *arena, const char *plan_file)
{
    const char *folder = strncmp(plan_file, "file://", 7) == 0 ? plan_file + 7 : NULL;
    const char *slash = folder ? strrchr(folder, '/') : NULL;
    return slash && slash > folder ? arena_strndup(arena, folder, (size_t)(slash - folder)) : NULL;
}

/* The flags that every job needs, and the folders that it writes. */
static void add_surroundings(struct making *making, struct schedule_job *job)
{
    const struct invocation *invocation = making->invocation;
    const struct plan *plan = making->plan;
    const char *state = invocation->values[FLAG_STATE], *sandbox = invocation->values[FLAG_SANDBOX];
    for (size_t i = 0; i < invocation->variable_count; i++) {
        add_word(job, "--var");
        add_word(job, arena_printf(invocation->arena, "%s=%s", invocation->variables[i].name,
                                   invocation->variables[i].value));
    }
    if (state) {
        const char *folder = folder_of(making, state, ".");
        bool url = strstr(state, "://") != NULL;
        add_word(job, "--state");
        add_word(job, url || !folder ? state : folder);
        add_path(job, folder);
    } else {
        add_path(job, folder_of(making, plan->state.value, plan->directory));
    }
    if (sandbox) {
        add_word(job, "--sandbox");
        add_word(job, absolute(invocation->arena, ".", sandbox));
        add_path(job, absolute(invocation->arena, ".", sandbox));
    }
    add_path(job, folder_of(making, plan->backup.repository.value, plan->directory));
    add_path(job, published_in(invocation->arena, making->schedule.plan_file));
}

static struct schedule_job *add_job(struct making *making, const char *name, const char *title,
                                    int64_t every_ms)
{
    struct timetable *schedule = &making->schedule;
    struct schedule_job *job = &schedule->jobs[schedule->job_count++];
    *job = (struct schedule_job){.name = name, .title = title, .every_ms = every_ms};
    return job;
}

static void add_apply(struct making *making, enum workflow workflow, const char *title,
                      int64_t every_ms)
{
    const char *name = workflow_name(workflow);
    struct schedule_job *job = add_job(making, name, title, every_ms);
    const char *words[] = {"plan", "apply", making->schedule.plan_file,
                           name,   "--yes", "--scheduled"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        add_word(job, words[i]);
    }
    job->success = "3"; /* stopped, and the next one goes on */
    add_surroundings(making, job);
}

/* Often enough to be told soon, and a time that reads well. */
static int64_t look_every(int64_t rpo_ms)
{
    static const int64_t minutes[] = {30, 15, 10, 5, 2, 1};
    size_t i = 0;
    while (i + 1 < sizeof minutes / sizeof *minutes && minutes[i] * MINUTE_MS > rpo_ms / 6) {
        i++;
    }
    return minutes[i] * MINUTE_MS;
}

static void add_rpo(struct making *making)
{
    struct arena *arena = making->invocation->arena;
    const char *metrics = making->invocation->values[FLAG_METRICS];
    struct schedule_job *job =
        add_job(making, "rpo", arena_printf(arena, "the RPO of %s is watched", making->plan->name),
                look_every(making->plan->objectives.rpo.ms));
    add_word(job, "rpo");
    add_word(job, making->schedule.plan_file);
    add_surroundings(making, job);
    if (!metrics) {
        job->alert = true;
        job->comment =
            "Fails (status 2) while the objective is missed; --metrics FILE is for Prometheus.";
        return;
    }
    const char *file = absolute(arena, ".", metrics);
    const char *slash = strrchr(file, '/');
    add_word(job, "--format");
    add_word(job, "prometheus");
    add_word(job, "-o");
    add_word(job, file);
    add_path(job, slash && slash > file ? arena_strndup(arena, file, (size_t)(slash - file)) : "/");
    job->success = "2"; /* Prometheus tells */
    job->readable_results = true;
}

/* Whether this version can carry it out, by trying to compile it. */
static bool is_built(struct making *making, enum workflow workflow)
{
    struct arena *arena = arena_create();
    struct diagnostics *unheard = diagnostics_create(arena);
    bool built = compile_graph(arena, making->plan, workflow, NULL, unheard) != NULL;
    arena_destroy(arena);
    return built;
}

static const char *duration_words(struct arena *arena, int64_t ms)
{
    char text[32];
    return arena_strdup(arena, format_duration(text, ms));
}

static void add_backup(struct making *making)
{
    const struct plan *plan = making->plan;
    struct arena *arena = making->invocation->arena;
    if (!plan->backup.given) {
        return;
    }
    if (is_built(making, WORKFLOW_BACKUP)) {
        add_apply(making, WORKFLOW_BACKUP,
                  arena_printf(arena, "recovery points of %s are made", plan->name),
                  plan->backup.every.ms);
        return;
    }
    making->schedule.backup_note =
        arena_printf(arena,
                     "No backup: this version does not make recovery points from vCenter. What "
                     "exports the disks "
                     "of %s runs drc repo import after it, every %s.",
                     plan->name, duration_words(arena, plan->backup.every.ms));
}

static bool check_words(const struct schedule_job *job, struct error *error)
{
    if (job->word_count > SCHEDULE_WORDS_MAX) {
        error_set(error, "a command of more than %d words is too long for a schedule",
                  SCHEDULE_WORDS_MAX);
        return error_help(error, "put the values of --var into the plan's vars");
    }
    for (size_t i = 0; i < job->word_count; i++) {
        if (!is_one_line(job->words[i], error)) {
            return false;
        }
    }
    return true;
}

static bool make(struct making *making, struct error *error)
{
    const struct plan *plan = making->plan;
    struct arena *arena = making->invocation->arena;
    struct timetable *schedule = &making->schedule;
    if (!plan->replication.given) {
        error_set(error, "the plan %s says nothing of replication: there is nothing to schedule",
                  plan->name);
        return error_help(error, "give it replication: {every: …}; drc explain replication");
    }
    schedule->plan = plan->name;
    const char *given = making->invocation->arguments[0];
    schedule->plan_file =
        strstr(given, "://") ? given : absolute(arena, ".", plan->source->path);
    schedule->environment = arena_printf(arena, "/etc/drc/%s.env", plan->name);
    if (!find_itself(arena, &schedule->drc, error)) {
        return false;
    }
    add_backup(making);
    add_apply(making, WORKFLOW_REPLICATE,
              arena_printf(arena, "recovery points of %s become DR copies", plan->name),
              plan->replication.every.ms);
    schedule->jobs[schedule->job_count - 1].comment = schedule->backup_note;
    add_rpo(making);
    for (size_t i = 0; i < schedule->job_count; i++) {
        if (!check_words(&schedule->jobs[i], error)) {
            return false;
        }
    }
    return is_one_line(schedule->drc, error);
}

/* --- where it goes --- */

static bool print(void *context, const char *name, const struct buffer *text, struct error *error)
{
    bool *first = context;
    (void)error;
    printf("%s# ---- %s ----\n%s", *first ? "" : "\n", name, buffer_text(text));
    *first = false;
    return true;
}

static bool save(void *context, const char *name, const struct buffer *text, struct error *error)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s", (const char *)context, name);
    bool ok = write_file(buffer_text(&path), text->data, text->length, error);
    if (ok) {
        printf("%s\n", buffer_text(&path));
    }
    buffer_free(&path);
    return ok;
}

static bool write_schedule(const struct making *making, bool cron, struct error *error)
{
    const char *folder = making->invocation->values[FLAG_OUTPUT];
    bool first = true;
    if (folder && mkdir(folder, 0755) != 0 && errno != EEXIST) {
        return error_set(error, "cannot make %s: %s", folder, strerror(errno));
    }
    bool (*write)(const struct timetable *, schedule_file, void *, struct error *) =
        cron ? schedule_cron : schedule_systemd;
    return folder ? write(&making->schedule, save, (void *)folder, error)
                  : write(&making->schedule, print, &first, error);
}

static void tell_next(const struct making *making, bool cron)
{
    const char *plan = making->plan->name;
    if (making->schedule.backup_note) {
        fprintf(stderr, "note: %s\n", making->schedule.backup_note);
    }
    if (!cron && making->invocation->values[FLAG_OUTPUT]) {
        fprintf(
            stderr,
            "copy them to /etc/systemd/system; then: systemctl daemon-reload && systemctl enable "
            "--now drc-%s-replicate.timer drc-%s-rpo.timer\n",
            plan, plan);
    }
}

enum exit_status command_schedule(const struct invocation *invocation)
{
    struct error error = {0};
    struct plan *plan = NULL;
    const char *format = invocation->values[FLAG_FORMAT];
    bool cron = format && strcmp(format, "cron") == 0;
    if (format && !cron && strcmp(format, "systemd") != 0) {
        error_set(&error, "drc schedule has no format \"%s\"", format);
        error_help(&error, "systemd and cron are known");
        return tell_error(&error);
    }
    if (!load_plan(invocation, invocation->arguments[0], &plan)) {
        return EXIT_ERROR;
    }
    struct making making = {.invocation = invocation, .plan = plan};
    if (!make(&making, &error) || !write_schedule(&making, cron, &error)) {
        return tell_error(&error);
    }
    tell_next(&making, cron);
    return EXIT_DONE;
}
