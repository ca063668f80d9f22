/* Tariff: the request rates of EC2, SSM and STS as their documentation has them (EC2 API Reference,
 * "Request throttling"), kept here a second time, and how far a stream of requests keeps to them. */
#ifndef DRC_TESTS_SIM_TARIFF_H
#define DRC_TESTS_SIM_TARIFF_H

#include "tests/sim/cloud.h"

enum { TARIFF_ROWS = 48 };

struct tariff {
    double tokens[TARIFF_ROWS]; /* by row of the table */
    int64_t at_ms[TARIFF_ROWS];
    bool begun[TARIFF_ROWS];
};

/* A request arrives. Returns what it is over by (0: nothing); *name is then the bucket's. */
double tariff_count(struct tariff *tariff, const struct exchange_seen *seen, const char **name);

#endif
