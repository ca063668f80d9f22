/* Diagnostics: what the compiler has to say about a plan, with places. The product's face: each
 * says what is wrong, where, and what to do. Codes and their long explanations are the rows of
 * diagnostic.def. All errors of a stage are reported, not the first. */
#ifndef DRC_FRONT_DIAGNOSTIC_H
#define DRC_FRONT_DIAGNOSTIC_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler/front/source.h"

struct arena;
struct buffer;

enum diagnostic_severity { SEVERITY_ERROR, SEVERITY_WARNING };

/* Rows of diagnostic.def are DIAGNOSTIC(code, NAME, severity, "title", "explanation",
 * "wrong example", "right example"), as in DIAGNOSTIC(D0207, ADDRESS_OUTSIDE_SUBNET, ERROR, …);
 * code refers to them by name: DIAG_ADDRESS_OUTSIDE_SUBNET. */
enum diagnostic_code {
#define DIAGNOSTIC(code, name, severity, title, explanation, wrong, right) DIAG_##name,
#include "compiler/front/diagnostic.def"
#undef DIAGNOSTIC
    DIAGNOSTIC_CODE_COUNT
};

struct diagnostic_info {
    const char *code; /* "D0207" */
    enum diagnostic_severity severity;
    const char *title, *explanation, *wrong, *right;
};
const struct diagnostic_info *diagnostic_info(enum diagnostic_code code);
/* By "D0207" (any case); NULL when there is no such code. */
const struct diagnostic_info *diagnostic_info_by_code(const char *code);

struct diagnostic_label {
    struct span span;
    const char *text; /* may be "" */
    bool concealed;   /* the source text of the span is never shown: it may be a secret */
};

/* Everything lies in the arena of the list it belongs to. */
struct diagnostic {
    enum diagnostic_code code;
    enum diagnostic_severity severity;
    const char *message;
    struct diagnostic_label primary;
    struct diagnostic_label *secondary;
    size_t secondary_count, secondary_capacity;
    const char **helps;
    size_t help_count, help_capacity;
    const char **notes;
    size_t note_count, note_capacity;
};

enum { DIAGNOSTICS_MAX = 1000 }; /* more are counted, not kept */

struct diagnostics {
    struct arena *arena;
    struct diagnostic **items; /* in the order of their finding */
    size_t count, capacity;
    size_t error_count, warning_count; /* also of those not kept */
    struct diagnostic spare;           /* given out for those that are not kept */
};

struct diagnostics *diagnostics_create(struct arena *arena);

/* Adds one, to be completed by the calls below. */
struct diagnostic *diagnose(struct diagnostics *diagnostics, enum diagnostic_code code,
                            struct span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The text beside the caret. */
void diagnostic_label(struct diagnostics *list, struct diagnostic *diagnostic, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));
/* Another place that belongs to it. */
void diagnostic_secondary(struct diagnostics *list, struct diagnostic *diagnostic, struct span span,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));
/* What to do. */
void diagnostic_help(struct diagnostics *list, struct diagnostic *diagnostic, const char *format,
                     ...) __attribute__((format(printf, 3, 4)));
void diagnostic_note(struct diagnostics *list, struct diagnostic *diagnostic, const char *format,
                     ...) __attribute__((format(printf, 3, 4)));

/* The candidate nearest to `word` by edit distance, for "did you mean"; NULL when none is near. */
const char *nearest_name(const char *word, const char *const *candidates, size_t count);

enum diagnostic_format {
    DIAGNOSTIC_FORMAT_HUMAN,  /* rustc's layout */
    DIAGNOSTIC_FORMAT_JSON,   /* one object a line, fields as rustc's */
    DIAGNOSTIC_FORMAT_SARIF,  /* SARIF 2.1.0, one document */
    DIAGNOSTIC_FORMAT_GITHUB, /* workflow commands (::error file=…) */
};

/* Writes all, ordered by file and place. `colour` counts for HUMAN only. */
void diagnostics_write(const struct diagnostics *diagnostics, enum diagnostic_format format,
                       bool colour, struct buffer *out);

/* `drc explain CODE`: title, explanation, the wrong and the right example. */
void diagnostic_explain(const struct diagnostic_info *info, struct buffer *out);
/* Paragraphs as lines of at most `width` bytes. */
void diagnostic_wrap(struct buffer *out, const char *text, size_t width);

/* The reference page of all diagnostics (docs/reference/diagnostics.md), as Markdown. */
void diagnostic_reference(struct buffer *out);

#endif
