/* Cleanup's and rollback's graphs. */
#include "runtime/undo/cleanup.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/error.h"
#include "compiler/graph/builder.h"
#include "runtime/report/history.h"

enum { NO_STEP = -1 };

/* What takes back something that the run did: the end of an instance, or an undo of its own. */
struct step {
    int32_t thing;     /* the instance that ends; NO_STEP: an undo */
    uint32_t last;     /* of the run's nodes that it undoes: who was last goes first */
    uint32_t undone;   /* an undo: the node */
    struct input *inputs;
    uint32_t input_count;
    int32_t *after;    /* steps that come before it */
    size_t after_count, after_capacity;
    int32_t made;      /* its first node in the new graph; NO_NODE */
};

struct taking {
    struct arena *arena;
    const struct graph *model;
    const struct history *history; /* rollback only; NULL */
    struct graph_builder *builder;
    const struct cleanup_thing *things;
    size_t count;
    struct map by_id;    /* things */
    bool keep;           /* instances are stopped, and nothing is deleted */
    int32_t *terminated; /* by thing: the node that awaits its end; NO_NODE */
    struct step *steps;
    size_t step_count, step_capacity;
    int32_t *step_of; /* by the run's node; NO_STEP */
};

static const struct because because_cleanup = {.rule = "what a run made is deleted, dependents first"};
static const struct because because_rollback = {.rule = "what a run did is undone, the last first"};

static struct because because_of(const struct taking *taking)
{
    return taking->history ? because_rollback : because_cleanup;
}

static int32_t vm_of(const struct taking *taking, const struct cleanup_thing *thing)
{
    for (size_t i = 0; thing->vm && i < taking->model->vm_count; i++) {
        if (!strcmp(taking->model->vms[i].name, thing->vm)) {
            return (int32_t)i;
        }
    }
    return NO_VM;
}

static const struct cleanup_thing *thing_of(const struct taking *taking, const char *id)
{
    return id ? map_get(&taking->by_id, id) : NULL;
}

static uint32_t add_node(struct taking *taking, const struct cleanup_thing *thing,
                         enum action action, const char *input)
{
    int32_t vm = vm_of(taking, thing);
    const char *owner = vm == NO_VM ? "plan" : taking->model->vms[vm].name;
    const char *prefix = arena_printf(taking->arena, "%s/%s", owner, thing->id);
    uint32_t node = builder_node(taking->builder, action, prefix, vm, because_of(taking));
    builder_input(taking->builder, input, text_value(thing->id));
    return node;
}

/* --- instances --- */

static uint32_t end_instance(struct taking *taking, size_t index)
{
    enum action action = taking->keep ? ACTION_STOP_INSTANCE : ACTION_TERMINATE_INSTANCE;
    return add_node(taking, &taking->things[index], action, "instance_id");
}

static void await_instance(struct taking *taking, size_t index, uint32_t first)
{
    enum action wait = taking->keep ? ACTION_WAIT_STOPPED : ACTION_WAIT_TERMINATED;
    taking->terminated[index] =
        (int32_t)add_node(taking, &taking->things[index], wait, "instance_id");
    builder_after(taking->builder, first, WHEN_OK);
}

static bool is_to_end(const struct cleanup_thing *thing)
{
    return thing->kind == CLEANUP_INSTANCE && !thing->gone;
}

static void end_instances(struct taking *taking)
{
    for (size_t i = 0; i < taking->count; i++) {
        if (is_to_end(&taking->things[i])) {
            await_instance(taking, i, end_instance(taking, i));
        }
    }
}

/* --- volumes, images, snapshots, holds --- */

/* The end that this volume or image has to wait for; NO_NODE. */
static int32_t end_of(const struct taking *taking, const char *instance)
{
    const struct cleanup_thing *thing = thing_of(taking, instance);
    return thing ? taking->terminated[thing - taking->things] : NO_NODE;
}

