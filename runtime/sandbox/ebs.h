/* EBS: what the files of the EBS direct APIs have in common. Shapes and error codes are those of
 * the service's model; limits those of "Amazon EBS endpoints and quotas". */
#ifndef DRC_SANDBOX_EBS_H
#define DRC_SANDBOX_EBS_H

#include "runtime/sandbox/ec2.h"

enum { BLOCKS_PER_GIB = 2048 };

/* ValidationException with its reason. Returns false. */
bool ebs_invalid(struct request *r, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The snapshot of that id, as far as it can be seen already; NULL: refused. */
struct snapshot *ebs_find(struct request *r, const char *id);
/* The block that the path names; false: refused. */
bool ebs_position(struct request *r, const struct snapshot *snapshot, int64_t *position);
/* A parameter of the query, or header, that is a whole number; absent: unchanged. */
bool ebs_number(struct request *r, const char *name, const char *text, int64_t least, int64_t most,
                int64_t *value);

/* ebs_tokens.c: tokens that only this sandbox can have made. */
const char *block_token(struct request *r, const char *snapshot, int64_t position,
                        int64_t expires_ms);
bool block_token_check(struct request *r, const char *token, const char *snapshot,
                       int64_t position);
const char *page_token(struct request *r, const char *of, int64_t position);
bool page_token_read(struct request *r, const char *token, const char *of, int64_t *position);

/* ebs_blocks.c: the blocks of a map that nothing has any more. */
void blocks_forget(struct request *r, int64_t map);

#endif
