/* Report: read from the journal. What it says is written by report_text.c and report_json.c. */
#include "runtime/engine/report.h"

#include <cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/engine/journal.h"
#include "runtime/engine/ledger.h"

struct reading {
    struct arena *arena;
    struct report *report;
    struct ledger *ledger;
    int64_t dead_ms; /* in which no process worked on the run, so far */
    int64_t damaged; /* the number of a group that does not fit; 0: none */
};

static int64_t number_of(const cJSON *record, const char *key, int64_t fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, key);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : fallback;
}

static const char *text_of(const cJSON *record, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, key));
}

static const char *copy(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

/* --- records --- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int64_t later(int64_t a, int64_t b)
{
    return b > a ? b : a;
}

/* Records count alive time; a report tells what the clock on the wall said, since the run's start.
 */
static int64_t moment(const struct reading *reading, const cJSON *record)
{
    return number_of(record, "t", 0) + reading->dead_ms;
}

static void begin(const struct reading *reading, struct node_status *status, const cJSON *record)
{
    status->state = NODE_RUNNING;
    if (status->started_ms < 0 || status->ended_ms >= 0) {
        status->started_ms = moment(reading, record);
    }
    status->ended_ms = -1;
    status->cause = NO_NODE;
}

static void end(const struct reading *reading, struct node_status *status, enum node_state state,
                const cJSON *record)
{
    status->state = state;
    status->ended_ms = moment(reading, record);
    if (status->started_ms < 0) {
        status->started_ms = status->ended_ms;
    }
}

static void read_failure(const struct reading *reading, struct node_status *status,
                         const cJSON *record)
{
    struct arena *arena = reading->arena;
    end(reading, status, NODE_FAILED, record);
    status->detail = copy(arena, text_of(record, "message"));
    status->help = copy(arena, text_of(record, "help"));
    status->service = copy(arena, text_of(record, "service"));
    status->code = copy(arena, text_of(record, "code"));
    status->request_id = copy(arena, text_of(record, "request_id"));
}

static void read_skip(const struct reading *reading, struct node_status *status,
                      const cJSON *record)
{
    int64_t cause = number_of(record, "c", NO_NODE);
    int64_t count = (int64_t)reading->report->graph->node_count;
    end(reading, status, NODE_SKIPPED, record);
    status->cause = cause >= 0 && cause < count ? (int32_t)cause : NO_NODE;
}

static void read_node(struct reading *reading, uint32_t node, const char *kind, const cJSON *record)
{
    struct node_status *status = &reading->report->nodes[node];
    if (!strcmp(kind, "intent") || !strcmp(kind, "wait")) {
        begin(reading, status, record);
        status->attempts = (int)number_of(record, "a", 0);
        status->generation = (int)number_of(record, "g", 0);
        status->choice = (int)number_of(record, "c", 0);
    } else if (!strcmp(kind, "done")) {
        end(reading, status, NODE_DONE, record);
        ledger_done(reading->ledger, node, cJSON_GetObjectItemCaseSensitive(record, "o"));
    } else if (!strcmp(kind, "fail")) {
        read_failure(reading, status, record);
    } else if (!strcmp(kind, "skip")) {
        read_skip(reading, status, record);
    } else if (!strcmp(kind, "retry")) {
        status->state = NODE_RETRYING;
    } else if (!strcmp(kind, "redo")) {
        *status = (struct node_status){.started_ms = -1, .ended_ms = -1, .cause = NO_NODE};
    }
}

/* A resume takes up again what had failed or was skipped. */
static void read_session(struct reading *reading, const cJSON *record)
{
    struct report *report = reading->report;
    report->sessions++;
    for (size_t i = 0; i < report->graph->node_count; i++) {
        struct node_status *status = &report->nodes[i];
        if (status->state == NODE_FAILED || status->state == NODE_SKIPPED) {
            *status = (struct node_status){.started_ms = -1, .ended_ms = -1, .cause = NO_NODE};
        }
    }
    int64_t at = number_of(record, "at", report->started_utc_ms);
    if (report->sessions == 1) {
        report->started_utc_ms = at;
    }
    int64_t dead = at - report->started_utc_ms - number_of(record, "t", 0);
    reading->dead_ms =
        later(reading->dead_ms, dead); /* a clock that was set back counts for nothing */
}

static enum run_status status_by_name(const char *name)
{
    enum run_status status = RUN_PREPARING;
    for (int i = RUN_PREPARING; name && i <= RUN_CANCELLED; i++) {
        if (!strcmp(name, run_status_name((enum run_status)i))) {
            status = (enum run_status)i;
        }
    }
    return status;
}

static void read_run(struct reading *reading, const char *kind, const cJSON *record)
{
    struct report *report = reading->report;
    if (!strcmp(kind, "run")) {
        report->run_id = copy(reading->arena, text_of(record, "id"));
        report->started_utc_ms = number_of(record, "at", 0);
    } else if (!strcmp(kind, "status")) {
        report->status = status_by_name(text_of(record, "status"));
    } else if (!strcmp(kind, "start") || !strcmp(kind, "resume")) {
        read_session(reading, record);
    } else if (!strcmp(kind, "tick")) {
        report->counters.requests = number_of(record, "q", 0);
        report->counters.throttled = number_of(record, "th", 0);
        report->counters.retries = number_of(record, "re", 0);
        report->counters.lookups = number_of(record, "lo", 0);
    }
}

static bool read_record(void *context, int64_t number, const char *text)
{
    struct reading *reading = context;
    struct report *report = reading->report;
    cJSON *record = cJSON_ParseWithOpts(text, NULL, 1);
    const char *kind = text_of(record, "r");
    int64_t node = number_of(record, "n", -1);
    if (!kind || node >= (int64_t)report->graph->node_count) {
        reading->damaged = number;
        cJSON_Delete(record);
        return false;
    }
    if (node >= 0) {
        read_node(reading, (uint32_t)node, kind, record);
    } else {
        read_run(reading, kind, record);
    }
    if (cJSON_GetObjectItemCaseSensitive(record, "t")) {
        report->elapsed_ms = later(report->elapsed_ms, moment(reading, record));
    }
    report->counters.commits = number;
    cJSON_Delete(record);
    return true;
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
        vm->recovered_ms = status->state == NODE_DONE ? status->ended_ms : -1;
        break;
    default:
        break;
    }
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
        if (node->action == ACTION_RECOVERED) {
            vm->predicted_ms = report->schedule->entries[i].end_ms;
        }
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
        };
    }
    read_vm_nodes(reading);
    note_waiting(report);
    int64_t rto = 0;
    report->loss_ms = -1;
    for (size_t i = 0; i < graph->vm_count; i++) {
        struct report_vm *vm = &report->vms[i];
        if (vm->recovered_ms >= 0) {
            vm->outcome = VM_RECOVERED;
            report->recovered++;
        }
        read_loss(reading, vm);
        report->loss_ms = later(report->loss_ms, vm->loss_ms);
        if (vm->critical && rto >= 0) {
            rto = vm->recovered_ms < 0 ? -1 : later(rto, vm->recovered_ms);
        }
    }
    report->rto_ms = graph->vm_count ? rto : -1;
}

