#include "runtime/report/history.h"

#include <cJSON.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"

struct history *history_create(struct arena *arena, const struct graph *graph, bool wall)
{
    struct history *history = ARENA_NEW(arena, struct history);
    history->arena = arena;
    history->graph = graph;
    history->wall = wall;
    history->run_id = ""; /* a journal without its first record is damaged, and is told of all the same */
    history->nodes = ARENA_ARRAY(arena, struct history_node, graph->node_count + 1);
    history->vm_failed = ARENA_ARRAY(arena, bool, graph->vm_count + 1);
    history->ledger = ledger_create(arena, graph);
    history->counters.total = graph->node_count;
    for (size_t i = 0; i < graph->node_count; i++) {
        struct history_node *node = &history->nodes[i];
        node->status = (struct node_status){.started_ms = -1, .ended_ms = -1, .cause = NO_NODE};
        node->started_utc_ms = node->ended_utc_ms = node->due_ms = node->sent_utc_ms = -1;
        node->seen_ms = node->slot = -1;
    }
    return history;
}

static const char *copy(struct history *history, const cJSON *record, const char *key)
{
    const char *text = json_text_of(record, key);
    return text ? arena_strdup(history->arena, text) : NULL;
}

/* The same text as before needs no new memory. */
static const char *renew(struct history *history, const char *old, const cJSON *record,
                         const char *key)
{
    const char *text = json_text_of(record, key);
    return text && old && !strcmp(text, old) ? old : copy(history, record, key);
}

static int64_t later(int64_t a, int64_t b)
{
    return b > a ? b : a;
}

static int64_t moment(const struct history *history, const cJSON *record)
{
    return json_int_of(record, "t", 0) + (history->wall ? history->dead_ms : 0);
}

static int64_t utc_of(const struct history *history, const cJSON *record)
{
    return history->session_utc_ms + json_int_of(record, "t", 0) - history->session_t_ms;
}

int64_t history_moment(const struct history *history, int64_t utc_ms)
{
    int64_t now = utc_ms - history->session_utc_ms + history->session_t_ms +
                  (history->wall ? history->dead_ms : 0);
    return later(history->elapsed_ms, now);
}

bool history_is_over(const struct history *history)
{
    return history->result != NULL;
}

bool history_may_start(const struct history *history, uint32_t index)
{
    const struct graph_node *node = &history->graph->nodes[index];
    if (history->nodes[index].status.state != NODE_BLOCKED || history_is_over(history)) {
        return false;
    }
    for (uint32_t e = 0; e < node->after_count; e++) {
        const struct history_node *before = &history->nodes[node->after[e].node];
        enum node_state state = before->status.state;
        bool ended = state == NODE_DONE || state == NODE_FAILED || state == NODE_SKIPPED;
        bool ok = state == NODE_DONE || (state == NODE_FAILED && before->forgiven);
        if (!ok && !(ended && node->after[e].when != WHEN_OK)) {
            return false;
        }
    }
    return true;
}

/* --- telling --- */

static void tell(const struct history *history, enum executor_event_type type, int32_t node,
                 int64_t utc_ms, const char *text)
{
    if (history->observer) {
        struct executor_event event = {
            .type = type,
            .utc_ms = utc_ms,
            .node = node == NO_NODE ? NULL : &history->graph->nodes[node],
            .status = node == NO_NODE ? NULL : &history->nodes[node].status,
            .text = text,
        };
        history->observer(history->observer_context, &event);
    }
}

/* --- nodes --- */

static void count(struct history *history, enum node_state state, int by)
{
    size_t *counter = state == NODE_DONE      ? &history->counters.done
                      : state == NODE_FAILED  ? &history->counters.failed
                      : state == NODE_SKIPPED ? &history->counters.skipped
                                              : NULL;
    if (counter) {
        *counter = by > 0 ? *counter + 1 : *counter - 1;
    }
}

static void set_state(struct history *history, uint32_t index, enum node_state state)
{
    count(history, history->nodes[index].status.state, -1);
    count(history, state, 1);
    history->nodes[index].status.state = state;
}

