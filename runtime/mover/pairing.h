/* Pairing: blocks that are read on threads are hashed two by two where that is faster (sha256_pair.h):
 * one that has been read waits for the next as long as another is being read, and whoever comes next
 * hashes both. One that is alone is hashed at once. */
#ifndef DRC_MOVER_PAIRING_H
#define DRC_MOVER_PAIRING_H

#include <pthread.h>

#include "compiler/base/sha256_pair.h"
#include "runtime/mover/block.h"

enum paired_state {
    PAIRED_AWAY,     /* not expected */
    PAIRED_EXPECTED, /* being read */
    PAIRED_WAITS,    /* for another */
    PAIRED_HASHING,  /* on the thread of another */
    PAIRED_HASHED,
};

/* One block; zeroed at first. `found` is its SHA-256 once it is hashed. */
struct paired {
    const void *bytes;
    enum paired_state state; /* of threads */
    struct block_digest found;
};

struct pairing {
    pthread_mutex_t mutex; /* of what follows, and of the states */
    pthread_cond_t hashed;
    sha256_pair pair; /* NULL: each for itself */
    struct paired *waits;
    size_t expected;
};

void pairing_init(struct pairing *pairing);
void pairing_free(struct pairing *pairing); /* nothing is expected, nothing waits */

/* It will come. Every one that was expected comes, or leaves. */
void pairing_expect(struct pairing *pairing, struct paired *paired);
/* On a thread: it has been read (BLOCK_BYTES, which live until it is hashed or leaves), or could not be
 * (NULL). Hashes it, and who waits; or lets it wait. */
void pairing_come(struct pairing *pairing, struct paired *paired, const void *bytes);
/* Out of it, whatever its state: nobody looks at its bytes after that. */
void pairing_leave(struct pairing *pairing, struct paired *paired);
enum paired_state pairing_state(struct pairing *pairing, const struct paired *paired);
/* Whether it waits and nobody is expected any more: then it is expected again. */
bool pairing_is_left(struct pairing *pairing, struct paired *paired);

#endif