static void find_causes(struct reading *reading)
{
    struct report *report = reading->report;
    report->causes = ARENA_ARRAY(reading->arena, uint32_t, report->graph->node_count + 1);
    for (uint32_t i = 0; i < report->graph->node_count; i++) {
        enum node_state state = report->nodes[i].state;
        report->counters.done += state == NODE_DONE;
        report->counters.failed += state == NODE_FAILED;
        report->counters.skipped += state == NODE_SKIPPED;
        if (state == NODE_FAILED && !report->graph->nodes[i].continue_on_failure) {
            report->causes[report->cause_count++] = i;
        }
    }
    report->counters.total = report->graph->node_count;
}

static bool is_in_use(const struct report *report, const struct ledger_thing *thing, int32_t vm)
{
    if (vm == NO_VM || report->vms[vm].outcome != VM_RECOVERED) {
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

static void list_things(struct reading *reading)
{
    struct report *report = reading->report;
    size_t count;
    const struct place *places = places_of(reading, &count);
    report->things = ARENA_ARRAY(reading->arena, struct report_thing, count + 1);
    for (size_t i = 0; i < count && report->status != RUN_CLEANED; i++) {
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

static struct facts *load_facts(struct arena *arena, struct journal *journal, struct error *error)
{
    void *text = NULL;
    size_t length = 0;
    if (!journal_get_blob(journal, "facts", &text, &length, error)) {
        return NULL;
    }
    struct facts *facts = facts_read(arena, "the journal's facts", text, length, error);
    free(text);
    if (!facts) {
        journal_help_damaged(error);
    }
    return facts;
}

static struct graph *load_graph(struct arena *arena, struct journal *journal, struct error *error)
{
    void *text = NULL;
    size_t length = 0;
    struct error failure = {0};
    if (!journal_get_blob(journal, "graph", &text, &length, &failure)) {
        if (failure.message) {
            error_move(error, &failure);
        } else {
            error_set(error, "reporting: the run stopped before it had compiled its plan");
            error_help(error, "drc run resume begins again");
        }
        return NULL;
    }
    struct graph *graph = graph_read(arena, "the journal's graph", text, length, error);
    free(text);
    if (!graph) {
        journal_help_damaged(error);
    }
    return graph;
}

/* graph, facts and prediction as the journal has them. */
static bool read_known(struct arena *arena, struct journal *journal, struct report_known *known,
                       struct error *error)
{
    struct error failure = {0};
    known->graph = load_graph(arena, journal, error);
    if (!known->graph) {
        return false;
    }
    known->facts = load_facts(arena, journal, &failure);
    if (failure.message) {
        return error_move(error, &failure);
    }
    known->schedule = estimate(arena, known->graph, known->facts, true);
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
    report->graph = found.graph;
    report->facts = found.facts;
    report->schedule = found.schedule;
    report->nodes = ARENA_ARRAY(arena, struct node_status, report->graph->node_count + 1);
    for (size_t i = 0; i < report->graph->node_count; i++) {
        report->nodes[i].started_ms = report->nodes[i].ended_ms = -1;
        report->nodes[i].cause = NO_NODE;
    }
    struct reading reading = {
        .arena = arena, .report = report, .ledger = ledger_create(arena, report->graph)};
    if (!journal_replay(journal, read_record, &reading, error)) {
        return NULL;
    }
    if (reading.damaged) {
        error_set(error, "reading the journal: group %lld does not fit its graph",
                  (long long)reading.damaged);
        journal_help_damaged(error);
        return NULL;
    }
    make_vms(&reading);
    find_causes(&reading);
    list_things(&reading);
    return report;
}
