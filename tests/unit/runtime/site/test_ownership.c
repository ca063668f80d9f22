/* Ownership: what a graph would change and is not the plan's is found before anything is sent.
 * Leftovers have the same question: tests/e2e/test_forged_journal.py asks both as users do. */
#include <stdlib.h>
#include <string.h>

#include "runtime/site/ownership.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define INSTANCE(id, state, plan)                                                                  \
    "<item><instancesSet><item><instanceId>" id "</instanceId><instanceState><name>" state         \
    "</name></instanceState><tagSet><item><key>drc:plan</key><value>" plan                         \
    "</value></item></tagSet></item></instancesSet></item>"
#define INSTANCES(items)                                                                           \
    "<DescribeInstancesResponse><reservationSet>" items "</reservationSet></DescribeInstancesResponse>"

static struct graph_node node_of(enum action action, struct input *inputs, uint32_t count)
{
    return (struct graph_node){.id = "n", .action = action, .inputs = inputs, .input_count = count};
}

/* Whether a graph of one action may be carried out, when that is all that AWS is asked and says. */
static bool checked(enum action action, struct input *inputs, uint32_t count,
                    const struct canned_answer *answer, struct error *error)
{
    struct graph_node node = node_of(action, inputs, count);
    struct graph graph = {.plan_name = "shop", .nodes = &node, .node_count = 1};
    struct canned *canned = canned_create(answer, answer ? 1 : 0);
    struct aws *aws = canned_aws(canned);
    bool ok = ownership_check(canned->arena, aws, &graph, NULL, error);
    assert_int_equal(canned->requests, answer ? 1 : 0);
    aws_destroy(aws);
    canned_destroy(canned);
    return ok;
}

static bool may_terminate(const char *body)
{
    struct input input = {"instance_id", {.kind = VALUE_TEXT, .text = "i-1"}};
    struct canned_answer answer = {"Filter.1.Name=instance-id&Filter.1.Value.1=i-1", .body = body};
    struct error error = {0};
    bool ok = checked(ACTION_TERMINATE_INSTANCE, &input, 1, &answer, &error);
    assert_true(ok || (strstr(error.message, "i-1 does not carry the tag drc:plan=shop") && error.help));
    error_clear(&error);
    return ok;
}

static void an_instance_is_the_plans_or_nobodys(void **state)
{
    (void)state;
    assert_true(may_terminate(INSTANCES(INSTANCE("i-1", "running", "shop"))));
    assert_true(may_terminate(INSTANCES(""))); /* gone */
    assert_true(may_terminate(INSTANCES(INSTANCE("i-1", "terminated", "")))); /* loses its tags */
    assert_false(may_terminate(INSTANCES(INSTANCE("i-1", "running", "erp"))));
    assert_false(may_terminate(INSTANCES("<item><instancesSet><item><instanceId>i-1</instanceId>"
                                         "</item></instancesSet></item>")));
}

static void of_an_attachment_the_volume_counts(void **state)
{
    (void)state;
    struct input inputs[] = {{"volume_id", {.kind = VALUE_TEXT, .text = "vol-1"}},
                             {"instance_id", {.kind = VALUE_TEXT, .text = "i-conversion"}}};
    struct canned_answer answer = {
        "Filter.1.Name=volume-id&Filter.1.Value.1=vol-1&",
        .body = "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId></item>"
                "</volumeSet></DescribeVolumesResponse>"};
    struct error error = {0};
    assert_false(checked(ACTION_DETACH_VOLUME, inputs, 2, &answer, &error));
    assert_non_null(strstr(error.message, "vol-1 does not carry"));
    error_clear(&error);
}

static void what_only_reads_or_creates_is_not_asked_about(void **state)
{
    (void)state;
    struct input input = {"instance_id", {.kind = VALUE_TEXT, .text = "i-1"}};
    struct input output = {"instance_id", {.kind = VALUE_OUTPUT, .text = "instance_id"}};
    assert_true(checked(ACTION_WAIT_RUNNING, &input, 1, NULL, NULL));
    assert_true(checked(ACTION_STOP_INSTANCE, &output, 1, NULL, NULL)); /* not made yet */
}

static void many_are_asked_about_in_few_requests(void **state)
{
    (void)state;
    enum { COUNT = 201 };
    struct canned_answer all[] = {
        {"Action=DescribeImages", .body = "<DescribeImagesResponse><imagesSet><item><imageId>ami-9"
                                          "</imageId></item></imagesSet></DescribeImagesResponse>"},
        {"Filter.1.Value.1=ami-1&MaxResults",
         .body = "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>"},
    };
    struct aws_resource ids[COUNT], *foreign = NULL;
    size_t count = 0;
    struct error error = {0};
    for (int i = 0; i < COUNT; i++) {
        ids[i] = (struct aws_resource){.kind = AWS_IMAGE, .id = "ami-1"};
    }
    struct canned *canned = canned_create(all, CANNED_COUNT(all));
    struct aws *aws = canned_aws(canned);
    assert_true(aws_find_foreign(aws, canned->arena, "shop", ids, COUNT, &foreign, &count, &error));
    assert_int_equal(canned->requests, 2);
    assert_non_null(strstr(buffer_text(&canned->log), "Filter.1.Value.200=ami-1&MaxResults"));
    assert_int_equal(count, 1);
    assert_string_equal(foreign[0].id, "ami-9");
    aws_destroy(aws);
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_is_the_plans_or_nobodys),
        cmocka_unit_test(of_an_attachment_the_volume_counts),
        cmocka_unit_test(what_only_reads_or_creates_is_not_asked_about),
        cmocka_unit_test(many_are_asked_about_in_few_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
