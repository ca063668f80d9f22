/* Replicate's facts: whole or as a change and why, how many blocks, what is over keep, who is left out. */
#include "runtime/site/replicate_facts.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/mover_place.h"

#define KEY     "arn:aws:kms:eu-west-1:111122223333:key/1"
#define NEW     "2026-11-22T10:00:00Z"
#define DISK    (INT64_C(10) << 30)

struct setting {
    struct arena *arena;
    struct mover_place *place;
    struct plan plan;
    struct aws_replication seen;
    struct replicate_wanted wanted;
    struct replicate_notes notes;
    struct facts *facts;
    struct block_digest before, after; /* maps: two blocks of four differ */
};

static void commit(struct setting *s, const char *time, const struct block_digest *map, int64_t bytes)
{
    struct error error = {0};
    struct repository_writer *writer = mover_place_write(s->place);
    struct repository_disk disk = {.bytes = bytes, .controller = "pvscsi", .map = *map, .blocks = 4};
    struct repository_point point = {.plan = "shop",
                                     .vm = "db",
                                     .time = time,
                                     .utc_ms = parse_time(time),
                                     .cpus = 4,
                                     .firmware = "uefi",
                                     .disks = &disk,
                                     .disk_count = 1,
                                     .made_by = "test"};
    if (!repository_commit(writer, &point, &error)) {
        fail_msg("%s", error.message);
    }
    repository_writer_close(writer);
}

static void set_up(struct setting *s)
{
    static const uint64_t first[] = {0, 1, 2, 3}, second[] = {0, 1, 2, 9};
    static struct plan_vm vms[] = {{.name = "db", .critical = true}, {.name = "web"}};
    *s = (struct setting){.arena = arena_create(),
                          .place = mover_place_create(MOVER_MEMORY),
                          .wanted = {.until_utc_ms = INT64_MAX},
                          .seen = {.account = "111122223333", .region = "eu-west-1"}};
    s->plan = (struct plan){.name = "shop",
                            .directory = ".",
                            .vms = vms,
                            .vm_count = 2,
                            .backup.repository.value = "s3://b/shop",
                            .replication.keep = 2};
    s->seen.points = (struct recovery_points){.arena = s->arena, .plan = "shop", .by_vm.arena = s->arena};
    struct repository_writer *writer = mover_place_write(s->place);
    s->before = mover_map(s->place, writer, DISK, first, 4, 1);
    s->after = mover_map(s->place, writer, DISK, second, 4, 1);
    repository_writer_close(writer);
}

static void tear_down(struct setting *s)
{
    mover_place_destroy(s->place);
    arena_destroy(s->arena);
}

/* A completed copy of db's only disk, newer than those before it. */
static struct dr_copy *add_copy(struct setting *s, const char *id, const char *time)
{
    struct recovery_point *point = ARENA_NEW(s->arena, struct recovery_point);
    struct dr_copy *copy = ARENA_NEW(s->arena, struct dr_copy);
    *copy = (struct dr_copy){.id = id, .completed = true, .size_gib = 10, .disks = 1,
                             .encrypted = true, .kms_key = KEY};
    *point = (struct recovery_point){.time = time, .utc_ms = parse_time(time)};
    point->copies[0] = copy;
    point->next = map_get(&s->seen.points.by_vm, "db");
    map_put(&s->seen.points.by_vm, "db", point);
    return copy;
}

static void ignore(void *context, const struct error *error)
{
    *(bool *)context = true;
    assert_null(error);
}

static void record(struct setting *s, const char *id, const struct block_digest *map, int64_t bytes)
{
    struct repository_copy copy = {.snapshot_id = id, .plan = "shop", .vm = "db",
                                   .recovery_point = "2026-11-22T09:00:00Z", .disk_bytes = bytes,
                                   .map = *map};
    bool over = false;
    repository_put_copy(s->place->repository, &copy, ignore, &over);
    world_run(s->place->world, &over);
}

static const struct fact_vm *look(struct setting *s)
{
    struct error error = {0};
    s->facts = replicate_facts(s->place->repository, s->arena, &s->plan, &s->seen, &s->wanted,
                               &s->notes, &error);
    if (!s->facts) {
        fail_msg("%s", error.message);
    }
    return map_get(&s->facts->vms, "db");
}

static const char *bound(const struct setting *s, const char *name)
{
    return map_get(&s->facts->bindings, name);
}

static int64_t blocks(const struct setting *s)
{
    return *(int64_t *)map_get(&s->facts->blocks, "db/disk-0");
}

