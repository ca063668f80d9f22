#include "runtime/sandbox/timing.h"

#include <math.h>
#include <string.h>

#include "runtime/sandbox/request.h"

static const struct timing_info timings[TIMING_COUNT] = {
#define TIMING(NAME, name, min_ms, max_ms, sigma, ACTION, OTHER)                                   \
    {name, min_ms, max_ms, sigma, {ACTION_##ACTION, ACTION_##OTHER}},
#include "runtime/sandbox/timing.def"
#undef TIMING
};

const struct timing_info *timing_info(enum timing timing)
{
    return &timings[timing];
}

enum timing timing_of_action(enum action action)
{
    enum timing timing = 0;
    while (timing < TIMING_COUNT &&
           (action == ACTION_NONE ||
            (timings[timing].actions[0] != action && timings[timing].actions[1] != action))) {
        timing++;
    }
    return timing;
}

enum timing timing_by_name(const char *name, size_t length)
{
    enum timing timing = 0;
    while (timing < TIMING_COUNT && (strlen(timings[timing].name) != length ||
                                     strncmp(timings[timing].name, name, length) != 0)) {
        timing++;
    }
    return timing;
}

/* About normal, between -6 and 6: the sum of twelve even draws (Irwin-Hall). */
static double about_normal(uint64_t chance)
{
    double sum = -6;
    for (uint64_t i = 0; i < 12; i++) {
        sum += (double)(mix(chance, i) >> 11) / 9007199254740992.0;
    }
    return sum;
}

static double told_ms(struct request *r, const char *name, const char *vm)
{
    double of_vm = vm ? fault(r, "time:%s/%s", name, vm) : 0;
    return of_vm > 0 ? of_vm : fault(r, "time:%s", name);
}

static int64_t spread_ms(struct request *r, enum timing timing, const char *vm, double spread,
                         uint64_t chance)
{
    const struct timing_info *info = &timings[timing];
    double middle_ms = told_ms(r, info->name, vm);
    if (middle_ms <= 0) {
        middle_ms = (double)(info->min_ms + info->max_ms) / 2;
    }
    double ms = middle_ms * exp(info->sigma * spread * about_normal(chance));
    return ms < 1 ? 1 : ms > 1e12 ? (int64_t)1e12 : (int64_t)ms;
}

int64_t timing_draw(struct request *r, enum timing timing, const char *vm)
{
    const struct timing_info *info = &timings[timing];
    double spread = fault(r, "spread");
    if (spread > 0) {
        return spread_ms(r, timing, vm, spread, draw(r));
    }
    return info->min_ms == info->max_ms ? info->min_ms
                                        : draw_between(r, info->min_ms, info->max_ms);
}

int64_t timing_of(struct request *r, enum timing timing, const char *vm, const char *id,
                  int64_t since_ms)
{
    const struct timing_info *info = &timings[timing];
    double spread = fault(r, "spread");
    if (spread <= 0) {
        return info->min_ms;
    }
    uint64_t chance = mix(mix_text(mix(r->seed, timing), id), (uint64_t)since_ms);
    return spread_ms(r, timing, vm, spread, chance);
}
