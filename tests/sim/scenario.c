#include "tests/sim/scenario.h"

#include <inttypes.h>

#include "compiler/base/buffer.h"
#include "runtime/world/prng.h"

static double up_to(struct prng *prng, double max)
{
    return prng_fraction(prng) * max;
}

static void add_fault(struct scenario *s, const char *name, double value)
{
    s->faults[s->fault_count++] = (struct rehearsal_fault){name, value};
}

/* --- the network --- */

static void draw_latency(struct prng *prng, struct scenario *s)
{
    int64_t kind = prng_range(prng, 0, 9);
    if (kind < 4) {
        s->link.latency_min_ms = s->link.latency_max_ms = prng_range(prng, 0, 40);
        s->exact = true;
    } else if (kind < 7) {
        s->link.latency_max_ms = prng_range(prng, 1, 2000);
    } else {
        s->link.latency_median_ms = (double)prng_range(prng, 5, 200);
        s->link.latency_sigma = 0.3 + up_to(prng, 1.2);
    }
}

static void draw_losses(struct prng *prng, struct scenario *s)
{
    double *const kinds[] = {&s->link.unreachable, &s->link.lost_request, &s->link.error_before,
                             &s->link.lost_answer, &s->link.error_after,  &s->link.refused_dial};
    double worst = prng_chance(prng, 0.2) ? 0.15 : 0.05;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (prng_chance(prng, 0.5)) {
            *kinds[i] = up_to(prng, worst);
            s->rough = true;
        }
    }
    if (prng_chance(prng, 0.4)) {
        s->link.duplicated = up_to(prng, 0.1);
        s->link.duplicated_within_ms = prng_range(prng, 1, 5000);
        s->exact = false;
    }
}

static void draw_silences(struct prng *prng, struct scenario *s)
{
    static const char *const hosts[] = {NULL, "ec2.", "ssm.", "10."};
    s->silence_count = (size_t)prng_range(prng, 1, SCENARIO_WINDOWS_MAX);
    for (size_t i = 0; i < s->silence_count; i++) {
        s->silences[i].host = hosts[prng_range(prng, 0, 3)];
        s->silences[i].from_ms = prng_range(prng, 0, 400000);
        s->silences[i].until_ms = s->silences[i].from_ms + prng_range(prng, 1000, 90000);
    }
    s->rough = true;
}

static void draw_jumps(struct prng *prng, struct scenario *s)
{
    s->jump_count = (size_t)prng_range(prng, 1, SCENARIO_WINDOWS_MAX);
    for (size_t i = 0; i < s->jump_count; i++) {
        int64_t furthest = prng_chance(prng, 0.5) ? 120000 : 7200000;
        s->jumps[i].at_ms = prng_range(prng, 0, 400000);
        s->jumps[i].by_ms = prng_range(prng, -furthest, furthest);
    }
}

static void draw_network(struct prng *prng, struct scenario *s)
{
    draw_latency(prng, s);
    if (prng_chance(prng, 0.6)) {
        draw_losses(prng, s);
    }
    if (prng_chance(prng, 0.2)) {
        draw_silences(prng, s);
    }
    if (prng_chance(prng, 0.2)) {
        draw_jumps(prng, s);
    }
}

/* --- the cloud --- */

static void draw_capacity(struct prng *prng, struct scenario *s)
{
    static const char *const types[] = {"capacity:r6i.xlarge", "capacity:r6i.2xlarge",
                                        "capacity:m6i.large",  "capacity:c6i.large",
                                        "capacity:t3.small",   "capacity:m6i.xlarge"};
    int64_t lacking = prng_range(prng, 1, 3);
    for (int64_t i = 0; i < lacking; i++) {
        add_fault(s, types[prng_range(prng, 0, 5)], 1);
    }
    s->no_capacity = s->lasting = true;
}

static void draw_cloud(struct prng *prng, struct scenario *s)
{
    add_fault(s, "consistency", prng_chance(prng, 0.5) ? up_to(prng, 1) : 0);
    add_fault(s, "consistency_ms", (double)prng_range(prng, 100, 15000));
    if (prng_chance(prng, 0.3)) {
        add_fault(s, "error", up_to(prng, 0.1));
        s->rough = true;
    }
    if (prng_chance(prng, 0.08)) {
        add_fault(s, "inject", up_to(prng, 0.6));
        s->no_inject = s->lasting = true;
    }
    if (prng_chance(prng, 0.08)) {
        add_fault(s, "boot", up_to(prng, 0.6));
        s->no_boot = s->lasting = true;
    }
    if (prng_chance(prng, 0.15)) {
        draw_capacity(prng, s);
    }
}

