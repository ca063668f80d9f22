#include <inttypes.h>
#include <stdio.h>

#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"

static const char *format_whole_seconds(char out[32], const char *sign, uint64_t s)
{
    uint64_t days = s / 86400, hours = s / 3600 % 24, minutes = s / 60 % 60, seconds = s % 60;
    if (days > 0) {
        snprintf(out, 32, hours ? "%s%" PRIu64 "d %02" PRIu64 "h" : "%s%" PRIu64 "d", sign, days,
                 hours);
    } else if (hours > 0) {
        snprintf(out, 32, minutes ? "%s%" PRIu64 "h %02" PRIu64 "m" : "%s%" PRIu64 "h", sign, hours,
                 minutes);
    } else if (minutes > 0) {
        snprintf(out, 32, seconds ? "%s%" PRIu64 "m %02" PRIu64 "s" : "%s%" PRIu64 "m", sign,
                 minutes, seconds);
    } else {
        snprintf(out, 32, "%s%" PRIu64 "s", sign, seconds);
    }
    return out;
}

const char *format_duration(char out[32], int64_t ms)
{
    const char *sign = ms < 0 ? "-" : "";
    uint64_t size = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    if (size > 0 && size < 1000) {
        snprintf(out, 32, "%s%" PRIu64 "ms", sign, size);
        return out;
    }
    if (size < 10000 && size % 1000 >= 50 && size % 1000 < 950) {
        uint64_t tenths = (size + 50) / 100;
        snprintf(out, 32, "%s%" PRIu64 ".%" PRIu64 "s", sign, tenths / 10, tenths % 10);
        return out;
    }
    return format_whole_seconds(out, sign, (size + 500) / 1000);
}

const char *format_clock(char out[32], int64_t ms)
{
    uint64_t s = ((uint64_t)(ms < 0 ? 0 : ms) + 500) / 1000;
    if (s >= 3600) {
        snprintf(out, 32, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(out, 32, "%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
    }
    return out;
}
