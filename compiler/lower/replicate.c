/* Replicate: what happens to the disks of a VM. Each is written into a snapshot, whole or as a change
 * of its last copy, and tagged at the very end; where drivers are injected ahead, a bootable copy of the
 * boot disk follows; what is over `keep` is deleted once all copies of the VM are there. VMs are
 * independent of each other; who is furthest behind comes first, in the graph and wherever there is a
 * queue. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/lower/lowering.h"
#include "compiler/plan/plan.h"

/* Disks whose blocks are sent at once. More would not be faster (EBS takes 1,000 blocks a second for
 * each account and region), and each is a pending snapshot, of which an account has 100. */
enum { COPIES_AT_ONCE = 16 };

/* Without a measured throughput. */
#define COPY_BYTES_PER_S_ASSUMED (INT64_C(128) << 20)
#define BLOCK_BYTES              (INT64_C(512) << 10)

/* ---- what is known ---- */

static const struct fact_vm *known_vm(const struct lowering *l, const struct vm_lowering *v)
{
    return l->facts ? map_get(&l->facts->vms, v->vm->name) : NULL;
}

static void leave_out_damaged(struct lowering *l, const struct vm_lowering *v, const char *what)
{
    const char *repository = l->plan->backup.repository.value;
    struct diagnostic *found =
        diagnose(l->diagnostics, DIAG_NOTHING_TO_COPY, v->vm->at,
                 "the recovery point of %s in %s is damaged", v->vm->name, repository);
    diagnostic_note(l->diagnostics, found, "%s", what);
    diagnostic_help(l->diagnostics, found, "drc repo verify %s says what is damaged; --recovery-point TIME "
                                           "takes an older one; drc repo import --whole makes a new one",
                    repository);
}

/* The others are copied; the command says at its end that this one was not. */
static void leave_out(struct lowering *l, const struct vm_lowering *v)
{
    const char *damaged = map_get(&l->facts->bindings, lowering_join(l, v->vm->name, "damaged"));
    if (damaged) {
        leave_out_damaged(l, v, damaged);
        return;
    }
    struct diagnostic *found = diagnose(l->diagnostics, DIAG_NOTHING_TO_COPY, v->vm->at,
                                        "%s has no recovery point in %s", v->vm->name,
                                        l->plan->backup.repository.value);
    diagnostic_help(l->diagnostics, found, "drc repo import %s --plan %s --vm %s IMAGE… makes one",
                    l->plan->backup.repository.value, l->plan->name, v->vm->name);
}

static void know_disks(struct lowering *l, struct vm_lowering *v, const struct fact_vm *known)
{
    size_t count = known ? known->disk_count : lowering_disks_assumed(v->vm);
    v->hardware.disks = known ? known->disks : NULL;
    v->hardware.disk_count = count;
    v->disks = ARENA_ARRAY(l->arena, struct disk_lowering, count);
    for (size_t i = 0; i < count; i++) {
        v->disks[i].prefix = lowering_number(l, v->vm->name, "disk-", i);
    }
    lowering_know_tags(l, v);
}

static void list_assumptions(struct lowering *l)
{
    const char *only = lowering_only_firmware(l->plan);
    bool only_uefi = only && strcmp(only, "uefi") == 0;
    lowering_assume(l, "Each VM has the disks that the plan names, the boot disk at least.");
    lowering_assume(l, "Every copy is a whole one, and none is over keep; what is sent is known "
                       "when the run starts.");
    if (lowering_prepares(l->plan)) {
        lowering_assume(l, "The guests boot by %s and run Linux on x86_64, unless AWS licenses Windows.",
                        only_uefi ? "UEFI" : "BIOS");
    }
}

bool lowering_know_copies(struct lowering *l)
{
    if (!lowering_check_prepare(l)) {
        return false;
    }
    if (!l->facts) {
        list_assumptions(l);
    }
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        struct vm_lowering *v = &l->vms[i];
        const struct fact_vm *known = known_vm(l, v);
        if (l->facts && !known) {
            leave_out(l, v);
            continue;
        }
        know_disks(l, v, known);
        lowering_know_prepare(l, v);
    }
    return true;
}

/* ---- who comes first ---- */

struct turn {
    const char *last_copy; /* RFC 3339, UTC; "": never copied */
    size_t vm;
};

static int compare_turns(const void *left, const void *right)
{
    const struct turn *a = left, *b = right;
    int order = strcmp(a->last_copy, b->last_copy);
    return order ? order : a->vm < b->vm ? -1 : a->vm > b->vm;
}

