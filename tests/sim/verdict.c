#include "tests/sim/verdict.h"

#include <string.h>

#include "tests/sim/trial_state.h"

/* --- how it may end --- */

static bool mentions(const char *text, const char *word)
{
    return text && strstr(text, word);
}

/* EC2 may give a VM that asks for any address the one that another VM of the plan is to have. Those
 * with a fixed one are launched first; but where that failed (no capacity), the address is free for
 * others until the run is resumed. Nothing helps then but to free it: counted apart. */
bool verdict_lost_its_address(const struct trial *trial)
{
    const struct witness *witness = &trial->watching;
    for (uint32_t i = 0; i < witness->graph->node_count; i++) {
        if (witness->diary.nodes[i].state == DIARY_FAILED &&
            is(witness->diary.nodes[i].code, "InvalidIPAddress.InUse")) {
            return true;
        }
    }
    return false;
}

/* Whether a fault that the scenario has explains that this node failed: what an operator would have
 * to be told. */
static bool is_explained(const struct trial *trial, uint32_t index)
{
    const struct scenario *s = &trial->scenario;
    const struct witness *witness = &trial->watching;
    const struct diary_node *diary = &witness->diary.nodes[index];
    enum action action = witness->graph->nodes[index].action;
    if (s->no_capacity && (action == ACTION_RUN_INSTANCE || action == ACTION_START_INSTANCE) &&
        witness->nodes[index].refused_for_capacity > 0 &&
        is(diary->code, "InsufficientInstanceCapacity")) {
        return true;
    }
    if (s->no_inject && action == ACTION_WAIT_INJECTED) {
        const struct value *command = graph_input(&witness->graph->nodes[index], "command_id");
        return witness->nodes[command->node].command_failed;
    }
    if (s->no_boot && (action == ACTION_CHECK_TCP || action == ACTION_CHECK_HTTP ||
                       action == ACTION_CHECK_INSTANCE_STATUS)) {
        return true;
    }
    if (s->no_boot && action == ACTION_INJECT && witness->nodes[index].refused_offline > 0) {
        return true; /* the conversion instance hangs too */
    }
    /* A deadline may pass where answers get lost, and is named as that. */
    return s->rough && (mentions(diary->message, "deadline") || mentions(diary->message, "within"));
}

void verdict_causes(struct trial *trial)
{
    const struct witness *witness = &trial->watching;
    for (uint32_t i = 0; i < witness->graph->node_count; i++) {
        const struct diary_node *node = &witness->diary.nodes[i];
        if (node->state == DIARY_FAILED && !node->forgiven && !is_explained(trial, i)) {
            trial_complain(trial, "%s: failed for what is no fault of this seed: %s (%s)",
                           witness->graph->nodes[i].id,
                           node->message ? node->message : "no message",
                           node->code ? node->code : "no code");
        }
        if (node->state == DIARY_SKIPPED) {
            const struct diary_node *cause =
                node->cause == NO_NODE ? NULL : &witness->diary.nodes[node->cause];
            if (!cause || cause->state != DIARY_FAILED) {
                trial_complain(trial, "%s: skipped because of %s, which did not fail",
                               witness->graph->nodes[i].id,
                               cause ? witness->graph->nodes[node->cause].id : "nothing");
            }
        }
    }
}

static bool is_critical(const struct graph *graph, uint32_t node)
{
    return graph->nodes[node].vm == NO_VM || graph->vms[graph->nodes[node].vm].critical;
}

/* A run that succeeded has done everything, but for VMs that are not critical. */
void verdict_success(struct trial *trial)
{
    const struct witness *witness = &trial->watching;
    for (uint32_t i = 0; i < witness->graph->node_count; i++) {
        const struct diary_node *node = &witness->diary.nodes[i];
        if (node->state == DIARY_BEGUN || node->state == DIARY_NOTHING ||
            (node->state != DIARY_DONE && !node->forgiven && is_critical(witness->graph, i))) {
            trial_complain(trial, "%s: the run has succeeded, and this is not done",
                           witness->graph->nodes[i].id);
        }
    }
}

/* A critical VM whose recovery failed has to fail the run. */
void verdict_failure(struct trial *trial)
{
    const struct witness *witness = &trial->watching;
    bool any = false;
    for (uint32_t i = 0; i < witness->graph->node_count; i++) {
        any |= witness->diary.nodes[i].state == DIARY_FAILED && is_critical(witness->graph, i);
    }
    if (!any) {
        trial_complain(trial, "the run has failed, and nothing that is critical did");
    }
}

/* --- the ledger --- */

static bool is_gone(const struct sandbox_item *item)
{
    return is(item->state, "terminated") || is(item->state, "shutting-down") ||
           is(item->state, "deleting");
}