static struct history_note *note(struct history *history, uint32_t index, enum history_kind kind,
                                 const cJSON *record)
{
    struct history_node *node = &history->nodes[index];
    if (node->note_count == HISTORY_NOTES_MAX) {
        memmove(node->notes, node->notes + 1, --node->note_count * sizeof *node->notes);
        node->notes_dropped++;
    }
    node->notes = arena_grow(history->arena, node->notes, node->note_count, &node->note_capacity,
                             sizeof *node->notes);
    struct history_note *made = &node->notes[node->note_count++];
    *made = (struct history_note){
        .kind = kind,
        .utc_ms = utc_of(history, record),
        .attempt = node->status.attempts,
        .wait_ms = -1,
        .text = node->status.detail,
        .service = node->status.service,
        .code = node->status.code,
        .request_id = node->status.request_id,
    };
    return made;
}

static void take_answer(struct history *history, struct history_node *node, const cJSON *record)
{
    struct node_status *status = &node->status;
    status->detail = renew(history, status->detail, record, "message");
    status->help = renew(history, status->help, record, "help");
    status->service = renew(history, status->service, record, "service");
    status->code = renew(history, status->code, record, "code");
    status->request_id = renew(history, status->request_id, record, "request_id");
    node->seen_ms = moment(history, record);
}

static void begin(struct history *history, uint32_t index, const cJSON *record)
{
    struct history_node *node = &history->nodes[index];
    struct node_status *status = &node->status;
    bool anew = status->started_ms < 0 || status->ended_ms >= 0;
    set_state(history, index, NODE_RUNNING);
    if (anew) {
        status->started_ms = moment(history, record);
        node->started_utc_ms = utc_of(history, record);
    }
    status->ended_ms = node->ended_utc_ms = node->due_ms = -1;
    status->cause = NO_NODE;
    status->attempts = (int)json_int_of(record, "a", 0);
    status->generation = (int)json_int_of(record, "g", 0);
    status->choice = (int)json_int_of(record, "c", 0);
    if (anew) {
        tell(history, EVENT_NODE_STARTED, (int32_t)index, node->started_utc_ms, NULL);
    }
}

static void take_intent(struct history *history, uint32_t index, const cJSON *record)
{
    struct history_node *node = &history->nodes[index];
    begin(history, index, record);
    node->sent_utc_ms = json_int_of(record, "at", -1);
    node->token = renew(history, node->token, record, "k");
    node->slot = (int)json_int_of(record, "s", node->slot);
    note(history, index, HISTORY_SENT, record)->utc_ms = later(node->sent_utc_ms, 0);
}

static void end(struct history *history, uint32_t index, enum node_state state,
                const cJSON *record)
{
    struct history_node *node = &history->nodes[index];
    set_state(history, index, state);
    node->status.ended_ms = moment(history, record);
    node->ended_utc_ms = utc_of(history, record);
    node->due_ms = -1;
    if (node->status.started_ms < 0) {
        node->status.started_ms = node->status.ended_ms;
        node->started_utc_ms = node->ended_utc_ms;
    }
}

/* Whose slot a node gives back: the last one before it, of its VM and disk, that acquired there. */
static void release_slot(struct history *history, uint32_t index)
{
    const struct graph_node *node = &history->graph->nodes[index];
    for (uint32_t i = index; node->release != NO_POOL && i-- > 0;) {
        const struct graph_node *other = &history->graph->nodes[i];
        const char *slash = strrchr(node->id, '/');
        size_t prefix = slash ? (size_t)(slash - node->id) + 1 : 0;
        if (other->acquire == node->release && other->vm == node->vm &&
            (node->guards == (int32_t)i || !strncmp(other->id, node->id, prefix))) {
            history->nodes[i].slot = -1;
            return;
        }
    }
}

static void take_done(struct history *history, uint32_t index, const cJSON *record)
{
    struct node_status *status = &history->nodes[index].status;
    status->unneeded = history->nodes[index].sent_utc_ms < 0 &&
                       graph_is_for_failure(&history->graph->nodes[index]);
    end(history, index, NODE_DONE, record);
    status->detail = status->help = status->service = status->code = status->request_id = NULL;
    ledger_done(history->ledger, index, cJSON_GetObjectItemCaseSensitive(record, "o"));
    release_slot(history, index);
    tell(history, EVENT_NODE_DONE, (int32_t)index, history->nodes[index].ended_utc_ms, NULL);
}

