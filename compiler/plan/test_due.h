/* Whether objectives.test_every is kept, judged by the last test that is known; told by drc plan check, drc
 * rpo and a failover's preflight alike. */
#ifndef DRC_PLAN_TEST_DUE_H
#define DRC_PLAN_TEST_DUE_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;

enum test_due {
    TEST_IN_TIME, /* also where the plan does not say how often */
    TEST_NEVER,
    TEST_FAILED,
    TEST_OF_OTHER_PLAN, /* it has changed since */
    TEST_TOO_OLD,
};
const char *test_due_name(enum test_due due); /* "in time": as JSON has it */

/* The newest test of the whole plan. */
struct last_test {
    int64_t at_utc_ms;  /* -1: none is known */
    const char *digest; /* of the plan that was tested; NULL: not known, and taken for another's */
    bool passed;
};

/* every_ms 0: the plan does not say. A test from the future, by a clock that is wrong, is a new one. */
enum test_due test_due(const struct last_test *last, int64_t every_ms, const char *plan_digest,
                       int64_t now_utc_ms);

/* "its last test passed 45d ago (2026-10-08T10:00:00Z), and it is to be tested every 30d"; every_ms 0:
 * without how often. */
void test_due_put(enum test_due due, const struct last_test *last, int64_t every_ms,
                  int64_t now_utc_ms, struct buffer *out);

#endif
