/* Report: read from the journal. What it says is written by report_text.c and report_json.c. */
#include "runtime/report/report.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/report/history.h"
#include "runtime/report/ledger.h"
#include "runtime/report/throughput.h"
#include "runtime/state/journal.h"
#include "runtime/state/run_source.h"
#include "runtime/state/script_outputs.h"

struct reading {
    struct arena *arena;
    struct report *report;
    struct ledger *ledger;
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int64_t later(int64_t a, int64_t b)
{
    return b > a ? b : a;
}

/* --- what follows from them --- */

/* The last of another VM that a VM has waited for. */
static void note_dependency(struct report *report, struct report_vm *vm, uint32_t index)
{
    const struct graph_node *node = &report->graph->nodes[index];
    for (uint32_t e = 0; e < node->after_count; e++) {
        uint32_t before = node->after[e].node;
        int64_t ended = report->nodes[before].ended_ms;
        int32_t other = report->graph->nodes[before].vm;
        if (other != node->vm && other != NO_VM && ended > vm->waited_until_ms) {
            vm->waited_until_ms = ended;
            vm->waited_for = other;
        }
    }
}

/* From then on it only waited: its own preparation was done. */
static void note_waiting(struct report *report)
{
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        report->vms[i].waited_from_ms = report->vms[i].waited_for == NO_VM ? 0 : -1;
    }
    for (uint32_t i = 0; i < report->graph->node_count; i++) {
        int32_t index = report->graph->nodes[i].vm;
        struct report_vm *vm = index == NO_VM ? NULL : &report->vms[index];
        if (vm && vm->waited_for != NO_VM && report->nodes[i].state == NODE_DONE &&
            report->nodes[i].started_ms < vm->waited_until_ms &&
            report->nodes[i].ended_ms <= vm->waited_until_ms) {
            vm->waited_from_ms = later(vm->waited_from_ms, report->nodes[i].ended_ms);
        }
    }
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        struct report_vm *vm = &report->vms[i];
        vm->waited_from_ms = vm->waited_from_ms < 0 ? 0 : vm->waited_from_ms;
        vm->waited_ms = vm->waited_for == NO_VM ? 0 : vm->waited_until_ms - vm->waited_from_ms;
    }
}

static void note_phases(struct report_vm *vm, const struct graph_node *node,
                        const struct node_status *status)
{
    switch (node->action) {
    case ACTION_INJECT:
        vm->inject_from_ms = status->started_ms;
        break;
    case ACTION_WAIT_INJECTED:
        vm->inject_to_ms = status->ended_ms;
        break;
    case ACTION_START_INSTANCE:
        vm->boot_from_ms = status->started_ms;
        break;
    case ACTION_RUN_INSTANCE:
        vm->boot_from_ms = vm->boot_from_ms < 0 ? status->started_ms : vm->boot_from_ms;
        break;
    case ACTION_RUNNING:
        vm->running_ms = status->state == NODE_DONE ? status->ended_ms : -1;
        break;
    case ACTION_READY:
        vm->ready_ms = status->state == NODE_DONE ? status->ended_ms : -1;
        break;
    case ACTION_RECOVERED:
    case ACTION_COPIED:
        vm->recovered_ms = status->state == NODE_DONE ? status->ended_ms : -1;
        break;
    default:
        break;
    }
}

static void note_sent(struct reading *reading, struct report_vm *vm, uint32_t index)
{
    struct report *report = reading->report;
    const struct node_status *status = &report->nodes[index];
    const char *blocks = ledger_output(reading->ledger, index, "changed_blocks");
    const char *bytes = ledger_output(reading->ledger, index, "bytes");
    vm->send_from_ms = earlier(vm->send_from_ms, status->started_ms);
    vm->send_to_ms = later(vm->send_to_ms, status->ended_ms);
    vm->blocks_sent += blocks ? strtoll(blocks, NULL, 10) : 0;
    vm->bytes_sent += bytes ? strtoll(bytes, NULL, 10) : 0;
}

