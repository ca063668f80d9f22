/* Steps, checks and milestones: what comes before, between and after the VMs. */
#include "compiler/lower/step_parts.h"

#include "compiler/base/arena.h"

enum { DELAY_GRACE_MS = 60000 };

/* ---- delays ---- */

static void input_delay(struct lowering *l, int64_t delay_ms)
{
    builder_current(l->builder)->timeout_ms = delay_ms + DELAY_GRACE_MS;
    builder_current(l->builder)->expected_ms = delay_ms;
    builder_input(l->builder, "delay_ms", int_value(delay_ms));
}

static void after_milestones(struct lowering *l, const struct vm_lowering *v)
{
    for (size_t i = 0; i < v->vm->dependency_count; i++) {
        const struct dependency *dependency = &v->vm->dependencies[i];
        builder_after(l->builder, l->vms[dependency->vm->index].milestones[dependency->stage],
                      WHEN_OK);
    }
}

void lower_delay(struct lowering *l, struct vm_lowering *v)
{
    struct duration delay = v->vm->delay;
    if (!delay.given || delay.ms == 0) {
        return;
    }
    v->delay = lowering_node(l, v, ACTION_DELAY, v->vm->name, delay.at,
                             "delay: between what the VM depends on and its start");
    input_delay(l, delay.ms);
    after_milestones(l, v);
    if (v->vm->dependency_count == 0) {
        lowering_after_before(l);
    }
}

void lower_after_dependencies(struct lowering *l, struct vm_lowering *v)
{
    if (v->delay != NO_NODE) {
        builder_after(l->builder, (uint32_t)v->delay, WHEN_OK);
    } else {
        after_milestones(l, v);
    }
}

/* ---- a step's nodes ---- */

enum { WAIT_GRACE_MS = 60000 };

static void after_all_vms(struct lowering *l);

void lower_after_chain(struct lowering *l, const struct chain *chain)
{
    if (chain->must != NO_NODE) {
        builder_after(l->builder, (uint32_t)chain->must, WHEN_OK);
    }
    if (chain->last != NO_NODE) {
        builder_after(l->builder, (uint32_t)chain->last, chain->when);
    }
    if (chain->all_vms) {
        after_all_vms(l);
    }
}

uint32_t step_node(struct lowering *l, struct step_nodes *nodes, enum action action,
                   const char *rule)
{
    uint32_t node = lowering_node(l, nodes->v, action, nodes->prefix, nodes->at, rule);
    struct graph_node *current = builder_current(l->builder);
    current->retries = nodes->retries;
    current->continue_on_failure = nodes->may_fail;
    if (nodes->last != NO_NODE) {
        builder_after(l->builder, (uint32_t)nodes->last, WHEN_OK);
    } else {
        lower_after_chain(l, nodes->chain);
    }
    nodes->last = node;
    return node;
}

void step_time(struct lowering *l, int64_t timeout_ms, int64_t expected_ms)
{
    builder_current(l->builder)->timeout_ms = timeout_ms + WAIT_GRACE_MS;
    builder_current(l->builder)->expected_ms = expected_ms;
}

/* ---- readiness ---- */

static bool is_same(const struct check *a, const struct check *b)
{
    return a->kind == b->kind && a->port == b->port;
}

/* db/ready, db/ready/5432; a second check of the same kind and port gets its number too. */
static const char *ready_prefix(struct lowering *l, const struct vm_lowering *v, size_t index)
{
    const struct check *check = &v->vm->ready[index];
    const char *prefix = lowering_join(l, v->vm->name, "ready");
    size_t same = 1;
    for (size_t i = 0; i < index; i++) {
        same += is_same(&v->vm->ready[i], check);
    }
    if (check->kind == CHECK_TCP || check->kind == CHECK_HTTP) {
        prefix = lowering_number(l, prefix, "", (size_t)check->port);
    }
    return same > 1 ? lowering_number(l, prefix, "", same) : prefix;
}

static uint32_t add_ready_check(struct lowering *l, struct vm_lowering *v, size_t index)
{
    const struct check *check = &v->vm->ready[index];
    struct chain chain = {.must = v->milestones[STAGE_RUNNING], .last = NO_NODE};
    struct step_nodes nodes = {
        .v = v,
        .prefix = ready_prefix(l, v, index),
        .name = "ready",
        .rule = "ready: the VM is ready when all of its checks hold",
        .at = check->at,
        .chain = &chain,
        .last = NO_NODE,
    };
    step_check(l, &nodes, check);
    return (uint32_t)nodes.last;
}

