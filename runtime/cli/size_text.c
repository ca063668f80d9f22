#include "runtime/cli/size_text.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { UNIT_MAX = 16 };

static const struct unit {
    const char *name;
    double bytes;
    bool bits; /* of rates only */
} UNITS[] = {
    {"KiB", 1024, false},          {"MiB", 1048576, false},
    {"GiB", 1073741824, false},    {"TiB", 1099511627776, false},
    {"kB", 1e3, false},            {"MB", 1e6, false},
    {"GB", 1e9, false},            {"TB", 1e12, false},
    {"kbit", 1e3 / 8, true},       {"Mbit", 1e6 / 8, true},
    {"Gbit", 1e9 / 8, true},       {"kbps", 1e3 / 8, true},
    {"Mbps", 1e6 / 8, true},       {"Gbps", 1e9 / 8, true},
};

static const struct unit *unit_of(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
        if (strlen(UNITS[i].name) == length && strncasecmp(UNITS[i].name, name, length) == 0) {
            return &UNITS[i];
        }
    }
    return NULL;
}

/* Digits and at most one point: no sign, no exponent, no "inf". */
static bool read_number(const char *text, char **end, double *number)
{
    size_t digits = strspn(text, "0123456789."), whole = strspn(text, "0123456789");
    if (whole == 0 || digits > 15 || strspn(text + whole + (text[whole] == '.'), "0123456789") !=
                                         digits - whole - (text[whole] == '.')) {
        return false;
    }
    *number = strtod(text, end);
    return *end == text + digits;
}

static bool read_amount(const char *text, bool rate, double *bytes)
{
    char *end;
    double number;
    if (!read_number(text, &end, &number)) {
        return false;
    }
    size_t length = strcspn(end, "/");
    const struct unit *unit = length < UNIT_MAX ? unit_of(end, length) : NULL;
    if (!unit || (unit->bits && !rate)) {
        return false;
    }
    const char *rest = end + length;
    bool per_second = strcmp(rest, "/s") == 0;
    *bytes = number * unit->bytes;
    return *bytes >= 1 && *bytes < 1e15 && (rate ? per_second || (unit->bits && !*rest) : !*rest);
}

bool size_read(const char *text, int64_t *bytes, struct error *error)
{
    double amount;
    if (!read_amount(text, false, &amount)) {
        error_set(error, "\"%.40s\" is no size", text);
        return error_help(error, "a size is written with its unit: 128MiB, 1.5GiB, 500MB");
    }
    *bytes = (int64_t)amount;
    return true;
}

bool rate_read(const char *text, int64_t *bytes_per_s, struct error *error)
{
    double amount;
    if (!read_amount(text, true, &amount)) {
        error_set(error, "\"%.40s\" is no rate", text);
        return error_help(error, "a rate is written with its unit: 200MiB/s, 50MB/s, 1Gbit/s");
    }
    *bytes_per_s = (int64_t)amount;
    return true;
}
