#include "tests/unit/support/sink_target.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"

struct sink_put {
    struct sink_target *sink;
    struct block_put put;
    block_put_done done;
    void *context;
    struct world_task *timer;
    enum outcome outcome;
    struct sink_put *prev, *next;
};

static void end(struct sink_put *one)
{
    one->sink->under_way--;
    DL_DELETE(one->sink->list, one);
    free(one);
}

static void carry_out(struct sink_put *one)
{
    struct sink_target *sink = one->sink;
    struct block_digest digest;
    block_digest(one->put.bytes, BLOCK_BYTES, &digest);
    assert_true(block_digest_equal(&digest, one->put.digest));
    assert_true(one->put.index < SINK_BLOCKS_MAX);
    sink->digests[one->put.index] = digest;
    sink->puts[one->put.index]++;
    sink->arrived++;
    assert_in_range(one->put.percent, 0, 100);
    sink->last_percent = one->put.percent;
}

static void answer(void *context)
{
    struct sink_put *one = context;
    struct sink_target *sink = one->sink;
    struct call_result result = {.outcome = one->outcome};
    bool lost = one->outcome == OUTCOME_UNKNOWN && one->put.index % 2;
    if (one->outcome == OUTCOME_OK || lost) {
        carry_out(one);
    }
    result.error.message = one->outcome == OUTCOME_OK ? NULL : sink->message ? sink->message : "no";
    block_put_done done = one->done;
    void *told = one->context;
    end(one);
    done(told, &result);
}

static enum outcome fate(struct sink_target *sink)
{
    sink->asked++;
    bool fails = (sink->every && sink->asked % sink->every == 0) ||
                 (sink->from && sink->asked >= sink->from);
    return fails ? sink->outcome : OUTCOME_OK;
}

static void put(struct block_target *target, const struct block_put *what, block_put_done done,
                void *context)
{
    struct sink_target *sink = (struct sink_target *)target;
    struct sink_put *one = base_alloc(sizeof *one);
    uint32_t random;
    world_random(sink->world, &random, sizeof random);
    *one = (struct sink_put){.sink = sink, .put = *what, .done = done, .context = context,
                             .outcome = fate(sink)};
    sink->under_way++;
    sink->most_under_way =
        sink->under_way > sink->most_under_way ? sink->under_way : sink->most_under_way;
    DL_APPEND(sink->list, one);
    int64_t more = sink->latency_ms ? random % sink->latency_ms : 0;
    one->timer = world_timer(sink->world, sink->latency_ms + more, answer, one);
}

static void forget(struct block_target *target, void *context)
{
    struct sink_target *sink = (struct sink_target *)target;
    struct sink_put *one, *next;
    DL_FOREACH_SAFE(sink->list, one, next) {
        if (one->context == context) {
            world_cancel(sink->world, one->timer);
            end(one);
        }
    }
}

void sink_init(struct sink_target *sink, struct world *world)
{
    memset(sink, 0, sizeof *sink);
    sink->base = (struct block_target){.put = put, .forget = forget};
    sink->world = world;
    sink->latency_ms = 20;
}

void sink_drop(struct sink_target *sink)
{
    while (sink->list) {
        world_cancel(sink->world, sink->list->timer);
        end(sink->list);
    }
}

int sink_count(const struct sink_target *sink)
{
    int count = 0;
    for (int i = 0; i < SINK_BLOCKS_MAX; i++) {
        count += sink->puts[i] > 0;
    }
    return count;
}
