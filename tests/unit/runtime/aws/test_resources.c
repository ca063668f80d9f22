/* Resources: what exists by tag. */
#include <string.h>

#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define TAGS(run)                                                                                  \
    "<tagSet><item><key>drc:plan</key><value>shop</value></item>"                                  \
    "<item><key>drc:vm</key><value>db</value></item>"                                              \
    "<item><key>drc:run</key><value>" run "</value></item></tagSet>"

static const struct canned_answer site[] = {
    {"Action=DescribeInstances",
     .body = "<DescribeInstancesResponse><reservationSet><item><instancesSet><item>"
             "<instanceId>i-1</instanceId><instanceState><name>running</name></instanceState>" TAGS(
                 "r1") "</item></instancesSet></item></reservationSet></DescribeInstancesResponse>",
     .any_order = true},
    {"Action=DescribeVolumes",
     .body = "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId>"
             "<status>in-use</status><attachmentSet><item><instanceId>i-1</instanceId></item>"
             "</attachmentSet>" TAGS("r1") "</item><item><status>creating</status></item>"
                                           "</volumeSet></DescribeVolumesResponse>",
     .any_order = true},
    {"Action=DescribeSnapshots",
     .body = "<DescribeSnapshotsResponse><snapshotSet/></DescribeSnapshotsResponse>",
     .any_order = true},
    {"Action=DescribeImages",
     .body = "<DescribeImagesResponse><imagesSet><item><imageId>ami-1</imageId></item>"
             "</imagesSet></DescribeImagesResponse>",
     .any_order = true},
};

static const struct aws_resource *find(const struct aws_resource *items, size_t count,
                                       enum aws_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].kind == kind) {
            return &items[i];
        }
    }
    return NULL;
}

static void everything_with_the_tag_is_listed(void **state)
{
    (void)state;
    struct canned *canned = canned_create(site, CANNED_COUNT(site));
    struct aws *aws = canned_aws(canned);
    struct aws_resource *items = NULL;
    struct error error = {0};
    size_t count = 0;
    if (!aws_list_resources(aws, canned->arena, "shop", "r1", &items, &count, &error)) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(count, 3); /* what has no id is none */
    const struct aws_resource *volume = find(items, count, AWS_VOLUME);
    assert_string_equal(volume->id, "vol-1");
    assert_string_equal(volume->state, "in-use");
    assert_string_equal(volume->attached_to, "i-1");
    assert_string_equal(volume->run, "r1");
    assert_string_equal(find(items, count, AWS_INSTANCE)->state, "running");
    assert_string_equal(find(items, count, AWS_INSTANCE)->vm, "db");
    assert_null(find(items, count, AWS_IMAGE)->plan);
    assert_null(find(items, count, AWS_SNAPSHOT));
    const char *log = buffer_text(&canned->log);
    assert_non_null(strstr(log, "Filter.1.Name=tag%3Adrc%3Aplan&Filter.1.Value.1=shop"
                                "&Filter.2.Name=tag%3Adrc%3Arun&Filter.2.Value.1=r1"));
    assert_non_null(strstr(log, "Action=DescribeImages&Version=2016-11-15&Owner.1=self"));
    aws_destroy(aws);
    canned_destroy(canned);
}

static void of_all_plans_and_refused(void **state)
{
    (void)state;
    struct canned_answer script[CANNED_COUNT(site)];
    memcpy(script, site, sizeof site);
    script[1].status = 403;
    script[1].body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no"
                     "</Message></Error></Errors><RequestID>q</RequestID></Response>";
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws *aws = canned_aws(canned);
    struct aws_resource *items = NULL;
    struct error error = {0};
    size_t count = 0;
    assert_false(aws_list_resources(aws, canned->arena, NULL, NULL, &items, &count, &error));
    assert_non_null(strstr(error.message, "looking for what has the tag drc:plan=*: "));
    assert_non_null(strstr(error.message, "UnauthorizedOperation"));
    assert_non_null(
        strstr(buffer_text(&canned->log), "Filter.1.Name=tag-key&Filter.1.Value.1=drc"));
    error_clear(&error);
    aws_destroy(aws);
    canned_destroy(canned);
}