/* The VM with the oldest copy first, those that have none before them; ties in plan order. */
static struct turn *turns_of(struct lowering *l)
{
    struct turn *turns = ARENA_ARRAY(l->arena, struct turn, l->plan->vm_count);
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        const char *key = lowering_join(l, l->vms[i].vm->name, "last-copy");
        const char *last = l->facts ? map_get(&l->facts->bindings, key) : NULL;
        turns[i] = (struct turn){.last_copy = last ? last : "", .vm = i};
    }
    qsort(turns, l->plan->vm_count, sizeof *turns, compare_turns);
    return turns;
}

/* ---- one disk ---- */

/* A copy under way: what its nodes share. */
struct copying {
    struct lowering *l;
    struct vm_lowering *v;
    size_t number;
    const char *prefix;
    const struct fact_disk *known; /* NULL: no facts */
    int32_t pool;
    int64_t bytes_per_s; /* of this disk */
    uint32_t started, sent, tagged;
};

static bool is_whole(const struct copying *c)
{
    return !c->known || c->known->whole;
}

static uint32_t add(struct copying *c, enum action action, const char *rule)
{
    return lowering_node(c->l, c->v, action, c->prefix, c->v->vm->at, rule);
}

static void input_binding(struct copying *c, const char *input, const char *what)
{
    builder_input(c->l->builder, input, bind_value(lowering_join(c->l, c->prefix, what)));
}

static void input_point(struct copying *c)
{
    builder_input(c->l->builder, "recovery_point",
                  bind_value(lowering_join(c->l, c->v->vm->name, "recovery-point")));
}

static void input_snapshot(struct copying *c)
{
    builder_input(c->l->builder, "snapshot_id", output_value(c->started, "snapshot_id"));
}

/* EBS wants the key's ARN; a parent's key is inherited, and may not be given. */
static void input_key(struct copying *c)
{
    const char *key = c->l->plan->aws.kms_key.value;
    if (key && is_whole(c)) {
        bool arn = strncmp(key, "arn:", 4) == 0;
        builder_input(c->l->builder, "kms_key", arn ? text_value(key) : bind_value("kms-key"));
    }
}

static void start_snapshot(struct copying *c)
{
    const char *rule = is_whole(c) ? "each disk becomes an EBS snapshot, the DR copy"
                                   : "the next DR copy is a change of the one before it";
    c->started = add(c, ACTION_START_SNAPSHOT, rule);
    builder_current(c->l->builder)->acquire = c->pool;
    if (c->known) {
        builder_input(c->l->builder, "size_gib", int_value(c->known->size_gib));
    }
    if (!is_whole(c)) {
        input_binding(c, "parent_snapshot_id", "parent-snapshot");
    }
    input_key(c);
    builder_input(c->l->builder, "disk", int_value((int64_t)c->number));
    builder_input(c->l->builder, "tags", c->v->tags);
}

static int64_t expected_ms(const struct copying *c)
{
    const int64_t *blocks = c->l->facts ? map_get(&c->l->facts->blocks, c->prefix) : NULL;
    if (!blocks) {
        return action_info(ACTION_PUT_BLOCKS)->expected_ms;
    }
    int64_t count = *blocks < (INT64_C(1) << 30) ? *blocks : INT64_C(1) << 30; /* EBS: 2^27 */
    double ms = (double)count * (double)BLOCK_BYTES * 1000 / (double)c->bytes_per_s;
    return ms < 1e15 ? (int64_t)ms : INT64_C(1000000000000000);
}

/* A path that is relative to the plan's file is made absolute by who gathers facts. */
static void input_repository(struct copying *c)
{
    const char *url = c->l->plan->backup.repository.value;
    bool relative = strncmp(url, "dir:", 4) == 0 && url[4] != '/';
    builder_input(c->l->builder, "repository",
                  relative ? bind_value("repository") : text_value(url));
}

static void put_blocks(struct copying *c)
{
    c->sent = add(c, ACTION_PUT_BLOCKS,
                  is_whole(c) ? "all blocks that are not zero are sent"
                              : "the blocks that differ from the last copy are sent");
    builder_current(c->l->builder)->expected_ms = expected_ms(c);
    input_repository(c);
    input_point(c);
    builder_input(c->l->builder, "disk", int_value((int64_t)c->number));
    input_binding(c, "map", "map");
    if (!is_whole(c)) {
        input_binding(c, "parent_map", "parent-map");
    }
    input_snapshot(c);

    /* A guard: the place is given back though the blocks could not be sent. */
    add(c, ACTION_RELEASE_PLACE, "the next disk begins when this one is done");
    builder_current(c->l->builder)->release = c->pool;
    builder_guards(c->l->builder, c->started);
    builder_after(c->l->builder, c->sent, WHEN_ENDED);
}

