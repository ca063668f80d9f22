#include "runtime/site/replicate_facts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/world.h"

#define GIB (INT64_C(1) << 30)

enum { RECORDS_KEPT = 8 }; /* of each disk, though their snapshots are not seen */

struct gathering {
    struct arena *arena;
    const struct plan *plan;
    struct repository *repository;
    const struct aws_replication *replication;
    struct facts *facts;
    struct replicate_notes *notes;
    struct map records; /* snapshot id -> struct repository_copy * */
    struct map known;   /* "db/disk-0" of which the repository knows copies, there or gone */
    size_t held_capacity, damaged_capacity;
    const struct replicate_wanted *wanted;
};

static bool prepares(const struct gathering *g)
{
    return g->plan->aws.inject && g->plan->replication.prepare;
}

static const char *disk_name(struct gathering *g, const char *vm, size_t disk)
{
    return arena_printf(g->arena, "%s/disk-%zu", vm, disk);
}

static void bind(struct gathering *g, const char *prefix, const char *what, const char *text)
{
    map_put(&g->facts->bindings, arena_printf(g->arena, "%s/%s", prefix, what), (void *)text);
}

static const char *hex(struct gathering *g, const struct block_digest *digest)
{
    char *text = arena_alloc(g->arena, 65);
    block_digest_hex(digest, text);
    return text;
}

/* ---- what a copy can be a change of ---- */

/* NULL: the copy can be the parent. */
static const char *unfit(const struct gathering *g, const struct dr_copy *copy,
                         const struct repository_disk *disk)
{
    const struct repository_copy *record = map_get(&g->records, copy->id);
    const char *key = g->replication->key_arn;
    bool encrypt = key || g->replication->encrypts_by_default;
    if (encrypt && !copy->encrypted) {
        return "unencrypted-parent";
    }
    if (key && (!copy->kms_key || strcmp(copy->kms_key, key) != 0)) {
        return "key-changed";
    }
    if (!record) {
        return "map-missing";
    }
    return record->disk_bytes > disk->bytes ? "disk-shrank" : NULL;
}

struct parent {
    const struct dr_copy *copy; /* NULL: none */
    const struct repository_copy *record;
    const char *whole; /* why there is none: what is wrong with the newest copy */
};

static void try_parent(const struct gathering *g, const struct dr_copy *copy,
                       const struct repository_disk *disk, struct parent *parent)
{
    for (; copy && !parent->copy; copy = copy->other) {
        if (!copy->completed) {
            continue;
        }
        const char *why = unfit(g, copy, disk);
        if (!why) {
            *parent = (struct parent){.copy = copy, .record = map_get(&g->records, copy->id)};
        } else if (!parent->whole) {
            parent->whole = why;
        }
    }
}

/* The newest copy of the disk that fits; also one of a recovery point that other disks lack. */
static struct parent find_parent(struct gathering *g, const char *vm, size_t number,
                                 const struct repository_disk *disk)
{
    struct parent parent = {.copy = NULL};
    const struct recovery_point *point = map_get(&g->replication->points.by_vm, vm);
    for (; point && !parent.copy; point = point->next) {
        try_parent(g, point->copies[number], disk, &parent);
    }
    if (!parent.copy && !parent.whole) {
        bool gone = map_get(&g->known, disk_name(g, vm, number));
        parent.whole = gone ? "snapshot-gone" : "first";
    }
    return parent;
}

/* ---- what is sent ---- */

static bool count_blocks(struct gathering *g, const struct repository_point *point, size_t number,
                         struct parent *parent, uint64_t *blocks, struct error *error)
{
    const struct repository_disk *disk = &point->disks[number];
    *blocks = disk->blocks;
    if (!parent->copy) {
        return true;
    }
    struct error failure = {0};
    if (map_difference_count(g->repository, &disk->map, &parent->record->map, blocks, &failure)) {
        return true;
    }
    /* Whose map is it that cannot be read? */
    if (map_difference_count(g->repository, &disk->map, NULL, blocks, error)) {
        *parent = (struct parent){.whole = "map-missing"};
        error_clear(&failure);
        return true;
    }
    error_clear(&failure);
    error_prefix(error, "recovery point %s of %s, disk %zu", point->time, point->vm, number);
    return error_help(error, "drc repo verify %s says what is damaged; --recovery-point TIME takes an "
                             "older one", repository_name(g->repository));
}

static int64_t size_gib_of(int64_t bytes)
{
    int64_t size_gib = (bytes + GIB - 1) / GIB;
    return size_gib > 0 ? size_gib : 1;
}

/* What is to be sent of a disk, and onto what. */
struct sending {
    struct parent parent;
    uint64_t blocks;
};

