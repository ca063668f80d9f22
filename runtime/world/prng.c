#include "runtime/world/prng.h"

#include <assert.h>
#include <string.h>

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

struct prng prng_seeded(uint64_t seed)
{
    struct prng prng;
    for (int i = 0; i < 4; i++) {
        prng.state[i] = splitmix(&seed);
    }
    return prng;
}

static uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double prng_fraction(struct prng *prng)
{
    return (double)(prng_next(prng) >> 11) * 0x1p-53;
}

int64_t prng_range(struct prng *prng, int64_t low, int64_t high)
{
    assert(low <= high);
    /* The slight bias of the remainder does not matter to a simulation. */
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    uint64_t offset = span ? prng_next(prng) % span : prng_next(prng);
    return (int64_t)((uint64_t)low + offset);
}

bool prng_chance(struct prng *prng, double probability)
{
    return probability > 0 && prng_fraction(prng) < probability;
}

void prng_fill(struct prng *prng, void *bytes, size_t length)
{
    uint8_t *out = bytes;
    while (length > 0) {
        uint64_t word = prng_next(prng);
        size_t part = length < sizeof word ? length : sizeof word;
        memcpy(out, &word, part);
        out += part;
        length -= part;
    }
}