static uint32_t complete_snapshot(struct copying *c)
{
    uint32_t completed = add(c, ACTION_COMPLETE_SNAPSHOT, "EBS checks number and sum of the blocks");
    input_snapshot(c);
    builder_input(c->l->builder, "changed_blocks", output_value(c->sent, "changed_blocks"));
    builder_input(c->l->builder, "checksum", output_value(c->sent, "checksum"));

    uint32_t there = add(c, ACTION_WAIT_SNAPSHOT_COMPLETED, "only a completed snapshot is a DR copy");
    input_snapshot(c);
    builder_after(c->l->builder, completed, WHEN_OK);
    return there;
}

/* Tags are texts. */
struct tag_list {
    struct lowering *l;
    const char **keys;
    struct value *items;
    size_t count;
};

static void tag(struct tag_list *tags, const char *key, const char *text)
{
    if (text) {
        tags->keys[tags->count] = key;
        tags->items[tags->count++] = text_value(text);
    }
}

static void tag_number(struct tag_list *tags, const char *key, int64_t number)
{
    tag(tags, key, number > 0 ? arena_printf(tags->l->arena, "%" PRId64, number) : NULL);
}

/* What failover has to know of the VM, as far as it is known, stands with its boot disk. */
static void tag_machine(struct tag_list *tags, const struct fact_vm *vm)
{
    tag_number(tags, "drc:disks", (int64_t)vm->disk_count);
    tag_number(tags, "drc:cpus", vm->cpus);
    tag_number(tags, "drc:memory-mib", vm->memory_mib);
    tag(tags, "drc:firmware", vm->firmware);
    tag(tags, "drc:os", vm->os);
    tag(tags, "drc:arch", vm->arch);
    tag(tags, "drc:guest-id", vm->guest_id);
}

struct value lowering_copy_tags(struct lowering *l, const struct vm_lowering *v, size_t disk,
                                const char *role)
{
    enum { TAGS_MAX = 11 };
    const struct fact_vm *vm = known_vm(l, v);
    struct tag_list tags = {.l = l,
                            .keys = ARENA_ARRAY(l->arena, const char *, TAGS_MAX),
                            .items = ARENA_ARRAY(l->arena, struct value, TAGS_MAX)};
    tag(&tags, "drc:role", role);
    tags.keys[tags.count] = "drc:recovery-point";
    tags.items[tags.count++] = bind_value(lowering_join(l, v->vm->name, "recovery-point"));
    if (vm) {
        tag_number(&tags, "drc:disk-bytes", vm->disks[disk].bytes);
        tag(&tags, "drc:controller", vm->disks[disk].controller);
    }
    if (disk == 0 && vm) {
        tag_machine(&tags, vm);
    }
    return map_value(tags.keys, tags.items, tags.count);
}

/* What cannot be noted makes the next copy a whole one, and this one no worse. */
static uint32_t record_copy(struct copying *c, uint32_t completed)
{
    uint32_t recorded = add(c, ACTION_RECORD_COPY,
                            "the next copy needs only what differs from what this one holds");
    builder_current(c->l->builder)->continue_on_failure = true;
    input_repository(c);
    input_snapshot(c);
    input_binding(c, "map", "map");
    builder_input(c->l->builder, "disk", int_value((int64_t)c->number));
    input_point(c);
    builder_after(c->l->builder, completed, WHEN_OK);
    return recorded;
}

static void tag_copy(struct copying *c, uint32_t completed, uint32_t recorded)
{
    c->tagged = add(c, ACTION_TAG_COPY, "its tags make it a DR copy, so they come last");
    input_snapshot(c);
    builder_input(c->l->builder, "disk", int_value((int64_t)c->number));
    builder_input(c->l->builder, "tags", lowering_copy_tags(c->l, c->v, c->number, "dr-copy"));
    builder_after(c->l->builder, completed, WHEN_OK);
    builder_after(c->l->builder, recorded, WHEN_ENDED);
}

static uint32_t copy_disk(struct copying *c)
{
    start_snapshot(c);
    put_blocks(c);
    uint32_t completed = complete_snapshot(c);
    uint32_t recorded = record_copy(c, completed);
    tag_copy(c, completed, recorded);
    return c->tagged;
}

/* ---- one VM ---- */

