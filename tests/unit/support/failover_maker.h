/* A failover as it is compiled with `boot: attach` and injection, for trying what shows graphs. */
#ifndef DRC_TESTS_FAILOVER_MAKER_H
#define DRC_TESTS_FAILOVER_MAKER_H

#include "tests/unit/support/graph_maker.h"

struct maker_machine {
    const char *name, *type, *subnet, *address;
    int disks;
    uint32_t needs; /* bits: machines before this one that it depends on */
    bool not_critical;
    int64_t ready_ms; /* how long its readiness check takes */
};

/* slots: of the one conversion instance. */
struct graph *maker_failover(struct arena *arena, const struct maker_machine *machines,
                             size_t count, int slots);

/* db ← app ← web; twelve machines with diamonds, and one that is not critical. */
struct graph *maker_shop(struct arena *arena);
struct graph *maker_twelve(struct arena *arena);

#endif