static void many_are_tagged_in_few_requests(void **state)
{
    (void)state;
    enum { COUNT = 501 };
    static const struct canned_answer twice[] = {
        {"Action=CreateTags", .body = "<CreateTagsResponse/>", .any_order = true},
        {"Action=CreateTags", .body = "<CreateTagsResponse/>", .any_order = true},
    };
    struct canned *canned = canned_create(twice, CANNED_COUNT(twice));
    struct aws *aws = canned_aws(canned);
    const char *ids[COUNT];
    struct error error = {0};
    for (int i = 0; i < COUNT; i++) {
        ids[i] = i == 500 ? "vol-last" : "i-1";
    }
    if (!aws_tag_resources(aws, ids, COUNT, "drc:committed", "2026-11-22T10:00:00Z", &error)) {
        fail_msg("%s", error.message);
    }
    const char *log = buffer_text(&canned->log);
    assert_non_null(strstr(log, "ResourceId.500=i-1&Tag.1.Key=drc%3Acommitted"
                                "&Tag.1.Value=2026-11-22T10%3A00%3A00Z"));
    assert_non_null(strstr(log, "ResourceId.1=vol-last&Tag.1.Key=drc%3Acommitted"));
    aws_destroy(aws);
    canned_destroy(canned);
}

static void tagging_that_is_refused(void **state)
{
    (void)state;
    static const struct canned_answer refused[] = {
        {"Action=CreateTags",
         .status = 403,
         .body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no"
                 "</Message></Error></Errors><RequestID>q</RequestID></Response>"},
    };
    struct canned *canned = canned_create(refused, CANNED_COUNT(refused));
    struct aws *aws = canned_aws(canned);
    const char *id = "i-1";
    struct error error = {0};
    assert_false(aws_tag_resources(aws, &id, 1, "drc:committed", "now", &error));
    assert_non_null(strstr(error.message, "tagging 1 thing with drc:committed: "));
    error_clear(&error);
    aws_destroy(aws);
    canned_destroy(canned);
}

#define HELD                                                                                       \
    "<item><snapshotId>snap-1</snapshotId><status>completed</status><tagSet>"                      \
    "<item><key>drc:plan</key><value>shop</value></item>"                                          \
    "<item><key>drc:run</key><value>r0</value></item>"                                             \
    "<item><key>drc:role</key><value>dr-copy</value></item>"                                       \
    "<item><key>drc:hold:r1</key><value>failover</value></item>"                                   \
    "<item><key>drc:hold:r2</key><value>failover</value></item></tagSet></item>"
#define SNAPSHOTS(items)                                                                           \
    "<DescribeSnapshotsResponse><snapshotSet>" items "</snapshotSet></DescribeSnapshotsResponse>"

/* A copy may be held by several runs: of one that is asked for only its own hold is told. */
static void holds_are_things_of_their_runs(void **state)
{
    (void)state;
    static const struct canned_answer script[] = {
        {"Action=DescribeInstances", .any_order = true,
         .body = "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>"},
        {"Action=DescribeVolumes", .any_order = true,
         .body = "<DescribeVolumesResponse><volumeSet/></DescribeVolumesResponse>"},
        {"Action=DescribeImages", .any_order = true,
         .body = "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>"},
        {"Filter.1.Value.1=drc%3Ahold%3Ar1", .any_order = true, .body = SNAPSHOTS(HELD)},
        {"Filter.2.Name=tag%3Adrc%3Arun", .any_order = true, .body = SNAPSHOTS("")},
        {"Action=DescribeSnapshots", .any_order = true, .body = SNAPSHOTS(HELD)},
    };
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws *aws = canned_aws(canned);
    struct aws_resource *items = NULL;
    size_t count = 0;
    assert_true(aws_list_resources(aws, canned->arena, "shop", "r1", &items, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(items[0].kind, AWS_HOLD);
    assert_string_equal(items[0].id, "snap-1");
    assert_string_equal(items[0].run, "r1");
    assert_true(aws_list_resources(aws, canned->arena, "shop", NULL, &items, &count, NULL));
    assert_int_equal(count, 3);
    assert_string_equal(find(items, count, AWS_SNAPSHOT)->run, "r0");
    aws_destroy(aws);
    canned_destroy(canned);
}

static void a_tag_is_taken_off(void **state)
{
    (void)state;
    static const struct canned_answer script[] = {
        {"Action=DeleteTags&Version=2016-11-15&ResourceId.1=snap-1&ResourceId.2=snap-2"
         "&Tag.1.Key=drc%3Ahold%3Ar1",
         .body = "<DeleteTagsResponse><return>true</return></DeleteTagsResponse>"}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws *aws = canned_aws(canned);
    const char *const ids[] = {"snap-1", "snap-2"};
    assert_true(aws_untag_resources(aws, ids, 2, "drc:hold:r1", NULL));
    aws_destroy(aws);
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_with_the_tag_is_listed),
        cmocka_unit_test(holds_are_things_of_their_runs),
        cmocka_unit_test(a_tag_is_taken_off),
        cmocka_unit_test(of_all_plans_and_refused),
        cmocka_unit_test(many_are_tagged_in_few_requests),
        cmocka_unit_test(tagging_that_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
