#include <inttypes.h>
#include <stdio.h>

#include "compiler/emit/emit.h"

static const char UNITS[] = "KMGTPE";

const char *format_size(char out[32], int64_t bytes)
{
    double number = (double)bytes;
    int unit = -1;
    while (number >= 1024 && unit < (int)sizeof UNITS - 2) {
        number /= 1024;
        unit++;
    }
    if (unit < 0) {
        snprintf(out, 32, "%" PRId64 " byte%s", bytes, bytes == 1 ? "" : "s");
    } else {
        bool whole = number >= 99.95 || number == (double)(int64_t)number;
        snprintf(out, 32, "%.*f %ciB", whole ? 0 : 1, number, UNITS[unit]);
    }
    return out;
}