static bool journal_has(const struct witness *witness, const struct sandbox_item *item,
                        bool unfinished)
{
    static const char *const names[] = {"volume_id", "instance_id", "image_id"};
    const struct graph_node *node =
        item->node ? graph_node_by_id(witness->graph, item->node) : NULL;
    if (!node) {
        return false;
    }
    const struct diary_node *diary = &witness->diary.nodes[node->index];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *id = action_output(node->action, names[i])
                             ? diary_output(&witness->diary, node->index, names[i])
                             : NULL;
        if (diary->state == DIARY_DONE && is(id, item->id)) {
            return true;
        }
    }
    bool open = diary->intents > 0 && diary->state != DIARY_DONE;
    return open && (diary->doubt || (unfinished && diary->state != DIARY_SKIPPED));
}

/* Everything that carries the run's tag is in the journal; nothing was made twice. */
void verdict_ledger(struct trial *trial, bool succeeded)
{
    static const enum sandbox_kind kinds[] = {SANDBOX_INSTANCE, SANDBOX_VOLUME, SANDBOX_IMAGE};
    const struct witness *witness = &trial->watching;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct sandbox_item *items = NULL;
        size_t count =
            sandbox_list(rehearsal_sandbox(trial->rehearsal), trial->arena,
                         rehearsal_utc_ms(trial->rehearsal) + SETTLED_MS, kinds[k], &items);
        for (size_t i = 0; i < count; i++) {
            const struct sandbox_item *item = &items[i];
            if (!is(item->run, witness->run_id) || is_gone(item)) {
                continue;
            }
            const struct graph_node *node = graph_node_by_id(witness->graph, item->node);
            bool root = kinds[k] == SANDBOX_VOLUME && node && node->action == ACTION_RUN_INSTANCE;
            if (!root && !journal_has(witness, item, !succeeded)) {
                trial_complain(trial, "%s of %s is there, and the journal does not know it",
                               item->id, item->node);
            }
            for (size_t j = i + 1; j < count && !root; j++) {
                if (is(items[j].run, item->run) && is(items[j].node, item->node) &&
                    !is_gone(&items[j])) {
                    trial_complain(trial, "%s and %s are both there for %s", item->id, items[j].id,
                                   item->node);
                }
            }
        }
    }
}

/* And the other way round: what the journal says was made is there. */
void verdict_made(struct trial *trial)
{
    static const struct {
        enum action action;
        const char *output;
        enum sandbox_kind kind;
    } makers[] = {{ACTION_CREATE_VOLUME, "volume_id", SANDBOX_VOLUME},
                  {ACTION_RUN_INSTANCE, "instance_id", SANDBOX_INSTANCE},
                  {ACTION_REGISTER_IMAGE, "image_id", SANDBOX_IMAGE}};
    const struct witness *witness = &trial->watching;
    for (size_t m = 0; m < sizeof makers / sizeof *makers; m++) {
        struct sandbox_item *items = NULL;
        size_t count =
            sandbox_list(rehearsal_sandbox(trial->rehearsal), trial->arena,
                         rehearsal_utc_ms(trial->rehearsal) + SETTLED_MS, makers[m].kind, &items);
        for (uint32_t i = 0; i < witness->graph->node_count; i++) {
            if (witness->graph->nodes[i].action != makers[m].action ||
                witness->diary.nodes[i].state != DIARY_DONE) {
                continue;
            }
            const char *id = diary_output(&witness->diary, i, makers[m].output);
            bool there = false;
            for (size_t j = 0; j < count; j++) {
                there |= is(items[j].id, id) && !is_gone(&items[j]) &&
                         is(items[j].node, witness->graph->nodes[i].id);
            }
            if (!there) {
                trial_complain(trial, "%s: the journal has %s, which is not there",
                               witness->graph->nodes[i].id, id ? id : "nothing");
            }
        }
    }
}

static void check_gone(struct trial *trial, enum sandbox_kind kind)
{
    struct sandbox_item *items = NULL;
    size_t mine = 0,
           count = sandbox_list(rehearsal_sandbox(trial->rehearsal), trial->arena,
                                rehearsal_utc_ms(trial->rehearsal) + SETTLED_MS, kind, &items);
    for (size_t i = 0; i < count; i++) {
        if (is(items[i].run, rehearsal_run_id(trial->rehearsal)) && !is_gone(&items[i])) {
            if (mine++ < 3) {
                trial_complain(trial, "after the cleanup %s of %s is still there, %s", items[i].id,
                               items[i].node ? items[i].node : "nobody", items[i].state);
            }
        }
    }
}

void verdict_cleaned(struct trial *trial)
{
    check_gone(trial, SANDBOX_INSTANCE);
    check_gone(trial, SANDBOX_VOLUME);
    check_gone(trial, SANDBOX_IMAGE);
}
