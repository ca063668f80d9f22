/* The sentences of steps: scripts, DNS, target groups, approvals. */
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "compiler/emit/words.h"
#include "compiler/emit/words_parts.h"

/* Addresses are what records are about; "" where there are no such words. */
static const char *words_of_output(const char *output)
{
    static const char *const words[][2] = {{"public_ip", "public address"},
                                           {"private_ip", "private address"},
                                           {"instance_id", "instance id"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(output, words[i][0]) == 0) {
            return words[i][1];
        }
    }
    return "";
}

void words_yielded(const struct graph *graph, const struct value *value, struct buffer *out)
{
    if (value->kind == VALUE_TEMPLATE) {
        for (uint32_t i = 0; i < value->count; i++) {
            words_yielded(graph, &value->items[i], out);
        }
        return;
    }
    const struct graph_node *from =
        value->kind == VALUE_OUTPUT ? &graph->nodes[value->node] : NULL;
    const char *words = from && from->vm != NO_VM ? words_of_output(value->text) : "";
    if (!*words) {
        words_value(graph, value, out);
        return;
    }
    text_put(out, graph->vms[from->vm].name);
    buffer_printf(out, "'s %s", words);
}

void words_script(struct sentence *to)
{
    words_part_input(to, "", "script", "");
    const struct value *args = graph_input(to->node, "args");
    if (args && args->kind == VALUE_LIST && args->count > 0) {
        buffer_putc(to->out, ' ');
        words_part_list(to, args, " ");
    }
}

static const struct value *member(const struct value *map, const char *key)
{
    for (uint32_t i = 0; map && map->kind == VALUE_MAP && i < map->count; i++) {
        if (strcmp(map->keys[i], key) == 0) {
            return &map->items[i];
        }
    }
    return NULL;
}

void words_check_on_instance(struct sentence *to)
{
    const struct value *check = graph_input(to->node, "check");
    const struct value *kind = member(check, "kind"), *port = member(check, "port");
    words_part(to, "");
    if (kind && kind->kind == VALUE_TEXT) {
        buffer_puts(to->out, kind->text);
    }
    if (port && port->kind == VALUE_INT) {
        buffer_printf(to->out, " :%d", (int)port->integer);
    }
    buffer_puts(to->out, " asked on the instance itself");
}

void words_record(struct sentence *to)
{
    words_part_input(to, "", "record", "");
    if (words_part_input(to, "", "type", "") && graph_input(to->node, "expect")) {
        words_part(to, "has to be ");
        words_part_list(to, graph_input(to->node, "expect"), ", ");
    }
}

void words_restore_record(struct sentence *to)
{
    words_part_input(to, "", "record", "");
    words_part_input(to, "", "type", "");
    words_part(to, graph_is_for_failure(to->node) ? "as before, if the VM is not recovered after all"
                                                  : "as before");
}

void words_change_record(struct sentence *to)
{
    words_part_input(to, "", "record", "");
    words_part_input(to, "", "type", "");
    const struct value *values = graph_input(to->node, "values");
    if (values && values->kind == VALUE_LIST) {
        words_part(to, "to ");
        for (uint32_t i = 0; i < values->count; i++) {
            buffer_puts(to->out, i > 0 ? " and " : "");
            words_yielded(to->graph, &values->items[i], to->out);
        }
    }
    words_part_input(to, "TTL ", "ttl", " s");
}

void words_check_dns(struct sentence *to)
{
    words_part_input(to, "", "record", "");
    const struct value *value = graph_input(to->node, "value");
    if (value) {
        words_part(to, "is answered with ");
        words_yielded(to->graph, value, to->out);
    }
}

void words_target_group(struct sentence *to)
{
    words_part_input(to, "", "target_group", "");
}

void words_approve(struct sentence *to)
{
    words_part_input(to, "\"", "question", "\"");
    const struct value *after = graph_input(to->node, "approved_after_ms");
    char text[32];
    if (after && after->kind == VALUE_INT) {
        words_part(to, "or by itself after ");
        buffer_puts(to->out, format_duration(text, after->integer));
    }
}