/* Attached to what stays (a conversion instance, when a run stopped in the middle). */
static void detach_first(struct taking *taking, const struct cleanup_thing *thing)
{
    uint32_t detach = add_node(taking, thing, ACTION_DETACH_VOLUME, "volume_id");
    builder_input(taking->builder, "instance_id", text_value(thing->attached_to));
    uint32_t wait = add_node(taking, thing, ACTION_WAIT_VOLUME_AVAILABLE, "volume_id");
    builder_after(taking->builder, detach, WHEN_OK);
    add_node(taking, thing, ACTION_DELETE_VOLUME, "volume_id");
    builder_after(taking->builder, wait, WHEN_OK);
}

static void add_volume(struct taking *taking, const struct cleanup_thing *thing)
{
    int32_t after = end_of(taking, thing->attached_to);
    const struct cleanup_thing *instance = thing_of(taking, thing->attached_to);
    if (thing->with_instance && after != NO_NODE) {
        return;
    }
    if (thing->attached_to && !instance) {
        detach_first(taking, thing);
        return;
    }
    add_node(taking, thing, ACTION_DELETE_VOLUME, "volume_id");
    if (after != NO_NODE) {
        builder_after(taking->builder, (uint32_t)after, WHEN_OK);
    }
}

/* Instances of the VM may still be starting from its image. */
static void add_image(struct taking *taking, const struct cleanup_thing *thing)
{
    add_node(taking, thing, ACTION_DEREGISTER_IMAGE, "image_id");
    for (size_t i = 0; i < taking->count; i++) {
        const struct cleanup_thing *other = &taking->things[i];
        if (taking->terminated[i] != NO_NODE && thing->vm && other->vm &&
            !strcmp(thing->vm, other->vm)) {
            builder_after(taking->builder, (uint32_t)taking->terminated[i], WHEN_OK);
        }
    }
}

static void delete_others(struct taking *taking)
{
    for (size_t i = 0; i < taking->count; i++) {
        const struct cleanup_thing *thing = &taking->things[i];
        if (!thing->gone && thing->kind == CLEANUP_VOLUME) {
            add_volume(taking, thing);
        } else if (!thing->gone && thing->kind == CLEANUP_IMAGE) {
            add_image(taking, thing);
        } else if (!thing->gone && thing->kind == CLEANUP_SNAPSHOT) {
            add_node(taking, thing, ACTION_DELETE_SNAPSHOT, "snapshot_id");
        } else if (!thing->gone && thing->kind == CLEANUP_HOLD) {
            add_node(taking, thing, ACTION_RELEASE_COPY, "snapshot_id");
        }
    }
}

/* --- what there is to undo --- */

static int32_t add_step(struct taking *taking, struct step step)
{
    taking->steps = arena_grow(taking->arena, taking->steps, taking->step_count,
                               &taking->step_capacity, sizeof *taking->steps);
    step.made = NO_NODE;
    taking->steps[taking->step_count] = step;
    return (int32_t)taking->step_count++;
}

static bool is_done(const struct taking *taking, uint32_t node)
{
    const struct node_status *status = &taking->history->nodes[node].status;
    return status->state == NODE_DONE && !status->waived;
}

/* A change of DNS whose answer was lost may have been carried out: giving the old value back looks at the
 * record first, so that it does no harm where nothing was changed. */
static bool is_to_restore(const struct taking *taking, uint32_t node)
{
    enum action undo = action_info(taking->model->nodes[node].action)->undo;
    const struct history_node *past = &taking->history->nodes[node];
    return (undo == ACTION_RESTORE_RECORD || undo == ACTION_RESTORE_RECORD_SET) &&
           (past->status.state == NODE_RUNNING || past->status.state == NODE_RETRYING ||
            past->doubtful);
}

static bool resolve(const struct taking *taking, const struct value *value, struct value *out);

