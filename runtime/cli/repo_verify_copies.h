/* drc repo verify --copies: DR copies read back. */
#ifndef DRC_CLI_REPO_VERIFY_COPIES_H
#define DRC_CLI_REPO_VERIFY_COPIES_H

#include "runtime/cli/open_repository.h"
#include "runtime/cli/output.h"

struct verify_options;

/* Of the options: which, and how much of them. Tells the result, or why there is none. */
enum exit_status repo_verify_copies(const struct invocation *invocation,
                                    struct opened_repository *opened,
                                    const struct verify_options *options);

#endif
