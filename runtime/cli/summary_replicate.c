/* What a replicate run is about to do: for each VM which recovery point, whole or as a change and why,
 * how much is sent, what goes. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"
#include "compiler/plan/plan.h"
#include "runtime/cli/summary_parts.h"

#define BLOCK_BYTES (INT64_C(512) << 10)

static int64_t blocks_of(const struct summary *summary, struct arena *arena, const char *vm, size_t disk)
{
    const int64_t *blocks =
        map_get(&summary->facts->blocks, arena_printf(arena, "%s/disk-%zu", vm, disk));
    return blocks ? *blocks : 0;
}

static int64_t all_blocks(const struct summary *summary, struct arena *arena, const struct fact_vm *vm)
{
    int64_t count = 0;
    for (size_t i = 0; i < vm->disk_count; i++) {
        count += blocks_of(summary, arena, vm->name, i);
    }
    return count;
}

/* Whether all disks are copied whole for the same reason. */
static bool whole_alike(const struct fact_vm *vm)
{
    for (size_t i = 0; i < vm->disk_count; i++) {
        if (!vm->disks[i].whole || strcmp(vm->disks[i].whole, vm->disks[0].whole) != 0) {
            return false;
        }
    }
    return true;
}

static bool makes_bootable(const struct summary *summary, const char *vm)
{
    for (uint32_t i = 0; i < summary->graph->node_count; i++) {
        const struct graph_node *node = &summary->graph->nodes[i];
        if (node->action == ACTION_CREATE_SNAPSHOT && strcmp(summary->graph->vms[node->vm].name, vm) == 0) {
            return true;
        }
    }
    return false;
}

static const char *copy_of(const struct summary *summary, struct arena *arena, const struct fact_vm *vm)
{
    const char *last = summary_binding(summary->facts, vm->name, "last-copy");
    if (vm->copied) {
        return makes_bootable(summary, vm->name) ? "is a DR copy already; a bootable copy is made of it"
                                                 : "is a DR copy already";
    }
    if (vm->disk_count > 0 && whole_alike(vm)) {
        return arena_printf(arena, "whole: %s", fact_whole_reason(vm->disks[0].whole));
    }
    const char *text =
        last ? arena_printf(arena, "what changed since %s", summary_time(arena, last)) : "what changed";
    for (size_t i = 0; i < vm->disk_count; i++) {
        if (vm->disks[i].whole) {
            text = arena_printf(arena, "%s; disk %zu whole: %s", text, i,
                                fact_whole_reason(vm->disks[i].whole));
        }
    }
    return text;
}

static const char *volume(struct arena *arena, int64_t blocks)
{
    char size[32];
    return arena_printf(arena, "%" PRId64 " block%s (%s)", blocks, blocks == 1 ? "" : "s",
                        format_size(size, blocks * BLOCK_BYTES));
}

static void fill_row(const struct summary *summary, struct arena *arena, const char *name,
                     const char *row[SUMMARY_COLUMNS])
{
    const struct fact_vm *vm = map_get(&summary->facts->vms, name);
    char text[32];
    for (size_t i = 0; i < SUMMARY_COLUMNS; i++) {
        row[i] = "";
    }
    row[0] = name;
    if (!vm) {
        row[1] = "none";
        row[5] = "not replicated";
        return;
    }
    int64_t age_ms = summary_loss_ms(summary->facts, name, summary->now_utc_ms);
    row[1] = summary_time(arena, summary_binding(summary->facts, name, "recovery-point"));
    row[2] = age_ms < 0 ? "?" : arena_strdup(arena, format_duration(text, age_ms / 1000 * 1000));
    row[3] = vm->copied ? "" : volume(arena, all_blocks(summary, arena, vm));
    row[4] = vm->excess > 0 ? arena_printf(arena, "%" PRId64, vm->excess) : "";
    row[5] = copy_of(summary, arena, vm);
}

static void write_counts(const struct summary *summary, struct arena *arena, struct buffer *out)
{
    size_t made = 0, deleted = 0, injected = 0;
    int64_t blocks = 0;
    for (uint32_t i = 0; i < summary->graph->node_count; i++) {
        enum action action = summary->graph->nodes[i].action;
        made += action == ACTION_START_SNAPSHOT || action == ACTION_CREATE_SNAPSHOT;
        injected += action == ACTION_INJECT;
        deleted += summary->graph->nodes[i].action == ACTION_DELETE_SNAPSHOT;
    }
    for (struct map_entry *entry = map_first(&summary->facts->blocks); entry; entry = map_next(entry)) {
        blocks += *(const int64_t *)entry->value;
    }
    bool first = true;
    buffer_puts(out, "  creates ");
    summary_count(out, made, "snapshot", &first);
    buffer_printf(out, " · sends %s", volume(arena, blocks));
    if (injected > 0) {
        first = true;
        buffer_puts(out, " · injects drivers into ");
        summary_count(out, injected, "boot disk", &first);
    }
    if (deleted > 0) {
        first = true;
        buffer_puts(out, " · deletes ");
        summary_count(out, deleted, "snapshot", &first);
        buffer_printf(out, " over keep: %" PRId64, summary->plan->replication.keep);
    }
    buffer_putc(out, '\n');
}

void summary_write_replicate(const struct summary *summary, struct buffer *out)
{
    static const char *const titles[SUMMARY_COLUMNS] = {"VM",      "recovery point", "age",
                                                        "to send", "deletes",        "copy"};
    struct arena *arena = arena_create();
    const struct plan *plan = summary->plan;
    size_t count = summary->graph->vm_count + 1;
    const char *(*rows)[SUMMARY_COLUMNS] = arena_zalloc(arena, count * sizeof *rows);
    struct buffer head = {0};
    char predicted[32];
    buffer_printf(&head, "%s · replicate into %s (account %s) · plan %.7s · predicted to take %s",
                  plan->name, plan->aws.region.value, summary->account, plan->digest,
                  format_duration(predicted, summary->schedule->makespan_ms));
    text_wrap(out, buffer_text(&head), 0, 4, summary->width);
    buffer_free(&head);
    buffer_puts(out, "\n\n");
    memcpy(rows[0], titles, sizeof titles);
    for (size_t i = 1; i < count; i++) {
        fill_row(summary, arena, summary->graph->vms[i - 1].name, rows[i]);
    }
    summary_rows(rows, count, summary->width, summary->colour, out);
    buffer_putc(out, '\n');
    write_counts(summary, arena, out);
    findings_write(summary->findings, summary->width, summary->colour, out);
    arena_destroy(arena);
}
