#include "compiler/plan/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "compiler/base/arena.h"
#include "compiler/plan/files.h"

/* Scripts, of steps and of checks: they have to be there, something has to be able to run them, and what
 * goes to an instance has to fit into a command. Each is looked at once, where it is named first. */

/* One that names a script. */
struct use {
    struct text script;
    bool on_instance;
};

struct scripts {
    const struct plan *plan;
    struct diagnostics *diagnostics;
    struct map seen, sent; /* path -> itself; sent: on an instance */
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcasecmp(text + length - tail, end) == 0;
}

/* PowerShell runs it by its name's end alone. */
static bool is_powershell(const struct use *use)
{
    return use->on_instance && ends_with(use->script.value, ".ps1");
}

/* ---- is it there ---- */

static bool report_missing(struct scripts *scripts, const struct use *use, const char *reason)
{
    struct diagnostic *found = diagnose(scripts->diagnostics, DIAG_SCRIPT_MISSING, use->script.at,
                                        "there is no script %s", use->script.value);
    diagnostic_label(scripts->diagnostics, found, "%s", reason);
    diagnostic_help(scripts->diagnostics, found, "it is looked for at %s, beside the plan",
                    plan_file_path(scripts->plan, use->script.value));
    return false;
}

static bool is_there(struct scripts *scripts, const struct use *use)
{
    struct stat status;
    const char *path = plan_file_path(scripts->plan, use->script.value);
    if (stat(path, &status) != 0) {
        return report_missing(scripts, use, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return report_missing(scripts, use, "it is not a regular file");
    }
    if (!(status.st_mode & 0111) && !is_powershell(use)) {
        struct diagnostic *found =
            diagnose(scripts->diagnostics, DIAG_SCRIPT_NOT_EXECUTABLE, use->script.at,
                     "the script %s is not executable", use->script.value);
        diagnostic_help(scripts->diagnostics, found, "chmod +x %s", path);
        return false;
    }
    if (status.st_size > PLAN_FILE_SIZE_MAX) {
        diagnose(scripts->diagnostics, DIAG_FILE_TOO_LARGE, use->script.at,
                 "the script %s is larger than %d MiB", use->script.value,
                 PLAN_FILE_SIZE_MAX >> 20);
        return false;
    }
    return true;
}

/* ---- what runs it ---- */

enum { FIRST_LINE_MAX = 256 };

static size_t read_beginning(const char *path, char *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t length = file ? fread(bytes, 1, size - 1, file) : 0;
    if (file) {
        fclose(file);
    }
    bytes[length] = '\0';
    return length;
}

static void report_interpreter(struct scripts *scripts, const struct use *use, const char *message,
                               const char *help)
{
    struct diagnostic *found =
        diagnose(scripts->diagnostics, DIAG_SCRIPT_WITHOUT_INTERPRETER, use->script.at, message,
                 use->script.value);
    diagnostic_help(scripts->diagnostics, found, "%s", help);
}

/* Nothing guesses an interpreter: the system runs what the first line names, or a program. */
static void check_interpreter(struct scripts *scripts, const struct use *use)
{
    char begin[FIRST_LINE_MAX];
    const char *path = plan_file_path(scripts->plan, use->script.value);
    size_t length = read_beginning(path, begin, sizeof begin);
    if (is_powershell(use) || (length >= 4 && memcmp(begin, "\177ELF", 4) == 0)) {
        return;
    }
    if (strncmp(begin, "#!", 2) != 0) {
        report_interpreter(scripts, use, "the script %s does not say what runs it",
                           "begin it with a line such as #!/bin/sh");
        return;
    }
    size_t line = strcspn(begin, "\n");
    if (line > 2 && begin[line - 1] == '\r') {
        report_interpreter(scripts, use, "the script %s has the line ends of Windows",
                           "the system would look for an interpreter whose name ends with a carriage "
                           "return: save it with line feeds alone (dos2unix)");
    }
}

/* ---- what goes to an instance ---- */

/* Bytes in base64 of what gzip makes of it; 0: it cannot be read. */
static size_t sent_size(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = base_alloc(size + 1), *packed = NULL;
    z_stream stream = {0};
    size_t result = 0;
    if (file && fread(bytes, 1, size, file) == size &&
        deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 9,
                     Z_DEFAULT_STRATEGY) == Z_OK) {
        uLong room = deflateBound(&stream, (uLong)size);
        packed = base_alloc(room);
        stream.next_in = bytes;
        stream.avail_in = (uInt)size;
        stream.next_out = packed;
        stream.avail_out = (uInt)room;
        result = deflate(&stream, Z_FINISH) == Z_STREAM_END ? (stream.total_out + 2) / 3 * 4 : 0;
        deflateEnd(&stream);
    }
    if (file) {
        fclose(file);
    }
    free(packed);
    free(bytes);
    return result;
}

static void check_sent(struct scripts *scripts, const struct use *use)
{
    struct stat status;
    const char *path = plan_file_path(scripts->plan, use->script.value);
    bool small = stat(path, &status) != 0 || status.st_size < SCRIPT_SENT_MAX / 2;
    size_t sent = small ? 0 : sent_size(path, (size_t)status.st_size);
    if (sent <= SCRIPT_SENT_MAX) {
        return;
    }
    struct diagnostic *found =
        diagnose(scripts->diagnostics, DIAG_SCRIPT_TOO_LARGE_TO_SEND, use->script.at,
                 "the script %s is too large for an instance", use->script.value);
    diagnostic_label(scripts->diagnostics, found, "%zu KiB even when compressed", (sent + 1023) >> 10);
    diagnostic_help(scripts->diagnostics, found,
                    "a command of SSM has room for %d KiB of it: let a small script fetch the rest, "
                    "from S3 or a package repository",
                    SCRIPT_SENT_MAX >> 10);
}

/* ---- all of them ---- */

static void check_use(struct scripts *scripts, struct use use)
{
    const char *path = use.script.value;
    if (map_put(&scripts->seen, path, (void *)path)) {
        if (!is_there(scripts, &use)) {
            map_put(&scripts->sent, path, (void *)path); /* told once is enough */
            return;
        }
        check_interpreter(scripts, &use);
    }
    if (use.on_instance && map_put(&scripts->sent, path, (void *)path)) {
        check_sent(scripts, &use);
    }
}

static void check_check(struct scripts *scripts, const struct check *check)
{
    if (check->kind == CHECK_SCRIPT) {
        check_use(scripts, (struct use){check->script, check->on_instance});
    }
}

static void visit_step(const struct plan *plan, const struct plan_vm *vm, const struct step *step,
                       void *context)
{
    (void)plan;
    (void)vm;
    if (step->kind == STEP_SCRIPT) {
        check_use(context, (struct use){step->script, step->on_instance});
    } else if (step->kind == STEP_CHECK) {
        check_check(context, &step->check);
    }
}

void check_scripts(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct scripts scripts = {.plan = plan,
                              .diagnostics = diagnostics,
                              .seen.arena = plan->arena,
                              .sent.arena = plan->arena};
    for (size_t i = 0; i < plan->vm_count; i++) {
        for (size_t j = 0; j < plan->vms[i].ready_count; j++) {
            check_check(&scripts, &plan->vms[i].ready[j]);
        }
    }
    plan_each_step(plan, visit_step, &scripts);
}
