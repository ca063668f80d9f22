/* Reference: text with ${…} in it. Parsed and checked once; filled in by lower/ where the value is
 * known when the plan is compiled, else by an edge to the node that yields it. */
#ifndef DRC_PLAN_REFERENCE_H
#define DRC_PLAN_REFERENCE_H

#include <stddef.h>

#include "compiler/front/source.h"

struct plan_vm;

enum reference_kind {
    REFERENCE_LITERAL, /* plain text ($$ is a dollar sign) */
    REFERENCE_VALUE,   /* known when compiled: ${vars.X} ${plan.name} ${workflow} */
    REFERENCE_RUN_ID,  /* ${run.id} */
    REFERENCE_RECOVERY_POINT_TIME,
    REFERENCE_VM, /* ${vms.NAME.FIELD}, ${self.FIELD} */
};

enum vm_field {
    VM_FIELD_ADDRESS,
    VM_FIELD_PRIVATE_IP,
    VM_FIELD_PUBLIC_IP,
    VM_FIELD_INSTANCE_ID,
    VM_FIELD_NAME
};

struct reference_part {
    enum reference_kind kind;
    const char *text; /* LITERAL, VALUE (workflow: NULL until lowered, then `workflow` is set) */
    const struct plan_vm *vm; /* VM */
    enum vm_field field;
    struct span at;
};

/* Lies in the plan's arena. part_count 0: the empty text. */
struct template
{
    const char *raw;
    struct reference_part *parts;
    size_t part_count;
    struct span at;
};

#endif
