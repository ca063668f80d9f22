/* Scenario: what a seed says is to happen: the plan, its limits, what is bad about cloud, network
 * and clocks, when the process is killed or interrupted, and what is done afterwards. */
#ifndef DRC_TESTS_SIM_SCENARIO_H
#define DRC_TESTS_SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/simulation/rehearsal.h"

struct buffer;

enum {
    SCENARIO_KILLS_MAX = 6,
    SCENARIO_FAULTS_MAX = 12,
    SCENARIO_WINDOWS_MAX = 3,
};

struct scenario {
    uint64_t seed;
    size_t plan; /* index into scenario_plans */
    enum limits_mode limits;
    bool throttle;
    struct simulated_faults link;
    double ghosts;
    struct rehearsal_fault faults[SCENARIO_FAULTS_MAX];
    size_t fault_count;
    struct {
        const char *host; /* NULL: all */
        int64_t from_ms, until_ms;
    } silences[SCENARIO_WINDOWS_MAX];
    size_t silence_count;
    struct {
        int64_t at_ms, by_ms;
    } jumps[SCENARIO_WINDOWS_MAX];
    size_t jump_count;
    int64_t kills[SCENARIO_KILLS_MAX], away_ms[SCENARIO_KILLS_MAX]; /* events; time until resumed */
    size_t kill_count;
    int64_t interrupt_ms; /* after a process's start; -1: none */
    bool heal; /* once it has failed: faults end, the run is resumed and has to succeed */
    bool cleanup;
    int64_t cleanup_kill; /* events; -1: none */
    /* What follows from it: */
    bool calm;    /* no fault of any kind, no kill: nothing may be refused, nothing sent in vain */
    bool exact;   /* requests arrive as they are sent: rates can be held against the cloud's */
    bool rough;   /* answers get lost or late: deadlines may pass for it */
    bool lasting; /* there are faults that no patience helps against */
    bool no_inject, no_boot, no_capacity;
};

/* The same seed, the same scenario. `plan_count`: of the plans that there are; 0 is the first. */
struct scenario scenario_draw(uint64_t seed, size_t plan_count);
void scenario_describe(const struct scenario *scenario, const char *plan, struct buffer *out);

#endif