static void note_end(struct report *report, struct report_vm *vm, uint32_t index)
{
    const struct graph_node *node = &report->graph->nodes[index];
    const struct node_status *status = &report->nodes[index];
    if (status->state == NODE_FAILED && !node->continue_on_failure && vm->outcome != VM_FAILED) {
        vm->outcome = VM_FAILED;
        vm->cause = (int32_t)index;
    } else if (status->state == NODE_SKIPPED && vm->outcome == VM_UNFINISHED) {
        vm->outcome = VM_SKIPPED;
        vm->cause = status->cause;
        vm->cause_vm = status->cause == NO_NODE ? NO_VM : report->graph->nodes[status->cause].vm;
    }
}

static void read_vm_nodes(struct reading *reading)
{
    struct report *report = reading->report;
    for (uint32_t i = 0; i < report->graph->node_count; i++) {
        const struct graph_node *node = &report->graph->nodes[i];
        const struct node_status *status = &report->nodes[i];
        if (node->vm == NO_VM) {
            continue;
        }
        struct report_vm *vm = &report->vms[node->vm];
        if (status->state != NODE_SKIPPED) {
            vm->began_ms = earlier(vm->began_ms, status->started_ms);
            vm->last_ms = later(vm->last_ms, status->ended_ms);
            note_phases(vm, node, status);
            note_dependency(report, vm, i);
        }
        note_end(report, vm, i);
        if (node->action == ACTION_RUN_INSTANCE) {
            vm->instance_id = ledger_output(reading->ledger, i, "instance_id");
            vm->instance_type = ledger_output(reading->ledger, i, "instance_type");
        }
        if (graph_is_goal(node)) {
            vm->predicted_ms = report->schedule->entries[i].end_ms;
        }
        if (node->action == ACTION_PUT_BLOCKS && status->state != NODE_SKIPPED) {
            note_sent(reading, vm, i);
        }
        report->deleted += node->action == ACTION_DELETE_SNAPSHOT && status->state == NODE_DONE;
    }
}

static void read_loss(struct reading *reading, struct report_vm *vm)
{
    const struct report *report = reading->report;
    const char *bound = NULL;
    if (report->facts) {
        const char *name = arena_printf(reading->arena, "%s/recovery-point", vm->name);
        bound = map_get(&report->facts->bindings, name);
    }
    int64_t point = bound ? parse_time(bound) : -1;
    if (point >= 0) {
        int64_t from = report->options.disaster_utc_ms ? report->options.disaster_utc_ms
                                                       : report->started_utc_ms;
        vm->recovery_point = bound;
        vm->loss_ms = from > point ? from - point : 0;
    }
}

static bool has_nodes(const struct report *report, int32_t vm)
{
    for (size_t i = 0; i < report->graph->node_count; i++) {
        if (report->graph->nodes[i].vm == vm) {
            return true;
        }
    }
    return false;
}

static void make_vms(struct reading *reading)
{
    struct report *report = reading->report;
    const struct graph *graph = report->graph;
    report->vms = ARENA_ARRAY(reading->arena, struct report_vm, graph->vm_count + 1);
    for (size_t i = 0; i < graph->vm_count; i++) {
        report->vms[i] = (struct report_vm){
            .name = graph->vms[i].name,
            .critical = graph->vms[i].critical,
            .recovered_ms = -1,
            .predicted_ms = -1,
            .loss_ms = -1,
            .cause = NO_NODE,
            .cause_vm = NO_VM,
            .waited_for = NO_VM,
            .inject_from_ms = -1,
            .inject_to_ms = -1,
            .boot_from_ms = -1,
            .running_ms = -1,
            .ready_ms = -1,
            .began_ms = -1,
            .last_ms = -1,
            .send_from_ms = -1,
            .send_to_ms = -1,
        };
    }
    read_vm_nodes(reading);
    note_waiting(report);
    bool copies = graph->workflow == WORKFLOW_REPLICATE;
    int64_t rto = 0;
    report->loss_ms = -1;
    for (size_t i = 0; i < graph->vm_count; i++) {
        struct report_vm *vm = &report->vms[i];
        if (vm->recovered_ms >= 0) {
            vm->outcome = copies ? VM_COPIED : VM_RECOVERED;
            report->recovered++;
        } else if (copies && !has_nodes(report, (int32_t)i)) {
            vm->outcome = VM_UNCHANGED;
        }
        report->blocks_sent += vm->blocks_sent;
        report->bytes_sent += vm->bytes_sent;
        read_loss(reading, vm);
        report->loss_ms = later(report->loss_ms, vm->loss_ms);
        if (vm->critical && rto >= 0) {
            rto = vm->recovered_ms < 0 ? -1 : later(rto, vm->recovered_ms);
        }
    }
    report->rto_ms = graph->vm_count && !copies ? rto : -1;
    if (copies) {
        struct throughput throughput = {0};
        throughput_add(&throughput, report->history);
        report->bytes_per_s = throughput_bytes_per_s(&throughput);
    }
}

