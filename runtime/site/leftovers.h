/* Leftovers: what there still is of a run, by its journals and by its tags: what a cleanup deletes.
 */
#ifndef DRC_SITE_LEFTOVERS_H
#define DRC_SITE_LEFTOVERS_H

#include "runtime/undo/cleanup.h"

struct aws;
struct aws_resource;

/* By its state: terminated, deleted, deregistered, or about to be. */
bool leftovers_is_gone(const struct aws_resource *resource);

/* Asks the site (aws.h); lies in the arena. DR copies are never among them. What only the journals
 * know is asked about by its id: a journal may be damaged or forged, and nothing without the plan's
 * tag is ever touched: that is `foreign` and `gone`. */
bool leftovers_of_run(struct arena *arena, struct aws *aws, const struct run_info *run,
                      struct cleanup_thing **things, size_t *count, struct error *error);

#endif
