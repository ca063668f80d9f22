/* What scripts do on the sandbox's instances. */
#include <string.h>

#include "runtime/sandbox/ssm.h"

/* The word behind `prefix`, without a quote before it; NULL when there is none. */
static const char *word_after(struct request *r, const char *script, const char *prefix)
{
    const char *at = strstr(script, prefix);
    if (!at) {
        return NULL;
    }
    at += strlen(prefix);
    at += strspn(at, " '\"");
    return arena_strndup(r->arena, at, strcspn(at, " '\"\n\t;"));
}

static const char *volume_named(struct request *r, const char *script)
{
    const char *inject = strstr(script, "drc inject");
    return inject ? word_after(r, inject, "ebs:") : NULL;
}

static struct command_result failed(int64_t duration_ms, const char *errors)
{
    return (struct command_result){duration_ms, "Failed", 1, "", errors, NULL};
}

static struct command_result inject(struct request *r, const struct instance *instance,
                                    const char *id, const char *device)
{
    struct volume *volume = volume_load(r, id);
    if (!volume || !volume->instance || strcmp(volume->instance, instance->resource.id) != 0 ||
        strcmp(volume->attach_state, "attached") != 0) {
        return failed(2000, arena_printf(r->arena,
                                         "error: volume %s is not attached to this instance (%s)\n",
                                         id, instance->resource.id));
    }
    if (device && strcmp(device, volume->device) != 0) {
        return failed(2000, arena_printf(r->arena, "error: there is no disk at %s\n", device));
    }
    if (strcmp(volume->content, "blank") == 0 || strcmp(volume->content, "data") == 0) {
        return failed(8000, arena_printf(r->arena, "error: %s holds no operating system\n", id));
    }
    if (fault_strikes(r, "inject")) {
        return failed(20000,
                      arena_printf(r->arena, "error: %s: the file system is not clean\n", id));
    }
    const char *output = arena_printf(r->arena, "drivers for nvme and ena are in %s\n", id);
    return (struct command_result){
        timing_draw(r, TIMING_INJECT, tag_value(&volume->resource.tags, "drc:vm")),
        "Success",
        0,
        output,
        "",
        id};
}

struct command_result script_run(struct request *r, const struct instance *instance,
                                 const char *script)
{
    const char *volume = volume_named(r, script);
    if (volume) {
        return inject(r, instance, volume, word_after(r, script, "--device"));
    }
    if (strstr(script, "drc inject")) {
        return failed(1000, "error: drc inject needs a target, such as ebs:VOLUME\n");
    }
    const char *output = strstr(script, "drc version") ? "drc " DRC_VERSION "\n" : "";
    return (struct command_result){draw_between(r, 1000, 3000), "Success", 0, output, "", NULL};
}