static void delete_excess(struct lowering *l, struct vm_lowering *v, int64_t count, uint32_t copied)
{
    for (int64_t i = 0; i < count; i++) {
        const char *prefix = lowering_number(l, v->vm->name, "excess-", (size_t)i);
        lowering_node(l, v, ACTION_DELETE_SNAPSHOT, prefix, l->plan->replication.at,
                      "keep: what is over it is deleted, oldest first, once the new copy is there");
        /* It is found again by the next replication. */
        builder_current(l->builder)->continue_on_failure = true;
        builder_input(l->builder, "snapshot_id", bind_value(lowering_join(l, prefix, "snapshot")));
        builder_after(l->builder, copied, WHEN_OK);
    }
}

static bool is_copied(const struct lowering *l, const struct vm_lowering *v)
{
    const struct fact_vm *known = known_vm(l, v);
    return known && known->copied;
}

/* The number of nodes that tag DR copies, one for each disk; *first: the snapshot of disk 0. */
static size_t copy_disks(struct lowering *l, struct vm_lowering *v, int32_t pool, int64_t bytes_per_s,
                         uint32_t *tagged, struct value *first)
{
    const struct fact_vm *known = known_vm(l, v);
    size_t count = v->hardware.disk_count;
    if (is_copied(l, v)) {
        *first = bind_value(lowering_join(l, v->disks[0].prefix, "snapshot"));
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct copying copying = {.l = l,
                                  .v = v,
                                  .number = i,
                                  .prefix = v->disks[i].prefix,
                                  .known = known ? &known->disks[i] : NULL,
                                  .pool = pool,
                                  .bytes_per_s = bytes_per_s};
        tagged[i] = copy_disk(&copying);
        *first = i == 0 ? output_value(copying.started, "snapshot_id") : *first;
    }
    return count;
}

/* Where a bootable copy is wanted, nothing goes before there is a new one. */
static bool may_delete(const struct lowering *l, const struct vm_lowering *v)
{
    const struct fact_vm *known = known_vm(l, v);
    return !lowering_prepares(l->plan) || v->prepares || (known && known->disks[0].bootable);
}

static void copy_vm(struct lowering *l, struct vm_lowering *v, int32_t pool, int64_t bytes_per_s)
{
    const struct fact_vm *known = known_vm(l, v);
    uint32_t *tagged = ARENA_ARRAY(l->arena, uint32_t, v->hardware.disk_count + 1);
    struct value first = {0};
    size_t count = copy_disks(l, v, pool, bytes_per_s, tagged, &first);
    if (v->prepares) {
        tagged[count] = lower_bootable_copy(l, v, first, tagged, count);
        count++;
    }
    uint32_t copied = lowering_node(l, v, ACTION_COPIED, v->vm->name, v->vm->at,
                                    "failover uses a recovery point of which all disks are there");
    for (size_t i = 0; i < count; i++) {
        builder_after(l->builder, tagged[i], WHEN_OK);
    }
    delete_excess(l, v, known && may_delete(l, v) ? known->excess : 0, copied);
}

/* ---- all of them ---- */

static size_t count_disks(const struct lowering *l)
{
    size_t count = 0;
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        count += is_copied(l, &l->vms[i]) ? 0 : l->vms[i].hardware.disk_count;
    }
    return count;
}

/* Of all disks: as measured, and no more than this run may send. */
static int64_t bytes_per_s_of(const struct facts *facts)
{
    int64_t measured = facts ? facts->throughput.copy_bytes_per_s : 0;
    int64_t limit = facts ? facts->copy_limit_bytes_per_s : 0;
    int64_t expected = measured > 0 ? measured : COPY_BYTES_PER_S_ASSUMED;
    return limit > 0 && limit < expected ? limit : expected;
}

/* What one of the disks that are sent at once gets of the throughput. */
static int64_t share_of(const struct lowering *l, size_t disks)
{
    int64_t all = bytes_per_s_of(l->facts);
    int64_t at_once = disks < COPIES_AT_ONCE ? (int64_t)disks : COPIES_AT_ONCE;
    int64_t share = all / (at_once > 0 ? at_once : 1);
    return share > 0 ? share : 1;
}

void lower_replicate(struct lowering *l)
{
    size_t disks = count_disks(l);
    int64_t bytes_per_s = share_of(l, disks);
    int32_t pool = disks > 0 ? builder_pool(l->builder, "mover", COPIES_AT_ONCE, NULL) : NO_POOL;
    const struct turn *turns = turns_of(l);
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        struct vm_lowering *v = &l->vms[turns[i].vm];
        if (v->hardware.disk_count > 0 && (v->prepares || !is_copied(l, v))) {
            copy_vm(l, v, pool, bytes_per_s);
        }
    }
}
