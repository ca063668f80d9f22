/* PRNG: repeatable random numbers from a seed, for simulation only (xoshiro256**, seeded by
 * splitmix64; Blackman and Vigna 2018). Never for tokens or keys of a real run. */
#ifndef DRC_WORLD_PRNG_H
#define DRC_WORLD_PRNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

struct prng prng_seeded(uint64_t seed);
uint64_t prng_next(struct prng *prng);
/* In [0, 1). */
double prng_fraction(struct prng *prng);
/* In [low, high], both included; low <= high. */
int64_t prng_range(struct prng *prng, int64_t low, int64_t high);
/* True with that probability. Draws nothing when it is 0 or less. */
bool prng_chance(struct prng *prng, double probability);
void prng_fill(struct prng *prng, void *bytes, size_t length);

#endif
