/* What the commands of repositories share: percentages and counts as text. */
#ifndef DRC_CLI_REPO_TEXT_H
#define DRC_CLI_REPO_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"

/* "10%", "0.5%" as a part of one, more than 0 and at most 1; false: it is none. */
bool repo_percentage(const char *text, double *part, struct error *error);
/* "1 block", "2 blocks". */
const char *repo_count(char out[64], uint64_t count, const char *thing);

#endif
