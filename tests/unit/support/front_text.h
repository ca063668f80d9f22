/* Parses and validates text that stands in a test. */
#ifndef DRC_TESTS_FRONT_TEXT_H
#define DRC_TESTS_FRONT_TEXT_H

#include "compiler/base/arena.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema.h"
#include "compiler/front/tree.h"

/* Release with front_free. */
struct front {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct source *source;
    struct tree *tree; /* NULL: it was not parsed */
    char *rendered;    /* after front_render */
};

struct front front_parse(const char *text);
struct front front_parse_bytes(const char *text, size_t length);
/* Validates with a schema given as JSON; fails the test when the schema cannot be loaded. */
bool front_validate(struct front *front, const char *schema_json);
/* The diagnostics in a format, without colour. */
const char *front_render(struct front *front, enum diagnostic_format format);
void front_free(struct front *front);

/* Fails the test unless there is exactly one diagnostic, of that code, at that place. */
void front_expect(struct front *front, enum diagnostic_code code, uint32_t line, uint32_t column);

#endif