static void the_first_copy_is_whole(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    commit(&s, NEW, &s.after, DISK - 5);
    const struct fact_vm *db = look(&s);
    assert_string_equal(db->disks[0].whole, "first");
    assert_int_equal(db->disks[0].size_gib, 10);
    assert_int_equal(db->disks[0].bytes, DISK - 5);
    assert_int_equal(db->cpus, 4);
    assert_int_equal(blocks(&s), 4);
    assert_int_equal(db->excess, 0);
    assert_false(db->copied);
    assert_string_equal(bound(&s, "db/recovery-point"), NEW);
    assert_null(bound(&s, "db/last-copy"));
    assert_null(bound(&s, "db/disk-0/parent-snapshot"));
    assert_null(map_get(&s.facts->vms, "web")); /* has none: is left out */
    tear_down(&s);
}

static void an_increment_is_of_the_newest_copy_that_is_known(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    commit(&s, NEW, &s.after, DISK);
    add_copy(&s, "snap-1", "2026-11-22T09:00:00Z");
    add_copy(&s, "snap-2", "2026-11-22T09:30:00Z"); /* without a record */
    record(&s, "snap-1", &s.before, DISK);
    const struct fact_vm *db = look(&s);
    assert_null(db->disks[0].whole);
    assert_string_equal(bound(&s, "db/disk-0/parent-snapshot"), "snap-1");
    assert_string_equal(bound(&s, "db/last-copy"), "2026-11-22T09:30:00Z");
    assert_int_equal(blocks(&s), 2); /* 3 is zero now, 9 is new */
    assert_string_not_equal(bound(&s, "db/disk-0/map"), bound(&s, "db/disk-0/parent-map"));
    tear_down(&s);
}

static void why_a_copy_is_whole(void **state)
{
    enum { UNKNOWN_MAP, GONE, OTHER_KEY, UNENCRYPTED, SHRANK, BY_DEFAULT, CASES };
    static const char *const words[CASES] = {"map-missing",        "snapshot-gone", "key-changed",
                                             "unencrypted-parent", "disk-shrank",   "unencrypted-parent"};
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct setting s;
        set_up(&s);
        commit(&s, NEW, &s.after, DISK);
        struct dr_copy *copy = i == GONE ? NULL : add_copy(&s, "snap-1", "2026-11-22T09:00:00Z");
        struct block_digest lost = {.bytes = {7}};
        record(&s, "snap-1", i == UNKNOWN_MAP ? &lost : &s.before, i == SHRANK ? DISK + 1 : DISK);
        if (i == UNENCRYPTED || i == BY_DEFAULT) {
            copy->encrypted = false;
            copy->kms_key = NULL;
        }
        s.seen.key_arn = i == OTHER_KEY ? KEY "2" : i == BY_DEFAULT ? NULL : KEY;
        s.seen.encrypts_by_default = i == BY_DEFAULT;
        const struct fact_vm *db = look(&s);
        assert_string_equal(db->disks[0].whole, words[i]);
        assert_int_equal(blocks(&s), 4);
        assert_null(bound(&s, "db/disk-0/parent-snapshot"));
        tear_down(&s);
    }
}

static void an_old_key_is_good_enough_where_the_plan_names_none(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    commit(&s, NEW, &s.after, DISK);
    add_copy(&s, "snap-1", "2026-11-22T09:00:00Z");
    record(&s, "snap-1", &s.before, DISK);
    assert_null(look(&s)->disks[0].whole);
    tear_down(&s);
}

static void what_is_over_keep(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    commit(&s, NEW, &s.after, DISK);
    add_copy(&s, "snap-1", "2026-11-22T08:00:00Z")->held_by = "7k2f";
    add_copy(&s, "snap-2", "2026-11-22T08:30:00Z");
    add_copy(&s, "snap-3", "2026-11-22T09:00:00Z");                    /* kept: the second newest */
    add_copy(&s, "snap-4", "2026-11-22T09:30:00Z")->completed = false; /* may be under way */
    struct recovery_point *kept = map_get(&s.seen.points.by_vm, "db");
    struct dr_copy *twin = ARENA_NEW(s.arena, struct dr_copy);
    *twin = (struct dr_copy){.id = "snap-5", .completed = true};
    kept->next->next->copies[0]->other = twin; /* of snap-2 */
    const struct fact_vm *db = look(&s);
    assert_int_equal(db->excess, 2);
    assert_string_equal(bound(&s, "db/excess-0/snapshot"), "snap-2");
    assert_string_equal(bound(&s, "db/excess-1/snapshot"), "snap-5");
    assert_int_equal(s.notes.held_count, 1);
    assert_string_equal(s.notes.held[0].snapshot_id, "snap-1");
    assert_string_equal(s.notes.held[0].run, "7k2f");
    tear_down(&s);
}