static void fail_vm(struct history *history, uint32_t index)
{
    int32_t vm = history->graph->nodes[index].vm;
    if (vm != NO_VM && !history->vm_failed[vm]) {
        history->vm_failed[vm] = true;
        tell(history, EVENT_VM_FAILED, (int32_t)index, history->nodes[index].ended_utc_ms, NULL);
    }
}

static void take_failure(struct history *history, uint32_t index, const cJSON *record)
{
    end(history, index, NODE_FAILED, record);
    take_answer(history, &history->nodes[index], record);
    tell(history, EVENT_NODE_FAILED, (int32_t)index, history->nodes[index].ended_utc_ms, NULL);
    history->nodes[index].forgiven = json_int_of(record, "cont", 0) != 0;
    history->nodes[index].doubtful = json_int_of(record, "doubt", 0) != 0;
    if (!history->nodes[index].forgiven) {
        fail_vm(history, index);
    }
}

static void take_skip(struct history *history, uint32_t index, const cJSON *record)
{
    int64_t cause = json_int_of(record, "c", NO_NODE);
    bool fits = cause >= 0 && cause < (int64_t)history->graph->node_count;
    end(history, index, NODE_SKIPPED, record);
    history->nodes[index].status.cause = fits ? (int32_t)cause : NO_NODE;
    tell(history, EVENT_NODE_SKIPPED, (int32_t)index, history->nodes[index].ended_utc_ms, NULL);
    fail_vm(history, index);
}

static void take_retry(struct history *history, uint32_t index, const cJSON *record)
{
    struct history_node *node = &history->nodes[index];
    const char *outcome = json_text_of(record, "o");
    take_answer(history, node, record);
    struct history_note *made = note(history, index, HISTORY_RETRY, record);
    made->outcome = copy(history, record, "o");
    made->wait_ms = json_int_of(record, "w", -1);
    set_state(history, index, NODE_RETRYING);
    node->status.attempts++;
    node->retries++;
    node->throttled += outcome && !strcmp(outcome, outcome_name(OUTCOME_THROTTLED));
    node->due_ms = made->wait_ms < 0 ? -1 : moment(history, record) + made->wait_ms;
    tell(history, EVENT_NODE_RETRY, (int32_t)index, made->utc_ms, NULL);
}

static void take_seen(struct history *history, uint32_t index, const cJSON *record)
{
    struct history_node *node = &history->nodes[index];
    const char *before = node->status.detail;
    node->status.attempts = (int)json_int_of(record, "a", node->status.attempts);
    take_answer(history, node, record);
    if (node->status.detail != before) {
        note(history, index, HISTORY_SEEN, record);
        bool approval = history->graph->nodes[index].action == ACTION_APPROVE;
        tell(history, approval ? EVENT_APPROVAL_NEEDED : EVENT_NODE_DETAIL, (int32_t)index,
             utc_of(history, record), NULL);
    }
}

static void take_note(struct history *history, uint32_t index, const cJSON *record)
{
    struct history_node *node = &history->nodes[index];
    node->status.detail = renew(history, node->status.detail, record, "message");
    node->status.done_bytes = json_int_of(record, "d", 0);
    node->status.total_bytes = json_int_of(record, "of", 0);
    node->seen_ms = moment(history, record);
    tell(history, EVENT_NODE_PROGRESS, (int32_t)index, utc_of(history, record), NULL);
}

static void take_next(struct history *history, uint32_t index, const cJSON *record)
{
    struct history_node *node = &history->nodes[index];
    node->status.generation = (int)json_int_of(record, "g", node->status.generation);
    node->status.choice = (int)json_int_of(record, "c", 0);
    int64_t utc_ms = note(history, index, HISTORY_NEXT, record)->utc_ms;
    tell(history, EVENT_NODE_RETRY, (int32_t)index, utc_ms, NULL);
}

/* As if it had never been. */
static void forget(struct history *history, uint32_t index)
{
    struct history_node *node = &history->nodes[index];
    set_state(history, index, NODE_BLOCKED);
    node->status = (struct node_status){.started_ms = -1,
                                        .ended_ms = -1,
                                        .cause = NO_NODE,
                                        .generation = node->status.generation};
    node->started_utc_ms = node->ended_utc_ms = node->due_ms = -1;
}

