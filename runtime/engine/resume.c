/* Resume: the state of a run from its journal. Done nodes keep what they yielded; an intent without
 * a result leaves its node in doubt, to be looked up; what failed or was skipped is taken up again.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"
#include "runtime/engine/decision.h"
#include "runtime/engine/executor_state.h"
#include "runtime/state/journal.h"
#include "runtime/world/world.h"

struct replay {
    struct executor *executor;
    int64_t number;
    bool damaged;
};

static void replay_intent(struct executor *executor, struct node_run *run, const cJSON *record)
{
    run->status.generation = (int)json_int_of(record, "g", 0);
    run->status.choice = (int)json_int_of(record, "c", 0);
    run->status.attempts = (int)json_int_of(record, "a", 0);
    if (run->status.started_ms < 0) {
        run->status.started_ms = json_int_of(record, "t", 0);
    }
    run->sent_utc_ms = json_int_of(record, "at", -1);
    run->sent_ms = world_monotonic_ms(executor->world);
    run->sent_before = true;
    run->elsewhere = executor->options.place && executor->place_replayed &&
                     strcmp(executor->options.place, executor->place_replayed) != 0;
    run->slot = (int32_t)json_int_of(record, "s", run->slot);
    const char *digest = json_text_of(record, "d");
    run->digest = digest ? strtoull(digest, NULL, 16) : 0;
    run->status.state = NODE_RUNNING;
    run->attempted = true;
    run->resends = run->in_doubt && node_has_token(executor, (uint32_t)(run - executor->nodes));
    run->in_doubt = true;
}

static void replay_outputs(struct executor *executor, struct node_run *run, const cJSON *outputs)
{
    int count = cJSON_GetArraySize(outputs);
    run->outputs = ARENA_ARRAY(executor->arena, struct call_output, (size_t)count);
    run->output_count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, outputs)
    {
        if (cJSON_IsString(item) && run->output_count < (uint32_t)count) {
            run->outputs[run->output_count++] = (struct call_output){
                .name = arena_strdup(executor->arena, item->string),
                .value = arena_strdup(executor->arena, item->valuestring),
            };
        }
    }
}

static void replay_done(struct executor *executor, uint32_t node, const cJSON *record)
{
    struct node_run *run = &executor->nodes[node];
    run->status.state = NODE_DONE;
    run->status.cause = NO_NODE; /* it may have been skipped in an earlier session */
    run->status.ended_ms = json_int_of(record, "t", 0);
    if (run->status.started_ms < 0) {
        run->status.started_ms = run->status.ended_ms;
    }
    run->in_doubt = false;
    run->attempted = true;
    replay_outputs(executor, run, cJSON_GetObjectItemCaseSensitive(record, "o"));
    if (executor->graph->nodes[node].release != NO_POOL && run->holder != NO_NODE) {
        executor->nodes[run->holder].slot = -1;
    }
}

static void replay_failed(struct node_run *run, const cJSON *record)
{
    run->status.state = NODE_FAILED;
    run->status.ended_ms = json_int_of(record, "t", 0);
    run->in_doubt = json_int_of(record, "doubt", 0) != 0;
    run->forgiven = json_int_of(record, "cont", 0) != 0;
    run->exhausted = json_int_of(record, "exhausted", 0) != 0;
    run->gone = json_int_of(record, "gone", 0) != 0;
}

static void replay_note(struct node_run *run, const cJSON *record)
{
    const char *kept = json_text_of(record, "k");
    if (kept && strlen(kept) <= CALL_KEEP_MAX) {
        free(run->kept);
        run->kept = base_strdup(kept);
    }
    run->status.done_bytes = json_int_of(record, "d", 0);
    run->status.total_bytes = json_int_of(record, "of", 0);
}

static void replay_retry(struct node_run *run, const cJSON *record)
{
    const char *outcome = json_text_of(record, "o");
    run->in_doubt = run->resends || (outcome && !strcmp(outcome, outcome_name(OUTCOME_UNKNOWN)));
    run->status.attempts++;
    run->refusals += outcome && !strcmp(outcome, outcome_name(OUTCOME_FATAL));
}

static void replay_again(struct node_run *run, const cJSON *record)
{
    run->status.generation = (int)json_int_of(record, "g", run->status.generation);
    run->status.choice = (int)json_int_of(record, "c", 0);
    run->status.state = NODE_BLOCKED;
    run->in_doubt = run->gone = false;
    run->digest = 0;
    notes_forget(run);
}

static void replay_redo(struct node_run *run, const cJSON *record)
{
    replay_again(run, record);
    run->status.started_ms = run->status.ended_ms = -1;
    run->status.attempts = 0;
    run->output_count = 0;
    run->attempted = false;
    run->slot = -1;
    run->status.waived = NULL;
}

