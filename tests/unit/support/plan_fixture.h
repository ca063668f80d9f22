/* Plan fixture: plans for tests, written as text and bound, apart from the schema. */
#ifndef DRC_TESTS_PLAN_FIXTURE_H
#define DRC_TESTS_PLAN_FIXTURE_H

#include "compiler/base/arena.h"
#include "compiler/front/diagnostic.h"
#include "compiler/plan/plan.h"

/* Everything but `vms`, on lines of its own; subnets app (10.20.1.0/24) and db (10.20.2.0/24) in
 * eu-west-1a, groups web and db, in production only. */
extern const char fixture_head[];
/* The same subnets and groups as networks.test, to be put behind fixture_head. */
extern const char fixture_test_network[];

struct plan_fixture {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct plan *plan; /* NULL when something was wrong with names */
};

/* Binds; *_check also runs the checks. Destroy with fixture_free. */
struct plan_fixture fixture_bind(const char *text);
struct plan_fixture fixture_bind_with(const char *text, const struct variable *variables,
                                      size_t variable_count);
struct plan_fixture fixture_check(const char *text);
/* Head and VMs: the text of `vms` without that key, indented by two. */
struct plan_fixture fixture_check_vms(const char *vms);
void fixture_free(struct plan_fixture *fixture);

/* `text` with the first `from` (that has to be there) replaced. Lies in the arena. */
const char *fixture_replace(struct arena *arena, const char *text, const char *from,
                            const char *to);

/* The diagnostics of a code. */
size_t fixture_count(const struct plan_fixture *fixture, enum diagnostic_code code);
const struct diagnostic *fixture_find(const struct plan_fixture *fixture,
                                      enum diagnostic_code code);
/* Fails the test, telling what was found, unless exactly one diagnostic with `code` is there. */
const struct diagnostic *fixture_only(const struct plan_fixture *fixture,
                                      enum diagnostic_code code);
void fixture_clean(const struct plan_fixture *fixture);

#endif
