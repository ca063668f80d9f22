#include "runtime/cli/sizes.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char UNITS[] = "KMGTPE";

bool size_parse(const char *text, int64_t *bytes)
{
    char *end = NULL;
    if (!isdigit((unsigned char)*text)) {
        return false;
    }
    double number = strtod(text, &end);
    end += strspn(end, " ");
    const char *unit = *end ? strchr(UNITS, toupper((unsigned char)*end)) : NULL;
    bool ended = unit && (strcmp(end + 1, "") == 0 || strcmp(end + 1, "B") == 0 ||
                          strcmp(end + 1, "iB") == 0);
    /* strtod takes 1e3 and 0x1 too */
    if (!ended || strpbrk(text, "xXpPeE") != strpbrk(end, "xXpPeE")) {
        return false;
    }
    for (const char *u = UNITS; u <= unit; u++) {
        number *= 1024;
    }
    if (!(number >= 0 && number < 9.2e18)) {
        return false;
    }
    *bytes = (int64_t)number;
    return true;
}

const char *count_format(char out[32], uint64_t count)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *to = out;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return out;
}
