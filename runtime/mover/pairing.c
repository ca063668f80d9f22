#include "runtime/mover/pairing.h"

void pairing_init(struct pairing *pairing)
{
    *pairing = (struct pairing){.pair = sha256_pair_here()};
    pthread_mutex_init(&pairing->mutex, NULL);
    pthread_cond_init(&pairing->hashed, NULL);
}

void pairing_free(struct pairing *pairing)
{
    pthread_cond_destroy(&pairing->hashed);
    pthread_mutex_destroy(&pairing->mutex);
}

void pairing_expect(struct pairing *pairing, struct paired *paired)
{
    pthread_mutex_lock(&pairing->mutex);
    paired->state = PAIRED_EXPECTED;
    pairing->expected++;
    pthread_mutex_unlock(&pairing->mutex);
}

static void hash(const struct pairing *pairing, struct paired *a, struct paired *b)
{
    if (a && b) {
        pairing->pair(a->bytes, b->bytes, BLOCK_BYTES, a->found.bytes, b->found.bytes);
    } else if (a || b) {
        struct paired *one = a ? a : b;
        block_digest(one->bytes, BLOCK_BYTES, &one->found);
    }
}

static void set_state(struct paired *paired, enum paired_state state)
{
    if (paired) {
        paired->state = state;
    }
}

void pairing_come(struct pairing *pairing, struct paired *paired, const void *bytes)
{
    struct paired *one = bytes ? paired : NULL;
    pthread_mutex_lock(&pairing->mutex);
    paired->bytes = bytes;
    pairing->expected--;
    struct paired *other = pairing->waits;
    if (one && !other && pairing->pair && pairing->expected > 0) {
        pairing->waits = one;
        one->state = PAIRED_WAITS;
        pthread_mutex_unlock(&pairing->mutex);
        return;
    }
    pairing->waits = NULL;
    set_state(other, PAIRED_HASHING);
    paired->state = one ? PAIRED_HASHING : PAIRED_AWAY;
    pthread_mutex_unlock(&pairing->mutex);
    hash(pairing, one, other);
    pthread_mutex_lock(&pairing->mutex);
    set_state(one, PAIRED_HASHED);
    set_state(other, PAIRED_HASHED);
    pthread_cond_broadcast(&pairing->hashed);
    pthread_mutex_unlock(&pairing->mutex);
}

void pairing_leave(struct pairing *pairing, struct paired *paired)
{
    pthread_mutex_lock(&pairing->mutex);
    while (paired->state == PAIRED_HASHING) {
        pthread_cond_wait(&pairing->hashed, &pairing->mutex);
    }
    if (paired->state == PAIRED_EXPECTED) {
        pairing->expected--;
    } else if (paired->state == PAIRED_WAITS) {
        pairing->waits = NULL;
    }
    paired->state = PAIRED_AWAY;
    pthread_mutex_unlock(&pairing->mutex);
}

enum paired_state pairing_state(struct pairing *pairing, const struct paired *paired)
{
    pthread_mutex_lock(&pairing->mutex);
    enum paired_state state = paired->state;
    pthread_mutex_unlock(&pairing->mutex);
    return state;
}

bool pairing_is_left(struct pairing *pairing, struct paired *paired)
{
    pthread_mutex_lock(&pairing->mutex);
    bool left = paired->state == PAIRED_WAITS && pairing->expected == 0;
    if (left) {
        pairing->waits = NULL;
        pairing->expected++;
        paired->state = PAIRED_EXPECTED;
    }
    pthread_mutex_unlock(&pairing->mutex);
    return left;
}
