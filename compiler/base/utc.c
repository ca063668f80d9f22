#include "compiler/base/utc.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

/* 9999-12-31T23:59:59Z: RFC 3339 has no later second. */
static const int64_t LAST_SECOND = 253402300799;

const char *format_time(char out[32], int64_t utc_ms)
{
    int64_t seconds = utc_ms / 1000 - (utc_ms % 1000 < 0);
    if (seconds < 0) {
        seconds = 0;
    } else if (seconds > LAST_SECOND) {
        seconds = LAST_SECOND;
    }
    time_t time = (time_t)seconds;
    struct tm tm;
    gmtime_r(&time, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}

/* Exactly `digits` digits, then `after` (NUL: nothing is asked). */
static bool number(const char **text, int digits, char after, int *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (!isdigit((unsigned char)**text)) {
            return false;
        }
        *out = *out * 10 + (**text - '0');
    }
    if (after && toupper((unsigned char)**text) != after) {
        return false;
    }
    *text += after != '\0';
    return true;
}

/* ".123": what is finer than milliseconds is cut off. */
static bool fraction(const char **text, int *ms)
{
    *ms = 0;
    if (**text != '.') {
        return true;
    }
    int digits = 0;
    for ((*text)++; isdigit((unsigned char)**text); (*text)++, digits++) {
        static const int weight[] = {100, 10, 1};
        *ms += digits < 3 ? (**text - '0') * weight[digits] : 0;
    }
    return digits > 0;
}

/* "Z" or "+02:00": how far that zone is ahead of UTC. */
static bool zone(const char **text, int *ahead_s)
{
    *ahead_s = 0;
    if (toupper((unsigned char)**text) == 'Z') {
        (*text)++;
        return true;
    }
    int sign = **text == '+' ? 1 : **text == '-' ? -1 : 0;
    int hours, minutes;
    if (!sign) {
        return false;
    }
    (*text)++;
    if (!number(text, 2, ':', &hours) || !number(text, 2, '\0', &minutes) || hours > 23 ||
        minutes > 59) {
        return false;
    }
    *ahead_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

int64_t parse_time(const char *text)
{
    int year, month, day, hour, minute, second, ms, ahead_s;
    if (!text || !number(&text, 4, '-', &year) || !number(&text, 2, '-', &month) ||
        !number(&text, 2, 'T', &day) || !number(&text, 2, ':', &hour) ||
        !number(&text, 2, ':', &minute) || !number(&text, 2, '\0', &second) ||
        !fraction(&text, &ms) || !zone(&text, &ahead_s) || *text) {
        return -1;
    }
    if (hour > 23 || minute > 59 || second > 60) { /* 60: a leap second */
        return -1;
    }
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute};
    int64_t minutes_s = timegm(&tm);
    if (tm.tm_mon != month - 1 || tm.tm_mday != day) { /* 30 February became March */
        return -1;
    }
    int64_t utc_ms = (minutes_s + second - ahead_s) * 1000 + ms;
    return utc_ms < 0 ? -1 : utc_ms;
}
