#include "runtime/aws/block_devices.h"

#include <stdlib.h>

#include "runtime/world/provider.h"

static void add_number(struct form *form, const struct value *device, uint32_t number,
                       const char *key, const char *parameter)
{
    const struct value *value = value_member(device, key);
    if (value && value->kind == VALUE_INT && value->integer > 0) {
        form_add_int(form, value->integer, "BlockDeviceMapping.%u.Ebs.%s", number, parameter);
    }
}

static void add_text(struct form *form, const struct value *device, uint32_t number,
                     const char *key, const char *parameter)
{
    form_add(form, value_text(value_member(device, key)), "BlockDeviceMapping.%u.%s", number,
             parameter);
}

void form_add_block_devices(struct form *form, const struct value *devices)
{
    if (!devices || devices->kind != VALUE_LIST) {
        return;
    }
    for (uint32_t i = 0; i < devices->count; i++) {
        const struct value *device = &devices->items[i];
        uint32_t number = i + 1;
        add_text(form, device, number, "device", "DeviceName");
        add_text(form, device, number, "snapshot_id", "Ebs.SnapshotId");
        add_text(form, device, number, "type", "Ebs.VolumeType");
        add_number(form, device, number, "size_gib", "VolumeSize");
        add_number(form, device, number, "iops", "Iops");
        add_number(form, device, number, "throughput", "Throughput");
        add_number(form, device, number, "initialization_rate", "VolumeInitializationRate");
        form_add(form, "true", "BlockDeviceMapping.%u.Ebs.DeleteOnTermination", number);
    }
}
