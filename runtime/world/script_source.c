#include "runtime/world/script_source.h"

#include <string.h>
#include <strings.h>

#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"

bool script_read(const struct script_source *source, const char *name, const char *digest,
                 struct buffer *out, struct error *error)
{
    char found[SHA256_HEX_SIZE];
    size_t before = out->length;
    if (!digest || strlen(digest) != SHA256_HEX_SIZE - 1) {
        error_set(error, "%s has no digest that could tell whether it is what was reviewed", name);
        return error_help(error, "compile the plan again");
    }
    if (!source || !source->read) {
        return error_set(error, "%s cannot be run here: nothing keeps scripts", name);
    }
    if (!source->read(source->context, digest, out, error)) {
        return error_prefix(error, "reading %s", name);
    }
    sha256_hex(buffer_text(out) + before, out->length - before, found);
    if (strcasecmp(found, digest) != 0) {
        out->length = before;
        error_set(error, "%s is not the script that was reviewed (%.7s, now %.7s)", name, digest, found);
        return error_help(error, "its copy in the run was changed or damaged: apply the plan anew");
    }
    return true;
}
