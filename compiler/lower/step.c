/* Steps, checks and milestones: what comes before, between and after the VMs. */
#include <assert.h>

#include <assert.h>

#include "compiler/base/arena.h"
#include "compiler/lower/lowering.h"

enum { DELAY_GRACE_MS = 60000 };

/* ---- delays ---- */

static uint32_t add_delay(struct lowering *l, const struct vm_lowering *v, const char *prefix,
                          int64_t delay_ms, struct span at, const char *rule)
{
    uint32_t node = lowering_node(l, v, ACTION_DELAY, prefix, at, rule);
    builder_current(l->builder)->timeout_ms = delay_ms + DELAY_GRACE_MS;
    builder_current(l->builder)->expected_ms = delay_ms;
    builder_input(l->builder, "delay_ms", int_value(delay_ms));
    return node;
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
    v->delay = add_delay(l, v, v->vm->name, delay.ms, delay.at,
                         "delay: between what the VM depends on and its start");
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

/* ---- checks ---- */

static enum action check_action(const struct check *check)
{
    switch (check->kind) {
    case CHECK_TCP:
        return ACTION_CHECK_TCP;
    case CHECK_HTTP:
        return ACTION_CHECK_HTTP;
    default:
        return ACTION_CHECK_INSTANCE_STATUS; /* others are refused before, see support.c */
    }
}

static uint32_t add_check(struct lowering *l, const struct vm_lowering *v, const char *prefix,
                          const struct check *check, const char *rule)
{
    assert(v); /* Checks of no VM are refused with the plan. */
    uint32_t node = lowering_node(l, v, check_action(check), prefix, check->at, rule);
    builder_current(l->builder)->timeout_ms = check->timeout.ms;
    if (check->kind == CHECK_INSTANCE_STATUS) {
        builder_input(l->builder, "instance_id", output_value(v->instance, "instance_id"));
    } else {
        builder_input(l->builder, "address", v->address);
        builder_input(l->builder, "port", int_value(check->port));
    }
    if (check->kind == CHECK_HTTP) {
        builder_input(l->builder, "path", text_value(check->path));
        builder_input(l->builder, "status", int_value(check->status));
        builder_input_text(l->builder, "match", check->match);
        builder_input(l->builder, "tls", bool_value(check->tls));
    }
    builder_input(l->builder, "interval_ms", int_value(check->interval.ms));
    return node;
}

/* db/ready, db/ready/5432; a second check of the same kind and port gets its number too. */
static const char *ready_prefix(struct lowering *l, const struct vm_lowering *v, size_t index)
{
    const struct check *check = &v->vm->ready[index];
    const char *prefix = lowering_join(l, v->vm->name, "ready");
    size_t same = 1;
    for (size_t i = 0; i < index; i++) {
        const struct check *other = &v->vm->ready[i];
        same += other->kind == check->kind && other->port == check->port;
    }
    if (check->kind != CHECK_INSTANCE_STATUS) {
        prefix = lowering_number(l, prefix, "", (size_t)check->port);
    }
    return same > 1 ? lowering_number(l, prefix, "", same) : prefix;
}

void lower_ready(struct lowering *l, struct vm_lowering *v)
{
    size_t count = v->vm->ready_count;
    uint32_t *checks = ARENA_ARRAY(l->arena, uint32_t, count);
    for (size_t i = 0; i < count; i++) {
        checks[i] = add_check(l, v, ready_prefix(l, v, i), &v->vm->ready[i],
                              "ready: the VM is ready when all of its checks hold");
        builder_after(l->builder, v->milestones[STAGE_RUNNING], WHEN_OK);
    }
    v->milestones[STAGE_READY] = lowering_node(l, v, ACTION_READY, v->vm->name, v->vm->at,
                                               "others may wait until the VM is ready");
    builder_after(l->builder, v->milestones[STAGE_RUNNING], WHEN_OK);
    for (size_t i = 0; i < count; i++) {
        builder_after(l->builder, checks[i], WHEN_OK);
    }
}

/* ---- steps in order ---- */

/* What the next step comes after: the step before it, whatever became of it if it may fail, and the
 * last node that may not. */
struct chain {
    int64_t must, last;
    enum edge_when when;
};

static void follow(struct lowering *l, const struct chain *chain)
{
    if (chain->must != NO_NODE) {
        builder_after(l->builder, (uint32_t)chain->must, WHEN_OK);
    }
    if (chain->last != NO_NODE) {
        builder_after(l->builder, (uint32_t)chain->last, chain->when);
    }
}

static void extend(struct lowering *l, struct chain *chain, uint32_t node, const struct step *step)
{
    builder_current(l->builder)->continue_on_failure = step->continue_on_failure;
    chain->last = node;
    chain->when = step->continue_on_failure ? WHEN_ENDED : WHEN_OK;
    if (!step->continue_on_failure) {
        chain->must = node;
    }
}

static bool runs(const struct lowering *l, const struct step *step)
{
    return (step->during & (1U << l->workflow)) != 0;
}

static uint32_t add_step(struct lowering *l, const struct vm_lowering *v, const char *prefix,
                         const struct step *step)
{
    if (step->kind == STEP_DELAY) {
        return add_delay(l, v, prefix, step->delay.ms, step->at, "a delay among the steps");
    }
    uint32_t node = add_check(l, v, prefix, &step->check, "a check among the steps");
    builder_current(l->builder)->retries = step->retries;
    return node;
}

void lower_recovered(struct lowering *l, struct vm_lowering *v)
{
    struct chain chain = {.must = v->milestones[STAGE_READY], .last = NO_NODE, .when = WHEN_OK};
    for (size_t i = 0; i < v->vm->post_boot_count; i++) {
        const struct step *step = &v->vm->post_boot[i];
        if (runs(l, step)) {
            const char *prefix = lowering_number(l, v->vm->name, "post-boot-", i + 1);
            uint32_t node = add_step(l, v, prefix, step);
            follow(l, &chain);
            extend(l, &chain, node, step);
        }
    }
    v->milestones[STAGE_RECOVERED] =
        lowering_node(l, v, ACTION_RECOVERED, v->vm->name, v->vm->at,
                      "the RTO counts until each critical VM is recovered");
    follow(l, &chain);
}

/* The plan's own steps. No VM can be called "plan/before-1". */
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
            uint32_t node = add_step(l, NULL, step_prefix(l, "before-", i), step);
            follow(l, &chain);
            extend(l, &chain, node, step);
        }
    }
    l->before = chain.last;
    l->before_when = chain.when;
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
    struct chain chain = {.must = NO_NODE, .last = NO_NODE, .when = WHEN_OK};
    bool first = true;
    for (size_t i = 0; i < l->plan->after_count; i++) {
        const struct step *step = &l->plan->after[i];
        if (runs(l, step)) {
            uint32_t node = add_step(l, NULL, step_prefix(l, "after-", i), step);
            if (first) {
                after_all_vms(l);
                first = false;
            }
            follow(l, &chain);
            extend(l, &chain, node, step);
        }
    }
}
