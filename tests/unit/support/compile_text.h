/* Compiles plans that stand in a test as text. */
#ifndef DRC_TESTS_COMPILE_TEXT_H
#define DRC_TESTS_COMPILE_TEXT_H

#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"

/* One compilation; release with compiled_free. */
struct compiled {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct plan *plan;   /* NULL: it did not compile, see diagnostics */
    struct graph *graph; /* NULL as well; indexed */
};

/* facts_json NULL: none. Facts that cannot be read fail the test. */
struct compiled compile_text(const char *plan_yaml, const char *facts_json, enum workflow workflow);
void compiled_free(struct compiled *compiled);

/* Whether there is a diagnostic of the code, and what it says; NULL when there is none. */
const char *compiled_says(const struct compiled *compiled, enum diagnostic_code code);

#endif