static bool look_at_disks(struct gathering *g, const struct repository_point *point,
                          struct sending *sending, struct error *error)
{
    for (size_t i = 0; i < point->disk_count; i++) {
        sending[i].parent = find_parent(g, point->vm, i, &point->disks[i]);
        if (!count_blocks(g, point, i, &sending[i].parent, &sending[i].blocks, error)) {
            return false;
        }
    }
    return true;
}

static void add_disk(struct gathering *g, const struct repository_point *point, size_t number,
                     const struct sending *sending, struct fact_disk *fact)
{
    const struct repository_disk *disk = &point->disks[number];
    const char *prefix = disk_name(g, point->vm, number);
    struct parent parent = sending->parent;
    int64_t *blocks = ARENA_NEW(g->arena, int64_t);
    *blocks = (int64_t)sending->blocks;
    map_put(&g->facts->blocks, prefix, blocks);
    *fact = (struct fact_disk){.bytes = disk->bytes,
                               .size_gib = size_gib_of(disk->bytes),
                               .controller = disk->controller,
                               .whole = parent.whole};
    bind(g, prefix, "map", hex(g, &disk->map));
    if (parent.copy) {
        fact->whole = NULL;
        /* A copy that is smaller in GiB than its parent is refused by EBS. */
        fact->size_gib = fact->size_gib > parent.copy->size_gib ? fact->size_gib : parent.copy->size_gib;
        bind(g, prefix, "parent-map", hex(g, &parent.record->map));
        bind(g, prefix, "parent-snapshot", parent.copy->id);
    }
}

/* ---- what is over `keep` ---- */

struct excess {
    struct gathering *g;
    const char *vm;
    int64_t count;
};

static void note_held(struct gathering *g, const char *vm, const struct dr_copy *copy)
{
    struct replicate_notes *notes = g->notes;
    notes->held = arena_grow(g->arena, notes->held, notes->held_count, &g->held_capacity,
                             sizeof *notes->held);
    notes->held[notes->held_count++] =
        (struct replicate_held){.vm = vm, .snapshot_id = copy->id, .run = copy->held_by};
}

static void add_excess(struct excess *excess, const struct dr_copy *copy)
{
    for (; copy; copy = copy->other) {
        if (copy->held_by) {
            note_held(excess->g, excess->vm, copy);
        } else {
            bind(excess->g, arena_printf(excess->g->arena, "%s/excess-%" PRId64, excess->vm, excess->count++),
                 "snapshot", copy->id);
        }
    }
}

static bool is_usable(const struct gathering *g, const struct recovery_point *point)
{
    return recovery_point_flaw(g->arena, point, false) == NULL;
}

/* Recovery points from which on all are kept: the newest `keep` usable ones, with the new one counted
 * among them. bootable: usable as a failover needs them that finds drivers injected. */
static int64_t newest_from(const struct gathering *g, const struct recovery_point *first,
                           int64_t new_utc_ms, bool bootable)
{
    int64_t left = g->plan->replication.keep, from = INT64_MAX;
    bool counted = false;
    for (const struct recovery_point *at = first; left > 0; at = at->next) {
        if (!counted && (!at || at->utc_ms <= new_utc_ms)) {
            counted = true;
            from = new_utc_ms;
            left--;
        }
        if (!at || left == 0) {
            break;
        }
        if (at->utc_ms != new_utc_ms && !recovery_point_flaw(g->arena, at, bootable)) {
            from = at->utc_ms;
            left--;
        }
    }
    return counted && from > new_utc_ms ? new_utc_ms : from;
}

/* Where drivers are injected ahead, those that lack a bootable copy take no place from those that have
 * one, nor the other way round. */
static int64_t kept_from(const struct gathering *g, const struct recovery_point *first,
                         int64_t new_utc_ms)
{
    int64_t from = newest_from(g, first, new_utc_ms, false);
    int64_t bootable = prepares(g) ? newest_from(g, first, new_utc_ms, true) : from;
    return bootable < from ? bootable : from;
}

/* Oldest first would be as good: a failure leaves some for the next time. What there is of the new point
 * itself is replaced by the new copies, unless it is copied. */
static int64_t find_excess(struct gathering *g, const char *vm, int64_t new_utc_ms, bool copied)
{
    struct excess excess = {.g = g, .vm = vm};
    const struct recovery_point *first = map_get(&g->replication->points.by_vm, vm);
    int64_t from = kept_from(g, first, new_utc_ms);
    for (const struct recovery_point *point = first; point; point = point->next) {
        if (point->utc_ms < from || (point->utc_ms == new_utc_ms && !copied)) {
            for (size_t disk = 0; disk < DR_DISKS_MAX; disk++) {
                add_excess(&excess, point->copies[disk]);
            }
            add_excess(&excess, point->bootable);
        }
    }
    return excess.count;
}

/* ---- a VM ---- */

