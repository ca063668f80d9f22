/* Volumes: refusals that mean that it is done, that it has to wait, or that it is over. */
#include <string.h>

#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define REFUSED(code, message)                                                                     \
    "<Response><Errors><Error><Code>" code "</Code><Message>" message "</Message></Error>"         \
    "</Errors><RequestID>q</RequestID></Response>"
#define VOLUME(state, attachments)                                                                 \
    "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId><status>" state           \
    "</status><attachmentSet>" attachments                                                         \
    "</attachmentSet></item></volumeSet></DescribeVolumesResponse>"
#define ATTACHED(instance, device, state)                                                          \
    "<item><instanceId>" instance "</instanceId><device>" device "</device><status>" state         \
    "</status></item>"

static void assert_outcome(enum canned_what what, enum action action, int status, const char *body,
                           enum outcome outcome)
{
    const struct canned_answer script[] = {{"vol-1", .status = status, .body = body}};
    struct canned *canned = canned_create(script, 1);
    struct aws *aws = canned_aws(canned);
    struct input inputs[] = {canned_text("volume_id", "vol-1"), canned_text("instance_id", "i-1"),
                             canned_text("device", "/dev/sdf")};
    struct canned_call call = {"db/disk-0/x", inputs, 3, 0, ACTION_NONE};
    struct canned_result result;
    canned_run(canned, aws, what, action, &call, 1, &result);
    if (result.outcome != outcome) {
        fail_msg("%s: %s: %s", body, outcome_name(result.outcome), result.message);
    }
    aws_destroy(aws);
    canned_destroy(canned);
}

static void test_detach(void **state)
{
    (void)state;
    enum action action = ACTION_DETACH_VOLUME;
    assert_outcome(CANNED_START, action, 200,
                   "<DetachVolumeResponse><status>detaching</status></DetachVolumeResponse>",
                   OUTCOME_OK);
    assert_outcome(CANNED_START, action, 400,
                   REFUSED("IncorrectState", "Volume 'vol-1' is in the 'available' state."),
                   OUTCOME_OK);
    assert_outcome(CANNED_START, action, 400, REFUSED("InvalidVolume.NotFound", "vol-1"),
                   OUTCOME_OK);
    assert_outcome(CANNED_START, action, 400, REFUSED("InvalidAttachment.NotFound", "no"),
                   OUTCOME_OK);
    assert_outcome(CANNED_START, action, 400,
                   REFUSED("IncorrectState", "The instance is not stopped"), OUTCOME_CONFLICT);
}

static void test_delete(void **state)
{
    (void)state;
    enum action action = ACTION_DELETE_VOLUME;
    assert_outcome(CANNED_START, action, 400, REFUSED("InvalidVolume.NotFound", "vol-1"),
                   OUTCOME_OK);
    assert_outcome(CANNED_START, action, 400, REFUSED("VolumeInUse", "attached"), OUTCOME_CONFLICT);
}

/* A policy that goes by tags refuses what has gone. */
static void test_delete_unauthorized(void **state)
{
    (void)state;
    static const char gone[] = "<DescribeVolumesResponse><volumeSet/></DescribeVolumesResponse>";
    const char *const found[] = {gone, VOLUME("available", "")};
    const enum outcome outcomes[] = {OUTCOME_OK, OUTCOME_FATAL};
    for (size_t i = 0; i < 2; i++) {
        const struct canned_answer script[] = {
            {"Action=DeleteVolume", .status = 403, .body = REFUSED("UnauthorizedOperation", "no")},
            {"Action=DescribeVolumes", .status = 200, .body = found[i]},
        };
        struct canned *canned = canned_create(script, 2);
        struct aws *aws = canned_aws(canned);
        struct input inputs[] = {canned_text("volume_id", "vol-1")};
        struct canned_call call = {"db/disk-0/x", inputs, 1, 0, ACTION_NONE};
        struct canned_result result;
        canned_run(canned, aws, CANNED_START, ACTION_DELETE_VOLUME, &call, 1, &result);
        assert_int_equal(result.outcome, outcomes[i]);
        assert_true(i == 0 || strstr(result.message, "UnauthorizedOperation: vol-1 may not be deleted"));
        aws_destroy(aws);
        canned_destroy(canned);
    }
}

static void test_attach(void **state)
{
    (void)state;
    enum action action = ACTION_ATTACH_VOLUME;
    assert_outcome(CANNED_START, action, 400,
                   REFUSED("InvalidParameterValue",
                           "Invalid value '/dev/sdf' for unixDevice. Attachment point /dev/sdf is "
                           "already in use"),
                   OUTCOME_CONFLICT);
    assert_outcome(CANNED_START, action, 400, REFUSED("InvalidParameterValue", "Value (x)"),
                   OUTCOME_FATAL);
    assert_outcome(CANNED_START, action, 400, REFUSED("InvalidVolume.NotFound", "vol-1"),
                   OUTCOME_ABSENT);
    assert_outcome(CANNED_LOOKUP, action, 200,
                   VOLUME("in-use", ATTACHED("i-1", "/dev/sdf", "attaching")), OUTCOME_OK);
    assert_outcome(CANNED_LOOKUP, action, 200,
                   VOLUME("in-use", ATTACHED("i-1", "/dev/sdf", "detaching")), OUTCOME_ABSENT);
    assert_outcome(CANNED_LOOKUP, action, 200,
                   VOLUME("in-use", ATTACHED("i-2", "/dev/sdf", "attached")), OUTCOME_ABSENT);
    assert_outcome(CANNED_LOOKUP, action, 200,
                   VOLUME("in-use", ATTACHED("i-1", "/dev/sdg", "attached")), OUTCOME_FATAL);
}

static void test_waits(void **state)
{
    (void)state;
    enum action available = ACTION_WAIT_VOLUME_AVAILABLE, attached = ACTION_WAIT_VOLUME_ATTACHED;
    assert_outcome(CANNED_POLL, available, 200, VOLUME("available", ""), OUTCOME_OK);
    assert_outcome(CANNED_POLL, available, 200, VOLUME("in-use", ""), OUTCOME_PENDING);
    assert_outcome(CANNED_POLL, available, 200, VOLUME("error", ""), OUTCOME_FATAL);
    assert_outcome(CANNED_POLL, available, 200, VOLUME("deleting", ""), OUTCOME_FATAL);
    assert_outcome(CANNED_POLL, attached, 200,
                   VOLUME("in-use", ATTACHED("i-1", "/dev/sdf", "attached")), OUTCOME_OK);
    assert_outcome(CANNED_POLL, attached, 200,
                   VOLUME("in-use", ATTACHED("i-1", "/dev/sdf", "attaching")), OUTCOME_PENDING);
    assert_outcome(CANNED_POLL, attached, 200, VOLUME("available", ""), OUTCOME_PENDING);
    assert_outcome(CANNED_POLL, attached, 200, VOLUME("error", ""), OUTCOME_FATAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_detach),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_delete_unauthorized),
        cmocka_unit_test(test_attach),
        cmocka_unit_test(test_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
