/* Prefetch: a store before another one, which has read some objects all at once: a log is read record by
 * record, and one round trip for each would make minutes of a state in S3. */
#ifndef DRC_STATE_PREFETCH_H
#define DRC_STATE_PREFETCH_H

#include <stddef.h>

struct store;
struct world;

enum {
    PREFETCH_KEYS_MAX = 4096,
    PREFETCH_BYTES_MAX = 64 << 20, /* what is more is read when it is asked for */
};

/* Reads the objects (of the first PREFETCH_KEYS_MAX keys), running the world's loop. What could not be read
 * is asked for again by whoever wants it. All else goes to `inner`, which stays the caller's. The caller
 * destroys the result first. */
struct store *prefetch_open(struct store *inner, struct world *world, const char *const *keys,
                            size_t count);

#endif
