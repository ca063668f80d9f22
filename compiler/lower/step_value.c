/* What steps are given: references filled in, and the environment of scripts. A value that is known
 * only in a run is the output of the node that yields it, so that taking it is an edge as well. */
#include "compiler/lower/step_parts.h"

#include <assert.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

/* ---- values of VMs ---- */

static bool has_public_address(const struct lowering *l, const struct vm_lowering *v)
{
    return v->vm->public_ip[l->network] || v->vm->elastic_ip[l->network].value;
}

static struct value vm_value(const struct lowering *l, const struct vm_lowering *v,
                             enum vm_field field)
{
    switch (field) {
    case VM_FIELD_ADDRESS:
        return v->address;
    case VM_FIELD_PUBLIC_IP:
        assert(has_public_address(l, v)); /* check_steps.c */
        return v->address;
    case VM_FIELD_PRIVATE_IP:
        return output_value(v->running, "private_ip");
    case VM_FIELD_INSTANCE_ID:
        return output_value(v->instance, "instance_id");
    case VM_FIELD_NAME:
        break;
    }
    return text_value(v->vm->name);
}

/* ---- references ---- */

/* The text of a part that is known now; NULL: a run yields it. */
static const char *known_text(const struct lowering *l, const struct reference_part *part)
{
    switch (part->kind) {
    case REFERENCE_LITERAL:
        return part->text;
    case REFERENCE_VALUE:
        return part->text ? part->text : workflow_name(l->workflow);
    case REFERENCE_VM:
        return part->field == VM_FIELD_NAME ? part->vm->name : NULL;
    default:
        return NULL;
    }
}

static struct value late_value(const struct lowering *l, const struct reference_part *part)
{
    switch (part->kind) {
    case REFERENCE_RUN_ID:
        return bind_value("run.id");
    case REFERENCE_RECOVERY_POINT_TIME:
        return bind_value("recovery_point.time");
    default:
        return vm_value(l, &l->vms[part->vm->index], part->field);
    }
}

/* Texts that are known stand together in one part. */
struct parts {
    struct value *items;
    size_t count;
    struct buffer text;
};

static void end_text(struct lowering *l, struct parts *parts)
{
    if (parts->text.length > 0) {
        parts->items[parts->count++] =
            text_value(arena_strdup(l->arena, buffer_text(&parts->text)));
        buffer_clear(&parts->text);
    }
}

struct value step_template(struct lowering *l, const struct template *template)
{
    if (template->part_count == 0) {
        return text_value("");
    }
    const char *only = known_text(l, &template->parts[0]);
    if (template->part_count == 1) {
        return only ? text_value(only) : late_value(l, &template->parts[0]);
    }
    struct parts parts = {.items = ARENA_ARRAY(l->arena, struct value, template->part_count)};
    for (size_t i = 0; i < template->part_count; i++) {
        const char *known = known_text(l, &template->parts[i]);
        if (known) {
            buffer_puts(&parts.text, known);
        } else {
            end_text(l, &parts);
            parts.items[parts.count++] = late_value(l, &template->parts[i]);
        }
    }
    end_text(l, &parts);
    buffer_free(&parts.text);
    if (parts.count == 0) {
        return text_value("");
    }
    if (parts.count == 1) {
        return parts.items[0];
    }
    return (struct value){
        .kind = VALUE_TEMPLATE, .items = parts.items, .count = (uint32_t)parts.count};
}

struct value step_templates(struct lowering *l, const struct template *templates, size_t count)
{
    struct value *items = ARENA_ARRAY(l->arena, struct value, count);
    for (size_t i = 0; i < count; i++) {
        items[i] = step_template(l, &templates[i]);
    }
    return list_value(items, count);
}

/* ---- environment ---- */

enum { DRC_VARIABLES_MAX = 10 };

struct environment {
    const char **names;
    struct value *values;
    size_t count;
};

static void put(struct environment *environment, const char *name, struct value value)
{
    environment->names[environment->count] = name;
    environment->values[environment->count++] = value;
}

static void put_vm(struct lowering *l, const struct vm_lowering *v, struct environment *to)
{
    put(to, "DRC_VM", text_value(v->vm->name));
    put(to, "DRC_ADDRESS", vm_value(l, v, VM_FIELD_ADDRESS));
    put(to, "DRC_PRIVATE_IP", vm_value(l, v, VM_FIELD_PRIVATE_IP));
    if (has_public_address(l, v)) {
        put(to, "DRC_PUBLIC_IP", vm_value(l, v, VM_FIELD_PUBLIC_IP));
    }
    put(to, "DRC_INSTANCE_ID", vm_value(l, v, VM_FIELD_INSTANCE_ID));
}

struct value step_environment(struct lowering *l, const struct step_nodes *nodes,
                              const struct step *step)
{
    size_t own = step ? step->env_count : 0;
    struct environment to = {
        .names = ARENA_ARRAY(l->arena, const char *, DRC_VARIABLES_MAX + own),
        .values = ARENA_ARRAY(l->arena, struct value, DRC_VARIABLES_MAX + own),
    };
    put(&to, "DRC_PLAN", text_value(l->plan->name));
    put(&to, "DRC_WORKFLOW", text_value(workflow_name(l->workflow)));
    put(&to, "DRC_RUN", bind_value("run.id"));
    put(&to, "DRC_STEP", text_value(nodes->name));
    put(&to, "DRC_REGION", text_value(l->plan->aws.region.value));
    if (nodes->v) {
        put_vm(l, nodes->v, &to);
    }
    for (size_t i = 0; i < own; i++) {
        put(&to, step->env[i].name, step_template(l, &step->env[i].value));
    }
    return map_value(to.names, to.values, to.count);
}
