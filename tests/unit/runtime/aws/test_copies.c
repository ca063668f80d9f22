/* What a failover could be made from, by VM. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define SNAPSHOT(id, status, vm, disk, time, more)                                                 \
    "<item><snapshotId>" id "</snapshotId><status>" status "</status><startTime>2026-11-22T09:5"    \
    disk ":30.000Z</startTime><volumeSize>8</volumeSize><tagSet>"                                    \
    "<item><key>drc:role</key><value>dr-copy</value></item>"                                        \
    "<item><key>drc:vm</key><value>" vm "</value></item>"                                           \
    "<item><key>drc:disk</key><value>" disk "</value></item>"                                       \
    "<item><key>drc:recovery-point</key><value>" time "</value></item>" more "</tagSet></item>"
#define TWO_DISKS "<item><key>drc:disks</key><value>2</value></item>"

static const struct canned_answer three[] = {{
    .expect = "Filter.1.Value.1=shop",
    .body = "<DescribeSnapshotsResponse><snapshotSet>"
        SNAPSHOT("snap-1", "completed", "web", "0", "2026-11-22T09:40:00Z", "")
        SNAPSHOT("snap-2", "completed", "db", "0", "2026-11-22T09:30:00Z", TWO_DISKS)
        SNAPSHOT("snap-3", "completed", "db", "1", "2026-11-22T09:30:00Z", "")
        SNAPSHOT("snap-4", "completed", "db", "0", "2026-11-22T09:40:00Z", TWO_DISKS)
        SNAPSHOT("snap-5", "pending", "db", "1", "2026-11-22T09:40:00Z", "")
        SNAPSHOT("snap-6", "completed", "db", "7", "yesterday", "")
        "</snapshotSet></DescribeSnapshotsResponse>",
}};

static void by_vm_and_the_newest_first(void **state)
{
    (void)state;
    struct canned *canned = canned_create(three, CANNED_COUNT(three));
    struct aws *aws = canned_aws(canned);
    struct aws_copy *copies = NULL;
    struct error error = {0};
    size_t count = 0;
    if (!aws_list_copies(aws, canned->arena, "shop", false, &copies, &count, &error)) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(count, 3); /* "yesterday" is no recovery point */
    assert_string_equal(copies[0].vm, "db");
    assert_string_equal(copies[0].recovery_point, "2026-11-22T09:40:00Z");
    assert_string_equal(copies[0].flaw, "is not completed yet for disk 1 of 2");
    assert_int_equal(copies[0].completed, 1);
    assert_int_equal(copies[0].disks, 2);
    assert_string_equal(copies[1].recovery_point, "2026-11-22T09:30:00Z");
    assert_null(copies[1].flaw);
    assert_int_equal(copies[1].completed, 2);
    assert_int_equal(copies[1].copied_utc_ms, parse_time("2026-11-22T09:51:30Z")); /* the later */
    assert_string_equal(copies[2].vm, "web");
    assert_non_null(strstr(copies[2].flaw, "drc:disks"));
    aws_destroy(aws);
    canned_destroy(canned);
}

static void an_injected_boot_disk_is_asked_for(void **state)
{
    (void)state;
    struct canned *canned = canned_create(three, CANNED_COUNT(three));
    struct aws *aws = canned_aws(canned);
    struct aws_copy *copies = NULL;
    size_t count = 0;
    assert_true(aws_list_copies(aws, canned->arena, "shop", true, &copies, &count, NULL));
    assert_non_null(strstr(copies[1].flaw, "dr-copy-bootable"));
    aws_destroy(aws);
    canned_destroy(canned);
}

/* The age of a copy is counted by the clock that made it. */
static void now_by_the_clock_of_aws(void **state)
{
    (void)state;
    static const struct {
        const char *date;
        int64_t ahead_ms;
    } cases[] = {
        {NULL, 0},
        {"Sun, 22 Nov 2026 10:00:40 GMT", 0}, /* the request took a while */
        {"Sun, 22 Nov 2026 10:12:00 GMT", 12 * 60000},
        {"Sun, 22 Nov 2026 08:00:00 GMT", -120 * 60000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct canned_answer dated[1] = {three[0]};
        dated[0].date = cases[i].date;
        struct canned *canned = canned_create(dated, 1);
        struct aws *aws = canned_aws(canned);
        struct aws_copy *copies = NULL;
        size_t count = 0;
        assert_int_equal(aws_utc_ms(aws), world_utc_ms(canned->world)); /* nothing told yet */
        assert_true(aws_list_copies(aws, canned->arena, "shop", false, &copies, &count, NULL));
        int64_t off = aws_utc_ms(aws) - world_utc_ms(canned->world) - cases[i].ahead_ms;
        assert_in_range(off + 1000, 0, 2000);
        aws_destroy(aws);
        canned_destroy(canned);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct canned_answer no[] = {{
        .expect = "DescribeSnapshots",
        .status = 403,
        .body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message>"
                "</Error></Errors><RequestID>q-7</RequestID></Response>",
    }};
    struct canned *canned = canned_create(no, CANNED_COUNT(no));
    struct aws *aws = canned_aws(canned);
    struct aws_copy *copies = NULL;
    struct error error = {0};
    size_t count = 0;
    assert_false(aws_list_copies(aws, canned->arena, "shop", false, &copies, &count, &error));
    assert_non_null(strstr(error.message, "looking for DR copies of shop"));
    assert_non_null(strstr(error.message, "q-7"));
    error_clear(&error);
    aws_destroy(aws);
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_vm_and_the_newest_first),
        cmocka_unit_test(an_injected_boot_disk_is_asked_for),
        cmocka_unit_test(now_by_the_clock_of_aws),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
