/* UTC: times as text, RFC 3339. No clock is read here. */
#ifndef DRC_BASE_UTC_H
#define DRC_BASE_UTC_H

#include <stdint.h>

/* "2026-11-22T10:00:00Z" (RFC 3339), to the second, and back: any zone, to the millisecond; -1 when
 * malformed or before 1970. */
const char *format_time(char out[32], int64_t utc_ms);
int64_t parse_time(const char *text);

#endif
