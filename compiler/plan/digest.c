#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "compiler/base/sha256.h"
#include "compiler/front/diagnostic.h"
#include "compiler/plan/files.h"

const char *plan_file_path(const struct plan *plan, const char *path)
{
    return path[0] == '/' || strcmp(plan->directory, ".") == 0
               ? path
               : arena_printf(plan->arena, "%s/%s", plan->directory, path);
}

/* A name and a length before each piece, so that bytes cannot move from one to the next. */
static void add_header(struct sha256 *digest, const char *kind, const char *name, uint64_t length)
{
    char number[24];
    sha256_update(digest, kind, strlen(kind) + 1);
    sha256_update(digest, name, strlen(name) + 1);
    int digits = snprintf(number, sizeof number, "%" PRIu64, length);
    sha256_update(digest, number, (size_t)digits + 1);
}

static void add_piece(struct sha256 *digest, const char *kind, const char *name, const char *bytes,
                      size_t length)
{
    add_header(digest, kind, name, length);
    sha256_update(digest, bytes, length);
}

static bool unreadable(struct diagnostics *diagnostics, const char *path, const char *reason)
{
    diagnose(diagnostics, DIAG_FILE_UNREADABLE, (struct span){0}, "cannot read %s: %s", path,
             reason);
    return false;
}

/* Reads a whole regular file, so that what is digested is what the size says. */
static char *read_file(const char *path, size_t *length, const char **reason)
{
    struct stat status = {0};
    *reason = NULL;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &status) != 0) {
        *reason = strerror(errno);
    } else if (!S_ISREG(status.st_mode)) {
        *reason = "it is not a regular file";
    } else if (status.st_size > PLAN_FILE_SIZE_MAX) {
        *reason = "it is larger than 16 MiB, too large for a script or a certificate";
    }
    char *bytes = NULL;
    if (!*reason) {
        bytes = base_alloc((size_t)status.st_size + 1);
        *length = fread(bytes, 1, (size_t)status.st_size, file);
        if (*length != (size_t)status.st_size) {
            *reason = "it changed while it was read";
        }
    }
    if (file) {
        fclose(file);
    }
    if (*reason) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

/* The file's own digest, by which scripts are named in graphs and kept with runs. */
static void note_digest(struct plan *plan, const char *name, const char *bytes, size_t length)
{
    char hex[SHA256_HEX_SIZE];
    sha256_hex(bytes, length, hex);
    map_put(&plan->file_digests, name, arena_strdup(plan->arena, hex));
}

static bool add_files(struct sha256 *digest, struct plan *plan,
                      struct diagnostics *diagnostics)
{
    bool complete = true;
    for (size_t i = 0; i < plan->file_count; i++) {
        const char *path = plan_file_path(plan, plan->files[i]), *reason;
        size_t length = 0;
        char *bytes = read_file(path, &length, &reason);
        if (!bytes) {
            complete = unreadable(diagnostics, path, reason);
            continue;
        }
        add_piece(digest, "file", plan->files[i], bytes, length);
        note_digest(plan, plan->files[i], bytes, length);
        free(bytes);
    }
    return complete;
}

bool plan_digest(struct plan *plan, const struct variable *variables, size_t variable_count,
                 struct diagnostics *diagnostics)
{
    struct sha256 *digest = sha256_create();
    uint8_t result[SHA256_SIZE];
    add_piece(digest, "plan", "", plan->source->text, plan->source->length);
    for (size_t i = 0; i < variable_count; i++) {
        add_piece(digest, "var", variables[i].name, variables[i].value, strlen(variables[i].value));
    }
    bool complete = add_files(digest, plan, diagnostics);
    sha256_finish(digest, result);
    sha256_to_hex(result, plan->digest);
    return complete;
}
