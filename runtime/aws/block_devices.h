/* Block device mappings of images and instances. */
#ifndef DRC_AWS_BLOCK_DEVICES_H
#define DRC_AWS_BLOCK_DEVICES_H

#include "compiler/graph/graph.h"
#include "runtime/aws/form.h"

/* BlockDeviceMapping.N of a `block_devices` list (action.def tells its members); each volume goes
 * with its instance. NULL adds nothing. */
void form_add_block_devices(struct form *form, const struct value *devices);

#endif
