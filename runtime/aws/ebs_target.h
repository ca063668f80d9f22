/* EBS target: where the blocks of a DR copy go: PutSnapshotBlock into snapshots under way. */
#ifndef DRC_AWS_EBS_TARGET_H
#define DRC_AWS_EBS_TARGET_H

#include "runtime/mover/block_target.h"

struct aws;

/* Borrows the aws. */
struct block_target *ebs_target_create(struct aws *aws);
/* What is under way never calls back. NULL is allowed. Before the aws is destroyed. */
void ebs_target_destroy(struct block_target *target);

#endif
