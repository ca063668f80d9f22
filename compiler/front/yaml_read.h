/* The parts of the YAML reader (yaml.c): what is looked at before libyaml, the meaning of scalars,
 * and what its errors mean to a person. */
#ifndef DRC_FRONT_YAML_READ_H
#define DRC_FRONT_YAML_READ_H

#include <stdbool.h>
#include <yaml.h>

#include "compiler/front/tree.h"

/* Places of libyaml's marks, which count characters from the beginning of the text. */
struct yaml_places {
    const struct source *source;
    const uint32_t *starts; /* character index of each line's beginning */
    uint32_t line;          /* where the last place was found, from 0 */
};

struct yaml_places yaml_places(struct arena *arena, const struct source *source, bool ascii);
struct span yaml_span(struct yaml_places *places, const yaml_mark_t *start, const yaml_mark_t *end);

/* Reports what is no UTF-8 text, or would cost the parser too much. *ascii: one byte, one
 * character. */
bool yaml_scan(const struct source *source, struct diagnostics *diagnostics, bool *ascii);

/* Kind and value of a plain scalar by YAML 1.2's core schema. False when an integer does not fit
 * into 64 bits. */
bool yaml_resolve(struct tree *scalar, size_t length);

/* Reports why libyaml stopped. */
void yaml_report_syntax(const yaml_parser_t *parser, struct yaml_places *places,
                        struct diagnostics *diagnostics);

#endif