static bool resolve_items(const struct taking *taking, const struct value *value, struct value *out)
{
    *out = *value;
    out->items = ARENA_ARRAY(taking->arena, struct value, value->count + 1);
    for (uint32_t i = 0; i < value->count; i++) {
        if (!resolve(taking, &value->items[i], &out->items[i])) {
            return false;
        }
    }
    return true;
}

/* Without references to the run's nodes, which the new graph does not have. */
static bool resolve(const struct taking *taking, const struct value *value, struct value *out)
{
    const char *output;
    switch (value->kind) {
    case VALUE_OUTPUT:
        output = ledger_output(taking->history->ledger, (uint32_t)value->node, value->text);
        *out = text_value(output);
        return output != NULL;
    case VALUE_LIST:
    case VALUE_MAP:
    case VALUE_TEMPLATE:
        return resolve_items(taking, value, out);
    case VALUE_SLOT:
        return false;
    default: /* what is bound is bound as it was for the run: by its id and facts */
        *out = *value;
        return true;
    }
}

/* A value as it was when the node ran: what it yielded, or was given. False: it is not known. */
static bool value_of(const struct taking *taking, const struct graph_node *node, const char *name,
                     struct value *value)
{
    const char *output = ledger_output(taking->history->ledger, node->index, name);
    if (output) {
        *value = text_value(output);
        return true;
    }
    const struct value *input = graph_input(node, name);
    return input && resolve(taking, input, value);
}

/* Fills the inputs of what undoes the node. False: one is not known, so that nothing can be done. */
static bool fill_inputs(struct taking *taking, const struct graph_node *node, struct step *step)
{
    const struct action_info *undo = action_info(action_info(node->action)->undo);
    step->inputs = ARENA_ARRAY(taking->arena, struct input, undo->input_count + 1);
    for (size_t i = 0; i < undo->input_count; i++) {
        struct input *input = &step->inputs[step->input_count];
        input->name = undo->inputs[i].name;
        if (value_of(taking, node, input->name, &input->value)) {
            step->input_count++;
        } else if (!undo->inputs[i].optional) {
            return false;
        }
    }
    return true;
}

/* The instance of the run that an undo is about. `things`: how many of its things it is about. */
static const struct cleanup_thing *subject_of(const struct taking *taking, const struct step *step,
                                              size_t *things)
{
    const struct cleanup_thing *subject = NULL;
    *things = 0;
    for (uint32_t i = 0; i < step->input_count; i++) {
        const struct value *value = &step->inputs[i].value;
        const struct cleanup_thing *thing =
            value->kind == VALUE_TEXT ? thing_of(taking, value->text) : NULL;
        *things += thing != NULL;
        subject = thing && (!subject || thing->kind == CLEANUP_INSTANCE) ? thing : subject;
    }
    return subject;
}

/* A target group keeps an address that nobody has any more, until somebody else has it. */
static bool outlives_its_thing(const struct graph_node *node)
{
    return action_info(node->action)->undo == ACTION_DEREGISTER_TARGET;
}

/* What is about a thing of the run goes with its end; the rest is undone by itself. */
static void undo_node(struct taking *taking, uint32_t index, int32_t *step_of_thing)
{
    const struct graph_node *node = &taking->model->nodes[index];
    struct step step = {.thing = NO_STEP, .last = index, .undone = index};
    size_t things = 0;
    taking->step_of[index] = NO_STEP;
    /* Holds are found by their tags, and released with what stays to the end. */
    if (node->action == ACTION_HOLD_COPY || action_info(node->action)->undo == ACTION_NONE ||
        !(is_done(taking, index) || is_to_restore(taking, index)) || !fill_inputs(taking, node, &step)) {
        return;
    }
    const struct cleanup_thing *subject = subject_of(taking, &step, &things);
    if (!subject || outlives_its_thing(node)) {
        taking->step_of[index] = add_step(taking, step);
    } else if (is_to_end(subject)) {
        size_t thing = (size_t)(subject - taking->things);
        taking->step_of[index] = step_of_thing[thing];
        taking->steps[step_of_thing[thing]].last = index; /* nodes come in their order */
    }
}