/* --recovery-point of an old one: what is newer stays, and so does the new copy. */
static void an_older_point_does_not_push_newer_ones_out(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    commit(&s, NEW, &s.after, DISK);
    commit(&s, "2026-11-22T08:00:00Z", &s.before, DISK);
    add_copy(&s, "snap-1", "2026-11-22T09:00:00Z");
    add_copy(&s, "snap-2", "2026-11-22T09:30:00Z");
    s.wanted.until_utc_ms = parse_time("2026-11-22T08:30:00Z");
    const struct fact_vm *db = look(&s);
    assert_string_equal(bound(&s, "db/recovery-point"), "2026-11-22T08:00:00Z");
    assert_int_equal(db->excess, 0);
    tear_down(&s);
}

static void what_is_copied_already(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    commit(&s, NEW, &s.after, DISK);
    struct dr_copy *copy = add_copy(&s, "snap-1", NEW);
    assert_true(look(&s)->copied);
    copy->disks = 2; /* the other disk is missing: all are copied again, and this one goes */
    const struct fact_vm *db = look(&s);
    assert_false(db->copied);
    assert_int_equal(db->excess, 1);
    s.wanted.brief = true;
    assert_int_equal(look(&s)->excess, 0);
    tear_down(&s);
}

static void add_bootable(struct setting *s, const char *id, const char *time)
{
    struct recovery_point *point = map_get(&s->seen.points.by_vm, "db");
    while (point && strcmp(point->time, time) != 0) {
        point = point->next;
    }
    struct dr_copy *copy = ARENA_NEW(s->arena, struct dr_copy);
    *copy = (struct dr_copy){.id = id, .completed = true};
    assert_non_null(point);
    point->bootable = copy;
}

/* prepare: replication. A recovery point that is copied may lack its bootable copy. */
static void what_lacks_its_bootable_copy(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    s.plan.aws.inject = s.plan.replication.prepare = true;
    commit(&s, NEW, &s.after, DISK);
    add_copy(&s, "snap-1", "2026-11-22T09:00:00Z");
    add_copy(&s, "snap-2", NEW);
    const struct fact_vm *db = look(&s);
    assert_true(db->copied);
    assert_false(db->disks[0].bootable);
    assert_string_equal(bound(&s, "db/disk-0/snapshot"), "snap-2");
    s.wanted.brief = true; /* whether there is anything to do */
    assert_false(look(&s)->disks[0].bootable);
    s.wanted.brief = false;
    add_bootable(&s, "snap-3", NEW);
    db = look(&s);
    assert_true(db->copied && db->disks[0].bootable);
    assert_null(bound(&s, "db/disk-0/snapshot"));
    ((struct recovery_point *)map_get(&s.seen.points.by_vm, "db"))->bootable = NULL;
    s.plan.replication.prepare = false; /* then none is wanted */
    look(&s);
    assert_null(bound(&s, "db/disk-0/snapshot"));
    tear_down(&s);
}

/* With their DR copies; and what has a bootable copy is not pushed out by what has none. */
static void bootable_copies_over_keep(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    s.plan.aws.inject = s.plan.replication.prepare = true;
    s.plan.replication.keep = 1;
    commit(&s, NEW, &s.after, DISK);
    add_copy(&s, "snap-1", "2026-11-22T08:00:00Z");
    add_copy(&s, "snap-2", "2026-11-22T09:00:00Z");
    add_bootable(&s, "snap-b1", "2026-11-22T08:00:00Z");
    assert_int_equal(look(&s)->excess, 3);
    assert_string_equal(bound(&s, "db/excess-2/snapshot"), "snap-b1");

    add_copy(&s, "snap-3", NEW); /* copied, and its bootable copy is made now: itself it stays */
    const struct fact_vm *db = look(&s);
    assert_true(db->copied);
    assert_int_equal(db->excess, 3);
    assert_string_equal(bound(&s, "db/excess-0/snapshot"), "snap-2");
    add_bootable(&s, "snap-b3", NEW);
    assert_int_equal(look(&s)->excess, 0); /* nothing is made, and nothing goes */

    s.plan.replication.keep = 2; /* the two newest that boot: 08:00 is one of them */
    commit(&s, "2026-11-22T10:30:00Z", &s.before, DISK);
    struct recovery_point *newest = map_get(&s.seen.points.by_vm, "db");
    newest->bootable = NULL;
    assert_int_equal(look(&s)->excess, 0);
    s.plan.replication.prepare = false;
    assert_int_equal(look(&s)->excess, 3);
    tear_down(&s);
}

