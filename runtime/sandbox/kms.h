/* KMS keys: those that the plans name, and the account's own for EBS. */
#ifndef DRC_SANDBOX_KMS_H
#define DRC_SANDBOX_KMS_H

#include "runtime/sandbox/request.h"

/* The ARN of the key that EBS encrypts with where none is named. */
const char *kms_default_key(struct request *r);
/* The ARN of what an id, an ARN, an alias or an alias' ARN means; NULL: no such key. */
const char *kms_find_key(struct request *r, const char *name);
/* Makes the key that is named so, unless it is there. */
void kms_make_key(struct request *r, const char *name);
/* Whether all new volumes and snapshots get encrypted. */
bool ebs_encryption_by_default(struct request *r);

#endif