/* --- the process --- */

/* Most die early: that is where things are made. */
static int64_t draw_kill(struct prng *prng)
{
    return prng_range(prng, 1, prng_chance(prng, 0.7) ? 150 : 1500);
}

static void draw_process(struct prng *prng, struct scenario *s)
{
    if (prng_chance(prng, 0.5)) {
        s->kill_count = (size_t)prng_range(prng, 1, SCENARIO_KILLS_MAX);
        s->ghosts = prng_fraction(prng);
    }
    for (size_t i = 0; i < s->kill_count; i++) {
        s->kills[i] = draw_kill(prng);
        s->away_ms[i] = prng_chance(prng, 0.5) ? 0 : prng_range(prng, 1, 180000);
    }
    if (prng_chance(prng, 0.1)) {
        s->interrupt_ms = prng_range(prng, 0, 300000);
    }
}

static size_t draw_plan(struct prng *prng, size_t plan_count)
{
    /* The first is the largest, and takes as long as ten of the others. */
    return prng_chance(prng, 0.02) ? 0 : (size_t)prng_range(prng, 1, (int64_t)plan_count - 1);
}

struct scenario scenario_draw(uint64_t seed, size_t plan_count)
{
    struct prng prng = prng_seeded(seed * 0x9e3779b97f4a7c15u + 1);
    struct scenario s = {.seed = seed, .interrupt_ms = -1, .cleanup_kill = -1};
    s.plan = draw_plan(&prng, plan_count);
    s.limits = prng_chance(&prng, 0.15) ? LIMITS_NONE : LIMITS_AWS;
    s.throttle = prng_chance(&prng, 0.9);
    s.calm = prng_chance(&prng, 0.12);
    if (s.calm) {
        s.exact = true;
        add_fault(&s, "consistency", 0);
    } else {
        draw_network(&prng, &s);
        draw_cloud(&prng, &s);
        draw_process(&prng, &s);
    }
    s.exact = s.exact && s.limits == LIMITS_AWS && s.kill_count == 0;
    s.heal = prng_chance(&prng, 0.7);
    s.cleanup = prng_chance(&prng, 0.5);
    if (s.cleanup && !s.calm && prng_chance(&prng, 0.3)) {
        s.cleanup_kill = draw_kill(&prng);
        s.exact = false;
    }
    return s;
}

void scenario_describe(const struct scenario *s, const char *plan, struct buffer *out)
{
    const struct simulated_faults *link = &s->link;
    buffer_printf(out, "  %s, limits %s, throttling %s%s%s\n", plan,
                  s->limits == LIMITS_AWS ? "known" : "unknown", s->throttle ? "on" : "off",
                  s->calm ? ", calm" : "", s->exact ? ", exact" : "");
    buffer_printf(
        out,
        "  link: %" PRId64 "-%" PRId64 " ms, tail %.0f ms sigma %.2f; unreachable %.3f, "
        "lost request %.3f, answer %.3f, 500 before %.3f, after %.3f, dials refused %.3f, "
        "duplicated %.3f\n",
        link->latency_min_ms, link->latency_max_ms, link->latency_median_ms, link->latency_sigma,
        link->unreachable, link->lost_request, link->lost_answer, link->error_before,
        link->error_after, link->refused_dial, link->duplicated);
    for (size_t i = 0; i < s->fault_count; i++) {
        buffer_printf(out, "%s%s %.3f", i ? ", " : "  cloud: ", s->faults[i].name,
                      s->faults[i].value);
    }
    buffer_puts(out, "\n");
    for (size_t i = 0; i < s->silence_count; i++) {
        buffer_printf(out, "  silence of %s from %" PRId64 " to %" PRId64 " ms\n",
                      s->silences[i].host ? s->silences[i].host : "all", s->silences[i].from_ms,
                      s->silences[i].until_ms);
    }
    for (size_t i = 0; i < s->jump_count; i++) {
        buffer_printf(out, "  clock jumps %" PRId64 " ms at %" PRId64 " ms\n", s->jumps[i].by_ms,
                      s->jumps[i].at_ms);
    }
    for (size_t i = 0; i < s->kill_count; i++) {
        buffer_printf(out, "  killed after %" PRId64 " events, away %" PRId64 " ms\n", s->kills[i],
                      s->away_ms[i]);
    }
    if (s->interrupt_ms >= 0) {
        buffer_printf(out, "  interrupted after %" PRId64 " ms\n", s->interrupt_ms);
    }
}
