#include "tests/sim/tariff.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct rate {
    const char *name;
    double capacity, rate;
};

static const struct rate rates[] = {
    {"ec2 RunInstances", 5, 2},
    {"ec2 StartInstances", 5, 2},
    {"ec2 TerminateInstances", 100, 5},
    {"ec2 CreateVolume", 100, 5},
    {"ec2 CreateSnapshot", 100, 5},
    {"ec2 DeleteVolume", 100, 5},
    {"ec2 CreateTags", 100, 10},
    {"ec2 Describe", 100, 20},
    {"ec2 ", 50, 5}, /* everything else that changes something */
    {"ssm SendCommand", 5, 5},
    {"ssm ", 20, 20},
    {"sts ", 100, 100},
    {"RunInstances instances", 1000, 2},
    {"StartInstances instances", 1000, 2},
    {"StopInstances instances", 1000, 20},
    {"TerminateInstances instances", 1000, 20},
};

/* The first row that the name begins with. */
static const struct rate *rate_of(const char *name)
{
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        if (strncmp(name, rates[i].name, strlen(rates[i].name)) == 0) {
            return &rates[i];
        }
    }
    return NULL;
}

static struct tariff_bucket *bucket_of(struct tariff *tariff, const char *name, int64_t now_ms)
{
    for (size_t i = 0; i < tariff->count; i++) {
        if (strcmp(tariff->buckets[i].name, name) == 0) {
            return &tariff->buckets[i];
        }
    }
    const struct rate *rate = rate_of(name);
    if (!rate) {
        return NULL;
    }
    assert(tariff->count < TARIFF_BUCKETS_MAX);
    struct tariff_bucket *bucket = &tariff->buckets[tariff->count++];
    *bucket = (struct tariff_bucket){
        .tokens = rate->capacity, .capacity = rate->capacity, .rate = rate->rate, .at_ms = now_ms};
    snprintf(bucket->name, sizeof bucket->name, "%s", name);
    return bucket;
}

static double take(struct tariff_bucket *bucket, int64_t now_ms, double cost)
{
    bucket->tokens += (double)(now_ms - bucket->at_ms) / 1000 * bucket->rate;
    bucket->tokens = bucket->tokens > bucket->capacity ? bucket->capacity : bucket->tokens;
    bucket->at_ms = now_ms;
    bucket->tokens -= cost;
    return bucket->tokens < -1e-6 ? -bucket->tokens : 0;
}

double tariff_count(struct tariff *tariff, const struct exchange_seen *seen, const char **name)
{
    char text[TARIFF_NAME_MAX];
    snprintf(text, sizeof text, "%s %s", seen->service, seen->operation);
    struct tariff_bucket *requests = bucket_of(tariff, text, seen->utc_ms);
    snprintf(text, sizeof text, "%s instances", seen->operation);
    struct tariff_bucket *instances = bucket_of(tariff, text, seen->utc_ms);
    double over = requests ? take(requests, seen->utc_ms, 1) : 0;
    *name = requests ? requests->name : "";
    if (instances && over <= 0) {
        int count = 0;
        while (cloud_nth(seen, "InstanceId", count)) {
            count++;
        }
        over = take(instances, seen->utc_ms, count ? count : 1);
        *name = instances->name;
    }
    return over;
}