static void take_again(struct history *history, uint32_t index)
{
    int32_t vm = history->graph->nodes[index].vm;
    forget(history, index);
    if (vm != NO_VM) {
        history->vm_failed[vm] = false;
    }
    tell(history, EVENT_NODE_AGAIN, (int32_t)index, history->last_utc_ms, NULL);
}

/* One that skips its node went through: it counts as done. So does an approval that came while no process
 * worked on the run; else the process says so itself. */
static void take_decision(struct history *history, int32_t index, const cJSON *record)
{
    struct decision decision = decision_read(history->arena, record);
    struct history_decision *made;
    history->decisions = arena_grow(history->arena, history->decisions, history->decision_count,
                                    &history->decision_capacity, sizeof *history->decisions);
    made = &history->decisions[history->decision_count++];
    *made = (struct history_decision){.decision = decision, .node = index};
    bool skips = !strcmp(decision.verb, "skip");
    bool alone = !cJSON_GetObjectItemCaseSensitive(record, "t");
    bool waived = index != NO_NODE && !decision.refused &&
                  (skips || (alone && !strcmp(decision.verb, "approve")));
    if (waived) {
        struct node_status *status = &history->nodes[index].status;
        end(history, (uint32_t)index, NODE_DONE, record);
        if (alone) { /* no process worked on it */
            status->ended_ms = history->wall ? history_moment(history, decision.at_utc_ms)
                                             : history->elapsed_ms;
            status->started_ms = status->started_ms > 0 ? status->started_ms : status->ended_ms;
        }
        status->cause = NO_NODE;
        status->waived = skips ? decision_copy(history->arena, &decision) : NULL;
        history->nodes[index].slot = -1;
        release_slot(history, (uint32_t)index);
    }
    if (history->observer) {
        struct executor_event event = {
            .type = EVENT_DECISION, .utc_ms = decision.at_utc_ms, .decision = &decision};
        if (index != NO_NODE) {
            event.node = &history->graph->nodes[index];
            event.status = &history->nodes[index].status;
        }
        history->observer(history->observer_context, &event);
    }
    if (waived) {
        tell(history, EVENT_NODE_DONE, index, history->nodes[index].ended_utc_ms, NULL);
    }
}

static void take_node(struct history *history, uint32_t index, const char *kind,
                      const cJSON *record)
{
    if (!strcmp(kind, "intent")) {
        take_intent(history, index, record);
    } else if (!strcmp(kind, "wait")) {
        begin(history, index, record);
    } else if (!strcmp(kind, "done")) {
        take_done(history, index, record);
    } else if (!strcmp(kind, "fail")) {
        take_failure(history, index, record);
    } else if (!strcmp(kind, "skip")) {
        take_skip(history, index, record);
    } else if (!strcmp(kind, "retry")) {
        take_retry(history, index, record);
    } else if (!strcmp(kind, "seen")) {
        take_seen(history, index, record);
    } else if (!strcmp(kind, "note")) {
        take_note(history, index, record);
    } else if (!strcmp(kind, "next")) {
        take_next(history, index, record);
    } else if (!strcmp(kind, "redo")) {
        forget(history, index);
        history->nodes[index].slot = -1;
    } else if (!strcmp(kind, "again")) {
        take_again(history, index);
    } else if (!strcmp(kind, "decision")) {
        take_decision(history, (int32_t)index, record);
    }
}

/* --- the run --- */

/* From the last record of the process before to the first of this one. */
static void take_outage(struct history *history, int64_t from_ms, int64_t until_ms)
{
    history->outages = arena_grow(history->arena, history->outages, history->outage_count,
                                  &history->outage_capacity, sizeof *history->outages);
    history->outages[history->outage_count++] = (struct actual_outage){from_ms, until_ms};
}