void lower_ready(struct lowering *l, struct vm_lowering *v)
{
    size_t count = v->vm->ready_count;
    uint32_t *checks = ARENA_ARRAY(l->arena, uint32_t, count);
    lower_agent(l, v);
    lower_targets(l, v);
    for (size_t i = 0; i < count; i++) {
        checks[i] = add_ready_check(l, v, i);
    }
    v->milestones[STAGE_READY] = lowering_node(l, v, ACTION_READY, v->vm->name, v->vm->at,
                                               "others may wait until the VM is ready");
    builder_after(l->builder, v->milestones[STAGE_RUNNING], WHEN_OK);
    for (size_t i = 0; i < count; i++) {
        builder_after(l->builder, checks[i], WHEN_OK);
    }
}

/* ---- steps in order ---- */

static bool runs(const struct lowering *l, const struct step *step)
{
    return (step->during & (1U << l->workflow)) != 0;
}

static void step_delay(struct lowering *l, struct step_nodes *nodes, const struct step *step)
{
    step_node(l, nodes, ACTION_DELAY, "a delay among the steps");
    input_delay(l, step->delay.ms);
}

/* Who has a month for an answer unless the plan says less; and time in which people think is no part
 * of the estimate. */
static void step_approve(struct lowering *l, struct step_nodes *nodes, const struct step *step)
{
    step_node(l, nodes, ACTION_APPROVE, "a person decides whether the run goes on");
    if (step->timeout.given) {
        builder_current(l->builder)->timeout_ms = step->timeout.ms;
    }
    builder_input(l->builder, "question", text_value(step->question));
}

static void extend(struct chain *chain, const struct step_nodes *nodes)
{
    chain->last = nodes->last;
    chain->when = nodes->may_fail ? WHEN_ENDED : WHEN_OK;
    if (!nodes->may_fail) {
        chain->must = nodes->last;
        chain->all_vms = false;
    }
}

static void add_step(struct lowering *l, struct vm_lowering *v, const char *prefix,
                     const struct step *step, struct chain *chain)
{
    struct step_nodes nodes = {
        .v = v,
        .prefix = prefix,
        .name = step->name,
        .rule = "a check among the steps",
        .at = step->at,
        .retries = step->retries,
        .may_fail = step->continue_on_failure,
        .chain = chain,
        .last = NO_NODE,
    };
    switch (step->kind) {
    case STEP_SCRIPT:
        step_script(l, &nodes, step);
        break;
    case STEP_DNS:
        step_dns(l, &nodes, step);
        break;
    case STEP_CHECK:
        step_check(l, &nodes, &step->check);
        break;
    case STEP_APPROVE:
        step_approve(l, &nodes, step);
        break;
    case STEP_DELAY:
        step_delay(l, &nodes, step);
        break;
    }
    extend(chain, &nodes);
}

void lower_recovered(struct lowering *l, struct vm_lowering *v)
{
    struct chain chain = {.must = v->milestones[STAGE_READY], .last = NO_NODE, .when = WHEN_OK};
    v->switches = ARENA_ARRAY(l->arena, uint32_t, v->vm->post_boot_count);
    for (size_t i = 0; i < v->vm->post_boot_count; i++) {
        const struct step *step = &v->vm->post_boot[i];
        if (runs(l, step)) {
            add_step(l, v, lowering_number(l, v->vm->name, "post-boot-", i + 1), step, &chain);
        }
    }
    v->milestones[STAGE_RECOVERED] =
        lowering_node(l, v, ACTION_RECOVERED, v->vm->name, v->vm->at,
                      "the RTO counts until each critical VM is recovered");
    lower_after_chain(l, &chain);
    lower_after_targets(l, v);
    lower_restores(l, v);
}

/* ---- the plan's own steps ---- */

/* No VM can be called "plan/before-1". */
static const char *step_prefix(struct lowering *l, const char *list, size_t index)
{
    return lowering_number(l, "plan", list, index + 1);
}

void lower_before_steps(struct lowering *l)
{
    struct chain chain = {.must = NO_NODE, .last = NO_NODE, .when = WHEN_OK};
    for (size_t i = 0; i < l->plan->before_count; i++) {
        const struct step *step = &l->plan->before[i];
        if (runs(l, step)) {
            add_step(l, NULL, step_prefix(l, "before-", i), step, &chain);
        }
    }
    l->before = chain;
}

/* Once every VM has come to its end: a failed one that is not critical is not waited for. */
static void after_all_vms(struct lowering *l)
{
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        builder_after(l->builder, l->vms[i].milestones[STAGE_RECOVERED],
                      l->vms[i].vm->critical ? WHEN_OK : WHEN_ENDED);
    }
}

void lower_after_steps(struct lowering *l)
{
    struct chain chain = {
        .must = NO_NODE, .last = NO_NODE, .when = WHEN_OK, .all_vms = true};
    for (size_t i = 0; i < l->plan->after_count; i++) {
        const struct step *step = &l->plan->after[i];
        if (runs(l, step)) {
            add_step(l, NULL, step_prefix(l, "after-", i), step, &chain);
        }
    }
}
