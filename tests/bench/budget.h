/* How each benchmark says a budget: one line, which tests/bench/run puts into its table at the end
 * (bench_*.py print the same by budgets.py). */
#ifndef DRC_TESTS_BENCH_BUDGET_H
#define DRC_TESTS_BENCH_BUDGET_H

#include <stdbool.h>
#include <stdio.h>

static inline bool budget_at_most(const char *what, double value, double limit)
{
    bool held = value <= limit;
    printf("budget: %s: %.2f ≤ %g: %s\n", what, value, limit, held ? "held" : "MISSED");
    return held;
}

#endif
