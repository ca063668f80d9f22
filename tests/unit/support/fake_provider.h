/* A provider over a small cloud in memory, for tests of the executor: it makes, changes and deletes
 * what it is asked to, loses answers by seed, refuses by script, and checks on its own what the
 * executor has to keep: every edge, and that the journal is clean whenever a request comes. The cloud
 * outlives the provider, as the real one outlives a process that was killed. */
#ifndef DRC_TESTS_FAKE_PROVIDER_H
#define DRC_TESTS_FAKE_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/buffer.h"
#include "compiler/graph/graph.h"
#include "runtime/state/journal.h"
#include "runtime/world/provider.h"
#include "runtime/world/world.h"

enum { FAKE_TOKENS_MAX = 8, FAKE_SCRIPT_MAX = 8 };

/* What the cloud knows of a node. */
struct fake_thing {
    char tokens[FAKE_TOKENS_MAX][65]; /* requests that were carried out, by token */
    int token_count;
    int made;              /* things made: each token once, where tokens are honoured */
    int applied;           /* requests carried out, repeats included */
    int64_t wait_since_ms; /* first poll; -1: none */
    bool goes;             /* a wait that fails: what it waited for has come to its end */
    bool ended_ok;         /* the executor was told OK */
    bool was_started;
    enum outcome script[FAKE_SCRIPT_MAX]; /* answers to give first, oldest first */
    int script_count;
    int64_t wait_ms;       /* how long a wait lasts; -1: for ever */
};

struct fake_cloud {
    const struct graph *graph;
    struct fake_thing *things;
    bool ignores_tokens; /* a repeat makes a second one */
    uint64_t random;
};

struct fake_provider {
    struct provider base; /* first */
    struct fake_cloud *cloud;
    struct world *world;
    struct journal *journal;
    /* faults */
    double lost_before, lost_after; /* chance that a request, an answer is lost */
    double passing;                 /* chance of RETRY, THROTTLED */
    const char *poison;             /* a batch with this node's id in it is FATAL */
    enum outcome always;            /* the answer to everything, unless OK */
    int64_t latency_ms;
    int64_t kill_at_number;         /* from this group on the process is dead; 0: never */
    bool kill_after_send;           /* the first such request still reaches the cloud */
    bool dead;
    /* what was seen */
    struct buffer log;   /* a line for each request: "start stop-instance a/… b/…" */
    int requests, polls, lookups, largest_batch;
    int violations;      /* edges not honoured, requests before the commit */
    struct fake_task *tasks;
};

struct fake_cloud *fake_cloud_create(const struct graph *graph, uint64_t seed);
void fake_cloud_destroy(struct fake_cloud *cloud);
struct fake_thing *fake_thing(struct fake_cloud *cloud, const char *node_id);
void fake_script(struct fake_cloud *cloud, const char *node_id, enum outcome outcome);

void fake_provider_init(struct fake_provider *fake, struct fake_cloud *cloud, struct world *world,
                        struct journal *journal);
/* Forgets what is under way: as when the process is gone. */
void fake_provider_drop(struct fake_provider *fake);

#endif
