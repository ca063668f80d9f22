/* Images: what is sent, and what the answers mean.
 * Covers: provider.c aws.c operation.c: the way from a call to its result. */
#include <string.h>

#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define REFUSED(code)                                                                              \
    "<Response><Errors><Error><Code>" code "</Code><Message>m</Message></Error></Errors>"          \
    "<RequestID>q</RequestID></Response>"
#define IMAGES(inner)                                                                              \
    "<DescribeImagesResponse><imagesSet>" inner "</imagesSet></DescribeImagesResponse>"

/* Fails the test unless that is the outcome, and `expect` in the request. */
static void assert_outcome(enum canned_what what, enum action action, const char *expect,
                           int status, const char *body, enum outcome outcome, const char *image)
{
    const struct canned_answer script[] = {{expect, .status = status, .body = body}};
    struct canned *canned = canned_create(script, 1);
    struct aws *aws = canned_aws(canned);
    struct input inputs[] = {canned_text("name", "shop-db"), canned_text("architecture", "x86_64"),
                             canned_text("boot_mode", "uefi"),
                             canned_text("root_device", "/dev/sda1"),
                             canned_text("image_id", "ami-1")};
    struct canned_call call = {"db/x", inputs, 5, 0, ACTION_NONE};
    struct canned_result result;
    canned_run(canned, aws, what, action, &call, 1, &result);
    if (result.outcome != outcome) {
        fail_msg("%s: %s: %s", body, outcome_name(result.outcome), result.message);
    }
    if (image) {
        assert_string_equal(canned_output(&result, "image_id"), image);
    }
    aws_destroy(aws);
    canned_destroy(canned);
}

static void registering(void **state)
{
    (void)state;
    enum action action = ACTION_REGISTER_IMAGE;
    assert_outcome(CANNED_START, action, "Name=shop-db-r1&Architecture=x86_64&BootMode=uefi", 200,
                   "<RegisterImageResponse><imageId>ami-7</imageId></RegisterImageResponse>",
                   OUTCOME_OK, "ami-7");
    assert_outcome(CANNED_START, action, "Value=db", 200, "<RegisterImageResponse/>",
                   OUTCOME_UNKNOWN, NULL);
    /* The name is the run's own: a lost answer of this very request. */
    assert_outcome(CANNED_START, action, "RegisterImage", 400, REFUSED("InvalidAMIName.Duplicate"),
                   OUTCOME_UNKNOWN, NULL);
    assert_outcome(CANNED_START, action, "RegisterImage", 400, REFUSED("InvalidSnapshot.NotFound"),
                   OUTCOME_FATAL, NULL);
}

static void looking_for_what_was_registered(void **state)
{
    (void)state;
    enum action action = ACTION_REGISTER_IMAGE;
    static const char by_name[] = "Filter.1.Name=name&Filter.1.Value.1=shop-db-r1";
    assert_outcome(CANNED_LOOKUP, action, by_name, 200, IMAGES(""), OUTCOME_ABSENT, NULL);
    assert_outcome(CANNED_LOOKUP, action, by_name, 200,
                   IMAGES("<item><imageId>ami-7</imageId><tagSet><item><key>drc:run</key>"
                          "<value>r1</value></item></tagSet></item>"),
                   OUTCOME_OK, "ami-7");
    assert_outcome(CANNED_LOOKUP, action, by_name, 200,
                   IMAGES("<item><imageId>ami-7</imageId></item>"), OUTCOME_OK, "ami-7");
    assert_outcome(CANNED_LOOKUP, action, by_name, 200,
                   IMAGES("<item><imageId>ami-7</imageId><tagSet><item><key>drc:run</key>"
                          "<value>r2</value></item></tagSet></item>"),
                   OUTCOME_FATAL, NULL);
}

static void waiting(void **state)
{
    (void)state;
    enum action action = ACTION_WAIT_IMAGE_AVAILABLE;
    static const struct {
        const char *body;
        enum outcome outcome;
    } cases[] = {
        {IMAGES("<item><imageId>ami-1</imageId><imageState>available</imageState></item>"),
         OUTCOME_OK},
        {IMAGES("<item><imageId>ami-1</imageId><imageState>pending</imageState></item>"),
         OUTCOME_PENDING},
        {IMAGES("<item><imageId>ami-1</imageId></item>"), OUTCOME_PENDING},
        {IMAGES("<item><imageId>ami-1</imageId><imageState>failed</imageState></item>"),
         OUTCOME_FATAL},
        {IMAGES("<item><imageId>ami-2</imageId><imageState>available</imageState></item>"),
         OUTCOME_ABSENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_outcome(CANNED_POLL, action, "ami-1", 200, cases[i].body, cases[i].outcome, NULL);
    }
}

static void deregistering(void **state)
{
    (void)state;
    enum action action = ACTION_DEREGISTER_IMAGE;
    assert_outcome(CANNED_START, action, "ImageId=ami-1", 200,
                   "<DeregisterImageResponse><return>true</return></DeregisterImageResponse>",
                   OUTCOME_OK, NULL);
    assert_outcome(CANNED_START, action, "ami-1", 400, REFUSED("InvalidAMIID.NotFound"), OUTCOME_OK,
                   NULL);
    assert_outcome(CANNED_START, action, "ami-1", 400, REFUSED("InvalidAMIID.Unavailable"),
                   OUTCOME_OK, NULL);
    assert_outcome(CANNED_START, action, "ami-1", 403, REFUSED("UnauthorizedOperation"),
                   OUTCOME_FATAL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registering),
        cmocka_unit_test(looking_for_what_was_registered),
        cmocka_unit_test(waiting),
        cmocka_unit_test(deregistering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
