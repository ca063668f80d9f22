#include "runtime/world/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/world/program.h"
#include "runtime/world/redactor.h"

enum { SECRET_FILE_MAX = 1 << 16 };

struct secret_lookup {
    struct world *world;
    struct world_task *task;
    struct arena *arena;
    const char *reference, *path; /* path: of a file or program */
    struct buffer value;
    struct error error;
    secret_callback callback;
    void *context;
};

static void lookup_free(struct secret_lookup *lookup)
{
    buffer_wipe(&lookup->value);
    error_clear(&lookup->error);
    arena_destroy(lookup->arena);
    free(lookup);
}

void secret_cancel(struct secret_lookup *lookup)
{
    if (lookup) {
        world_cancel(lookup->world, lookup->task);
        lookup_free(lookup);
    }
}

static void trim_newline(struct buffer *value)
{
    while (value->length > 0 && strchr("\r\n", value->data[value->length - 1])) {
        value->data[--value->length] = '\0';
    }
}

static void judge(struct secret_lookup *lookup)
{
    const struct buffer *value = &lookup->value;
    if (lookup->error.message) {
        return;
    }
    if (value->length == 0) {
        error_set(&lookup->error, "the secret %s is empty", lookup->reference);
    } else if (memchr(value->data, '\0', value->length)) {
        error_set(&lookup->error, "the secret %s is no text: there is a zero byte in it",
                  lookup->reference);
    }
}

static void tell(void *context)
{
    struct secret_lookup *lookup = context;
    lookup->task = NULL;
    judge(lookup);
    const char *value = lookup->error.message ? NULL : buffer_text(&lookup->value);
    redactor_add(world_redactor(lookup->world), value);
    lookup->callback(lookup->context, value, value ? NULL : &lookup->error);
    lookup_free(lookup);
}

static void from_environment(struct secret_lookup *lookup, const char *name)
{
    const char *value = world_environment(lookup->world, name);
    if (value) {
        buffer_puts(&lookup->value, value);
    } else {
        error_set(&lookup->error, "the secret env:%s is not there: %s is not set", name, name);
        error_help(&lookup->error, "set it where drc runs, and go on with: drc run resume");
    }
}

static bool is_private(struct secret_lookup *lookup, int file)
{
    struct stat found;
    if (fstat(file, &found) != 0) {
        return error_set(&lookup->error, "the secret %s cannot be read: %s", lookup->reference,
                         strerror(errno));
    }
    if (!S_ISREG(found.st_mode)) {
        return error_set(&lookup->error, "the secret %s is no file", lookup->reference);
    }
    if (found.st_mode & 077) {
        error_set(&lookup->error,
                  "the secret %s has mode %04o: others than its owner can get at it",
                  lookup->reference, (unsigned)found.st_mode & 07777);
        return error_help(&lookup->error,
                          "chmod 600 %s; and change the secret, if others have been there",
                          lookup->path);
    }
    return true;
}

static void read_all(struct secret_lookup *lookup, int file)
{
    char chunk[4096];
    ssize_t got;
    while ((got = read(file, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno != EINTR) {
            error_set(&lookup->error, "the secret %s cannot be read: %s", lookup->reference,
                      strerror(errno));
            return;
        }
        buffer_append(&lookup->value, chunk, got > 0 ? (size_t)got : 0);
        if (lookup->value.length > SECRET_FILE_MAX) {
            error_set(&lookup->error, "the secret %s is too long: over 64 KiB", lookup->reference);
            return;
        }
    }
    explicit_bzero(chunk, sizeof chunk);
    trim_newline(&lookup->value);
}

static void from_file(struct secret_lookup *lookup)
{
    int file =
        open(lookup->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    if (file < 0) {
        error_set(&lookup->error, "the secret %s cannot be read: %s", lookup->reference,
                  strerror(errno));
        return;
    }
    if (is_private(lookup, file)) {
        read_all(lookup, file);
    }
    close(file);
}

static void run_command(void *context)
{
    struct secret_lookup *lookup = context;
    char *words[] = {(char *)lookup->path, NULL};
    const char *failure = program_run(lookup->arena, words, &lookup->value);
    if (failure) {
        error_set(&lookup->error, "the secret %s cannot be had: %s", lookup->reference, failure);
        error_help(&lookup->error, "run it by hand to see why");
    }
    trim_newline(&lookup->value);
}

/* A path is the plan's: it begins where the plan is. A slash is in it always, so that PATH is not
 * asked. */
static const char *path_of(struct arena *arena, const char *path, const char *plan_file)
{
    const char *slash = plan_file ? strrchr(plan_file, '/') : NULL;
    if (*path == '/') {
        return arena_strdup(arena, path);
    }
    return slash ? arena_printf(arena, "%.*s/%s", (int)(slash - plan_file), plan_file, path)
                 : arena_printf(arena, "./%s", path);
}

static const char *behind(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

struct secret_lookup *secret_look_up(struct world *world, const char *reference,
                                     const char *plan_file, secret_callback callback, void *context)
{
    struct secret_lookup *lookup = base_alloc(sizeof *lookup);
    lookup->world = world;
    lookup->arena = arena_create();
    lookup->reference = arena_strdup(lookup->arena, reference);
    lookup->callback = callback;
    lookup->context = context;
    const char *name = behind(reference, "env:"), *file = behind(reference, "file:");
    const char *command = behind(reference, "command:");
    if (file || command) {
        lookup->path = path_of(lookup->arena, file ? file : command, plan_file);
    }
    if (command) {
        lookup->task = world_work(world, run_command, tell, lookup);
        return lookup;
    }
    if (name) {
        from_environment(lookup, name);
    } else if (file) {
        from_file(lookup);
    } else {
        error_set(&lookup->error, "what is no env:, file: or command: refers to no secret");
    }
    lookup->task = world_defer(world, tell, lookup);
    return lookup;
}
