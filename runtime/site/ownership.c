#include "runtime/site/ownership.h"

#include "compiler/base/arena.h"
#include "compiler/base/map.h"
#include "runtime/aws/aws.h"
#include "runtime/report/ledger.h"
#include "runtime/state/journal.h"

struct named {
    struct arena *arena;
    struct map seen;
    struct aws_resource *items;
    size_t count, capacity;
};

static void name(struct named *named, const struct ledger *ledger, const struct graph_node *node,
                 const char *input, enum aws_kind kind)
{
    const struct value *value = graph_input(node, input);
    const char *id = NULL;
    if (value && value->kind == VALUE_OUTPUT) {
        id = ledger_output(ledger, (uint32_t)value->node, value->text);
    } else if (value && value->kind == VALUE_TEXT) {
        id = value->text;
    }
    if (id && !map_get(&named->seen, id)) {
        named->items = arena_grow(named->arena, named->items, named->count, &named->capacity,
                                  sizeof *named->items);
        named->items[named->count++] = (struct aws_resource){.kind = kind, .id = id};
        map_put(&named->seen, id, named);
    }
}

static void name_all(struct named *named, const struct ledger *ledger)
{
    for (uint32_t i = 0; i < ledger->graph->node_count; i++) {
        const struct graph_node *node = &ledger->graph->nodes[i];
        enum action_effect effect = action_info(node->action)->effect;
        if (effect != EFFECT_CHANGE && effect != EFFECT_DELETE) {
            continue;
        }
        name(named, ledger, node, "volume_id", AWS_VOLUME);
        name(named, ledger, node, "image_id", AWS_IMAGE);
        if (!graph_input(node, "volume_id")) {
            name(named, ledger, node, "instance_id", AWS_INSTANCE);
        }
    }
}

static bool refuse(const struct graph *graph, const struct aws_resource *foreign, size_t count,
                   struct error *error)
{
    if (count == 1) {
        error_set(error, "%s does not carry the tag drc:plan=%s: it is not this plan's to change",
                  foreign->id, graph->plan_name);
    } else {
        error_set(error, "%s and %zu more do not carry the tag drc:plan=%s: they are not this plan's "
                         "to change", foreign->id, count - 1, graph->plan_name);
    }
    return error_help(error, "nothing was changed. Has the journal been damaged or changed, or the tag "
                             "been removed? If drc made it, tag it again");
}

bool ownership_check(struct arena *arena, struct aws *aws, const struct graph *graph,
                     struct journal *journal, struct error *error)
{
    struct ledger *ledger = ledger_create(arena, graph);
    struct named named = {.arena = arena, .seen = {.arena = arena}};
    if (journal && !journal_replay(journal, ledger_replay, ledger, error)) {
        return false;
    }
    name_all(&named, ledger);
    if (named.count == 0) {
        return true;
    }
    struct aws_resource *foreign = NULL;
    size_t count = 0;
    return aws_find_foreign(aws, arena, graph->plan_name, named.items, named.count, &foreign, &count,
                            error) &&
           (count == 0 || refuse(graph, foreign, count, error));
}
