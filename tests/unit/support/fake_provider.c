#include "tests/unit/support/fake_provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/state/journal_state.h"

struct fake_task {
    struct fake_provider *fake;
    struct world_task *timer;
    struct call **calls;
    struct call_result *results;
    size_t n;
    call_done done;
    void *context;
    struct fake_task *next, **link;
};

/* --- the cloud --- */

static double chance(struct fake_cloud *cloud)
{
    cloud->random = cloud->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(cloud->random >> 33) / (double)(1u << 31);
}

struct fake_cloud *fake_cloud_create(const struct graph *graph, uint64_t seed)
{
    struct fake_cloud *cloud = base_alloc(sizeof *cloud);
    cloud->graph = graph;
    cloud->random = seed * 2 + 1;
    cloud->things = base_alloc((graph->node_count + 1) * sizeof *cloud->things);
    for (size_t i = 0; i < graph->node_count; i++) {
        cloud->things[i].wait_since_ms = -1;
    }
    return cloud;
}

void fake_cloud_destroy(struct fake_cloud *cloud)
{
    free(cloud->things);
    free(cloud);
}

struct fake_thing *fake_thing(struct fake_cloud *cloud, const char *node_id)
{
    for (size_t i = 0; i < cloud->graph->node_count; i++) {
        if (!strcmp(cloud->graph->nodes[i].id, node_id)) {
            return &cloud->things[i];
        }
    }
    fprintf(stderr, "no node %s\n", node_id);
    abort();
}

void fake_script(struct fake_cloud *cloud, const char *node_id, enum outcome outcome)
{
    struct fake_thing *thing = fake_thing(cloud, node_id);
    thing->script[thing->script_count++] = outcome;
}

static bool knows_token(const struct fake_thing *thing, const char *token)
{
    for (int i = 0; i < thing->token_count; i++) {
        if (!strcmp(thing->tokens[i], token)) {
            return true;
        }
    }
    return false;
}

static void carry_out(struct fake_cloud *cloud, const struct call *call)
{
    struct fake_thing *thing = &cloud->things[call->node->index];
    bool natural = action_info(call->node->action)->resend == RESEND_NATURAL;
    thing->applied++;
    if (knows_token(thing, call->token) && (natural || !cloud->ignores_tokens)) {
        return;
    }
    if (thing->token_count < FAKE_TOKENS_MAX) {
        snprintf(thing->tokens[thing->token_count++], 65, "%s", call->token);
    }
    thing->made++;
}

/* --- answering --- */

static void free_task(struct fake_task *task)
{
    *task->link = task->next;
    if (task->next) {
        task->next->link = task->link;
    }
    free(task->calls);
    free(task->results);
    free(task);
}

static void answer(void *context)
{
    struct fake_task *task = context;
    for (size_t i = 0; i < task->n; i++) {
        struct call *call = task->calls[i];
        if (task->results[i].outcome == OUTCOME_OK) {
            task->fake->cloud->things[call->node->index].ended_ok = true;
        }
        task->done(task->context, call, &task->results[i]);
    }
    free_task(task);
}

static struct fake_task *new_task(struct fake_provider *fake, struct call **calls, size_t n,
                                  call_done done, void *context)
{
    struct fake_task *task = base_alloc(sizeof *task);
    task->fake = fake;
    task->n = n;
    task->calls = base_alloc(n * sizeof *task->calls);
    memcpy(task->calls, calls, n * sizeof *task->calls);
    task->results = base_alloc(n * sizeof *task->results);
    task->results[0].requests = 1;
    task->done = done;
    task->context = context;
    task->next = fake->tasks;
    task->link = &fake->tasks;
    if (fake->tasks) {
        fake->tasks->link = &task->next;
    }
    fake->tasks = task;
    return task;
}

static void answer_later(struct fake_task *task)
{
    int64_t latency = task->fake->latency_ms;
    if (latency > 0) {
        latency = 1 + (int64_t)(chance(task->fake->cloud) * (double)latency);
    }
    task->timer = latency > 0 ? world_timer(task->fake->world, latency, answer, task)
                              : world_defer(task->fake->world, answer, task);
}

static void set_error(struct call_result *result, enum outcome outcome)
{
    result->outcome = outcome;
    if (outcome != OUTCOME_OK) {
        result->error = (struct call_error){.service = "fake", .code = "Fake.Code",
                                            .message = outcome_name(outcome),
                                            .request_id = "req-1", .help = "do something"};
    }
}

