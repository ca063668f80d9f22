/* DNS: the record is read, changed where it still is what was read, and waited for on every server. */
#include "compiler/lower/step_parts.h"

#include <string.h>

#include "compiler/base/arena.h"

enum { RECORD_INTERVAL_MS = 2000 };

/* The full name, without a dot at its end. */
static const char *full_name(struct lowering *l, const struct step *step)
{
    return strcmp(step->record, "@") == 0
               ? step->zone->name
               : arena_printf(l->arena, "%s.%s", step->record, step->zone->name);
}

static void input_expect(struct lowering *l, const struct step *step)
{
    size_t count = step->expect.count;
    if (count > 0) {
        struct value *items = ARENA_ARRAY(l->arena, struct value, count);
        for (size_t i = 0; i < count; i++) {
            items[i] = text_value(step->expect.items[i].value);
        }
        builder_input(l->builder, "expect", list_value(items, count));
    }
}

static void input_record(struct lowering *l, const struct step *step, const char *record)
{
    builder_input(l->builder, "record", text_value(record));
    builder_input(l->builder, "type", text_value(step->record_type));
}

static struct value new_values(struct lowering *l, const struct step *step)
{
    return step_templates(l, step->values, step->value_count);
}

/* For lower_restores; steps of the whole plan are taken back by a rollback alone. */
static void note_switch(struct step_nodes *nodes, uint32_t change)
{
    if (nodes->v) {
        nodes->v->switches[nodes->v->switch_count++] = change;
    }
}

static void switch_in_route53(struct lowering *l, struct step_nodes *nodes, const struct step *step,
                              const char *record)
{
    const struct zone *zone = step->zone;
    uint32_t read = step_node(l, nodes, ACTION_GET_RECORD_SET,
                              "dns: the old value is kept, for a rollback");
    builder_input(l->builder, "zone", text_value(zone->name));
    builder_input_text(l->builder, "zone_id", zone->zone_id.value);
    builder_input_text(l->builder, "role_arn", zone->role_arn.value);
    input_record(l, step, record);
    input_expect(l, step);

    uint32_t change = step_node(l, nodes, ACTION_CHANGE_RECORD_SET,
                                "dns: changed only while it is what was read");
    note_switch(nodes, change);
    builder_input(l->builder, "zone", text_value(zone->name));
    builder_input(l->builder, "zone_id", output_value(read, "zone_id"));
    builder_input_text(l->builder, "role_arn", zone->role_arn.value);
    input_record(l, step, record);
    builder_input(l->builder, "ttl", int_value(step->ttl_s));
    builder_input(l->builder, "values", new_values(l, step));
    builder_input(l->builder, "old", output_value(read, "old"));

    step_node(l, nodes, ACTION_WAIT_RECORD_SET, "dns: done when every server answers with it");
    builder_current(l->builder)->timeout_ms = step->timeout.ms;
    builder_input(l->builder, "change_id", output_value(change, "change_id"));
    builder_input_text(l->builder, "role_arn", zone->role_arn.value);
}

static void input_server(struct lowering *l, const struct zone *zone)
{
    builder_input(l->builder, "zone", text_value(zone->name));
    builder_input(l->builder, "server", text_value(zone->server.value));
}

static void switch_by_update(struct lowering *l, struct step_nodes *nodes, const struct step *step,
                             const char *record)
{
    const struct zone *zone = step->zone;
    uint32_t read =
        step_node(l, nodes, ACTION_QUERY_RECORD, "dns: the old value is kept, for a rollback");
    input_server(l, zone);
    input_record(l, step, record);
    input_expect(l, step);

    note_switch(nodes, step_node(l, nodes, ACTION_UPDATE_RECORD,
                                 "dns: changed only while it is what was read"));
    input_server(l, zone);
    input_record(l, step, record);
    builder_input(l->builder, "ttl", int_value(step->ttl_s));
    builder_input(l->builder, "values", new_values(l, step));
    builder_input(l->builder, "old", output_value(read, "old"));
    builder_input_text(l->builder, "tsig_name", zone->tsig_name.value);
    builder_input_text(l->builder, "tsig_algorithm", zone->tsig_algorithm.value);
    if (zone->tsig_secret.reference) {
        builder_input(
            l->builder, "tsig_secret",
            (struct value){.kind = VALUE_SECRET, .text = zone->tsig_secret.reference});
    }

    step_node(l, nodes, ACTION_WAIT_RECORD, "dns: done when every server answers with it");
    builder_current(l->builder)->timeout_ms = step->timeout.ms;
    input_server(l, zone);
    input_record(l, step, record);
    builder_input(l->builder, "values", new_values(l, step));
    builder_input(l->builder, "interval_ms", int_value(RECORD_INTERVAL_MS));
}

void step_dns(struct lowering *l, struct step_nodes *nodes, const struct step *step)
{
    const char *record = full_name(l, step);
    if (step->zone->rfc2136) {
        switch_by_update(l, nodes, step, record);
    } else {
        switch_in_route53(l, nodes, step, record);
    }
}

/* What restores a record is told all that the change was told. */
static void restore(struct lowering *l, struct vm_lowering *v, uint32_t index)
{
    const struct graph_node change = *builder_at(l->builder, index);
    enum action action = action_info(change.action)->undo;
    const char *end = strrchr(change.id, '/');
    const char *prefix = arena_strndup(l->arena, change.id, (size_t)(end - change.id));
    struct span at = {0};
    lowering_node(l, v, action, prefix, at,
                  "a VM that fails after its switch of DNS gives the old value back");
    builder_current(l->builder)->because.file = change.because.file;
    builder_current(l->builder)->because.line = change.because.line;
    for (uint32_t i = 0; i < change.input_count; i++) {
        builder_input(l->builder, change.inputs[i].name, change.inputs[i].value);
    }
    builder_after(l->builder, index, WHEN_ENDED);
    builder_guards(l->builder, index);
    builder_after(l->builder, v->milestones[STAGE_RECOVERED], WHEN_FAILED);
}

void lower_restores(struct lowering *l, struct vm_lowering *v)
{
    for (size_t i = v->switch_count; i-- > 0;) {
        restore(l, v, v->switches[i]);
    }
}
