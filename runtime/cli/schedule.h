/* Schedule: what of a plan has to run how often, as units for systemd or lines for cron. Pure but for
 * schedule_command.c. */
#ifndef DRC_CLI_SCHEDULE_H
#define DRC_CLI_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct buffer;

enum { SCHEDULE_WORDS_MAX = 64, SCHEDULE_PATHS_MAX = 8, SCHEDULE_JOBS_MAX = 3 };

/* Something that runs every so often. Texts are borrowed. */
struct schedule_job {
    const char *name;  /* "replicate" */
    const char *title; /* "recovery points of shop become DR copies" */
    int64_t every_ms;
    const char *words[SCHEDULE_WORDS_MAX]; /* behind "drc" */
    size_t word_count; /* one that was too many counts, too */
    const char *writes[SCHEDULE_PATHS_MAX]; /* absolute folders */
    size_t write_count;
    const char *success;   /* exit statuses that are no failure beside 0: "3"; NULL: none */
    const char *comment;   /* a line for the unit; NULL */
    bool readable_results; /* others read what it writes */
    bool alert;            /* a failure is for a person: cron sends what it has said, by mail */
};

struct timetable {
    const char *plan;        /* its name */
    const char *plan_file;   /* absolute, as all paths */
    const char *drc;
    const char *environment; /* file of credentials, which need not be there */
    struct schedule_job jobs[SCHEDULE_JOBS_MAX];
    size_t job_count;
    const char *backup_note; /* why there is no job of backup; NULL: there is one, or none is wanted */
};

/* A file of the schedule. */
typedef bool (*schedule_file)(void *context, const char *name, const struct buffer *text,
                              struct error *error);

/* False: `file` failed, or cron cannot say an interval. */
bool schedule_systemd(const struct timetable *schedule, schedule_file file, void *context,
                      struct error *error);
bool schedule_cron(const struct timetable *schedule, schedule_file file, void *context,
                   struct error *error);

/* Times of day (UTC or local, as who reads them says) at which something that runs every N minutes runs:
 * at MINUTE past every STEP hours from HOUR on. */
struct schedule_time {
    int hour, step, minute;
};
enum { SCHEDULE_TIMES_MAX = 60 };
/* How many; 0: a day is no whole number of such intervals. */
size_t schedule_times(int64_t every_ms, struct schedule_time times[SCHEDULE_TIMES_MAX]);

#endif
