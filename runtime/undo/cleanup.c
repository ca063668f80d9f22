#include "runtime/undo/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/buffer.h"
#include "runtime/report/ledger.h"
#include "runtime/state/journal.h"

enum { CLEANUPS_MAX = 10000 };

/* --- the ledger --- */

/* The ledger of one journal; NULL with an empty error when it holds no graph: then nothing was
 * made. */
static struct ledger *read_journal(struct arena *arena, const char *path, struct error *error)
{
    struct journal *journal = journal_open(path, true, error);
    if (!journal) {
        return NULL;
    }
    void *text = NULL;
    size_t length = 0;
    struct ledger *ledger = NULL;
    if (journal_get_blob(journal, "graph", &text, &length, error)) {
        struct graph *graph = graph_read(arena, path, text, length, error);
        ledger = graph ? ledger_create(arena, graph) : NULL;
        if (ledger && !journal_replay(journal, ledger_replay, ledger, error)) {
            ledger = NULL;
        }
        free(text);
    }
    journal_close(journal);
    return ledger;
}

static struct cleanup_thing *find(struct cleanup_thing *things, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(things[i].id, id)) {
            return &things[i];
        }
    }
    return NULL;
}

static const enum cleanup_kind kind_of[] = {
    [LEDGER_INSTANCE] = CLEANUP_INSTANCE,
    [LEDGER_VOLUME] = CLEANUP_VOLUME,
    [LEDGER_IMAGE] = CLEANUP_IMAGE,
    [LEDGER_SNAPSHOT] = CLEANUP_SNAPSHOT,
};

static void from_ledger(struct arena *arena, const struct ledger *ledger,
                        struct cleanup_thing **things, size_t *count)
{
    *things = ARENA_ARRAY(arena, struct cleanup_thing, ledger->count + 1);
    *count = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_thing *thing = &ledger->things[i];
        int32_t vm = ledger->graph->nodes[thing->node].vm;
        (*things)[(*count)++] = (struct cleanup_thing){
            .kind = kind_of[thing->kind],
            .id = thing->id,
            .vm = vm == NO_VM ? NULL : ledger->graph->vms[vm].name,
            .attached_to = thing->attached_to,
            .with_instance = thing->with_instance,
            .gone = thing->gone || thing->finished,
        };
    }
}

static void forget(struct cleanup_thing *things, size_t count, const char *id)
{
    struct cleanup_thing *thing = find(things, count, id);
    if (thing) {
        thing->gone = true;
    }
    for (size_t i = 0; i < count; i++) {
        if (things[i].with_instance && things[i].attached_to && !strcmp(things[i].attached_to, id)) {
            things[i].gone = true;
        }
    }
}

/* What an earlier cleanup has deleted. Its graph names ids, so its done deletions say it all. */
static bool deleted_record(void *context, int64_t number, const char *text)
{
    struct ledger *ledger = context;
    size_t before = ledger->count;
    cJSON *record = cJSON_ParseWithOpts(text, NULL, 1);
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(record, "n");
    const char *kind = json_text_of(record, "r");
    if (kind && !strcmp(kind, "done") && cJSON_IsNumber(node) && node->valuedouble >= 0 &&
        node->valuedouble < (double)ledger->graph->node_count) {
        const struct graph_node *done = &ledger->graph->nodes[(uint32_t)node->valuedouble];
        if (action_info(done->action)->effect == EFFECT_DELETE && done->input_count == 1 &&
            done->inputs[0].value.kind == VALUE_TEXT) {
            ledger->things = arena_grow(ledger->arena, ledger->things, before, &ledger->capacity,
                                        sizeof *ledger->things);
            ledger->things[ledger->count++] = (struct ledger_thing){
                .id = done->inputs[0].value.text, .node = (int32_t)done->index, .gone = true};
        }
    }
    cJSON_Delete(record);
    (void)number;
    return true;
}

static bool forget_deleted(struct arena *arena, const char *path, struct cleanup_thing *things,
                           size_t count, struct error *error)
{
    struct journal *journal = journal_open(path, true, error);
    if (!journal) {
        return false;
    }
    void *text = NULL;
    size_t length = 0;
    struct error failure = {0};
    bool ok = journal_get_blob(journal, "graph", &text, &length, &failure);
    if (ok) {
        struct graph *graph = graph_read(arena, path, text, length, error);
        struct ledger *ledger = graph ? ledger_create(arena, graph) : NULL;
        ok = ledger && journal_replay(journal, deleted_record, ledger, error);
        for (size_t i = 0; ok && i < ledger->count; i++) {
            forget(things, count, ledger->things[i].id);
        }
        free(text);
    } else {
        ok = !failure.message || error_move(error, &failure); /* it had not begun */
    }
    journal_close(journal);
    return ok;
}

static const char *cleanup_path(struct arena *arena, const struct run_info *run, int number)
{
    return arena_printf(arena, "%s/cleanup-%d.db", run->directory, number);
}

static bool exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool cleanup_ledger(struct arena *arena, const struct run_info *run, struct cleanup_thing **things,
                    size_t *count, struct error *error)
{
    struct error failure = {0};
    const char *path = arena_printf(arena, "%s/journal.db", run->directory);
    struct ledger *ledger = read_journal(arena, path, &failure);
    *count = 0;
    *things = NULL;
    if (!exists(path)) { /* its state is lost: there are only its tags */
        error_clear(&failure);
        return true;
    }
    if (!ledger) {
        return !failure.message || error_move(error, &failure);
    }
    from_ledger(arena, ledger, things, count);
    for (int i = 1; i < CLEANUPS_MAX; i++) {
        path = cleanup_path(arena, run, i);
        if (!exists(path)) {
            break;
        }
        if (!forget_deleted(arena, path, *things, *count, error)) {
            return false;
        }
    }
    return true;
}

/* --- what was found beside it --- */

void cleanup_merge(struct arena *arena, struct cleanup_thing **things, size_t *count,
                   const struct cleanup_thing *found, size_t found_count, bool seen_all)
{
    struct cleanup_thing *merged =
        ARENA_ARRAY(arena, struct cleanup_thing, *count + found_count + 1);
    size_t merged_count = *count;
    if (*count) {
        memcpy(merged, *things, *count * sizeof *merged);
    }
    for (size_t i = 0; seen_all && i < merged_count; i++) {
        merged[i].gone = true;
    }
    for (size_t i = 0; i < found_count; i++) {
        struct cleanup_thing *thing = find(merged, *count, found[i].id);
        if (thing) {
            bool with = thing->with_instance && found[i].attached_to && thing->attached_to &&
                        !strcmp(found[i].attached_to, thing->attached_to);
            thing->gone = found[i].gone;
            thing->committed = found[i].committed;
            thing->attached_to = found[i].attached_to;
            thing->with_instance = with;
        } else {
            merged[merged_count++] = found[i];
        }
    }
    *things = merged;
    *count = merged_count;
}

/* --- its journal --- */

struct journal *cleanup_create_journal(const struct run_info *run, struct world *world,
                                       const struct graph *graph, struct error *error)
{
    struct arena *arena = arena_create();
    int number = 1;
    while (number < CLEANUPS_MAX && exists(cleanup_path(arena, run, number))) {
        number++;
    }
    struct journal *journal = journal_create(cleanup_path(arena, run, number), error);
    struct buffer text = {0};
    if (journal) {
        journal_use_clock(journal, world);
        graph_write_json(graph, &text);
        if (!journal_put_blob(journal, "graph", text.data, text.length, error)) {
            journal_close(journal);
            journal = NULL;
        }
    }
    buffer_free(&text);
    arena_destroy(arena);
    return journal;
}
