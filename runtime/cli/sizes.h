/* Sizes: amounts of bytes as people write and read them. */
#ifndef DRC_CLI_SIZES_H
#define DRC_CLI_SIZES_H

#include <stdbool.h>
#include <stdint.h>

/* "512MiB", "16 GiB", "16G", "2TiB": powers of 1024 alone, a unit is needed. False: it is none, or not
 * within INT64_MAX. */
bool size_parse(const char *text, int64_t *bytes);

/* "1.5 GiB", "512 KiB", "1 byte": three digits. Returns text in the buffer given. */
const char *size_format(char out[32], int64_t bytes);
/* "1,234,567". */
const char *count_format(char out[32], uint64_t count);

#endif
