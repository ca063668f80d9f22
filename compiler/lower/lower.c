#include "compiler/lower/lower.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/lower/lowering.h"

const char *lowering_join(struct lowering *l, const char *a, const char *b)
{
    size_t a_length = strlen(a), b_length = strlen(b);
    char *text = arena_alloc(l->arena, a_length + b_length + 2);
    memcpy(text, a, a_length + 1);
    text[a_length] = '/';
    memcpy(text + a_length + 1, b, b_length + 1);
    return text;
}

const char *lowering_number(struct lowering *l, const char *a, const char *b, size_t n)
{
    char digits[24], *end = digits + sizeof digits, *at = end;
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    size_t a_length = strlen(a), b_length = strlen(b), digit_count = (size_t)(end - at);
    char *text = arena_alloc(l->arena, a_length + b_length + digit_count + 2);
    memcpy(text, a, a_length);
    text[a_length] = '/';
    memcpy(text + a_length + 1, b, b_length);
    memcpy(text + a_length + 1 + b_length, at, digit_count);
    text[a_length + 1 + b_length + digit_count] = '\0';
    return text;
}

void lowering_assume(struct lowering *l, const char *format, ...)
{
    struct graph *graph = l->graph;
    struct buffer text = {0};
    va_list args;
    va_start(args, format);
    buffer_vprintf(&text, format, args);
    va_end(args);
    graph->assumptions = arena_grow(l->arena, graph->assumptions, graph->assumption_count,
                                    &l->assumption_capacity, sizeof *graph->assumptions);
    graph->assumptions[graph->assumption_count++] = arena_strdup(l->arena, buffer_text(&text));
    buffer_free(&text);
}

enum timeout_kind lower_timeout_of(enum action action)
{
    switch (action) {
    case ACTION_RUN_INSTANCE:
    case ACTION_START_INSTANCE:
    case ACTION_WAIT_RUNNING:
        return TIMEOUT_START;
    case ACTION_STOP_INSTANCE:
    case ACTION_WAIT_STOPPED:
        return TIMEOUT_STOP;
    case ACTION_CREATE_VOLUME:
    case ACTION_WAIT_VOLUME_AVAILABLE:
    case ACTION_ATTACH_VOLUME:
    case ACTION_WAIT_VOLUME_ATTACHED:
    case ACTION_DETACH_VOLUME:
    case ACTION_DELETE_VOLUME:
        return TIMEOUT_VOLUME;
    case ACTION_START_SNAPSHOT:
    case ACTION_CREATE_SNAPSHOT:
    case ACTION_COMPLETE_SNAPSHOT:
    case ACTION_WAIT_SNAPSHOT_COMPLETED:
        return TIMEOUT_SNAPSHOT;
    case ACTION_REGISTER_IMAGE:
    case ACTION_WAIT_IMAGE_AVAILABLE:
        return TIMEOUT_IMAGE;
    case ACTION_INJECT:
    case ACTION_WAIT_INJECTED:
        return TIMEOUT_INJECT;
    default:
        return TIMEOUT_COUNT;
    }
}

uint32_t lowering_node(struct lowering *l, const struct vm_lowering *v, enum action action,
                       const char *prefix, struct span at, const char *rule)
{
    struct because because = {
        .file = at.source ? at.source->path : NULL, .line = at.line, .rule = rule};
    uint32_t node = builder_node(l->builder, action, prefix, v ? v->index : NO_VM, because);
    enum timeout_kind kind = lower_timeout_of(action);
    if (v && kind != TIMEOUT_COUNT && v->vm->timeouts[kind].given) {
        builder_current(l->builder)->timeout_ms = v->vm->timeouts[kind].ms;
    }
    return node;
}

void lowering_after_before(struct lowering *l)
{
    lower_after_chain(l, &l->before);
}

static struct graph *make_graph(struct lowering *l)
{
    const struct plan *plan = l->plan;
    struct graph *graph = ARENA_NEW(l->arena, struct graph);
    graph->plan_name = plan->name;
    graph->plan_file = plan->source->path;
    graph->plan_digest = plan->digest;
    graph->inventory_digest = "";
    if (l->facts) {
        char *digest = arena_alloc(l->arena, 65);
        facts_inventory_digest(l->facts, digest);
        graph->inventory_digest = digest;
    }
    graph->tool = drc_version();
    graph->workflow = l->workflow;
    graph->region = plan->aws.region.value;
    graph->account = plan->aws.account.value;
    graph->vms = ARENA_ARRAY(l->arena, struct graph_vm, plan->vm_count);
    graph->vm_count = plan->vm_count;
    for (size_t i = 0; i < plan->vm_count; i++) {
        graph->vms[i] =
            (struct graph_vm){.name = plan->vms[i].name, .critical = plan->vms[i].critical};
    }
    return graph;
}

