#include "runtime/simulation/fault_profile.h"

#include <string.h>

/* The names of faults are those of runtime/sandbox/faults.h. How often AWS's requests fail or get
 * lost is published nowhere: the figures of "usual" are what a client with a good connection sees
 * over weeks, those of "bad-day" what one had better survive. */
const struct fault_profile fault_profiles[] = {
    {
        .name = "none",
        .summary = "no faults; how long things take varies all the same",
        .faults = {{"spread", 1}, {"latency", 1}, {"consistency", 0}},
    },
    {
        .name = "usual",
        .summary =
            "an ordinary day: something new is not seen for up to 1.5 s (3 of 10 times), one "
            "request in 1,000 fails or gets lost, others of the account use a tenth of its "
            "request rates",
        .faults = {{"spread", 1},
                   {"latency", 1},
                   {"consistency", 0.3},
                   {"consistency_ms", 1500},
                   {"error", 0.0005},
                   {"busy", 0.1}},
        .link = {.lost_request = 0.00025,
                 .lost_answer = 0.00025,
                 .latency_min_ms = 5,
                 .latency_max_ms = 60},
    },
    {
        .name = "bad-day",
        .summary =
            "a region in trouble: answers take three times as long, durations spread twice as "
            "far, something new is not seen for up to 10 s (6 of 10 times), one request in 20 "
            "fails or gets lost, others of the account use half of its request rates",
        .faults = {{"spread", 2},
                   {"latency", 3},
                   {"consistency", 0.6},
                   {"consistency_ms", 10000},
                   {"error", 0.02},
                   {"busy", 0.5}},
        .link = {.unreachable = 0.005,
                 .lost_request = 0.005,
                 .error_before = 0.005,
                 .lost_answer = 0.01,
                 .error_after = 0.005,
                 .refused_dial = 0.01,
                 .latency_min_ms = 20,
                 .latency_max_ms = 500},
    },
};
const size_t fault_profile_count = sizeof fault_profiles / sizeof *fault_profiles;

const struct fault_profile *fault_profile_by_name(const char *name)
{
    for (size_t i = 0; i < fault_profile_count; i++) {
        if (strcmp(fault_profiles[i].name, name) == 0) {
            return &fault_profiles[i];
        }
    }
    return NULL;
}
