/* A history told by hand: the shop's db and app, a killed process and one that goes on. For tests of
 * what is made of histories. */
#ifndef DRC_TESTS_TOLD_HISTORY_H
#define DRC_TESTS_TOLD_HISTORY_H

#include "runtime/report/history.h"

struct arena;

enum { TOLD_VOLUME, TOLD_RUN, TOLD_RECOVERED, TOLD_CHECK, TOLD_NODES };

/* An empty one over db/disk-0/create-volume, db/run-instance, db/recovered and app/check-http, which
 * waits for db/recovered. */
struct history *told_history(struct arena *arena);
void told_record(struct history *history, const char *record);
/* db recovers in the first process, which is killed then; the second finds that app's check fails. */
void told_two_sessions(struct history *history);

#endif
