#include "runtime/site/run_scripts.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/map.h"
#include "compiler/base/sha256.h"
#include "compiler/plan/files.h"
#include "runtime/state/journal.h"
#include "runtime/world/files.h"

#define BLOB_PREFIX "file:"

static bool read_one(struct arena *arena, const struct plan *plan, const char *name,
                     struct run_blob *blob, struct error *error)
{
    const char *path = plan_file_path(plan, name);
    const char *digest = map_get(&plan->file_digests, name);
    char found[SHA256_HEX_SIZE];
    struct error why = {0};
    char *bytes = files_read(arena, path, PLAN_FILE_SIZE_MAX, &blob->length, &why);
    if (!bytes) {
        error_set(error, "keeping %s with the run: %s", path, why.message ? why.message : "it is gone");
        error_clear(&why);
        return error_help(error, "put it back: the plan names it");
    }
    sha256_hex(bytes, blob->length, found);
    if (!digest || strcmp(found, digest) != 0) {
        error_set(error, "%s has changed while the run was being prepared", path);
        return error_help(error, "apply the plan again");
    }
    blob->bytes = bytes;
    blob->name = arena_printf(arena, BLOB_PREFIX "%s", found);
    return true;
}

bool run_scripts_blobs(struct arena *arena, const struct plan *plan, const struct run_blob *own,
                       size_t own_count, struct run_blob **blobs, size_t *count, struct error *error)
{
    struct map seen = {.arena = arena};
    *blobs = ARENA_ARRAY(arena, struct run_blob, own_count + plan->file_count + 1);
    memcpy(*blobs, own, own_count * sizeof *own);
    *count = own_count;
    for (size_t i = 0; i < plan->file_count; i++) {
        struct run_blob *blob = &(*blobs)[*count];
        if (!read_one(arena, plan, plan->files[i], blob, error)) {
            return false;
        }
        *count += map_put(&seen, blob->name, blob);
    }
    return true;
}

static bool read_blob(void *context, const char *digest, struct buffer *out, struct error *error)
{
    struct buffer name = {0};
    struct error why = {0};
    void *bytes = NULL;
    size_t length = 0;
    buffer_printf(&name, BLOB_PREFIX "%s", digest);
    bool ok = journal_get_blob(context, buffer_text(&name), &bytes, &length, &why);
    if (ok) {
        buffer_append(out, bytes, length);
    } else if (why.message) {
        error_move(error, &why);
    } else {
        error_set(error, "the run does not hold it (%.7s)", digest);
        error_help(error, "it was begun by a drc that did not keep scripts: apply the plan anew");
    }
    error_clear(&why);
    buffer_free(&name);
    free(bytes);
    return ok;
}

struct script_source run_scripts_of(struct journal *journal)
{
    return (struct script_source){journal, read_blob};
}
