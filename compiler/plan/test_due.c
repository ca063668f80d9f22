#include "compiler/plan/test_due.h"

#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/base/utc.h"
#include "compiler/emit/emit.h"

enum { HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS };

static const char *const names[] = {
    [TEST_IN_TIME] = "in time",
    [TEST_NEVER] = "never tested",
    [TEST_FAILED] = "failed",
    [TEST_OF_OTHER_PLAN] = "plan changed since",
    [TEST_TOO_OLD] = "too old",
};

const char *test_due_name(enum test_due due)
{
    return names[due];
}

enum test_due test_due(const struct last_test *last, int64_t every_ms, const char *plan_digest,
                       int64_t now_utc_ms)
{
    if (every_ms <= 0) {
        return TEST_IN_TIME;
    }
    if (last->at_utc_ms < 0) {
        return TEST_NEVER;
    }
    if (!last->passed) {
        return TEST_FAILED;
    }
    if (!last->digest || strcmp(last->digest, plan_digest) != 0) {
        return TEST_OF_OTHER_PLAN;
    }
    return now_utc_ms - last->at_utc_ms > every_ms ? TEST_TOO_OLD : TEST_IN_TIME;
}

/* As exact as somebody wants to know it of a test. */
static const char *age(char out[32], int64_t ms)
{
    int64_t unit = ms >= 2 * DAY_MS ? DAY_MS : ms >= 2 * HOUR_MS ? HOUR_MS : 1000;
    return format_duration(out, (ms < 0 ? 0 : ms) / unit * unit);
}

static void put_every(int64_t every_ms, struct buffer *out)
{
    char every[32];
    if (every_ms > 0) {
        buffer_printf(out, ", and it is to be tested every %s", age(every, every_ms));
    }
}

void test_due_put(enum test_due due, const struct last_test *last, int64_t every_ms,
                  int64_t now_utc_ms, struct buffer *out)
{
    char at[32], ago[32];
    format_time(at, last->at_utc_ms);
    age(ago, now_utc_ms - last->at_utc_ms);
    switch (due) {
    case TEST_IN_TIME:
        if (last->at_utc_ms >= 0) {
            buffer_printf(out, "its last test %s %s ago (%s)", last->passed ? "passed" : "failed", ago, at);
        } else {
            buffer_puts(out, "it was never tested");
        }
        break;
    case TEST_NEVER:
        buffer_puts(out, "no test of it is known");
        put_every(every_ms, out);
        break;
    case TEST_FAILED:
        buffer_printf(out, "its last test failed, %s ago (%s)", ago, at);
        break;
    case TEST_OF_OTHER_PLAN:
        buffer_printf(out, "it has changed since its last test, %s ago (%s)", ago, at);
        break;
    case TEST_TOO_OLD:
        buffer_printf(out, "its last test passed %s ago (%s)", ago, at);
        put_every(every_ms, out);
        break;
    }
}