static const struct recovery_point *newest_usable(const struct gathering *g, const char *vm)
{
    const struct recovery_point *point = map_get(&g->replication->points.by_vm, vm);
    while (point && !is_usable(g, point)) {
        point = point->next;
    }
    return point;
}

/* The recovery point of that time, where it is a usable DR copy already; NULL: it is not. */
static const struct recovery_point *find_copied(const struct gathering *g, const char *vm, int64_t utc_ms)
{
    const struct recovery_point *point = map_get(&g->replication->points.by_vm, vm);
    while (point && point->utc_ms != utc_ms) {
        point = point->next;
    }
    return point && is_usable(g, point) ? point : NULL;
}

/* Of a VM that is copied: whether there is a bootable copy too, and else what one is made of. */
static void look_at_copy(struct gathering *g, const struct recovery_point *copied, struct fact_vm *vm)
{
    vm->disks[0].bootable = copied->bootable && copied->bootable->completed;
    if (prepares(g) && !vm->disks[0].bootable) {
        bind(g, disk_name(g, vm->name, 0), "snapshot", copied->copies[0]->id);
    }
}

static bool add_vm(struct gathering *g, const struct repository_point *point, struct error *error)
{
    const struct recovery_point *copied = find_copied(g, point->vm, point->utc_ms);
    struct fact_vm *vm = ARENA_NEW(g->arena, struct fact_vm);
    *vm = (struct fact_vm){.name = point->vm,
                           .cpus = point->cpus,
                           .memory_mib = point->memory_mib,
                           .firmware = point->firmware,
                           .os = point->os,
                           .arch = point->arch,
                           .guest_id = point->guest_id,
                           .disks = ARENA_ARRAY(g->arena, struct fact_disk, point->disk_count),
                           .disk_count = point->disk_count,
                           .copied = copied != NULL};
    struct sending *sending = ARENA_ARRAY(g->arena, struct sending, point->disk_count);
    bool brief = vm->copied || g->wanted->brief;
    if (!brief && !look_at_disks(g, point, sending, error)) {
        return false;
    }
    const struct recovery_point *last = newest_usable(g, point->vm);
    map_put(&g->facts->vms, point->vm, vm);
    bind(g, point->vm, "recovery-point", point->time);
    if (last) {
        bind(g, point->vm, "last-copy", last->time);
    }
    for (size_t i = 0; i < point->disk_count; i++) {
        if (brief) {
            vm->disks[i] = (struct fact_disk){.bytes = point->disks[i].bytes,
                                              .size_gib = size_gib_of(point->disks[i].bytes),
                                              .controller = point->disks[i].controller};
        } else {
            add_disk(g, point, i, &sending[i], &vm->disks[i]);
        }
    }
    if (copied) {
        look_at_copy(g, copied, vm);
    }
    bool complete = copied && (!prepares(g) || vm->disks[0].bootable);
    vm->excess = g->wanted->brief || complete
                     ? 0
                     : find_excess(g, point->vm, point->utc_ms, copied != NULL);
    return true;
}

/* ---- all of it ---- */

static void note_live(struct map *live, const struct recovery_point *point)
{
    for (; point; point = point->next) {
        for (size_t disk = 0; disk < DR_DISKS_MAX; disk++) {
            for (const struct dr_copy *copy = point->copies[disk]; copy; copy = copy->other) {
                map_put(live, copy->id, (void *)copy);
            }
        }
    }
}

/* By VM and disk, the newest first. */
static int compare_records(const void *a, const void *b)
{
    const struct repository_copy *p = *(const struct repository_copy *const *)a;
    const struct repository_copy *q = *(const struct repository_copy *const *)b;
    int order = strcmp(p->vm, q->vm);
    order = order ? order : (p->disk > q->disk) - (p->disk < q->disk);
    order = order ? order : strcmp(q->recovery_point, p->recovery_point);
    return order ? order : strcmp(q->snapshot_id, p->snapshot_id);
}

/* Records would become more with every run, and all of them are read each time. One that is as new as the
 * newest usable copy stays: its snapshot may be about to get its tags. So do the newest of each disk: what
 * is not seen here may be a copy elsewhere, where the same plan replicates to another account, or was
 * rehearsed in a sandbox. */