static void find_steps(struct taking *taking)
{
    int32_t *step_of_thing = ARENA_ARRAY(taking->arena, int32_t, taking->count + 1);
    taking->step_of = ARENA_ARRAY(taking->arena, int32_t, taking->model->node_count + 1);
    for (size_t i = 0; i < taking->count; i++) {
        step_of_thing[i] = is_to_end(&taking->things[i])
                               ? add_step(taking, (struct step){.thing = (int32_t)i})
                               : NO_STEP;
    }
    for (uint32_t i = 0; i < taking->model->node_count; i++) {
        undo_node(taking, i, step_of_thing);
    }
}

/* --- their order --- */

struct set {
    int32_t *items;
    size_t count, capacity;
};

static void set_add(struct taking *taking, struct set *set, int32_t item)
{
    set->items = arena_grow(taking->arena, set->items, set->count, &set->capacity,
                            sizeof *set->items);
    set->items[set->count++] = item;
}

static int compare_items(const void *left, const void *right)
{
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return a < b ? -1 : a > b;
}

static void set_unify(struct set *set)
{
    size_t kept = 0;
    if (set->count > 1) {
        qsort(set->items, set->count, sizeof *set->items, compare_items);
    }
    for (size_t i = 0; i < set->count; i++) {
        if (kept == 0 || set->items[kept - 1] != set->items[i]) {
            set->items[kept++] = set->items[i];
        }
    }
    set->count = kept;
}

/* `later` are the steps that undo what comes after a node of this step. Two can be after each other
 * in parts; the one whose last action was later goes first. */
static void order_step(struct taking *taking, int32_t index, const struct set *later)
{
    struct step *step = &taking->steps[index];
    for (size_t i = 0; i < later->count; i++) {
        if (taking->steps[later->items[i]].last > step->last) {
            step->after = arena_grow(taking->arena, step->after, step->after_count,
                                     &step->after_capacity, sizeof *step->after);
            step->after[step->after_count++] = later->items[i];
        }
    }
}

/* For each node, from the last on, the steps next behind it. */
static void order_steps(struct taking *taking)
{
    const struct graph *model = taking->model;
    struct set *later = ARENA_ARRAY(taking->arena, struct set, model->node_count + 1);
    for (uint32_t i = (uint32_t)model->node_count; i-- > 0;) {
        const struct graph_node *node = &model->nodes[i];
        set_unify(&later[i]);
        if (taking->step_of[i] != NO_STEP) {
            order_step(taking, taking->step_of[i], &later[i]);
        }
        for (uint32_t e = 0; e < node->after_count; e++) {
            struct set *before = &later[node->after[e].node];
            if (taking->step_of[i] != NO_STEP) {
                set_add(taking, before, taking->step_of[i]);
                continue;
            }
            for (size_t k = 0; k < later[i].count; k++) {
                set_add(taking, before, later[i].items[k]);
            }
        }
    }
}

/* --- the graphs --- */

static int latest_first(const void *left, const void *right)
{
    const struct step *a = *(const struct step *const *)left;
    const struct step *b = *(const struct step *const *)right;
    if (a->last != b->last) {
        return a->last > b->last ? -1 : 1;
    }
    return a < b ? -1 : a > b;
}

static void put_after(const struct taking *taking, const struct step *step)
{
    for (size_t i = 0; i < step->after_count; i++) {
        int32_t before = taking->steps[step->after[i]].made;
        if (before != NO_NODE) {
            builder_after(taking->builder, (uint32_t)before, WHEN_ENDED);
        }
    }
}