/* The snapshot of a record is deleted, or a copy elsewhere: it is forgotten once there is a newer copy,
 * and a number of newer records. */
static void records_of_deleted_copies_are_gone(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    record(&s, "snap-gone", &s.before, DISK);
    commit(&s, NEW, &s.after, DISK);
    look(&s);
    assert_int_equal(s.notes.gone_count, 0); /* without a copy: it may be the one that is being made */
    add_copy(&s, "snap-old", "2026-11-22T09:00:00Z");
    look(&s);
    assert_int_equal(s.notes.gone_count, 0); /* of the same moment: its tags may come */
    add_copy(&s, "snap-last", "2026-11-22T09:30:00Z");
    record(&s, "snap-old", &s.before, DISK);
    look(&s);
    assert_int_equal(s.notes.gone_count, 0);
    static const char *const newer[] = {"snap-x0", "snap-x1", "snap-x2", "snap-x3",
                                        "snap-x4", "snap-x5", "snap-x6", "snap-x7"};
    for (size_t i = 0; i < 8; i++) {
        record(&s, newer[i], &s.before, DISK);
    }
    look(&s);
    assert_int_equal(s.notes.gone_count, 1);
    assert_string_equal(s.notes.gone[0], "snap-gone");
    tear_down(&s);
}

static void a_damaged_map_is_named(void **state)
{
    struct setting s;
    struct error error = {0};
    struct block_digest lost = {.bytes = {7}};
    (void)state;
    set_up(&s);
    commit(&s, NEW, &lost, DISK);
    add_copy(&s, "snap-1", "2026-11-22T09:00:00Z");
    record(&s, "snap-1", &s.before, DISK);
    struct facts *facts = replicate_facts(s.place->repository, s.arena, &s.plan, &s.seen, &s.wanted,
                                          &s.notes, &error);
    assert_non_null(facts); /* other VMs are replicated */
    assert_null(map_get(&facts->vms, "db"));
    assert_null(map_get(&facts->bindings, "db/recovery-point"));
    assert_int_equal(s.notes.damaged_count, 1);
    assert_non_null(strstr(s.notes.damaged[0].what, "recovery point " NEW " of db, disk 0"));
    assert_string_equal(map_get(&facts->bindings, "db/damaged"), s.notes.damaged[0].what);
    tear_down(&s);
}

/* It only saves work. */
static void a_damaged_record_makes_a_whole_copy(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    commit(&s, NEW, &s.after, DISK);
    add_copy(&s, "snap-1", "2026-11-22T09:00:00Z");
    record(&s, "snap-1", &s.before, DISK);
    struct store *store = mover_place_store(s.place);
    store_put_now(store, s.place->world, "copies/snap-1", "{", 1, STORE_ALWAYS, NULL, NULL);
    store_destroy(store);
    const struct fact_vm *db = look(&s);
    assert_string_equal(db->disks[0].whole, "map-missing");
    assert_int_equal(s.notes.unread_count, 1);
    assert_non_null(strstr(s.notes.unread[0], "copies/snap-1"));
    tear_down(&s);
}

static void paths_are_relative_to_the_plan(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    assert_string_equal(replicate_repository_url(s.arena, &s.plan), "s3://b/shop");
    s.plan.backup.repository.value = "dir:/backup";
    assert_string_equal(replicate_repository_url(s.arena, &s.plan), "dir:/backup");
    s.plan.backup.repository.value = "dir:backup";
    s.plan.directory = "/";
    assert_string_equal(replicate_repository_url(s.arena, &s.plan), "dir:/backup");
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_copy_is_whole),
        cmocka_unit_test(an_increment_is_of_the_newest_copy_that_is_known),
        cmocka_unit_test(why_a_copy_is_whole),
        cmocka_unit_test(an_old_key_is_good_enough_where_the_plan_names_none),
        cmocka_unit_test(what_is_over_keep),
        cmocka_unit_test(an_older_point_does_not_push_newer_ones_out),
        cmocka_unit_test(what_is_copied_already),
        cmocka_unit_test(what_lacks_its_bootable_copy),
        cmocka_unit_test(bootable_copies_over_keep),
        cmocka_unit_test(records_of_deleted_copies_are_gone),
        cmocka_unit_test(a_damaged_map_is_named),
        cmocka_unit_test(a_damaged_record_makes_a_whole_copy),
        cmocka_unit_test(paths_are_relative_to_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
