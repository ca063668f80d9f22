/* Replication, as AWS sees it: which DR copies there are, and how new ones would be encrypted. Read-only. */
#ifndef DRC_AWS_REPLICATION_H
#define DRC_AWS_REPLICATION_H

#include "compiler/base/error.h"
#include "runtime/aws/aws.h"
#include "runtime/aws/recovery_points.h"

/* Lies in an arena. */
struct aws_replication {
    const char *account, *region;
    struct recovery_points points; /* all DR copies of the plan */
    /* The plan's kms_key; NULL where it names none. */
    const char *key_arn, *key_state; /* key_state NULL: may not be read */
    /* Whether the account encrypts every new snapshot: EncryptionByDefault of the region. */
    bool encrypts_by_default, encrypts_unknown;
    struct map conversions; /* id -> struct fact_conversion *; asked for with prepare: replication only */
};

/* Asks for all of it. An alias or id as kms_key is resolved, because StartSnapshot takes an ARN only (EBS
 * direct APIs, StartSnapshot, KmsKeyArn); one that cannot be is an error. */
bool aws_look_at_replication(struct aws *aws, struct arena *arena, const struct plan *plan,
                             struct aws_replication *replication, struct error *error);

/* How many snapshots of this account are pending in the region, drc's and others'; -1: may not be read. */
bool aws_count_pending_snapshots(struct aws *aws, struct arena *arena, int64_t *count,
                                 struct error *error);

#endif
