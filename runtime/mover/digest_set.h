/* Digest set: which blocks or maps were seen. Keeps 16 bytes of each SHA-256, enough to tell any
 * two apart that will ever be there (2^64 of them before two are likely to be equal). Its memory is
 * bounded: what does not fit makes it give up the upper part of the digests; the caller goes over
 * all again for the rest. */
#ifndef DRC_MOVER_DIGEST_SET_H
#define DRC_MOVER_DIGEST_SET_H

#include "runtime/mover/block.h"

enum { DIGEST_SET_ENTRY_BYTES = 16, DIGEST_RANGES = 256 };

struct digest_set;

/* Of digests whose first byte is `first` or more. It takes at most bytes_max (which are not taken
 * at once), but one range of the DIGEST_RANGES is always held whole. */
struct digest_set *digest_set_create(unsigned first, size_t bytes_max);
/* Of first bytes below `end` only; before anything is added. */
void digest_set_limit(struct digest_set *set, unsigned end);
void digest_set_destroy(struct digest_set *set); /* NULL is allowed */

/* Whether it is of the part that the set is for: first byte from `first` to digest_set_end - 1. */
bool digest_set_covers(const struct digest_set *set, const struct block_digest *digest);
unsigned digest_set_end(const struct digest_set *set);
/* True: it is new, and covered. */
bool digest_set_add(struct digest_set *set, const struct block_digest *digest);
bool digest_set_has(const struct digest_set *set, const struct block_digest *digest);
size_t digest_set_count(const struct digest_set *set);
/* How many have that first byte. */
size_t digest_set_count_of(const struct digest_set *set, unsigned first);

#endif
