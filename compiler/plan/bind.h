/* Bind: what the parts of the binder (bind_*.c) share. Each part takes a branch of the tree that
 * the schema has passed and fills its part of the plan; what the schema cannot know (names that do
 * not exist, durations that overflow) is reported, and binding goes on. */
#ifndef DRC_PLAN_BIND_H
#define DRC_PLAN_BIND_H

#include "compiler/front/diagnostic.h"
#include "compiler/front/tree.h"
#include "compiler/plan/plan.h"

/* Names compared in search of "did you mean", in all: enough for every slip in plans that people
 * write, and no quadratic time for a plan that is wrong 10,000 times over. */
enum { BIND_COMPARISONS_MAX = 200000 };

struct binder {
    struct arena *arena;
    struct plan *plan;
    struct diagnostics *diagnostics;
    const struct plan_vm *self; /* whose steps are being bound; NULL for the plan's own */
    struct map subnets[NETWORK_COUNT], groups[NETWORK_COUNT]; /* name -> struct subnet * … */
    struct map zones;                                         /* name -> struct zone * */
    struct map files;                                         /* set of plan->files */
    size_t file_capacity;
    size_t comparisons_left; /* bounds the time spent on "did you mean" */
};

const char *network_name(enum site_network network); /* "production", "test" */

/* bind_scalar.c: scalars. A NULL tree gives what "not given" is. */
struct text bind_text(struct binder *binder, const struct tree *tree);
const char *bind_string(struct binder *binder, const struct tree *tree, const char *fallback);
struct texts bind_texts(struct binder *binder, const struct tree *tree); /* one or a list */
struct duration bind_duration(struct binder *binder, const struct tree *tree, int64_t fallback_ms);
/* The same, where zero makes no sense: intervals, timeouts. */
struct duration bind_positive_duration(struct binder *binder, const struct tree *tree,
                                       int64_t fallback_ms);
int64_t bind_int(const struct tree *tree, int64_t fallback);
bool bind_bool(const struct tree *tree, bool fallback);
struct secret bind_secret(struct binder *binder, const struct tree *tree);
/* Whether a scalar says `word`. */
bool bind_is(const struct tree *tree, const char *word);
/* Notes a file whose bytes belong to the plan. */
void bind_file(struct binder *binder, const char *path);
struct span bind_span(const struct tree *tree, struct span fallback);

/* Adds "did you mean …" from the names in a map, if one is near. */
void bind_suggest(struct binder *binder, struct diagnostic *diagnostic, const char *word,
                  const struct map *names);

/* The other parts, in the order in which plan_bind calls them. */
void bind_vars(struct binder *binder, const struct tree *vars, const struct variable *variables,
               size_t variable_count);
void bind_header(struct binder *binder, const struct tree *root);
void bind_schedules(struct binder *binder, const struct tree *root);
void bind_sites(struct binder *binder, const struct tree *sites);
void bind_networks(struct binder *binder, const struct tree *networks);
void bind_zones(struct binder *binder, const struct tree *dns);
/* After networks, because port groups name subnets. Own values over those of `base`. */
struct failback_settings bind_failback(struct binder *binder, const struct tree *tree,
                                       const struct failback_settings *base);
void bind_vms(struct binder *binder, const struct tree *vms, const struct tree *defaults);
void bind_cards(struct binder *binder, struct plan_vm *vm, const struct tree *nics,
                const struct tree *subnet, const struct tree *groups, const struct tree *address);
struct check *bind_ready(struct binder *binder, const struct tree *list, size_t *count);
struct step *bind_steps(struct binder *binder, const struct tree *list, size_t *count);

/* reference.c. Parses the text of a scalar; every mistake in it is reported. */
struct template reference_parse(struct binder *binder, const struct tree *scalar);
/* The scalar's text with ${vars.X} and ${plan.name} filled in; a reference to what only a run
 * knows is an error here. */
const char *reference_expand(struct binder *binder, const struct tree *scalar);
/* Whether its value is known only once that VM runs: such a reference is an edge. */
bool reference_is_late(const struct reference_part *part);

#endif
