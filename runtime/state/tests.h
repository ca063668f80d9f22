/* Tests: what the tests of a plan came to, STATE/PLAN/tests.json, the newest first. objectives.test_every is
 * held against it. */
#ifndef DRC_STATE_TESTS_H
#define DRC_STATE_TESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct arena;

enum { TESTS_KEPT = 50 };

struct test_record {
    const char *run;
    const char *digest;  /* of the plan that was tested */
    const char *network; /* the VPC; NULL: not known */
    int64_t at_utc_ms;   /* when the verdict was reached */
    int64_t duration_ms; /* from the run's start to then */
    int64_t rto_ms;      /* -1: not reached */
    int64_t vms, recovered;
    bool passed;
    bool whole;          /* of the whole plan, not of some of its VMs (--only) */
    bool cleaned;        /* what it made is gone, and that was looked at */
};

/* Lies in an arena. */
struct tests {
    struct test_record *items;
    size_t count, capacity;
};

/* An absent file is an empty one. */
struct tests *tests_read(struct arena *arena, const char *state, const char *plan,
                         struct error *error);
/* Puts in the record of that run, or replaces it, and leaves out what is older than the newest
 * TESTS_KEPT; tests_write makes it durable. The record's texts are copied into the arena. */
void tests_put(struct arena *arena, struct tests *tests, const struct test_record *record);
/* Atomically; the caller holds the plan's lease "tests". */
bool tests_write(const struct tests *tests, const char *state, const char *plan,
                 struct error *error);

/* The newest of the whole plan that passed; NULL: none. */
const struct test_record *tests_last_passed(const struct tests *tests);
/* The newest of the whole plan; NULL: none. */
const struct test_record *tests_last(const struct tests *tests);

#endif
