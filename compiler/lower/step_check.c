/* Checks: from the runner, or on the instance itself where the runner has no way in. */
#include "compiler/lower/step_parts.h"

#include "compiler/base/arena.h"

enum { ON_INSTANCE_EXPECTED_MS = 20000 };

static enum action check_action(enum check_kind kind)
{
    switch (kind) {
    case CHECK_TCP:
        return ACTION_CHECK_TCP;
    case CHECK_HTTP:
        return ACTION_CHECK_HTTP;
    case CHECK_DNS:
        return ACTION_CHECK_DNS;
    case CHECK_SCRIPT:
        return ACTION_CHECK_SCRIPT;
    case CHECK_INSTANCE_STATUS:
        break;
    }
    return ACTION_CHECK_INSTANCE_STATUS;
}

/* ---- from the runner ---- */

static void input_check(struct lowering *l, const struct step_nodes *nodes,
                        const struct check *check)
{
    switch (check->kind) {
    case CHECK_INSTANCE_STATUS:
        builder_input(l->builder, "instance_id", output_value(nodes->v->instance, "instance_id"));
        break;
    case CHECK_TCP:
        builder_input(l->builder, "address", nodes->v->address);
        builder_input(l->builder, "port", int_value(check->port));
        break;
    case CHECK_HTTP:
        builder_input(l->builder, "address", nodes->v->address);
        builder_input(l->builder, "port", int_value(check->port));
        builder_input(l->builder, "path", text_value(check->path));
        builder_input(l->builder, "status", int_value(check->status));
        builder_input_text(l->builder, "match", check->match);
        builder_input(l->builder, "tls", bool_value(check->tls));
        break;
    case CHECK_DNS:
        builder_input(l->builder, "record", text_value(check->dns_name));
        builder_input(l->builder, "value", step_template(l, &check->value));
        break;
    case CHECK_SCRIPT:
        step_input_script(l, check->script.value);
        builder_input(l->builder, "env", step_environment(l, nodes, NULL));
        break;
    }
    builder_input(l->builder, "interval_ms", int_value(check->interval.ms));
}

/* ---- on the instance ---- */

enum { MEMBERS_MAX = 8 };

struct members {
    const char **keys;
    struct value *values;
    size_t count;
};

static void add(struct members *members, const char *key, struct value value)
{
    members->keys[members->count] = key;
    members->values[members->count++] = value;
}

/* The input `check` of send-check, whose members action.def lists. Its own card's address is asked, as a
 * service may listen there alone. */
static struct value check_value(struct lowering *l, const struct step_nodes *nodes,
                                const struct check *check)
{
    static const char *const kinds[] = {[CHECK_TCP] = "tcp",
                                        [CHECK_HTTP] = "http",
                                        [CHECK_DNS] = "dns",
                                        [CHECK_SCRIPT] = "script"};
    struct members to = {.keys = ARENA_ARRAY(l->arena, const char *, MEMBERS_MAX),
                         .values = ARENA_ARRAY(l->arena, struct value, MEMBERS_MAX)};
    add(&to, "kind", text_value(kinds[check->kind]));
    if (check->kind == CHECK_TCP || check->kind == CHECK_HTTP) {
        add(&to, "address", output_value(nodes->v->running, "private_ip"));
        add(&to, "port", int_value(check->port));
    }
    if (check->kind == CHECK_HTTP) {
        add(&to, "path", text_value(check->path));
        add(&to, "status", int_value(check->status));
        if (check->match) {
            add(&to, "match", text_value(check->match));
        }
        add(&to, "tls", bool_value(check->tls));
    } else if (check->kind == CHECK_DNS) {
        add(&to, "record", text_value(check->dns_name));
        add(&to, "value", step_template(l, &check->value));
    } else if (check->kind == CHECK_SCRIPT) {
        const char *digest = map_get(&l->plan->file_digests, check->script.value);
        add(&to, "script", text_value(check->script.value));
        add(&to, "digest", text_value(digest ? digest : ""));
        add(&to, "env", step_environment(l, nodes, NULL));
    }
    add(&to, "interval_ms", int_value(check->interval.ms));
    return map_value(to.keys, to.values, to.count);
}

static void check_on_instance(struct lowering *l, struct step_nodes *nodes,
                              const struct check *check)
{
    int64_t expected_ms = check->timeout.ms < ON_INSTANCE_EXPECTED_MS ? check->timeout.ms
                                                                      : ON_INSTANCE_EXPECTED_MS;
    step_node(l, nodes, ACTION_SEND_CHECK,
              "run_on: instance makes the check where the service runs");
    step_input_instance(l, nodes);
    builder_input(l->builder, "check", check_value(l, nodes, check));
    builder_input(l->builder, "timeout_ms", int_value(check->timeout.ms));
    step_wait_sent(l, nodes, check->timeout.ms, expected_ms);
}

void step_check(struct lowering *l, struct step_nodes *nodes, const struct check *check)
{
    if (check->on_instance) {
        check_on_instance(l, nodes, check);
        return;
    }
    step_node(l, nodes, check_action(check->kind), nodes->rule);
    builder_current(l->builder)->timeout_ms = check->timeout.ms;
    input_check(l, nodes, check);
}