static void note_gone(struct gathering *g, const struct repository_copy *copies, size_t count)
{
    struct map live = {.arena = g->arena}, *by_vm = (struct map *)&g->replication->points.by_vm;
    for (struct map_entry *vm = map_first(by_vm); vm; vm = map_next(vm)) {
        note_live(&live, vm->value);
    }
    g->notes->gone = ARENA_ARRAY(g->arena, const char *, count + 1);
    const struct repository_copy **sorted =
        ARENA_ARRAY(g->arena, const struct repository_copy *, count + 1);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &copies[i];
    }
    qsort(sorted, count, sizeof *sorted, compare_records);
    size_t place = 0; /* among the records of its disk */
    for (size_t i = 0; i < count; i++) {
        const struct repository_copy *copy = sorted[i];
        const struct recovery_point *newest = newest_usable(g, copy->vm);
        bool same = i > 0 && copy->disk == sorted[i - 1]->disk && strcmp(copy->vm, sorted[i - 1]->vm) == 0;
        place = same ? place + 1 : 0;
        if (place >= RECORDS_KEPT && newest && parse_time(copy->recovery_point) < newest->utc_ms &&
            !map_get(&live, copy->snapshot_id)) {
            g->notes->gone[g->notes->gone_count++] = copy->snapshot_id;
        }
    }
}

static bool read_records(struct gathering *g, struct error *error)
{
    struct repository_copies found;
    if (!repository_list_copies(g->repository, g->arena, g->plan->name, &found, error)) {
        return false;
    }
    g->notes->unread = found.damaged;
    g->notes->unread_count = found.damaged_count;
    struct repository_copy *copies = found.copies;
    for (size_t i = 0; i < found.count; i++) {
        map_put(&g->records, copies[i].snapshot_id, &copies[i]);
        if (copies[i].disk >= 0 && copies[i].disk < DR_DISKS_MAX) {
            map_put(&g->known, disk_name(g, copies[i].vm, (size_t)copies[i].disk), &copies[i]);
        }
    }
    note_gone(g, copies, found.count);
    return true;
}

static void name_source(struct gathering *g)
{
    struct facts *facts = g->facts;
    char now[32];
    facts->observed_at = arena_strdup(
        g->arena, format_time(now, world_utc_ms(repository_world(g->repository))));
    facts->region = g->replication->region;
    facts->account = g->replication->account;
    facts->source = arena_printf(g->arena, "aws:%s/%s %s", facts->region, facts->account,
                                 repository_name(g->repository));
    if (g->replication->key_arn) {
        map_put(&facts->bindings, "kms-key", (void *)g->replication->key_arn);
    }
    map_put(&facts->bindings, "repository", (void *)replicate_repository_url(g->arena, g->plan));
}

static void note_damaged(struct gathering *g, const char *vm, const struct error *failure)
{
    struct replicate_notes *notes = g->notes;
    notes->damaged = arena_grow(g->arena, notes->damaged, notes->damaged_count, &g->damaged_capacity,
                                sizeof *notes->damaged);
    const char *what = failure->help ? arena_printf(g->arena, "%s; %s", failure->message, failure->help)
                                     : arena_strdup(g->arena, failure->message);
    notes->damaged[notes->damaged_count++] = (struct replicate_damaged){.vm = vm, .what = what};
    map_put(&g->facts->bindings, arena_printf(g->arena, "%s/damaged", vm), (void *)what);
}

/* A recovery point that cannot be read fails its VM, not the others. */
static void look_at_vm(struct gathering *g, const char *vm)
{
    struct error failure = {0};
    const struct repository_point *point = repository_newest(
        g->repository, g->arena, g->plan->name, vm, g->wanted->until_utc_ms, &failure);
    if (point) {
        add_vm(g, point, &failure);
    }
    if (failure.message) {
        note_damaged(g, vm, &failure);
    }
    error_clear(&failure);
}

struct facts *replicate_facts(struct repository *repository, struct arena *arena,
                              const struct plan *plan, const struct aws_replication *replication,
                              const struct replicate_wanted *wanted,
                              struct replicate_notes *notes, struct error *error)
{
    struct gathering g = {.arena = arena,
                          .plan = plan,
                          .repository = repository,
                          .replication = replication,
                          .facts = facts_create(arena),
                          .notes = notes,
                          .wanted = wanted,
                          .records = {.arena = arena},
                          .known = {.arena = arena}};
    *notes = (struct replicate_notes){0};
    g.facts->conversions = replication->conversions;
    name_source(&g);
    if (!read_records(&g, error)) {
        error_prefix(error, "%s", repository_name(repository));
        return NULL;
    }
    for (size_t i = 0; i < plan->vm_count; i++) {
        look_at_vm(&g, plan->vms[i].name);
    }
    return g.facts;
}

const char *replicate_repository_url(struct arena *arena, const struct plan *plan)
{
    const char *url = plan->backup.repository.value;
    if (strncmp(url, "dir:", 4) != 0 || url[4] == '/') {
        return url;
    }
    char *directory = realpath(plan->directory, NULL);
    const char *base = directory ? directory : plan->directory;
    const char *absolute =
        arena_printf(arena, "dir:%s/%s", strcmp(base, "/") == 0 ? "" : base, url + 4);
    free(directory);
    return absolute;
}