static void make_undo(struct taking *taking, struct step *step)
{
    const struct graph_node *node = &taking->model->nodes[step->undone];
    enum action undo = action_info(node->action)->undo;
    step->made = (int32_t)builder_node(taking->builder, undo, node->id, node->vm,
                                       because_rollback);
    for (uint32_t i = 0; i < step->input_count; i++) {
        builder_input(taking->builder, step->inputs[i].name, step->inputs[i].value);
    }
    put_after(taking, step);
}

/* Stopping is awaited before what it stood on is stopped; terminating is not. */
static void make_end(struct taking *taking, struct step *step)
{
    size_t thing = (size_t)step->thing;
    uint32_t first = end_instance(taking, thing);
    put_after(taking, step);
    await_instance(taking, thing, first);
    step->made = taking->keep ? taking->terminated[thing] : (int32_t)first;
}

static void make_steps(struct taking *taking)
{
    struct step **order = ARENA_ARRAY(taking->arena, struct step *, taking->step_count + 1);
    for (size_t i = 0; i < taking->step_count; i++) {
        order[i] = &taking->steps[i];
    }
    if (taking->step_count > 1) {
        qsort(order, taking->step_count, sizeof *order, latest_first);
    }
    for (size_t i = 0; i < taking->step_count; i++) {
        if (order[i]->thing == NO_STEP) {
            make_undo(taking, order[i]);
        } else {
            make_end(taking, order[i]);
        }
    }
}

static struct graph *empty_graph(struct arena *arena, const struct graph *model)
{
    struct graph *graph = ARENA_NEW(arena, struct graph);
    *graph = *model;
    graph->arena = arena;
    graph->vms = ARENA_ARRAY(arena, struct graph_vm, model->vm_count + 1);
    for (size_t i = 0; i < model->vm_count; i++) {
        graph->vms[i] = (struct graph_vm){.name = model->vms[i].name, .critical = true};
    }
    graph->pools = NULL;
    graph->nodes = NULL;
    graph->assumptions = NULL;
    graph->pool_count = graph->node_count = graph->assumption_count = 0;
    graph->node_by_id = (struct map){.arena = arena};
    return graph;
}

static struct taking begin(struct arena *arena, struct graph *graph, const struct graph *model,
                           const struct cleanup_thing *things, size_t count)
{
    struct taking taking = {
        .arena = arena,
        .model = model,
        .builder = builder_create(arena, graph, 2 * count + 1),
        .things = things,
        .count = count,
        .by_id = {.arena = arena},
        .terminated = ARENA_ARRAY(arena, int32_t, count + 1),
    };
    for (size_t i = 0; i < count; i++) {
        taking.terminated[i] = NO_NODE;
        map_put(&taking.by_id, things[i].id, (void *)(uintptr_t)&things[i]);
    }
    return taking;
}

static struct graph *finish(struct taking *taking, struct graph *graph, const char *doing,
                            struct error *error)
{
    builder_finish(taking->builder);
    graph_index(graph);
    if (!graph_verify(graph, error)) {
        error_prefix(error, "making the %s", doing);
        return NULL;
    }
    return graph;
}

struct graph *cleanup_graph(struct arena *arena, const struct graph *model,
                            const struct cleanup_thing *things, size_t count, struct error *error)
{
    struct graph *graph = empty_graph(arena, model);
    struct taking taking = begin(arena, graph, model, things, count);
    end_instances(&taking);
    delete_others(&taking);
    return finish(&taking, graph, "cleanup", error);
}

struct graph *rollback_graph(struct arena *arena, const struct history *history,
                             const struct cleanup_thing *things, size_t count, bool keep,
                             struct error *error)
{
    struct graph *graph = empty_graph(arena, history->graph);
    struct taking taking = begin(arena, graph, history->graph, things, count);
    taking.history = history;
    taking.keep = keep;
    find_steps(&taking);
    order_steps(&taking);
    make_steps(&taking);
    if (!keep) {
        delete_others(&taking);
    }
    return finish(&taking, graph, "rollback", error);
}