static const char *const fake_ids[] = {"id-0", "id-1", "id-2", "id-3", "id-4"};

static void set_outputs(const struct call *call, struct call_result *result)
{
    const struct action_info *info = action_info(call->node->action);
    for (size_t i = 0; i < info->output_count; i++) {
        result->outputs[result->output_count++] = (struct call_output){
            .name = info->outputs[i].name, .value = fake_ids[call->generation % 5]};
    }
}

/* --- the checkers --- */

static void log_request(struct fake_provider *fake, const char *what, struct call **calls, size_t n)
{
    buffer_printf(&fake->log, "%s %s", what, action_info(calls[0]->node->action)->name);
    for (size_t i = 0; i < n; i++) {
        buffer_printf(&fake->log, " %s", calls[i]->node->id);
    }
    buffer_putc(&fake->log, '\n');
}

static void violation(struct fake_provider *fake, const char *what, const char *node)
{
    fprintf(stderr, "fake provider: %s (%s)\n", what, node);
    fake->violations++;
}

/* Whether the node's OK predecessors have been told OK; milestones are looked through. */
static bool comes_in_order(const struct fake_cloud *cloud, const struct graph_node *node)
{
    for (uint32_t e = 0; e < node->after_count; e++) {
        const struct graph_node *before = &cloud->graph->nodes[node->after[e].node];
        bool its_guarded = node->guards == (int32_t)before->index;
        if (node->after[e].when != WHEN_OK || its_guarded || before->continue_on_failure) {
            continue;
        }
        bool local = action_info(before->action)->provider == PROVIDER_ENGINE;
        if (local ? !comes_in_order(cloud, before) : !cloud->things[before->index].ended_ok) {
            return false;
        }
    }
    return true;
}

/* Where the state is shared, what has come in during a commit may be in the next group already; the
 * call's own intent may not. */
static bool is_committed(struct journal *journal, const struct call *call)
{
    if (!journal_is_shared(journal)) {
        return !journal_is_dirty(journal);
    }
    bool next = *call->token && strstr(buffer_text(&journal->open.group), call->token);
    return !journal->under_way && !next;
}

static void check(struct fake_provider *fake, struct call **calls, size_t n)
{
    if (!is_committed(fake->journal, calls[0])) {
        violation(fake, "a request came before its group was committed", calls[0]->node->id);
    }
    for (size_t i = 0; i < n; i++) {
        fake->cloud->things[calls[i]->node->index].was_started = true;
        if (!comes_in_order(fake->cloud, calls[i]->node)) {
            violation(fake, "an edge is not honoured", calls[i]->node->id);
        }
        for (size_t j = 0; j < calls[i]->input_count; j++) {
            enum value_kind kind = calls[i]->inputs[j].value.kind;
            if (kind == VALUE_OUTPUT || kind == VALUE_BIND || kind == VALUE_SLOT) {
                violation(fake, "an input is open", calls[i]->node->id);
            }
        }
    }
}

/* --- operations --- */

static bool poisoned(const struct fake_provider *fake, struct call **calls, size_t n)
{
    for (size_t i = 0; fake->poison && i < n; i++) {
        if (!strcmp(calls[i]->node->id, fake->poison)) {
            return true;
        }
    }
    return false;
}

static bool next_scripted(struct fake_thing *thing, enum outcome *outcome)
{
    if (thing->script_count == 0) {
        return false;
    }
    *outcome = thing->script[0];
    memmove(thing->script, thing->script + 1, sizeof thing->script - sizeof *thing->script);
    thing->script_count--;
    return true;
}

/* What becomes of a whole request; OK: it is carried out. */
static enum outcome fate(struct fake_provider *fake, struct call **calls, size_t n, bool *carried)
{
    enum outcome outcome;
    *carried = false;
    for (size_t i = 0; i < n; i++) {
        if (next_scripted(&fake->cloud->things[calls[i]->node->index], &outcome)) {
            return outcome;
        }
    }
    if (fake->always != OUTCOME_OK) {
        return fake->always;
    }
    if (poisoned(fake, calls, n)) {
        return OUTCOME_FATAL;
    }
    double draw = chance(fake->cloud);
    if (draw < fake->lost_before) {
        return OUTCOME_UNKNOWN;
    }
    if ((draw -= fake->lost_before) < fake->passing) {
        return draw < fake->passing / 2 ? OUTCOME_RETRY : OUTCOME_THROTTLED;
    }
    *carried = true;
    return (draw -= fake->passing) < fake->lost_after ? OUTCOME_UNKNOWN : OUTCOME_OK;
}

