#include "runtime/engine/retry.h"

#include <stdint.h>

#include "runtime/world/world.h"

enum { RETRY_FIRST_MS = 1000, RETRY_DOUBLINGS_MAX = 5 };

struct retry_budget retry_budget_full(void)
{
    return (struct retry_budget){.tokens = RETRY_BUDGET};
}

static double random_fraction(struct world *world)
{
    uint32_t bits;
    world_random(world, &bits, sizeof bits);
    return (double)bits / (double)UINT32_MAX;
}

int64_t retry_delay_ms(struct retry_budget *budget, struct world *world, int attempt, bool timeout,
                       int64_t at_least_ms)
{
    int cost = timeout ? RETRY_COST_TIMEOUT : RETRY_COST;
    int64_t delay = RETRY_MAX_MS / 2 + (int64_t)(random_fraction(world) * (RETRY_MAX_MS / 2.0));
    if (budget->tokens >= cost) {
        budget->tokens -= cost;
        int doublings = attempt < RETRY_DOUBLINGS_MAX ? attempt : RETRY_DOUBLINGS_MAX;
        int64_t most = (int64_t)RETRY_FIRST_MS << doublings;
        most = most < RETRY_MAX_MS ? most : RETRY_MAX_MS;
        delay = (int64_t)(random_fraction(world) * (double)most);
    }
    delay = delay > at_least_ms ? delay : at_least_ms;
    return delay > 1 ? delay : 1;
}

void retry_succeeded(struct retry_budget *budget, int retries)
{
    budget->tokens += retries > 0 ? RETRY_COST : 1;
    if (budget->tokens > RETRY_BUDGET) {
        budget->tokens = RETRY_BUDGET;
    }
}
