/* Preflight: read-only checks before the first change, all asked at the same time. */
#include "runtime/aws/preflight.h"

#include <stdarg.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/emit/emit.h"

static void count(struct findings *findings, enum finding_severity severity)
{
    size_t *const counters[] = {[FINDING_PASSED] = &findings->passed,
                                [FINDING_UNKNOWN] = &findings->unknown,
                                [FINDING_WARNING] = &findings->warnings,
                                [FINDING_FATAL] = &findings->fatal};
    ++*counters[severity];
}

static void add(struct findings *findings, struct arena *arena, const struct finding *finding)
{
    findings->items = arena_grow(arena, findings->items, findings->count, &findings->capacity,
                                 sizeof *findings->items);
    findings->items[findings->count++] =
        (struct finding){.severity = finding->severity,
                         .subject = arena_strdup(arena, finding->subject),
                         .text = arena_strdup(arena, finding->text),
                         .help = finding->help ? arena_strdup(arena, finding->help) : NULL};
    count(findings, finding->severity);
}

static void add_text(struct findings *findings, struct arena *arena, struct finding finding,
                     const char *format, va_list args)
{
    struct buffer text = {0};
    buffer_vprintf(&text, format, args);
    finding.text = buffer_text(&text);
    add(findings, arena, &finding);
    buffer_free(&text);
}

void findings_add(struct findings *findings, struct arena *arena, enum finding_severity severity,
                  const char *subject, const char *help, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_text(findings, arena,
             (struct finding){.severity = severity, .subject = subject, .help = help}, format, args);
    va_end(args);
}

void preflight_find(struct preflight *preflight, enum finding_severity severity,
                    const char *subject, const char *help, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_text(preflight->findings, preflight->kept,
             (struct finding){.severity = severity, .subject = subject, .help = help}, format, args);
    va_end(args);
}

bool preflight_unknown(void *context, const struct aws_answer *answer)
{
    const struct preflight_topic *topic = context;
    preflight_find(topic->preflight, FINDING_UNKNOWN, topic->subject, answer->error.help,
                   "cannot be read: %s", answer->error.message);
    return true;
}

const struct plan_vm *preflight_vm(const struct preflight *preflight, size_t graph_vm)
{
    return plan_vm_by_name(preflight->plan, preflight->graph->vms[graph_vm].name);
}

/* ---- Inputs as a call would have them ---- */

static bool is_dropped(const char *drop, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = strstr(drop, name); at; at = strstr(at + 1, name)) {
        bool begins = at == drop || at[-1] == ' ';
        if (begins && (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool resolve(struct preflight *preflight, const struct value *from, const char *drop,
                    struct value *to);

static bool resolve_items(struct preflight *preflight, const struct value *from, const char *drop,
                          struct value *to)
{
    bool map = from->kind == VALUE_MAP;
    to->items = ARENA_ARRAY(preflight->arena, struct value, from->count);
    to->keys = map ? ARENA_ARRAY(preflight->arena, const char *, from->count) : NULL;
    to->count = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        if (map && is_dropped(drop, from->keys[i])) {
            continue;
        }
        if (map) {
            to->keys[to->count] = from->keys[i];
        }
        if (!resolve(preflight, &from->items[i], drop, &to->items[to->count++])) {
            return false;
        }
    }
    return true;
}

static bool resolve(struct preflight *preflight, const struct value *from, const char *drop,
                    struct value *to)
{
    *to = *from;
    switch (from->kind) {
    case VALUE_BIND:
        to->kind = VALUE_TEXT;
        to->text = preflight->facts ? map_get(&preflight->facts->bindings, from->text) : NULL;
        return to->text != NULL;
    case VALUE_LIST:
    case VALUE_MAP:
        return resolve_items(preflight, from, drop, to);
    case VALUE_TEXT:
    case VALUE_INT:
    case VALUE_BOOL:
        return true;
    default: /* of another node, a slot, a secret, a template */
        return false;
    }
}

bool preflight_resolve(struct preflight *preflight, const struct graph_node *node, const char *drop,
                       struct call *call)
{
    struct input *inputs = ARENA_ARRAY(preflight->arena, struct input, node->input_count);
    *call = (struct call){
        .graph = preflight->graph, .node = node, .inputs = inputs, .run_id = "preflight"};
    for (uint32_t i = 0; i < node->input_count; i++) {
        const struct input *from = &node->inputs[i];
        if (is_dropped(drop, from->name)) {
            continue;
        }
        struct input *to = &inputs[call->input_count++];
        to->name = from->name;
        if (!resolve(preflight, &from->value, drop, &to->value)) {
            return false;
        }
    }
    return true;
}

static void name_account(struct preflight *preflight, const struct aws_identity *identity)
{
    const char *source = aws_client_credentials_source(preflight->aws->client);
    preflight_find(preflight, FINDING_PASSED, "account", NULL, "%s as %s (%s)", identity->account,
                   identity->arn, source);
}

/* Reports and losses of a run are told by this host's clock. */
static void compare_clocks(struct preflight *preflight)
{
    char own[32], theirs[32], apart[32];
    int64_t here = world_utc_ms(aws_client_world(preflight->aws->client));
    int64_t there = aws_utc_ms(preflight->aws);
    if (here == there) {
        return;
    }
    preflight_find(preflight, FINDING_WARNING, "clock", "set it, by chrony or systemd-timesyncd",
                   "this host says %s, AWS %s: %s %s", format_time(own, here),
                   format_time(theirs, there),
                   format_duration(apart, here > there ? here - there : there - here),
                   here > there ? "fast" : "slow");
}

bool aws_preflight_conversions(struct aws *aws, struct arena *arena, const struct plan *plan,
                               const struct graph *graph, const struct facts *facts,
                               struct findings *findings, struct error *error)
{
    struct preflight preflight = {.arena = arena_create(),
                                  .kept = arena,
                                  .aws = aws,
                                  .plan = plan,
                                  .graph = graph,
                                  .facts = facts,
                                  .asks = asks_create(aws->client),
                                  .findings = findings};
    preflight_conversions(&preflight);
    bool ok = asks_run(preflight.asks, error);
    asks_destroy(preflight.asks);
    arena_destroy(preflight.arena);
    return ok;
}

bool aws_preflight(struct aws *aws, struct arena *arena, const struct plan *plan,
                   const struct graph *graph, const struct facts *facts,
                   const struct loss_terms *terms, struct findings *findings, struct error *error)
{
    struct aws_identity identity = {0};
    if (!aws_identify(aws, arena, &identity, error)) {
        return false;
    }
    enum site_network which = graph->workflow == WORKFLOW_TEST ? NETWORK_TEST : NETWORK_PRODUCTION;
    struct preflight preflight = {.arena = arena_create(),
                                  .kept = arena,
                                  .aws = aws,
                                  .plan = plan,
                                  .graph = graph,
                                  .facts = facts,
                                  .terms = terms ? *terms : (struct loss_terms){0},
                                  .network = &plan->networks[which],
                                  .which = which,
                                  .asks = asks_create(aws->client),
                                  .findings = findings};
    name_account(&preflight, &identity);
    compare_clocks(&preflight);
    preflight_copies(&preflight);
    preflight_network(&preflight);
    preflight_isolation(&preflight);
    preflight_machines(&preflight);
    preflight_keys(&preflight);
    preflight_addresses(&preflight);
    preflight_conversions(&preflight);
    preflight_targets(&preflight);
    preflight_dry_run(&preflight);
    bool ok = asks_run(preflight.asks, error);
    asks_destroy(preflight.asks);
    arena_destroy(preflight.arena);
    return ok || error_prefix(error, "preflight");
}