static bool dies_now(struct fake_provider *fake)
{
    if (fake->kill_at_number > 0 && journal_number(fake->journal) >= fake->kill_at_number) {
        fake->dead = true;
    }
    return fake->dead;
}

static void fake_start(struct provider *provider, struct call **calls, size_t n, call_done done,
                       void *context)
{
    struct fake_provider *fake = (struct fake_provider *)provider;
    bool was_dead = fake->dead, carried;
    if (dies_now(fake) && (was_dead || !fake->kill_after_send)) {
        return;
    }
    check(fake, calls, n);
    log_request(fake, "start", calls, n);
    fake->requests++;
    fake->largest_batch = (int)n > fake->largest_batch ? (int)n : fake->largest_batch;
    enum outcome outcome = fate(fake, calls, n, &carried);
    for (size_t i = 0; carried && i < n; i++) {
        carry_out(fake->cloud, calls[i]);
    }
    if (fake->dead) {
        return;
    }
    struct fake_task *task = new_task(fake, calls, n, done, context);
    for (size_t i = 0; i < n; i++) {
        set_error(&task->results[i], outcome);
        if (outcome == OUTCOME_OK) {
            set_outputs(calls[i], &task->results[i]);
        }
    }
    answer_later(task);
}

static void fake_lookup(struct provider *provider, struct call *call, call_done done, void *context)
{
    struct fake_provider *fake = (struct fake_provider *)provider;
    if (dies_now(fake)) {
        return;
    }
    check(fake, &call, 1);
    log_request(fake, "lookup", &call, 1);
    fake->lookups++;
    struct fake_thing *thing = &fake->cloud->things[call->node->index];
    struct fake_task *task = new_task(fake, &call, 1, done, context);
    if (chance(fake->cloud) < fake->passing) {
        set_error(&task->results[0], OUTCOME_UNKNOWN);
    } else if (knows_token(thing, call->token)) {
        set_error(&task->results[0], OUTCOME_OK);
        set_outputs(call, &task->results[0]);
    } else {
        set_error(&task->results[0], OUTCOME_ABSENT);
    }
    answer_later(task);
}

static enum outcome wait_outcome(struct fake_provider *fake, const struct call *call)
{
    struct fake_thing *thing = &fake->cloud->things[call->node->index];
    int64_t now = world_utc_ms(fake->world);
    enum outcome outcome;
    if (thing->wait_since_ms < 0) {
        thing->wait_since_ms = now;
    }
    if (next_scripted(thing, &outcome)) {
        return outcome;
    }
    if (fake->always != OUTCOME_OK) {
        return fake->always;
    }
    if (chance(fake->cloud) < fake->passing) {
        return OUTCOME_UNKNOWN;
    }
    bool over = thing->wait_ms >= 0 && now - thing->wait_since_ms >= thing->wait_ms;
    return over ? OUTCOME_OK : OUTCOME_PENDING;
}

static void fake_poll(struct provider *provider, struct call **calls, size_t n, call_done done,
                      void *context)
{
    struct fake_provider *fake = (struct fake_provider *)provider;
    if (dies_now(fake)) {
        return;
    }
    check(fake, calls, n);
    log_request(fake, "poll", calls, n);
    fake->polls++;
    struct fake_task *task = new_task(fake, calls, n, done, context);
    for (size_t i = 0; i < n; i++) {
        set_error(&task->results[i], wait_outcome(fake, calls[i]));
        task->results[i].error.gone = task->results[i].outcome == OUTCOME_FATAL &&
                                      fake->cloud->things[calls[i]->node->index].goes;
        if (task->results[i].outcome == OUTCOME_OK) {
            set_outputs(calls[i], &task->results[i]);
        }
    }
    answer_later(task);
}

static void fake_destroy(struct provider *provider)
{
    fake_provider_drop((struct fake_provider *)provider);
}

void fake_provider_drop(struct fake_provider *fake)
{
    while (fake->tasks) {
        world_cancel(fake->world, fake->tasks->timer);
        free_task(fake->tasks);
    }
    buffer_free(&fake->log);
}

void fake_provider_init(struct fake_provider *fake, struct fake_cloud *cloud, struct world *world,
                        struct journal *journal)
{
    *fake = (struct fake_provider){
        .base = {.name = "fake", .start = fake_start, .lookup = fake_lookup, .poll = fake_poll,
                 .destroy = fake_destroy},
        .cloud = cloud,
        .world = world,
        .journal = journal,
    };
}
