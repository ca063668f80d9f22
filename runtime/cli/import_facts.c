#include "runtime/cli/import_facts.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/cli/sizes.h"

enum { CPUS_MAX = 4096, GUEST_ID_MAX = 128, MIB = 1 << 20 };
#define MEMORY_MAX (INT64_C(64) << 40)

/* A word of a short list, as it stands there. */
static bool read_word(const struct invocation *invocation, enum flag flag, const char *const *words,
                      const char **value, struct error *error)
{
    const char *text = invocation->values[flag];
    struct buffer known = {0};
    for (size_t i = 0; text && words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = words[i];
            text = NULL;
        } else {
            buffer_printf(&known, "%s%s", i ? ", " : "", words[i]);
        }
    }
    if (text) {
        error_set(error, "--%s \"%.64s\" is not known", flag_infos[flag].name, text);
        error_help(error, "one of %s; left away where it is not known", buffer_text(&known));
    }
    buffer_free(&known);
    return !text;
}

static bool read_memory(const struct invocation *invocation, struct repository_point *point,
                        struct error *error)
{
    const char *text = invocation->values[FLAG_MEMORY];
    int64_t bytes = 0;
    if (!text) {
        return true;
    }
    if (!size_parse(text, &bytes) || bytes < MIB || bytes > MEMORY_MAX || bytes % MIB != 0) {
        error_set(error, "--memory wants whole MiB with a unit, not \"%.64s\"", text);
        return error_help(error, "for instance 4096MiB or 16GiB");
    }
    point->memory_mib = bytes / MIB;
    return true;
}

static bool read_cpus(const struct invocation *invocation, struct repository_point *point,
                      struct error *error)
{
    double cpus = 0;
    if (!flag_number(invocation, FLAG_CPUS, 1, CPUS_MAX, &cpus, error)) {
        return false;
    }
    point->cpus = (int64_t)cpus;
    return cpus == (double)point->cpus ||
           error_set(error, "--cpus wants a whole number, not \"%.64s\"",
                     invocation->values[FLAG_CPUS]);
}

static bool read_guest_id(const struct invocation *invocation, struct repository_point *point,
                          struct error *error)
{
    const char *text = invocation->values[FLAG_GUEST_ID];
    for (size_t i = 0; text && text[i]; i++) {
        if (i >= GUEST_ID_MAX || text[i] <= ' ' || text[i] > '~') {
            error_set(error, "--guest-id \"%.64s\" is no guest id", text);
            return error_help(error, "VMware's name of the guest's system, such as debian12_64Guest");
        }
    }
    point->guest_id = text && *text ? text : NULL;
    return true;
}

static const char *const CONTROLLERS[] = {"pvscsi", "lsilogic", "lsisas", "buslogic",
                                          "sata",   "ide",      "nvme",   NULL};

static bool is_controller(const char *word, size_t length)
{
    for (size_t i = 0; CONTROLLERS[i]; i++) {
        if (strlen(CONTROLLERS[i]) == length && strncmp(CONTROLLERS[i], word, length) == 0) {
            return true;
        }
    }
    return false;
}

/* One for all disks, or one for each. */
static bool read_controllers(const struct invocation *invocation, struct repository_point *point,
                             struct error *error)
{
    const char *text = invocation->values[FLAG_CONTROLLER];
    size_t count = 0;
    for (const char *word = text; word; count++) {
        size_t length = strcspn(word, ",");
        if (!is_controller(word, length)) {
            error_set(error, "--controller \"%.*s\" is not known", (int)(length < 64 ? length : 64),
                      word);
            return error_help(error, "one of pvscsi, lsilogic, lsisas, buslogic, sata, ide, nvme, or "
                                     "several with commas between, one for each disk");
        }
        const char *name = arena_strndup(invocation->arena, word, length);
        if (count < point->disk_count) {
            point->disks[count].controller = name;
        }
        word = word[length] ? word + length + 1 : NULL;
    }
    for (size_t i = 1; count == 1 && i < point->disk_count; i++) {
        point->disks[i].controller = point->disks[0].controller;
    }
    if (count > 1 && count != point->disk_count) {
        error_set(error, "--controller names %zu controllers, and there are %zu images", count,
                  point->disk_count);
        return error_help(error, "one for all of them, or one for each image, in their order");
    }
    return true;
}

bool import_facts_from_flags(const struct invocation *invocation, size_t disk_count,
                             struct repository_point *point, struct error *error)
{
    static const char *const FIRMWARE[] = {"bios", "uefi", NULL};
    static const char *const OS[] = {"linux", "windows", NULL};
    static const char *const ARCH[] = {"x86_64", "arm64", NULL};
    if (disk_count > REPOSITORY_DISKS_MAX) {
        return error_set(error, "%zu images: a VM has at most %d disks", disk_count,
                         REPOSITORY_DISKS_MAX);
    }
    point->disks = ARENA_ARRAY(invocation->arena, struct repository_disk, disk_count);
    point->disk_count = disk_count;
    return read_word(invocation, FLAG_FIRMWARE, FIRMWARE, &point->firmware, error) &&
           read_word(invocation, FLAG_OS, OS, &point->os, error) &&
           read_word(invocation, FLAG_ARCH, ARCH, &point->arch, error) &&
           read_cpus(invocation, point, error) && read_memory(invocation, point, error) &&
           read_guest_id(invocation, point, error) && read_controllers(invocation, point, error);
}

static void add(const char *what, const char *found, const char *why, const char **value,
                struct buffer *told)
{
    if (!found) {
        return;
    }
    if (!*value) {
        *value = found;
        buffer_printf(told, "%s %s: disk 0 has %s\n", what, found, why);
    } else if (strcmp(*value, found) != 0) {
        buffer_printf(told, "%s %s, as the flag says, though disk 0 looks like %s: it has %s\n",
                      what, *value, found, why);
    }
}

void import_facts_add_detected(const struct disk_facts *found, struct repository_point *point,
                               struct buffer *told)
{
    add("firmware", found->firmware, found->firmware_why, &point->firmware, told);
    add("os", found->os, found->os_why, &point->os, told);
    add("arch", found->arch, found->arch_why, &point->arch, told);
}