static void find_causes(struct reading *reading)
{
    struct report *report = reading->report;
    report->causes = ARENA_ARRAY(reading->arena, uint32_t, report->graph->node_count + 1);
    for (uint32_t i = 0; i < report->graph->node_count; i++) {
        enum node_state state = report->nodes[i].state;
        if (state == NODE_FAILED && !report->graph->nodes[i].continue_on_failure) {
            report->causes[report->cause_count++] = i;
        }
    }
}

static void find_path(struct reading *reading)
{
    struct report *report = reading->report;
    struct actual_run run = {
        .graph = report->graph,
        .nodes = report->nodes,
        .schedule = report->schedule,
        .outages = report->history->outages,
        .outage_count = report->history->outage_count,
    };
    report->path = actual_path_find(reading->arena, &run, actual_end(&run));
    for (size_t i = 0; i < report->path->count; i++) {
        const struct actual_link *link = &report->path->links[i];
        if (report->graph->nodes[link->node].action == ACTION_APPROVE) {
            report->approval_ms += link->work_ms + link->away_ms;
        }
    }
    report->rto_ms -= report->rto_ms < 0 ? 0 : report->approval_ms;
}

static bool is_in_use(const struct report *report, const struct ledger_thing *thing, int32_t vm)
{
    if (thing->kind == LEDGER_SNAPSHOT) {
        return thing->finished;
    }
    if (vm == NO_VM || report->vms[vm].outcome != VM_RECOVERED ||
        report->status == RUN_ROLLED_BACK) {
        return false;
    }
    const char *instance = report->vms[vm].instance_id;
    switch (thing->kind) {
    case LEDGER_INSTANCE:
        return instance && !strcmp(thing->id, instance);
    case LEDGER_VOLUME:
        return thing->attached_to && instance && !strcmp(thing->attached_to, instance);
    case LEDGER_IMAGE:
        return true; /* of boot: image: kept until cleanup */
    case LEDGER_SNAPSHOT:
        break;
    }
    return false;
}

/* A thing, and where it is told: by VM in the plan's order, its instance first. */
struct place {
    const struct ledger_thing *thing;
    uint32_t vm; /* NO_VM comes last */
};

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->vm != b->vm) {
        return a->vm < b->vm ? -1 : 1;
    }
    bool a_first = a->thing->kind == LEDGER_INSTANCE, b_first = b->thing->kind == LEDGER_INSTANCE;
    if (a_first != b_first) {
        return a_first ? -1 : 1;
    }
    return a->thing->node < b->thing->node ? -1 : a->thing->node > b->thing->node;
}

static struct place *places_of(struct reading *reading, size_t *count)
{
    const struct ledger *ledger = reading->ledger;
    struct place *places = ARENA_ARRAY(reading->arena, struct place, ledger->count + 1);
    *count = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_thing *thing = &ledger->things[i];
        if (!thing->gone) {
            uint32_t vm = (uint32_t)reading->report->graph->nodes[thing->node].vm;
            places[(*count)++] = (struct place){.thing = thing, .vm = vm};
        }
    }
    qsort(places, *count, sizeof *places, compare_places);
    return places;
}

/* Nothing of it is there any more. After "rollback --stop" all of it is. */
static bool is_taken_back(const struct report *report)
{
    const struct history *history = report->history;
    if (report->status != RUN_ROLLED_BACK) {
        return report->status == RUN_CLEANED;
    }
    for (size_t i = history->decision_count; i-- > 0;) {
        const char *verb = history->decisions[i].decision.verb;
        if (!strncmp(verb, "rollback", strlen("rollback"))) {
            return !strcmp(verb, "rollback");
        }
    }
    return true;
}

