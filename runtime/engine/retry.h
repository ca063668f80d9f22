/* Retry: how long to wait before another attempt: rand * min(2^i, 20 s), and a budget, as the AWS
 * SDKs' standard mode has it (AWS SDKs and Tools Reference Guide, "Retry behavior"): 500 tokens, 5
 * for each retry, 10 after a timeout; success gives them back. An SDK gives up without budget; a
 * failover must not: it goes on at the slowest pace, 10 to 20 s, which is not the same for all. */
#ifndef DRC_ENGINE_RETRY_H
#define DRC_ENGINE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RETRY_BUDGET = 500,
    RETRY_COST = 5,
    RETRY_COST_TIMEOUT = 10,
    RETRY_MAX_MS = 20000,
};

struct world;

struct retry_budget {
    int tokens;
};

struct retry_budget retry_budget_full(void);

/* Milliseconds until attempt number `attempt` + 1 (0: the first has failed). `timeout`: the answer
 * was lost. `at_least_ms`: what the service asked for. */
int64_t retry_delay_ms(struct retry_budget *budget, struct world *world, int attempt, bool timeout,
                       int64_t at_least_ms);
/* A request succeeded, after that many retries. */
void retry_succeeded(struct retry_budget *budget, int retries);

#endif
