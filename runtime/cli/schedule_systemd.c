/* A schedule as units for systemd: a service and a timer for each job (systemd.service(5),
 * systemd.timer(5), systemd.exec(5)). */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "runtime/cli/schedule.h"

enum { SECOND_MS = 1000, DELAY_SHARE = 20, DELAY_MAX_S = 60 };

/* A word of a command line, or a path of a list: quoted where it has to be; % are specifiers, and
 * in commands $ are variables. */
static void put_word(struct buffer *out, const char *word, bool command)
{
    bool quoted = !*word || strpbrk(word, " \t\"'\\;") != NULL;
    buffer_puts(out, quoted ? "\"" : "");
    for (const char *c = word; *c; c++) {
        if (*c == '%' || (command && *c == '$')) {
            buffer_putc(out, *c);
        } else if (*c == '"' || *c == '\\') {
            buffer_putc(out, '\\');
        }
        buffer_putc(out, *c);
    }
    buffer_puts(out, quoted ? "\"" : "");
}

static void put_command(struct buffer *out, const struct timetable *schedule,
                        const struct schedule_job *job)
{
    buffer_puts(out, "ExecStart=");
    put_word(out, schedule->drc, true);
    for (size_t i = 0; i < job->word_count; i++) {
        buffer_putc(out, ' ');
        put_word(out, job->words[i], true);
    }
    buffer_putc(out, '\n');
}

/* What drc needs is the network, its state and what it is told to read: the rest is taken away. */
static const char sandboxing[] = "CapabilityBoundingSet=\n"
                                 "LockPersonality=yes\n"
                                 "NoNewPrivileges=yes\n"
                                 "PrivateDevices=yes\n"
                                 "PrivateTmp=yes\n"
                                 "ProtectClock=yes\n"
                                 "ProtectControlGroups=yes\n"
                                 "ProtectHome=read-only\n"
                                 "ProtectHostname=yes\n"
                                 "ProtectKernelLogs=yes\n"
                                 "ProtectKernelModules=yes\n"
                                 "ProtectKernelTunables=yes\n"
                                 "ProtectProc=invisible\n"
                                 "ProtectSystem=strict\n"
                                 "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX\n"
                                 "RestrictNamespaces=yes\n"
                                 "RestrictRealtime=yes\n"
                                 "RestrictSUIDSGID=yes\n"
                                 "SystemCallArchitectures=native\n"
                                 "SystemCallErrorNumber=EPERM\n"
                                 "SystemCallFilter=@system-service\n";

static void put_service(struct buffer *out, const struct timetable *schedule,
                        const struct schedule_job *job)
{
    buffer_printf(out, "# drc schedule %s --format systemd\n", schedule->plan_file);
    if (job->comment) {
        buffer_printf(out, "# %s\n", job->comment);
    }
    buffer_printf(out,
                  "[Unit]\n"
                  "Description=drc: %s\n"
                  "Documentation=man:drc(1)\n"
                  "Wants=network-online.target\n"
                  "After=network-online.target\n"
                  "\n"
                  "[Service]\n"
                  "Type=oneshot\n"
                  "# useradd --system --home-dir /var/lib/drc --shell /usr/sbin/nologin drc\n"
                  "User=drc\n"
                  "EnvironmentFile=-",
                  job->title);
    put_word(out, schedule->environment, false);
    buffer_puts(out, "\nEnvironment=DRC_STATE_DIR=%S/drc\n");
    put_command(out, schedule, job);
    if (job->success) {
        buffer_printf(out, "SuccessExitStatus=%s\n", job->success);
    }
    buffer_printf(out,
                  "# Ends with what is under way; a second signal comes after this time.\n"
                  "KillSignal=SIGINT\n"
                  "TimeoutStopSec=90\n"
                  "TimeoutStartSec=infinity\n"
                  "Nice=5\n"
                  "StateDirectory=drc\n"
                  "StateDirectoryMode=0700\n"
                  "UMask=%s\n",
                  job->readable_results ? "0022" : "0077");
    for (size_t i = 0; i < job->write_count; i++) {
        buffer_puts(out, "ReadWritePaths=-");
        put_word(out, job->writes[i], false);
        buffer_putc(out, '\n');
    }
    buffer_puts(out, sandboxing);
}

/* By the calendar where a day is a whole number of intervals: then one that the machine slept
 * through is made up for. Otherwise counted from the last one. */
static void put_times(struct buffer *out, int64_t every_ms)
{
    struct schedule_time times[SCHEDULE_TIMES_MAX];
    size_t count = schedule_times(every_ms, times);
    for (size_t i = 0; i < count; i++) {
        const struct schedule_time *time = &times[i];
        if (time->step == 1 && count > 1) {
            buffer_printf(out, "OnCalendar=*-*-* *:00/%" PRId64 ":00\n", every_ms / 60000);
            break;
        }
        if (time->step == 1) {
            buffer_printf(out, "OnCalendar=*-*-* *:%02d:00\n", time->minute);
        } else if (time->step == 24) {
            buffer_printf(out, "OnCalendar=*-*-* %02d:%02d:00\n", time->hour, time->minute);
        } else {
            buffer_printf(out, "OnCalendar=*-*-* %02d/%d:%02d:00\n", time->hour, time->step,
                          time->minute);
        }
    }
    if (count) {
        buffer_puts(out, "Persistent=true\n");
        return;
    }
    buffer_printf(out,
                  "OnBootSec=1min\n"
                  "OnActiveSec=0\n"
                  "OnUnitActiveSec=%" PRId64 "s\n",
                  every_ms / SECOND_MS);
}

static void put_timer(struct buffer *out, const struct timetable *schedule,
                      const struct schedule_job *job)
{
    char every[32];
    int64_t delay_s = job->every_ms / SECOND_MS / DELAY_SHARE;
    buffer_printf(out,
                  "# drc schedule %s --format systemd\n"
                  "[Unit]\n"
                  "Description=drc: %s, every %s\n"
                  "\n"
                  "[Timer]\n",
                  schedule->plan_file, job->title, format_duration(every, job->every_ms));
    put_times(out, job->every_ms);
    buffer_printf(
        out,
        "# The same on one host each time: plans do not all begin at once, and intervals stay.\n"
        "RandomizedDelaySec=%" PRId64 "s\n"
        "FixedRandomDelay=true\n"
        "AccuracySec=1s\n"
        "\n"
        "[Install]\n"
        "WantedBy=timers.target\n",
        delay_s > DELAY_MAX_S ? DELAY_MAX_S : delay_s);
}

static bool emit(const struct timetable *schedule, const struct schedule_job *job, const char *kind,
                 void (*put)(struct buffer *out, const struct timetable *schedule,
                             const struct schedule_job *job),
                 schedule_file file, void *context, struct error *error)
{
    struct buffer name = {0}, text = {0};
    buffer_printf(&name, "drc-%s-%s.%s", schedule->plan, job->name, kind);
    put(&text, schedule, job);
    bool ok = file(context, buffer_text(&name), &text, error);
    buffer_free(&name);
    buffer_free(&text);
    return ok;
}

bool schedule_systemd(const struct timetable *schedule, schedule_file file, void *context,
                      struct error *error)
{
    bool ok = true;
    for (size_t i = 0; ok && i < schedule->job_count; i++) {
        const struct schedule_job *job = &schedule->jobs[i];
        ok = emit(schedule, job, "service", put_service, file, context, error) &&
             emit(schedule, job, "timer", put_timer, file, context, error);
    }
    return ok;
}
