/* Pattern: does a PCRE2 pattern of a plan match what a server answered? Held to limits, because
 * neither is trusted. */
#ifndef DRC_HOST_PATTERN_H
#define DRC_HOST_PATTERN_H

#include <stddef.h>

enum pattern_result {
    PATTERN_MATCHES,
    PATTERN_DIFFERS,
    PATTERN_TOO_COSTLY, /* more steps than allowed */
    PATTERN_INVALID,    /* the pattern itself; `why` says what is wrong */
};

/* `why` has room for `why_size` bytes; it is written for PATTERN_INVALID only. */
enum pattern_result pattern_match(const char *pattern, const char *subject, size_t length,
                                  char *why, size_t why_size);

#endif
