/* Sizes: amounts as people write and read them; format_size (compiler/emit) writes those of bytes. */
#ifndef DRC_CLI_SIZES_H
#define DRC_CLI_SIZES_H

#include <stdbool.h>
#include <stdint.h>

/* "512MiB", "16 GiB", "16G", "2TiB": powers of 1024 alone, a unit is needed. False: it is none, or not
 * within INT64_MAX. */
bool size_parse(const char *text, int64_t *bytes);

/* "1,234,567". Returns text in the buffer given. */
const char *count_format(char out[32], uint64_t count);

#endif
