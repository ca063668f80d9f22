#include "compiler/plan/bind.h"

#include <string.h>

#include "compiler/base/arena.h"

/* Readiness checks and steps. */

enum { STEP_TIMEOUT_MS = 300000, CHECK_INTERVAL_MS = 2000, HTTP_OK = 200 };

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- Checks ---- */

static void bind_http(struct binder *binder, struct check *check, const struct tree *tree)
{
    check->kind = CHECK_HTTP;
    check->port = (int)bind_int(tree_get(tree, "port"), 0);
    check->path = bind_string(binder, tree_get(tree, "path"), "/");
    check->status = (int)bind_int(tree_get(tree, "status"), HTTP_OK);
    struct text match = bind_text(binder, tree_get(tree, "match"));
    check->match = match.value;
    check->match_at = match.at;
    check->tls = bind_bool(tree_get(tree, "tls"), false);
}

/* What is checked; timeout and interval stand beside it, or with the step. */
static struct check bind_check(struct binder *binder, const struct tree *tree)
{
    struct check check = {.kind = CHECK_INSTANCE_STATUS, .at = tree->span};
    const struct tree *tcp = tree_get(tree, "tcp"), *http = tree_get(tree, "http");
    const struct tree *dns = tree_get(tree, "dns"), *script = tree_get(tree, "script");
    if (tcp) {
        check.kind = CHECK_TCP;
        check.port = (int)bind_int(tcp, 0);
    } else if (http) {
        bind_http(binder, &check, http);
    } else if (dns) {
        check.kind = CHECK_DNS;
        check.dns_name = bind_string(binder, dns, "");
        check.value = reference_parse(binder, tree_get(tree, "value"));
    } else if (script) {
        check.kind = CHECK_SCRIPT;
        check.script = bind_text(binder, script);
        bind_file(binder, check.script.value);
    }
    check.on_instance = bind_is(tree_get(tree, "run_on"), "instance");
    check.timeout = bind_positive_duration(binder, tree_get(tree, "timeout"), STEP_TIMEOUT_MS);
    check.interval = bind_positive_duration(binder, tree_get(tree, "interval"), CHECK_INTERVAL_MS);
    return check;
}

struct check *bind_ready(struct binder *binder, const struct tree *list, size_t *count)
{
    *count = 0;
    if (!list || list->kind != TREE_SEQUENCE) {
        return NULL;
    }
    struct check *checks = ARENA_ARRAY(binder->arena, struct check, list->item_count);
    for (size_t i = 0; i < list->item_count; i++) {
        checks[(*count)++] = bind_check(binder, list->items[i]);
    }
    return checks;
}

static const char *check_title(struct binder *binder, const struct check *check)
{
    switch (check->kind) {
    case CHECK_TCP:
        return arena_printf(binder->arena, "check tcp %d", check->port);
    case CHECK_HTTP:
        return arena_printf(binder->arena, "check http :%d%s", check->port, check->path);
    case CHECK_DNS:
        return arena_printf(binder->arena, "check dns %s", check->dns_name);
    case CHECK_SCRIPT:
        return arena_printf(binder->arena, "check %s", base_name(check->script.value));
    default:
        return "check instance status";
    }
}

/* ---- What a step does ---- */

static struct template *bind_templates(struct binder *binder, const struct tree *list,
                                       size_t *count)
{
    *count = list && list->kind == TREE_SEQUENCE ? list->item_count : 0;
    struct template *templates = ARENA_ARRAY(binder->arena, struct template, *count);
    for (size_t i = 0; i < *count; i++) {
        templates[i] = reference_parse(binder, list->items[i]);
    }
    return templates;
}

static void bind_env(struct binder *binder, struct step *step, const struct tree *env)
{
    step->env_count = env ? env->pair_count : 0;
    step->env = ARENA_ARRAY(binder->arena, struct env_entry, step->env_count);
    for (size_t i = 0; i < step->env_count; i++) {
        step->env[i].name = env->pairs[i].key->text;
        step->env[i].value = reference_parse(binder, env->pairs[i].value);
    }
}

/* Steps of the whole plan have no instance to run on. */
static void check_has_instance(struct binder *binder, bool on_instance, const struct tree *run_on)
{
    if (on_instance && !binder->self) {
        struct diagnostic *found = diagnose(binder->diagnostics, DIAG_STEP_NEEDS_VM, run_on->span,
                                            "a step of the whole plan has no instance to run on");
        diagnostic_help(binder->diagnostics, found,
                        "run_on: runner, or move the step to the post_boot of a VM");
    }
}

static void bind_script(struct binder *binder, struct step *step, const struct tree *tree)
{
    const struct tree *run_on = tree_get(tree, "run_on");
    step->kind = STEP_SCRIPT;
    step->script = bind_text(binder, tree_get(tree, "script"));
    step->on_instance = run_on ? bind_is(run_on, "instance") : binder->self != NULL;
    check_has_instance(binder, step->on_instance, run_on);
    step->args = bind_templates(binder, tree_get(tree, "args"), &step->arg_count);
    bind_env(binder, step, tree_get(tree, "env"));
    step->name = base_name(step->script.value);
    bind_file(binder, step->script.value);
}