/* A resume takes up again what had failed or was skipped. */
static void take_session(struct history *history, const cJSON *record)
{
    history->session_list = arena_grow(history->arena, history->session_list,
                                       (size_t)history->sessions, &history->session_capacity,
                                       sizeof *history->session_list);
    history->sessions++;
    history->result = NULL;
    bool named = json_int_of(record, "named", 0) != 0; /* "again" says of each what is taken up */
    if (!named) {
        memset(history->vm_failed, 0, history->graph->vm_count * sizeof *history->vm_failed);
    }
    for (uint32_t i = 0; !named && i < history->graph->node_count; i++) {
        enum node_state state = history->nodes[i].status.state;
        bool stays = state == NODE_FAILED && history->nodes[i].forgiven;
        if ((state == NODE_FAILED && !stays) || state == NODE_SKIPPED) {
            forget(history, i);
        }
    }
    int64_t at = json_int_of(record, "at", history->started_utc_ms);
    if (history->sessions == 1) {
        history->started_utc_ms = at;
    }
    history->session_list[history->sessions - 1] = (struct history_session){at, at};
    history->session_utc_ms = at;
    history->session_t_ms = json_int_of(record, "t", 0);
    int64_t dead = at - history->started_utc_ms - history->session_t_ms;
    int64_t was_dead = history->dead_ms;
    history->dead_ms = later(was_dead, dead); /* a clock that was set back counts for nothing */
    if (history->sessions > 1) {
        take_outage(history, history->session_t_ms + was_dead,
                    history->session_t_ms + history->dead_ms);
    }
    tell(history, history->sessions > 1 ? EVENT_RUN_RESUMED : EVENT_RUN_STARTED, NO_NODE, at,
         named ? "named" : NULL);
}

static void take_end(struct history *history, const cJSON *record)
{
    history->result = copy(history, record, "result");
    bool interrupted = history->result && (!strcmp(history->result, "interrupted") ||
                                           !strcmp(history->result, "cancelled"));
    tell(history, interrupted ? EVENT_INTERRUPTED : EVENT_RUN_ENDED, NO_NODE,
         json_int_of(record, "at", 0), history->result);
}

static void take_status(struct history *history, const cJSON *record)
{
    const char *name = json_text_of(record, "status");
    for (int i = RUN_PREPARING; name && i < RUN_STATUS_COUNT; i++) {
        if (!strcmp(name, run_status_name((enum run_status)i))) {
            history->status = (enum run_status)i;
        }
    }
}

static void take_run(struct history *history, const char *kind, const cJSON *record)
{
    if (!strcmp(kind, "run")) {
        const char *id = copy(history, record, "id");
        history->run_id = id ? id : history->run_id;
        history->started_utc_ms = json_int_of(record, "at", 0);
        history->session_utc_ms = history->started_utc_ms;
    } else if (!strcmp(kind, "status")) {
        take_status(history, record);
    } else if (!strcmp(kind, "start") || !strcmp(kind, "resume")) {
        take_session(history, record);
    } else if (!strcmp(kind, "end")) {
        take_end(history, record);
    } else if (!strcmp(kind, "decision")) {
        take_decision(history, NO_NODE, record);
    } else if (!strcmp(kind, "tick")) {
        history->counters.requests = json_int_of(record, "q", 0);
        history->counters.throttled = json_int_of(record, "th", 0);
        history->counters.retries = json_int_of(record, "re", 0);
        history->counters.lookups = json_int_of(record, "lo", 0);
    }
}

bool history_take(void *context, int64_t number, const char *text)
{
    struct history *history = context;
    cJSON *record = cJSON_ParseWithOpts(text, NULL, 1);
    const char *kind = json_text_of(record, "r");
    int64_t node = json_int_of(record, "n", -1);
    if (!kind || node >= (int64_t)history->graph->node_count) {
        history->damaged = number;
        cJSON_Delete(record);
        return false;
    }
    if (cJSON_GetObjectItemCaseSensitive(record, "t") && history->sessions > 0) {
        history->elapsed_ms = later(history->elapsed_ms, moment(history, record));
        history->last_utc_ms = later(history->last_utc_ms, utc_of(history, record));
        struct history_session *session = &history->session_list[history->sessions - 1];
        session->until_utc_ms = later(session->until_utc_ms, utc_of(history, record));
    }
    if (node >= 0) {
        take_node(history, (uint32_t)node, kind, record);
    } else {
        take_run(history, kind, record);
    }
    history->number = history->counters.commits = number;
    cJSON_Delete(record);
    return true;
}
