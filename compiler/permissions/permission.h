/* Permissions: what drc needs of AWS, from permission.def and action.def. Constant data. */
#ifndef DRC_PERMISSIONS_PERMISSION_H
#define DRC_PERMISSIONS_PERMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/workflow.h"
#include "compiler/graph/action.h"

enum resource_kind {
#define RESOURCE(NAME, ...) RESOURCE_##NAME,
#include "compiler/permissions/permission.def"
    RESOURCE_COUNT
};

enum statement {
#define STATEMENT(NAME, ...) STATEMENT_##NAME,
#include "compiler/permissions/permission.def"
    STATEMENT_COUNT
};

/* What a statement holds a call against. */
enum condition {
    CONDITION_REGION,            /* aws:RequestedRegion is the plan's */
    CONDITION_REQUEST_TAG,       /* what is made is tagged with the plan */
    CONDITION_RESOURCE_TAG,      /* what is touched is tagged with the plan */
    CONDITION_NEW_OR_OWN,        /* the same, or has no plan yet */
    CONDITION_SAME_PLAN,         /* a tag drc:plan that is given is the plan's */
    CONDITION_CREATE_ACTION,     /* the tags come with the call that makes the thing */
    CONDITION_PROFILE,           /* no instance profile but the plan's */
    CONDITION_VPC,               /* the plan's VPC */
    CONDITION_TO_EC2,            /* the role is passed to EC2 */
    CONDITION_HOLD_KEYS,         /* no other tags than drc:hold:RUN */
    CONDITION_COMMIT_KEYS,       /* no other tag than drc:committed */
    CONDITION_SSM_TAG,           /* RESOURCE_TAG as Systems Manager calls it */
    CONDITION_KEY_ALIAS,         /* the key that the plan names by an alias */
    CONDITION_VIA_EC2,           /* EC2 asks for the caller */
    CONDITION_FOR_AWS,           /* a grant for an AWS service */
    CONDITION_RECORDS,           /* the plan's records */
    CONDITION_STATE_PREFIX,      /* below the state's prefix */
    CONDITION_REPOSITORY_PREFIX, /* below the repository's prefix */
    CONDITION_COUNT
};

enum permission_holder { HOLDER_RUNNER, HOLDER_RECOVERY, HOLDER_ZONES };

struct statement_info {
    const char *sid, *about;
    enum permission_holder holder;
    uint64_t resources;  /* bit of each enum resource_kind */
    uint32_t conditions; /* bit of each enum condition */
};
const struct statement_info *statement_info(enum statement statement);

/* "arn:{p}:ec2:{r}:{a}:subnet/{}" */
const char *resource_template(enum resource_kind kind);

/* A row of HOW, ALSO or READ. */
struct permission_row {
    enum action action;           /* ALSO; ACTION_NONE: none */
    unsigned workflows;           /* READ: bit of each enum workflow; 0: none */
    enum resource_kind where;     /* READ: only where the plan names something of that kind; ANY */
    const char *permission, *why; /* why: NULL of HOW */
    enum statement statement;
};
/* All rows in the order of permission.def; NULL past the last. */
const struct permission_row *permission_row(size_t index);

/* Marks what the undo of the marked actions, cleanup and rollback do too. */
void permission_add_take_back(bool actions[ACTION_COUNT]);

#endif
