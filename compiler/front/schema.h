/* Schema: an interpreter for JSON Schema (2020-12, the keywords below; others are refused when the
 * schema is loaded) over trees, reporting diagnostics with places. schemas/plan.schema.json is the
 * single source of the plan language: validation, defaults, key documentation, drc explain. */
#ifndef DRC_FRONT_SCHEMA_H
#define DRC_FRONT_SCHEMA_H

#include <stdbool.h>

#include "compiler/base/error.h"

struct arena;
struct buffer;
struct diagnostics;
struct schema;
struct tree;

/* Loads a schema from JSON text. Refuses keywords that it does not know. Lies in the arena. */
struct schema *schema_load(struct arena *arena, const char *name, const char *json,
                           struct error *error);

/* The embedded plan schema, loaded. */
struct schema *schema_plan(struct arena *arena);

/* Reports every violation; true when there was none. */
bool schema_validate(const struct schema *schema, const struct tree *tree,
                     struct diagnostics *diagnostics);

/* `drc explain KEY`: KEY is a dotted path such as vms.ready.tcp or a last part that is unique.
 * False when there is no such key. */
bool schema_explain(const struct schema *schema, const char *key, struct buffer *out);

/* The reference page of all keys, as Markdown. */
void schema_reference(const struct schema *schema, struct buffer *out);

#endif