static void list_things(struct reading *reading)
{
    struct report *report = reading->report;
    size_t count;
    const struct place *places = places_of(reading, &count);
    report->things = ARENA_ARRAY(reading->arena, struct report_thing, count + 1);
    for (size_t i = 0; i < count && !is_taken_back(report); i++) {
        const struct ledger_thing *thing = places[i].thing;
        const struct graph_node *node = &report->graph->nodes[thing->node];
        bool in_use = is_in_use(report, thing, node->vm);
        report->things[report->thing_count++] = (struct report_thing){
            .kind = ledger_kind_name(thing->kind),
            .id = thing->id,
            .vm = node->vm == NO_VM ? NULL : report->graph->vms[node->vm].name,
            .node = node->id,
            .in_use = in_use,
        };
        report->left_over += !in_use;
    }
}

/* --- loading --- */

static struct facts *load_facts(struct arena *arena, struct run_source *source, struct error *error)
{
    void *text = NULL;
    size_t length = 0;
    if (!source->blob(source, "facts", &text, &length, error)) {
        return NULL;
    }
    struct facts *facts = facts_read(arena, "the journal's facts", text, length, error);
    free(text);
    if (!facts) {
        journal_help_damaged(error);
    }
    return facts;
}

bool report_known_read(struct arena *arena, struct run_source *source, struct report_known *known,
                       struct error *error)
{
    struct error failure = {0};
    void *text = NULL;
    size_t length = 0;
    if (!source->blob(source, "graph", &text, &length, &failure)) {
        return failure.message && error_move(error, &failure);
    }
    known->graph = graph_read(arena, "the journal's graph", text, length, error);
    free(text);
    if (!known->graph) {
        return journal_help_damaged(error);
    }
    known->facts = load_facts(arena, source, &failure);
    if (failure.message) {
        return error_move(error, &failure);
    }
    known->schedule = estimate(arena, known->graph, known->facts, true);
    return true;
}

static bool read_known(struct arena *arena, struct journal *journal, struct report_known *known,
                       struct error *error)
{
    struct run_source *source = run_source_over(journal);
    struct error failure = {0};
    bool ok = report_known_read(arena, source, known, &failure);
    run_source_close(source);
    if (failure.message) {
        return error_move(error, &failure);
    }
    if (!ok) {
        error_set(error, "reporting: the run stopped before it had compiled its plan");
        error_help(error, "drc run resume begins again");
    }
    return ok;
}

static bool read_history(struct report *report, struct arena *arena, struct journal *journal,
                         struct error *error)
{
    struct history *history = history_create(arena, report->graph, true);
    if (!journal_replay(journal, history_take, history, error)) {
        return false;
    }
    if (history->damaged) {
        error_set(error, "reading the journal: group %lld does not fit its graph",
                  (long long)history->damaged);
        return journal_help_damaged(error);
    }
    report->history = history;
    report->run_id = history->run_id;
    report->status = history->status;
    report->started_utc_ms = history->started_utc_ms;
    report->elapsed_ms = history->elapsed_ms;
    report->sessions = history->sessions;
    report->counters = history->counters;
    report->nodes = ARENA_ARRAY(arena, struct node_status, report->graph->node_count + 1);
    for (size_t i = 0; i < report->graph->node_count; i++) {
        report->nodes[i] = history->nodes[i].status;
    }
    return true;
}

struct report *report_load(struct arena *arena, struct journal *journal,
                           const struct report_known *known, struct error *error)
{
    struct report *report = ARENA_NEW(arena, struct report);
    struct report_known found = known ? *known : (struct report_known){0};
    if ((!found.graph && !read_known(arena, journal, &found, error)) ||
        !run_options_read(arena, journal, &report->options, error)) {
        return NULL;
    }
    report->arena = arena;
    report->graph = found.graph;
    report->facts = found.facts;
    report->schedule = found.schedule;
    if (!read_history(report, arena, journal, error)) {
        return NULL;
    }
    struct reading reading = {.arena = arena, .report = report, .ledger = report->history->ledger};
    report->verdict = verdict_of(report->history, &report->verdict_ms);
    make_vms(&reading);
    find_causes(&reading);
    find_path(&reading);
    list_things(&reading);
    return report;
}

const char *report_output(const struct report *report, uint32_t node)
{
    if (!report->folder || report->nodes[node].started_ms < 0) {
        return NULL;
    }
    return script_outputs_find(report->arena, report->folder, report->graph->nodes[node].id,
                               report->nodes[node].generation);
}
