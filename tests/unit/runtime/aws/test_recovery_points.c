/* Which DR copies make a recovery point that can be used. */
#include "runtime/aws/recovery_points.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

struct fixture {
    struct canned *canned;
    struct buffer snapshots;
    struct recovery_points points;
    int number;
};

static void tag(struct buffer *out, const char *key, const char *value)
{
    buffer_printf(out, "<item><key>%s</key><value>%s</value></item>", key, value);
}

/* disks: of disk 0; NULL: the tag is missing. */
static void add(struct fixture *fixture, const char *vm, const char *disk, const char *time,
                const char *status, const char *role, const char *disks)
{
    struct buffer *out = &fixture->snapshots;
    buffer_printf(out,
                  "<item><snapshotId>snap-%d</snapshotId><status>%s</status><volumeSize>8"
                  "</volumeSize><tagSet>",
                  fixture->number++, status);
    tag(out, "drc:role", role);
    tag(out, "drc:vm", vm);
    tag(out, "drc:disk", disk);
    tag(out, "drc:recovery-point", time);
    if (disks) {
        tag(out, "drc:disks", disks);
        tag(out, "drc:cpus", "4");
        tag(out, "drc:firmware", "uefi");
    }
    buffer_puts(out, "</tagSet></item>");
}

#define T1 "2026-11-22T08:00:00Z"
#define T2 "2026-11-22T09:00:00Z"
#define T3 "2026-11-22T09:50:00Z"

static void gather(struct fixture *fixture)
{
    struct canned *canned = fixture->canned;
    struct canned_answer *script = arena_zalloc(canned->arena, sizeof *script);
    script->expect =
        "Owner.1=self&Filter.1.Name=tag%3Adrc%3Aplan&Filter.1.Value.1=shop&Filter.2.Name="
        "tag%3Adrc%3Arole&Filter.2.Value.1=dr-copy&Filter.2.Value.2=dr-copy-bootable";
    script->body = arena_printf(canned->arena,
                                "<DescribeSnapshotsResponse><snapshotSet>%s</snapshotSet>"
                                "</DescribeSnapshotsResponse>",
                                buffer_text(&fixture->snapshots));
    canned_script(canned, script, 1);
    fixture->points = (struct recovery_points){.arena = canned->arena, .plan = "shop"};
    struct aws_client *client = canned_client(canned);
    struct asks *asks = asks_create(client);
    recovery_points_ask(&fixture->points, asks);
    assert_true(asks_run(asks, NULL));
    asks_destroy(asks);
    aws_client_destroy(client);
}

static void assert_chosen(struct fixture *fixture, const char *until, bool bootable,
                          const char *time)
{
    const char *why = NULL;
    int64_t until_ms = until ? parse_time(until) : INT64_MAX;
    const struct recovery_point *point =
        recovery_points_choose(&fixture->points, "db", until_ms, bootable, &why);
    if (!point) {
        fail_msg("none: %s", why);
    }
    assert_string_equal(point->time, time);
}

static void assert_none(struct fixture *fixture, const char *until, bool bootable, const char *says)
{
    const char *why = NULL;
    int64_t until_ms = until ? parse_time(until) : INT64_MAX;
    assert_null(recovery_points_choose(&fixture->points, "db", until_ms, bootable, &why));
    assert_string_equal(why, says);
}

static void test_newest_whole_one(void **state)
{
    struct fixture *f = *state;
    add(f, "db", "0", T2, "completed", "dr-copy", "2");
    add(f, "db", "1", T1, "completed", "dr-copy", NULL);
    add(f, "db", "0", T3, "completed", "dr-copy", "2");
    add(f, "db", "0", T1, "completed", "dr-copy", "2");
    add(f, "db", "1", T2, "completed", "dr-copy", NULL);
    add(f, "db", "1", T3, "pending", "dr-copy", NULL);
    add(f, "web", "0", T3, "completed", "dr-copy", "1");
    gather(f);
    assert_chosen(f, NULL, false, T2);
    assert_chosen(f, T2, false, T2);
    assert_chosen(f, "2026-11-22T08:59:59Z", false, T1);
    assert_none(f, "2026-11-22T07:00:00Z", false, "that of " T1 " is too new");
    const char *why;
    const struct recovery_point *point =
        recovery_points_choose(&f->points, "db", INT64_MAX, false, &why);
    assert_int_equal(point->copies[0]->cpus, 4);
    assert_string_equal(point->copies[0]->firmware, "uefi");
    assert_int_equal(point->copies[1]->size_gib, 8);
}

static void test_why_none_can_be_used(void **state)
{
    struct fixture *f = *state;
    gather(f);
    assert_none(f, NULL, false, "there is no snapshot with its tags");
    add(f, "db", "1", T1, "completed", "dr-copy", NULL);
    gather(f);
    assert_none(f, NULL, false, "that of " T1 " has no copy of disk 0");
    add(f, "db", "0", T2, "completed", "dr-copy", "2");
    gather(f);
    assert_none(f, NULL, false, "that of " T2 " lacks a copy of disk 1 of 2");
    add(f, "db", "1", T2, "pending", "dr-copy", NULL);
    gather(f);
    assert_none(f, NULL, false, "that of " T2 " is not completed yet for disk 1 of 2");
}

static void test_bootable(void **state)
{
    struct fixture *f = *state;
    add(f, "db", "0", T1, "completed", "dr-copy", "1");
    add(f, "db", "0", T1, "completed", "dr-copy-bootable", "1");
    add(f, "db", "0", T2, "completed", "dr-copy", "1");
    add(f, "db", "0", T3, "completed", "dr-copy-bootable", "1");
    gather(f);
    assert_chosen(f, NULL, false, T2);
    assert_chosen(f, NULL, true, T1);
}

/* Tags are the world's: whatever is in them, nothing breaks, and nothing wrong is taken. */
static void test_hostile_tags(void **state)
{
    struct fixture *f = *state;
    add(f, "db", "-1", T1, "completed", "dr-copy", "1");
    add(f, "db", "64", T1, "completed", "dr-copy", "1");
    add(f, "db", "99999999999999999999", T1, "completed", "dr-copy", "1");
    add(f, "db", "0x0", T1, "completed", "dr-copy", "1");
    add(f, "db", "0", "yesterday", "completed", "dr-copy", "1");
    add(f, "db", "0", T1, "completed", "something", "1");
    add(f, "db", "0", T2, "completed", "dr-copy", "65");
    add(f, "db", "0", T1, "completed", "dr-copy", "0");
    gather(f);
    assert_none(f, NULL, false, "that of " T2 " does not tell the number of disks (drc:disks)");
}

static void test_choice_does_not_depend_on_order(void **state)
{
    struct fixture *f = *state;
    const char *why;
    add(f, "db", "0", T1, "pending", "dr-copy", "1");
    add(f, "db", "0", T1, "completed", "dr-copy", "1");
    add(f, "db", "0", T1, "completed", "dr-copy", "1");
    gather(f);
    assert_string_equal(
        recovery_points_choose(&f->points, "db", INT64_MAX, false, &why)->copies[0]->id, "snap-1");
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->canned = canned_create(NULL, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    buffer_free(&fixture->snapshots);
    canned_destroy(fixture->canned);
    free(fixture);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_newest_whole_one), TEST(test_why_none_can_be_used),
                                       TEST(test_bootable), TEST(test_hostile_tags),
                                       TEST(test_choice_does_not_depend_on_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
