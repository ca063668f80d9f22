/* Canned site: the answers of an account in which the plan of canned_site_plan can be failed over,
 * each to be replaced by a test. */
#ifndef DRC_TESTS_CANNED_SITE_H
#define DRC_TESTS_CANNED_SITE_H

#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/plan_fixture.h"

/* VMs db (two disks, own address, key pair, elastic address) and web. */
struct plan_fixture canned_site_plan(void);

/* Answers by what is asked, any number of times; the entry of `expect` replaced where that is not
 * NULL. In the arena. */
struct canned_answer *canned_site(struct arena *arena, const char *expect, int status,
                                  const char *body, size_t *count);

#endif
