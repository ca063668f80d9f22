/* Elastic addresses: told, never taken away from another instance, also with several cards. */
#include <string.h>

#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define ADDRESS(more)                                                                              \
    "<DescribeAddressesResponse><addressesSet><item><publicIp>192.0.2.7</publicIp>" more           \
    "</item></addressesSet></DescribeAddressesResponse>"
#define ASSOCIATED "<AssociateAddressResponse><return>true</return></AssociateAddressResponse>"
#define REFUSED(code, message)                                                                     \
    "<Response><Errors><Error><Code>" code "</Code><Message>" message "</Message></Error>"         \
    "</Errors><RequestID>q</RequestID></Response>"

static void associate(const struct canned_answer *script, size_t count, enum outcome outcome,
                      const char *says)
{
    struct canned *canned = canned_create(script, count);
    struct aws *aws = canned_aws(canned);
    struct input inputs[] = {canned_text("allocation_id", "eipalloc-1"),
                             canned_text("instance_id", "i-1")};
    struct canned_call call = {"web/associate-address", inputs, 2, 0, ACTION_NONE};
    struct canned_result result;
    canned_run(canned, aws, CANNED_START, ACTION_ASSOCIATE_ADDRESS, &call, 1, &result);
    assert_int_equal(result.outcome, outcome);
    assert_int_equal(result.requests, count);
    if (outcome == OUTCOME_OK) {
        assert_string_equal(canned_output(&result, "public_ip"), says);
    } else {
        assert_non_null(strstr(result.message, says));
    }
    aws_destroy(aws);
    canned_destroy(canned);
}

static void test_free_address(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"AllocationId.1=eipalloc-1", .body = ADDRESS("")},
        {"AllocationId=eipalloc-1&InstanceId=i-1&AllowReassociation=false", .body = ASSOCIATED}};
    associate(script, 2, OUTCOME_OK, "192.0.2.7");
}

static void test_several_cards(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"DescribeAddresses", .body = ADDRESS("")},
        {"AssociateAddress", .status = 400,
         .body =
             REFUSED("InvalidInstanceID", "There are multiple interfaces attached to instance")},
        {"Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1",
         .body = "<DescribeInstancesResponse><reservationSet><item><instancesSet><item>"
                 "<networkInterfaceSet><item><networkInterfaceId>eni-2</networkInterfaceId>"
                 "<attachment><deviceIndex>1</deviceIndex></attachment></item><item>"
                 "<networkInterfaceId>eni-1</networkInterfaceId><attachment><deviceIndex>0"
                 "</deviceIndex></attachment></item></networkInterfaceSet></item></instancesSet>"
                 "</item></reservationSet></DescribeInstancesResponse>"},
        {"AllocationId=eipalloc-1&NetworkInterfaceId=eni-1&AllowReassociation=false",
         .body = ASSOCIATED}};
    associate(script, 4, OUTCOME_OK, "192.0.2.7");
}

static void test_taken_address(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"DescribeAddresses",
         .body = ADDRESS("<associationId>a</associationId><instanceId>i-9</instanceId>")}};
    associate(script, 1, OUTCOME_CONFLICT, "192.0.2.7 (eipalloc-1) belongs to i-9");
    const struct canned_answer own[] = {
        {"DescribeAddresses",
         .body = ADDRESS("<associationId>a</associationId><instanceId>i-1</instanceId>")},
        {"AssociateAddress", .body = ASSOCIATED}};
    associate(own, 2, OUTCOME_OK, "192.0.2.7");
}

static void test_no_address(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"DescribeAddresses",
         .body = "<DescribeAddressesResponse><addressesSet/></DescribeAddressesResponse>"}};
    associate(script, 1, OUTCOME_FATAL, "there is no elastic address eipalloc-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_address),
        cmocka_unit_test(test_several_cards),
        cmocka_unit_test(test_taken_address),
        cmocka_unit_test(test_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
