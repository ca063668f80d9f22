#include "tests/sim/tariff.h"

#include <assert.h>
#include <string.h>

struct bucket_row {
    const char *name;
    double capacity, rate;
};

static const struct bucket_row rows[] = {
    {"describe", 100, 20},         {"mutate", 50, 5},           {"RunInstances", 5, 2},
    {"StartInstances", 5, 2},      {"TerminateInstances", 100, 5}, {"CreateVolume", 100, 5},
    {"DeleteVolume", 100, 5},      {"CreateTags", 100, 10},     {"SendCommand", 5, 5},
    {"ssm", 20, 20},               {"sts", 100, 100},           {"instances run", 1000, 2},
    {"instances started", 1000, 2}, {"instances stopped", 1000, 20},
    {"instances terminated", 1000, 20},
};
enum { ROWS = sizeof rows / sizeof *rows };

static int row_of(const char *name)
{
    for (int i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return i;
        }
    }
    assert(!"a bucket of the table");
    return -1;
}

static double take(struct tariff *tariff, int row, int64_t now_ms, double cost)
{
    double *tokens = &tariff->tokens[row];
    if (!tariff->begun[row]) {
        tariff->begun[row] = true;
        *tokens = rows[row].capacity;
    } else {
        *tokens += (double)(now_ms - tariff->at_ms[row]) / 1000 * rows[row].rate;
        *tokens = *tokens > rows[row].capacity ? rows[row].capacity : *tokens;
    }
    tariff->at_ms[row] = now_ms;
    *tokens -= cost;
    return *tokens < -1e-6 ? -*tokens : 0;
}

static const char *bucket_of(const struct exchange_seen *seen)
{
    static const char *const own[] = {"RunInstances", "StartInstances", "TerminateInstances",
                                      "CreateVolume", "DeleteVolume",   "CreateTags",
                                      "SendCommand"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (strcmp(seen->operation, own[i]) == 0) {
            return own[i];
        }
    }
    if (strcmp(seen->service, "ec2") == 0) {
        return strncmp(seen->operation, "Describe", 8) == 0 ? "describe" : "mutate";
    }
    return strcmp(seen->service, "ssm") == 0 ? "ssm" : strcmp(seen->service, "sts") == 0 ? "sts"
                                                                                       : NULL;
}

static const char *resource_of(const struct exchange_seen *seen)
{
    static const char *const pairs[][2] = {{"RunInstances", "instances run"},
                                           {"StartInstances", "instances started"},
                                           {"StopInstances", "instances stopped"},
                                           {"TerminateInstances", "instances terminated"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (strcmp(seen->operation, pairs[i][0]) == 0) {
            return pairs[i][1];
        }
    }
    return NULL;
}

double tariff_count(struct tariff *tariff, const struct exchange_seen *seen, const char **name)
{
    const char *bucket = bucket_of(seen), *resource = resource_of(seen);
    double over = 0;
    if (bucket) {
        *name = bucket;
        over = take(tariff, row_of(bucket), seen->utc_ms, 1);
    }
    if (resource && over <= 0) {
        int count = 0;
        while (cloud_nth(seen, "InstanceId", count)) {
            count++;
        }
        *name = resource;
        over = take(tariff, row_of(resource), seen->utc_ms, count ? count : 1);
    }
    return over;
}
