/* What scripts do on the sandbox's instances. */
#include <inttypes.h>
#include <string.h>

#include "runtime/sandbox/ssm.h"

enum { OUTPUT_KEPT = 24000 }; /* characters of each stream (GetCommandInvocation) */

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

/* --- scripts and checks of drc --- */

/* "drc RUN NODE" and what may follow: VM or "plan", and the step. */
struct step_name {
    const char *vm, *step; /* "db", "db/post-boot-1" */
};

static bool step_of(struct request *r, const char *comment, struct step_name *name)
{
    const char *node = comment && strncmp(comment, "drc ", 4) == 0 ? strchr(comment + 4, ' ') : NULL;
    const char *first = node ? strchr(node + 1, '/') : NULL;
    const char *second = first ? strchr(first + 1, '/') : NULL;
    if (!second) {
        return false;
    }
    name->vm = arena_strndup(r->arena, node + 1, (size_t)(first - node - 1));
    name->step = arena_strndup(r->arena, node + 1, (size_t)(second - node - 1));
    return true;
}

/* Of the step, else of all of the VM's. */
static double step_fault(struct request *r, const char *kind, const struct step_name *name)
{
    double of_step = fault(r, "%s:%s", kind, name->step);
    return of_step > 0 ? of_step : fault(r, "%s:%s", kind, name->vm);
}

static const char *lines_of(struct request *r, int64_t bytes, int64_t status)
{
    struct buffer text = {0};
    for (int64_t line = 1; (int64_t)text.length < bytes && text.length < OUTPUT_KEPT; line++) {
        buffer_printf(&text, "line %" PRId64 " of a script of the sandbox\n", line);
    }
    if (bytes == 0 && status != 0) {
        buffer_printf(&text, "the sandbox lets this end with status %" PRId64 "\n", status);
    }
    size_t length = text.length < OUTPUT_KEPT ? text.length : OUTPUT_KEPT;
    const char *kept = arena_strndup(r->arena, buffer_text(&text), length);
    buffer_free(&text);
    return kept;
}

static struct command_result of_step(struct request *r, const struct step_name *name)
{
    int64_t duration_ms = (int64_t)step_fault(r, "script_ms", name);
    int64_t status = (int64_t)step_fault(r, "script", name);
    int64_t bytes = (int64_t)step_fault(r, "script_bytes", name);
    const char *text = lines_of(r, bytes, status);
    struct command_result result = {
        .duration_ms = duration_ms > 0 ? duration_ms : draw_between(r, 1000, 3000),
        .outcome = status ? "Failed" : "Success",
        .exit_code = (int)status,
        .output = status ? "" : text,
        .errors = status ? text : "",
    };
    static const char *const ends[][2] = {{"undelivered", "DeliveryTimedOut"},
                                          {"undeliverable", "Undeliverable"},
                                          {"cancelled", "Cancelled"}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (step_fault(r, ends[i][0], name) > 0) {
            return (struct command_result){result.duration_ms, ends[i][1], -1, "", "", NULL};
        }
    }
    return result;
}

struct command_result script_run(struct request *r, const struct instance *instance,
                                 const char *script, const char *comment)
{
    struct step_name name;
    const char *volume = volume_named(r, script);
    if (volume) {
        return inject(r, instance, volume, word_after(r, script, "--device"));
    }
    if (strstr(script, "drc inject")) {
        return failed(1000, "error: drc inject needs a target, such as ebs:VOLUME\n");
    }
    if (step_of(r, comment, &name)) {
        return of_step(r, &name);
    }
    const char *output = strstr(script, "drc version") ? "drc " DRC_VERSION "\n" : "";
    return (struct command_result){draw_between(r, 1000, 3000), "Success", 0, output, "", NULL};
}
