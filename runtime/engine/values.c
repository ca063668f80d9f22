/* Values: a node's inputs with everything filled in that was open when it was compiled: what other
 * nodes yielded, bindings, slots, templates. Secrets stay references. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"
#include "runtime/engine/executor_state.h"

enum found { FOUND, FOUND_NOTHING, FOUND_ERROR };

static enum found resolve(struct executor *executor, uint32_t node, const struct value *from,
                          struct value *to, struct error *error);

static enum found text_value(struct value *to, const char *text)
{
    *to = (struct value){.kind = VALUE_TEXT, .text = text};
    return FOUND;
}

static enum found resolve_output(struct executor *executor, const struct value *from,
                                 struct value *to)
{
    const struct node_run *source = &executor->nodes[from->node];
    for (uint32_t i = 0; i < source->output_count; i++) {
        if (!strcmp(source->outputs[i].name, from->text)) {
            return text_value(to, source->outputs[i].value);
        }
    }
    return FOUND_NOTHING;
}

/* The oldest recovery point of the run's VMs; all are RFC 3339 in UTC, which sorts as text. */
static const char *oldest_recovery_point(struct executor *executor)
{
    const char *oldest = NULL;
    for (size_t i = 0; i < executor->graph->vm_count; i++) {
        const char *name = arena_printf(executor->arena, "%s/recovery-point",
                                        executor->graph->vms[i].name);
        const char *time = map_get(&executor->options.facts->bindings, name);
        oldest = time && (!oldest || strcmp(time, oldest) < 0) ? time : oldest;
    }
    return oldest;
}

static enum found resolve_bind(struct executor *executor, const struct value *from,
                               struct value *to, struct error *error)
{
    if (!strcmp(from->text, "run.id")) {
        return text_value(to, executor->options.run_id);
    }
    const struct facts *facts = executor->options.facts;
    const char *bound = !facts ? NULL
                        : !strcmp(from->text, "recovery_point.time")
                            ? oldest_recovery_point(executor)
                            : map_get(&facts->bindings, from->text);
    if (!bound) {
        error_set(error, "nothing is bound to %s", from->text);
        error_help(error, "facts of this run have to say it: drc plan facts gathers them");
        return FOUND_ERROR;
    }
    return text_value(to, bound);
}

static enum found resolve_slot(struct executor *executor, uint32_t node, const struct value *from,
                               struct value *to, struct error *error)
{
    const struct graph_pool *pool = &executor->graph->pools[from->node];
    const struct node_run *run = &executor->nodes[node];
    int slot = run->holder == NO_NODE ? -1 : executor->nodes[run->holder].slot;
    if (slot < 0 || !pool->slots) {
        error_set(error, "no slot of the pool %s is held here", pool->id);
        return FOUND_ERROR;
    }
    return text_value(to, pool->slots[slot]);
}

static enum found resolve_template(struct executor *executor, uint32_t node,
                                   const struct value *from, struct value *to, struct error *error)
{
    struct buffer text = {0};
    for (uint32_t i = 0; i < from->count; i++) {
        struct value part;
        enum found found = resolve(executor, node, &from->items[i], &part, error);
        if (found == FOUND_ERROR) {
            buffer_free(&text);
            return FOUND_ERROR;
        }
        if (found == FOUND && part.kind == VALUE_TEXT) {
            buffer_puts(&text, part.text);
        } else if (found == FOUND && part.kind == VALUE_INT) {
            buffer_printf(&text, "%lld", (long long)part.integer);
        }
    }
    enum found found = text_value(to, arena_strdup(executor->arena, buffer_text(&text)));
    buffer_free(&text);
    return found;
}

/* Members of lists and maps that have no value are left out. */
static enum found resolve_items(struct executor *executor, uint32_t node, const struct value *from,
                                struct value *to, struct error *error)
{
    *to = *from;
    to->items = ARENA_ARRAY(executor->arena, struct value, from->count + 1);
    to->keys = from->keys ? ARENA_ARRAY(executor->arena, const char *, from->count + 1) : NULL;
    to->count = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        enum found found =
            resolve(executor, node, &from->items[i], &to->items[to->count], error);
        if (found == FOUND_ERROR) {
            return FOUND_ERROR;
        }
        if (found == FOUND) {
            if (from->keys) {
                to->keys[to->count] = from->keys[i];
            }
            to->count++;
        }
    }
    return FOUND;
}

static bool is_open(const struct value *value)
{
    switch (value->kind) {
    case VALUE_OUTPUT:
    case VALUE_BIND:
    case VALUE_SLOT:
    case VALUE_TEMPLATE:
        return true;
    case VALUE_LIST:
    case VALUE_MAP:
        for (uint32_t i = 0; i < value->count; i++) {
            if (is_open(&value->items[i])) {
                return true;
            }
        }
        return false;
    default:
        return false;
    }
}

