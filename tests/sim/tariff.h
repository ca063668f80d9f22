/* Tariff: the request rates of EC2, SSM and STS as their documentation has them (EC2 API Reference,
 * "Request throttling": each API on its own), kept here a second time, and how far a stream of
 * requests keeps to them. */
#ifndef DRC_TESTS_SIM_TARIFF_H
#define DRC_TESTS_SIM_TARIFF_H

#include "tests/sim/cloud.h"

enum { TARIFF_NAME_MAX = 48, TARIFF_BUCKETS_MAX = 64 };

struct tariff_bucket {
    char name[TARIFF_NAME_MAX];
    double tokens, capacity, rate;
    int64_t at_ms;
};

/* Zero-initialise. */
struct tariff {
    struct tariff_bucket buckets[TARIFF_BUCKETS_MAX];
    size_t count;
};

/* A request arrives. Returns what it is over by (0: nothing); *name is then the bucket's. */
double tariff_count(struct tariff *tariff, const struct exchange_seen *seen, const char **name);

#endif
