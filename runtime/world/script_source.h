/* Script source: the bytes of the scripts that a graph names by their digests. Whoever keeps the run keeps
 * them; providers take what was reviewed from there, never from the plan's folder. */
#ifndef DRC_WORLD_SCRIPT_SOURCE_H
#define DRC_WORLD_SCRIPT_SOURCE_H

#include <stdbool.h>

#include "compiler/base/error.h"

struct buffer;

struct script_source {
    void *context;
    /* Appends the bytes whose SHA-256 is `digest` (hex); NULL: there are no scripts. False: they are not
     * there, or are not what they were, and `error` says so. */
    bool (*read)(void *context, const char *digest, struct buffer *out, struct error *error);
};

/* The same, held against the digest, whoever the source is. */
bool script_read(const struct script_source *source, const char *name, const char *digest,
                 struct buffer *out, struct error *error);

#endif
