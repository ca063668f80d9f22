#include "runtime/cli/repo_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *repo_size(char out[32], int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    int unit = 0;
    while (value >= 1024 && unit < 5) {
        value /= 1024;
        unit++;
    }
    snprintf(out, 32, value < 9.95 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

bool repo_percentage(const char *text, double *part, struct error *error)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || strcmp(end, "%") != 0 || !(value > 0 && value <= 100)) {
        error_set(error, "\"%.40s\" is no part of a whole", text);
        return error_help(error, "a percentage over 0 and up to 100: --sample 10%%");
    }
    *part = value / 100;
    return true;
}

const char *repo_count(char out[64], uint64_t count, const char *thing)
{
    snprintf(out, 64, "%" PRIu64 " %s%s", count, thing, count == 1 ? "" : "s");
    return out;
}
