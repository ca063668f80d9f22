/* Verdict: what a test of a plan came to: passed as a failover would have succeeded. Known once all but the
 * approval of its cleanup has ended, whether or not somebody has approved it. */
#ifndef DRC_REPORT_VERDICT_H
#define DRC_REPORT_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

struct history;

enum verdict {
    VERDICT_NONE, /* of another workflow; or not known yet */
    VERDICT_PASSED,
    VERDICT_FAILED,
};
const char *verdict_name(enum verdict verdict); /* "passed"; NULL: none */

/* *at_ms: when the last action before the approval ended, since the run's start; -1: none. */
enum verdict verdict_of(const struct history *history, int64_t *at_ms);
/* Somebody has approved the cleanup (or the time has): there is nothing more to carry out. */
bool verdict_cleanup_approved(const struct history *history);

#endif
