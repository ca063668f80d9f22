/* Sealed: small objects of a repository: a JSON object whose last member, "sha256", is the SHA-256
 * of all the text that stands before that member (before its comma): what a disk or a hand has
 * altered is seen. */
#ifndef DRC_MOVER_SEALED_H
#define DRC_MOVER_SEALED_H

#include <cjson/cJSON.h>

#include "compiler/base/buffer.h"
#include "compiler/base/error.h"

/* "{…}" becomes "{…,"sha256":"HEX"}" and a line feed. */
void sealed_finish(struct buffer *text);
/* Checks seal and "format" ("drc-point/1"), gives the tree, which the caller deletes. A later
 * version of that format is told as such. */
cJSON *sealed_read(const char *text, size_t length, const char *format, struct error *error);

#endif
