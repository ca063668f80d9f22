/* A schema as it is compiled: what schema_load.c makes of JSON, and the other parts walk. */
#ifndef DRC_FRONT_SCHEMA_NODE_H
#define DRC_FRONT_SCHEMA_NODE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/map.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema.h"
#include "compiler/front/tree.h"

/* JSON Schema's types as bits. An integer is a number too. */
enum schema_type {
    SCHEMA_NULL = 1,
    SCHEMA_BOOLEAN = 2,
    SCHEMA_INTEGER = 4,
    SCHEMA_NUMBER = 8,
    SCHEMA_STRING = 16,
    SCHEMA_ARRAY = 32,
    SCHEMA_OBJECT = 64,
    SCHEMA_ANY = 127
};

struct schema_node;

struct schema_names {
    const char **items;
    size_t count;
};

struct schema_nodes {
    struct schema_node **items;
    size_t count;
};

struct schema_pattern {
    const char *text;
    const pcre2_code *code;
    const struct schema_node *node; /* of patternProperties */
};

struct schema_dependency {
    const char *key;
    struct schema_names needs;
};

struct schema_property {
    const char *key;
    uint64_t head; /* the key's first bytes, padded with zeros: most keys differ in them */
    struct schema_node *node;
    bool required;
};

/* What a keyword leaves out is NULL, or `no_` limits: -1 for counts, ±infinity for numbers. */
struct schema_node {
    bool never; /* the schema false */
    const struct schema_node *ref;
    unsigned types;        /* SCHEMA_ANY without `type` */
    struct tree **choices; /* enum, const */
    size_t choice_count;
    bool has_choices;
    double minimum, maximum, exclusive_minimum, exclusive_maximum;
    int64_t min_length, max_length, min_items, max_items, min_properties, max_properties;
    bool unique_items, checks_numbers;
    const struct schema_pattern *pattern;
    struct schema_nodes prefix_items;
    const struct schema_node *items;
    struct map properties; /* key -> struct schema_property *, in the schema's order */
    struct schema_property *property_table; /* the same as an array, for look-ups */
    size_t property_count;
    struct schema_pattern *pattern_properties;
    size_t pattern_property_count;
    const struct schema_node *additional, *property_names;
    struct schema_names required;
    struct schema_dependency *dependencies;
    size_t dependency_count;
    struct schema_nodes all_of, any_of, one_of;
    const struct schema_node *not_, *if_, *then_, *else_;
    bool only_required; /* has no other keyword: one key of a choice */

    /* Annotations. */
    const char *title, *description;
    const char *default_text;         /* "default" as YAML, or "x-default", which is in words */
    const char *const *examples;      /* ends with NULL */
    const char *expect;               /* "x-expect": what a value has to be, in words */
    const char *message;              /* "x-message": in place of the usual one */
    const char *see;                  /* "x-see": where the keys below are described */
    const char *key_name;             /* "x-key": what the free keys of a mapping are: NAME */
    const enum diagnostic_code *code; /* "x-code": in place of the usual one */
    bool secret;                      /* "x-secret": the value is never shown */
};

struct schema {
    const char *name;
    const struct schema_node *root;
};

/* The property of that name, NULL when there is none. */
const struct schema_property *schema_property(const struct schema_node *node, const char *key);

/* The schema that `node` stands for: behind its $ref, if it has one. */
const struct schema_node *schema_target(const struct schema_node *node);

/* JSON Schema's type of a value, as a bit. */
unsigned schema_type_of(const struct tree *tree);

bool schema_matches(const struct schema_pattern *pattern, const char *text, pcre2_match_data *match,
                    pcre2_match_context *context);

/* Equality as JSON Schema has it: 1 is 1.0, keys in any order. */
bool schema_equal(const struct tree *a, const struct tree *b);
/* Two equal items: true, and their indexes. */
bool schema_find_equal(const struct tree *sequence, size_t *first, size_t *second);

/* ---- validation and its reports ---- */

/* How far a failed check goes on. */
enum schema_mode { SCHEMA_MODE_FIRST, SCHEMA_MODE_COUNT, SCHEMA_MODE_REPORT };

enum { SCHEMA_DEPTH_MAX = 512, SCHEMA_PATH_MAX = 80, SCHEMA_MEMOS = 256 };

/* A text that matched a pattern: subnets, types and durations come again and again. */
struct schema_memo {
    const struct schema_pattern *pattern;
    const char *text;
};

struct schema_step {
    const struct tree_pair *pair; /* NULL: an item of a sequence */
    size_t index;
};

/* One validation under way. */
enum { SCHEMA_LISTED_MAX = 40 };

/* What a mapping could still have: kept, because a mapping may have a million unknown keys. */
struct schema_free_keys {
    const struct schema_node *node;
    const struct tree *mapping;
    const char *keys[SCHEMA_LISTED_MAX];
    size_t count;
};

struct schema_run {
    struct diagnostics *diagnostics;
    enum schema_mode mode;
    size_t errors;
    unsigned depth;
    struct schema_step path[SCHEMA_PATH_MAX];
    size_t path_length;
    pcre2_match_data *match;
    pcre2_match_context *match_context;
    const struct schema_node *root;
    struct schema_memo memos[SCHEMA_MEMOS];
    struct schema_free_keys free_keys;
};

/* Each of these says what is wrong when the run reports; none counts. */
void schema_report_type(struct schema_run *run, const struct schema_node *node,
                        const struct tree *tree);
void schema_report_value(struct schema_run *run, const struct schema_node *node,
                         const struct tree *tree, enum diagnostic_code code, const char *expected);
void schema_report_choice(struct schema_run *run, const struct schema_node *node,
                          const struct tree *tree);
void schema_report_unknown(struct schema_run *run, const struct schema_node *node,
                           const struct tree *mapping, const struct tree_pair *pair);
void schema_report_missing(struct schema_run *run, const struct schema_node *node,
                           const struct tree *mapping, const char *key);
void schema_report_dependency(struct schema_run *run, const struct tree *mapping, const char *key,
                              const char *needed);
void schema_report_none_of(struct schema_run *run, const struct schema_node *node,
                           const struct schema_nodes *branches, const struct tree *mapping);
void schema_report_exclusive(struct schema_run *run, const struct schema_node *node,
                             const struct tree *mapping, const char *first, const char *second);
void schema_report_forms(struct schema_run *run, const struct schema_nodes *branches,
                         const struct tree *tree);
void schema_report_duplicate(struct schema_run *run, const struct tree *first,
                             const struct tree *second);

/* What a value of the schema looks like, in words, or NULL. Lies in the arena. */
const char *schema_expectation(struct arena *arena, const struct schema_node *node);
/* A scalar or a small collection as YAML in one line. */
void schema_write_value(const struct tree *tree, struct buffer *out);

#endif
