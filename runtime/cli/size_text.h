/* Size text: sizes and rates as people write them on the command line. */
#ifndef DRC_CLI_SIZE_TEXT_H
#define DRC_CLI_SIZE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"

/* "128MiB", "1.5GiB", "200MB" (decimal): bytes. A number without its unit is no size. */
bool size_read(const char *text, int64_t *bytes, struct error *error);

/* "200MiB/s", "50MB/s", "1Gbit/s", "500Mbit", "100Mbps": bytes a second. */
bool rate_read(const char *text, int64_t *bytes_per_s, struct error *error);

#endif