static enum found resolve(struct executor *executor, uint32_t node, const struct value *from,
                          struct value *to, struct error *error)
{
    if (!is_open(from)) {
        *to = *from;
        return FOUND;
    }
    switch (from->kind) {
    case VALUE_OUTPUT:
        return resolve_output(executor, from, to);
    case VALUE_BIND:
        return resolve_bind(executor, from, to, error);
    case VALUE_SLOT:
        return resolve_slot(executor, node, from, to, error);
    case VALUE_TEMPLATE:
        return resolve_template(executor, node, from, to, error);
    default:
        return resolve_items(executor, node, from, to, error);
    }
}

static bool is_optional(enum action action, const char *name)
{
    const struct action_info *info = action_info(action);
    for (size_t i = 0; i < info->input_count; i++) {
        if (!strcmp(info->inputs[i].name, name)) {
            return info->inputs[i].optional;
        }
    }
    return true;
}

static bool all_literal(const struct graph_node *node)
{
    for (uint32_t i = 0; i < node->input_count; i++) {
        if (is_open(&node->inputs[i].value)) {
            return false;
        }
    }
    return true;
}

static bool missing(struct executor *executor, const struct input *input, struct error *error)
{
    if (input->value.kind == VALUE_OUTPUT) {
        return error_set(error, "%s is not known: %s did not yield %s", input->name,
                         executor->graph->nodes[input->value.node].id, input->value.text);
    }
    return error_set(error, "%s is not known", input->name);
}

bool values_resolve(struct executor *executor, uint32_t index, struct error *error)
{
    const struct graph_node *node = &executor->graph->nodes[index];
    struct node_run *run = &executor->nodes[index];
    if (all_literal(node)) {
        run->inputs = node->inputs;
        run->input_count = node->input_count;
        return true;
    }
    struct input *inputs = ARENA_ARRAY(executor->arena, struct input, node->input_count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->input_count; i++) {
        inputs[count].name = node->inputs[i].name;
        enum found found =
            resolve(executor, index, &node->inputs[i].value, &inputs[count].value, error);
        if (found == FOUND_ERROR) {
            return error_prefix(error, "%s", node->inputs[i].name);
        }
        if (found == FOUND) {
            count++;
        } else if (!is_optional(node->action, node->inputs[i].name)) {
            return missing(executor, &node->inputs[i], error);
        }
    }
    run->inputs = inputs;
    run->input_count = count;
    return true;
}

/* FNV-1a, 64 bits: a tripwire against sending another request under an old token, no more. */
static uint64_t mix(uint64_t digest, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        digest = (digest ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    }
    return digest;
}

static uint64_t mix_text(uint64_t digest, const char *text)
{
    return mix(digest, text, strlen(text) + 1);
}

static uint64_t mix_value(uint64_t digest, const struct value *value)
{
    unsigned char kind = (unsigned char)value->kind;
    digest = mix(digest, &kind, 1);
    switch (value->kind) {
    case VALUE_TEXT:
    case VALUE_SECRET:
        return mix_text(digest, value->text);
    case VALUE_INT:
        return mix(digest, &value->integer, sizeof value->integer);
    case VALUE_BOOL:
        kind = value->boolean;
        return mix(digest, &kind, 1);
    case VALUE_LIST:
    case VALUE_MAP:
        for (uint32_t i = 0; i < value->count; i++) {
            digest = value->keys ? mix_text(digest, value->keys[i]) : digest;
            digest = mix_value(digest, &value->items[i]);
        }
        return mix(digest, &value->count, sizeof value->count);
    default:
        return digest;
    }
}

uint64_t values_digest(const struct input *inputs, uint32_t count, int choice)
{
    uint64_t digest = mix(0xcbf29ce484222325u, &choice, sizeof choice);
    for (uint32_t i = 0; i < count; i++) {
        digest = mix_value(mix_text(digest, inputs[i].name), &inputs[i].value);
    }
    return digest ? digest : 1;
}

void token_make(const char *run_id, const char *node_id, int generation, char out[65])
{
    struct sha256 *digest = sha256_create();
    sha256_update(digest, run_id, strlen(run_id) + 1);
    sha256_update(digest, node_id, strlen(node_id) + 1);
    sha256_update(digest, &generation, sizeof generation);
    uint8_t bytes[SHA256_SIZE];
    sha256_finish(digest, bytes);
    sha256_to_hex(bytes, out);
}
