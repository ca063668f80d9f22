/* A schedule as lines for a user's crontab. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "runtime/cli/schedule.h"

enum { MINUTE_MS = 60000, DAY = 1440 };

/* For the shell, within a crontab: a percent sign would be a line feed there. */
static void put_word(struct buffer *out, const char *word)
{
    size_t plain = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=,@+");
    if (*word && word[plain] == '\0') {
        buffer_puts(out, word);
        return;
    }
    buffer_putc(out, '\'');
    for (const char *c = word; *c; c++) {
        if (*c == '\'') {
            buffer_puts(out, "'\\''");
        } else {
            buffer_puts(out, *c == '%' ? "\\%" : (char[2]){*c, '\0'});
        }
    }
    buffer_putc(out, '\'');
}

static void put_hours(struct buffer *out, const struct schedule_time *time)
{
    if (time->step == 1) {
        buffer_puts(out, "*");
    } else if (time->step == 24) {
        buffer_printf(out, "%d", time->hour);
    } else if (time->hour == 0) {
        buffer_printf(out, "*/%d", time->step);
    } else {
        buffer_printf(out, "%d-23/%d", time->hour, time->step);
    }
}

/* flock: no run beside one that has not ended, and no mail for it. */
static void put_command(struct buffer *out, const struct timetable *schedule,
                        const struct schedule_job *job)
{
    buffer_puts(out, " set -a; [ ! -r ");
    put_word(out, schedule->environment);
    buffer_puts(out, " ] || . ");
    put_word(out, schedule->environment);
    buffer_printf(out, "; set +a; %sflock -n -E 0 \"$HOME/.drc-%s-%s.lock\" ",
                  job->alert ? "out=$(" : "", schedule->plan, job->name);
    put_word(out, schedule->drc);
    for (size_t i = 0; i < job->word_count; i++) {
        buffer_putc(out, ' ');
        put_word(out, job->words[i]);
    }
    if (job->alert) {
        buffer_puts(out, " 2>&1) || echo \"$out\"\n");
    } else {
        buffer_printf(out, " 2>&1 | logger -t drc-%s-%s\n", schedule->plan, job->name);
    }
}

/* The nearest that a day is a whole number of. */
static int64_t nearest(int64_t minutes, int direction)
{
    int64_t at = minutes + direction;
    while (at > 0 && at <= DAY && DAY % at) {
        at += direction;
    }
    return at;
}

static bool refuse(const struct schedule_job *job, struct error *error)
{
    char every[32], shorter[32], longer[32];
    int64_t minutes = job->every_ms / MINUTE_MS;
    error_set(error, "cron cannot run %s every %s: its times repeat by the day", job->name,
              format_duration(every, job->every_ms));
    if (minutes < 1) {
        return error_help(error, "use --format systemd, or at least 1m");
    }
    if (minutes >= DAY) {
        return error_help(error, "use --format systemd, or 1d");
    }
    bool exact = job->every_ms % MINUTE_MS == 0;
    format_duration(shorter, nearest(exact ? minutes : minutes + 1, -1) * MINUTE_MS);
    format_duration(longer, nearest(minutes, 1) * MINUTE_MS);
    return error_help(error, "use --format systemd, which can, or another interval: %s or %s",
                      shorter, longer);
}

static bool put_job(struct buffer *out, const struct timetable *schedule,
                    const struct schedule_job *job, struct error *error)
{
    struct schedule_time times[SCHEDULE_TIMES_MAX];
    char every[32];
    size_t count = schedule_times(job->every_ms, times);
    if (count == 0) {
        return refuse(job, error);
    }
    buffer_printf(out, "\n# %s, every %s\n", job->title, format_duration(every, job->every_ms));
    bool each_hour = times[0].step == 1;
    for (size_t i = 0; i < (each_hour ? 1 : count); i++) {
        if (each_hour && count == 60) {
            buffer_puts(out, "*");
        } else if (each_hour && count > 1) {
            buffer_printf(out, "*/%" PRId64, job->every_ms / MINUTE_MS);
        } else {
            buffer_printf(out, "%d", times[i].minute);
        }
        buffer_putc(out, ' ');
        put_hours(out, &times[i]);
        buffer_puts(out, " * * *");
        put_command(out, schedule, job);
    }
    return true;
}

bool schedule_cron(const struct timetable *schedule, schedule_file file, void *context,
                   struct error *error)
{
    struct buffer out = {0}, name = {0};
    buffer_printf(&name, "drc-%s.cron", schedule->plan);
    buffer_printf(&out,
                  "# drc schedule %s --format cron. For the crontab of the user that drc runs as:\n"
                  "#   (crontab -u drc -l; cat %s) | crontab -u drc -\n"
                  "# Credentials and settings, where needed: NAME=VALUE lines in %s.\n",
                  schedule->plan_file, buffer_text(&name), schedule->environment);
    buffer_puts(&out, "# What runs tell goes to the system's log; that the RPO is missed comes by mail "
                      "(MAILTO).\n");
    if (schedule->backup_note) {
        buffer_printf(&out, "# %s\n", schedule->backup_note);
    }
    buffer_puts(&out, "SHELL=/bin/sh\n"
                      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
    bool ok = true;
    for (size_t i = 0; ok && i < schedule->job_count; i++) {
        ok = put_job(&out, schedule, &schedule->jobs[i], error);
    }
    ok = ok && file(context, buffer_text(&name), &out, error);
    buffer_free(&out);
    buffer_free(&name);
    return ok;
}