static void bind_dns(struct binder *binder, struct step *step, const struct tree *tree)
{
    struct text zone = bind_text(binder, tree_get(tree, "zone"));
    step->kind = STEP_DNS;
    step->zone = map_get(&binder->zones, zone.value);
    if (!step->zone) {
        struct diagnostic *found = diagnose(binder->diagnostics, DIAG_UNKNOWN_DNS_ZONE, zone.at,
                                            "there is no DNS zone \"%s\" in this plan", zone.value);
        if (map_count(&binder->zones)) {
            bind_suggest(binder, found, zone.value, &binder->zones);
        } else {
            diagnostic_help(binder->diagnostics, found,
                            "zones that steps may change are listed under dns");
        }
    }
    step->record = bind_string(binder, tree_get(tree, "record"), "@");
    step->record_type = bind_string(binder, tree_get(tree, "type"), "A");
    step->ttl_s = bind_int(tree_get(tree, "ttl"), 60);
    step->values = bind_templates(binder, tree_get(tree, "values"), &step->value_count);
    step->expect = bind_texts(binder, tree_get(tree, "expect"));
    step->at = tree->span;
    step->name = strcmp(step->record, "@") == 0
                     ? arena_printf(binder->arena, "dns %s", zone.value)
                     : arena_printf(binder->arena, "dns %s.%s", step->record, zone.value);
}

static void bind_action(struct binder *binder, struct step *step, const struct tree *tree)
{
    const struct tree *dns = tree_get(tree, "dns"), *check = tree_get(tree, "check");
    const struct tree *approve = tree_get(tree, "approve"), *delay = tree_get(tree, "delay");
    if (tree_get(tree, "script")) {
        bind_script(binder, step, tree);
    } else if (dns) {
        bind_dns(binder, step, dns);
    } else if (check) {
        step->kind = STEP_CHECK;
        step->check = bind_check(binder, check);
        step->name = check_title(binder, &step->check);
    } else if (approve) {
        step->kind = STEP_APPROVE;
        step->question = bind_string(binder, approve, "");
        step->name = "approve";
    } else {
        step->kind = STEP_DELAY;
        step->delay = bind_duration(binder, delay, 0);
        step->name = arena_printf(binder->arena, "delay %s", delay ? delay->text : "");
    }
}

/* ---- What all steps have ---- */

static unsigned bind_during(const struct step *step, const struct tree *during)
{
    unsigned all = 1U << WORKFLOW_FAILOVER | 1U << WORKFLOW_TEST | 1U << WORKFLOW_FAILBACK;
    if (!during) {
        bool harmless = step->kind == STEP_CHECK || step->kind == STEP_DELAY ||
                        (step->kind == STEP_SCRIPT && step->on_instance);
        return harmless ? all : all & ~(1U << WORKFLOW_TEST);
    }
    unsigned bits = 0;
    for (size_t i = 0; i < during->item_count; i++) {
        enum workflow workflow;
        if (workflow_by_name(during->items[i]->text, &workflow)) {
            bits |= 1U << workflow;
        }
    }
    return bits;
}

static struct step bind_step(struct binder *binder, const struct tree *tree)
{
    struct step step = {.at = tree->span};
    bind_action(binder, &step, tree);
    step.name = bind_string(binder, tree_get(tree, "name"), step.name);
    step.during = bind_during(&step, tree_get(tree, "during"));
    step.timeout = bind_positive_duration(binder, tree_get(tree, "timeout"), STEP_TIMEOUT_MS);
    step.retries = (int)bind_int(tree_get(tree, "retries"), 0);
    step.continue_on_failure = bind_is(tree_get(tree, "on_failure"), "continue");
    if (step.kind == STEP_CHECK) { /* There they stand beside `check`, not in it. */
        const struct tree *run_on = tree_get(tree, "run_on");
        step.check.on_instance = bind_is(run_on, "instance");
        check_has_instance(binder, step.check.on_instance, run_on);
        step.check.timeout = step.timeout;
        step.check.interval =
            bind_positive_duration(binder, tree_get(tree, "interval"), CHECK_INTERVAL_MS);
    }
    return step;
}

struct step *bind_steps(struct binder *binder, const struct tree *list, size_t *count)
{
    *count = 0;
    if (!list || list->kind != TREE_SEQUENCE) {
        return NULL;
    }
    struct step *steps = ARENA_ARRAY(binder->arena, struct step, list->item_count);
    for (size_t i = 0; i < list->item_count; i++) {
        steps[(*count)++] = bind_step(binder, list->items[i]);
    }
    return steps;
}