/* Facts gathered elsewhere would make a graph for another place. */
static bool same_place(struct lowering *l, const char *what, const char *known, struct text planned)
{
    if (!known || !planned.value || strcmp(known, planned.value) == 0) {
        return true;
    }
    struct diagnostic *found = diagnose(l->diagnostics, DIAG_FACTS_OF_OTHER_SITE, planned.at,
                                        "the facts are of %s %s, and the plan recovers into %s",
                                        what, known, planned.value);
    diagnostic_help(l->diagnostics, found, "gather them again: drc plan facts PLAN %s",
                    workflow_name(l->workflow));
    return false;
}

static bool check_site(struct lowering *l)
{
    if (!l->facts) {
        return true;
    }
    bool account = same_place(l, "account", l->facts->account, l->plan->aws.account);
    return same_place(l, "region", l->facts->region, l->plan->aws.region) && account;
}

/* A guess at the number of nodes, rather too high. */
static size_t guess_nodes(const struct lowering *l)
{
    size_t count = 3 * (l->plan->before_count + l->plan->after_count);
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        const struct plan_vm *vm = l->vms[i].vm;
        count += 21 + 5 * l->vms[i].hardware.disk_count + vm->ready_count + 3 * vm->post_boot_count;
    }
    return count;
}

/* What the plan lacks for the workflow; NULL when it has all. */
static const char *missing_section(const struct lowering *l)
{
    const struct plan *plan = l->plan;
    switch (l->workflow) {
    case WORKFLOW_BACKUP:
        return plan->backup.given ? NULL : "backup";
    case WORKFLOW_REPLICATE:
        return !plan->replication.given ? "replication" : plan->backup.given ? NULL : "backup";
    case WORKFLOW_TEST:
        return plan->networks[NETWORK_TEST].given ? NULL : "networks.test";
    case WORKFLOW_FAILBACK:
        return plan->vcenter.given ? NULL : "sites.primary";
    default:
        return NULL;
    }
}

static bool check_workflow(struct lowering *l)
{
    const char *name = workflow_name(l->workflow), *missing = missing_section(l);
    if (missing) {
        struct diagnostic *found =
            diagnose(l->diagnostics, DIAG_WORKFLOW_NOT_CONFIGURED, l->plan->name_at,
                     "the plan has no %s, which the workflow %s needs", missing, name);
        diagnostic_help(l->diagnostics, found, "drc explain %s", missing);
        return false;
    }
    if (l->workflow == WORKFLOW_FAILOVER || l->workflow == WORKFLOW_TEST ||
        l->workflow == WORKFLOW_REPLICATE) {
        return true;
    }
    struct diagnostic *found =
        diagnose(l->diagnostics, DIAG_WORKFLOW_NOT_BUILT, l->plan->name_at,
                 "this version of drc cannot compile the workflow %s yet", name);
    diagnostic_help(l->diagnostics, found, "replicate, failover and test can be compiled and carried out");
    lowering_check_support(l);
    return false;
}

/* What can be known before a node is made; false when something is missing or wrong. */
static bool know_failover(struct lowering *l)
{
    bool known = lowering_know_machines(l);
    bool convertible = lowering_check_conversions(l);
    return known && lowering_check_scripts(l) && convertible;
}

static void prepare_lowering(struct lowering *l)
{
    size_t vm_count = l->plan->vm_count;
    l->graph = make_graph(l);
    l->vms = ARENA_ARRAY(l->arena, struct vm_lowering, vm_count);
    for (size_t i = 0; i < vm_count; i++) {
        l->vms[i].vm = &l->plan->vms[i];
        l->vms[i].index = (int32_t)i;
        l->vms[i].injected = NO_NODE;
        l->vms[i].delay = NO_NODE;
        l->vms[i].agent = NO_NODE;
    }
    l->pools = ARENA_ARRAY(l->arena, int32_t, l->plan->aws.conversion_count);
    for (size_t i = 0; i < l->plan->aws.conversion_count; i++) {
        l->pools[i] = NO_POOL;
    }
}

struct graph *lower(struct arena *arena, const struct plan *plan, enum workflow workflow,
                    const struct facts *facts, struct diagnostics *diagnostics)
{
    struct lowering l = {
        .arena = arena,
        .plan = plan,
        .facts = facts,
        .diagnostics = diagnostics,
        .workflow = workflow,
        .network = workflow == WORKFLOW_TEST ? NETWORK_TEST : NETWORK_PRODUCTION,
        .before = {.must = NO_NODE, .last = NO_NODE},
    };
    if (!check_workflow(&l) || !check_site(&l)) {
        return NULL;
    }
    prepare_lowering(&l);
    bool replicate = workflow == WORKFLOW_REPLICATE;
    if (!(replicate ? lowering_know_copies(&l) : know_failover(&l))) {
        return NULL;
    }
    if (!replicate) {
        l.order = lowering_order(&l);
        lowering_place_launches(&l);
    }
    l.builder = builder_create(arena, l.graph, guess_nodes(&l));
    if (replicate) {
        lower_replicate(&l);
    } else {
        lower_failover(&l);
    }
    return builder_finish(l.builder);
}
