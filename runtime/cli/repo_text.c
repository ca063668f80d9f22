#include "runtime/cli/repo_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