static int32_t replay_cause(const struct executor *executor, const cJSON *record)
{
    int64_t cause = json_int_of(record, "c", NO_NODE);
    return cause >= 0 && cause < (int64_t)executor->graph->node_count ? (int32_t)cause : NO_NODE;
}

/* A node that a person approved, or went on without, counts as done. */
static void replay_decision(struct executor *executor, struct node_run *run, const cJSON *record)
{
    struct decision decision = decision_read(executor->arena, record);
    bool skipped = !strcmp(decision.verb, "skip"), approved = !strcmp(decision.verb, "approve");
    if ((skipped || approved) && !decision.refused) {
        run->status.state = NODE_DONE;
        run->status.waived = skipped ? decision_copy(executor->arena, &decision) : NULL;
        run->status.ended_ms = json_int_of(record, "t", executor->base_ms);
        if (run->status.started_ms < 0) {
            run->status.started_ms = run->status.ended_ms;
        }
        run->in_doubt = false;
        run->slot = -1;
    }
}

static void replay_node(struct executor *executor, uint32_t node, const char *kind,
                        const cJSON *record)
{
    struct node_run *run = &executor->nodes[node];
    if (!strcmp(kind, "intent")) {
        replay_intent(executor, run, record);
    } else if (!strcmp(kind, "wait")) {
        run->status.state = NODE_RUNNING;
        run->status.started_ms = json_int_of(record, "t", 0);
        run->attempted = true;
    } else if (!strcmp(kind, "done")) {
        replay_done(executor, node, record);
    } else if (!strcmp(kind, "fail")) {
        replay_failed(run, record);
    } else if (!strcmp(kind, "skip")) {
        run->status.state = NODE_SKIPPED;
        run->status.cause = replay_cause(executor, record);
    } else if (!strcmp(kind, "decision")) {
        replay_decision(executor, run, record);
    } else if (!strcmp(kind, "retry")) {
        replay_retry(run, record);
    } else if (!strcmp(kind, "note")) {
        replay_note(run, record);
    } else if (!strcmp(kind, "next")) {
        replay_again(run, record);
    } else if (!strcmp(kind, "redo")) {
        replay_redo(run, record);
    } else if (!strcmp(kind, "again")) {
        run->status.state = NODE_BLOCKED;
    }
}

static void replay_counters(struct executor *executor, const cJSON *record)
{
    executor->counters.requests = json_int_of(record, "q", 0);
    executor->counters.throttled = json_int_of(record, "th", 0);
    executor->counters.retries = json_int_of(record, "re", 0);
    executor->counters.lookups = json_int_of(record, "lo", 0);
}

static bool replay_record(void *context, int64_t number, const char *text)
{
    struct replay *replay = context;
    struct executor *executor = replay->executor;
    cJSON *record = cJSON_ParseWithOpts(text, NULL, 1);
    const char *kind = json_text_of(record, "r");
    int64_t node = json_int_of(record, "n", -1);
    int64_t alive = json_int_of(record, "t", 0);
    replay->number = number;
    if (!kind || node >= (int64_t)executor->graph->node_count) {
        replay->damaged = true;
    } else if (node >= 0) {
        replay_node(executor, (uint32_t)node, kind, record);
    } else if (!strcmp(kind, "tick")) {
        replay_counters(executor, record);
    } else if (!strcmp(kind, "start") || !strcmp(kind, "resume")) {
        const char *place = json_text_of(record, "place");
        executor->resumed = true;
        executor->place_replayed = place ? arena_strdup(executor->arena, place) : NULL;
    }
    if (alive > executor->base_ms) {
        executor->base_ms = alive;
    }
    cJSON_Delete(record);
    return !replay->damaged;
}

static void restore_pools(struct executor *executor)
{
    for (uint32_t i = 0; i < executor->graph->node_count; i++) {
        int32_t slot = executor->nodes[i].slot;
        int32_t pool = executor->graph->nodes[i].acquire;
        if (slot >= 0 && pool != NO_POOL && slot < executor->graph->pools[pool].capacity &&
            !executor->pools[pool].taken[slot]) {
            executor->pools[pool].taken[slot] = true;
            executor->pools[pool].free--;
        } else {
            executor->nodes[i].slot = -1;
        }
    }
}

bool resume_replay(struct executor *executor, struct error *error)
{
    struct replay replay = {.executor = executor};
    if (!journal_replay(executor->options.journal, replay_record, &replay, error)) {
        return false;
    }
    if (replay.damaged) {
        error_set(error, "reading the journal: group %lld does not fit its graph",
                  (long long)replay.number);
        return journal_help_damaged(error);
    }
    if (!again_begin(executor, error)) {
        return false;
    }
    restore_pools(executor);
    return true;
}
