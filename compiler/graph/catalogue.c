#include <string.h>

#include "compiler/graph/facts.h"

/* Names that the rows use, away from everybody else's. */
#define ARCHITECTURE_x86_64   "x86_64"
#define ARCHITECTURE_arm64    "arm64"
#define ATTACHMENTS_SHARED    true
#define ATTACHMENTS_DEDICATED false

static const struct fact_instance_type catalogue[] = {
#define INSTANCE_TYPE(name_, vcpus_, memory_, arch_, bios_, uefi_, cards_, volumes_, attachments_) \
    {.name = name_,                                                                                \
     .vcpus = vcpus_,                                                                              \
     .memory_mib = memory_,                                                                        \
     .arch = ARCHITECTURE_##arch_,                                                                 \
     .bios = bios_,                                                                                \
     .uefi = uefi_,                                                                                \
     .max_cards = cards_,                                                                          \
     .max_volumes = volumes_,                                                                      \
     .shared_attachments = ATTACHMENTS_##attachments_},
#include "compiler/graph/instance_type.def"
#undef INSTANCE_TYPE
};

size_t catalogue_count(void)
{
    return sizeof catalogue / sizeof *catalogue;
}

const struct fact_instance_type *catalogue_at(size_t index)
{
    return index < catalogue_count() ? &catalogue[index] : NULL;
}

const struct fact_instance_type *catalogue_type(const char *name)
{
    for (size_t i = 0; i < catalogue_count(); i++) {
        if (strcmp(catalogue[i].name, name) == 0) {
            return &catalogue[i];
        }
    }
    return NULL;
}
