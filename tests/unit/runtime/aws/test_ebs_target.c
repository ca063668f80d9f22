/* Blocks put by EBS direct. */
#include "runtime/aws/ebs_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/world/simulated.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

struct put {
    bool over;
    enum outcome outcome;
    char message[200];
};

static void on_put(void *context, const struct call_result *result)
{
    struct put *put = context;
    put->over = true;
    put->outcome = result->outcome;
    snprintf(put->message, sizeof put->message, "%s",
             result->error.message ? result->error.message : "");
}

struct scene {
    struct canned *canned;
    struct aws *aws;
    struct block_target *target;
    char *block;
    struct block_digest digest;
};

static void set_up(struct scene *scene, const struct canned_answer *script, size_t count)
{
    scene->canned = canned_create(script, count);
    scene->aws = canned_aws(scene->canned);
    scene->target = ebs_target_create(scene->aws);
    scene->block = calloc(1, BLOCK_BYTES);
    block_digest(scene->block, BLOCK_BYTES, &scene->digest);
}

static void tear_down(struct scene *scene)
{
    ebs_target_destroy(scene->target);
    aws_destroy(scene->aws);
    canned_destroy(scene->canned);
    free(scene->block);
}

static void begin(struct scene *scene, const char *snapshot, uint64_t index, struct put *put)
{
    struct block_put what = {.snapshot_id = snapshot, .bytes = scene->block,
                             .digest = &scene->digest, .index = index, .percent = 40};
    *put = (struct put){0};
    scene->target->put(scene->target, &what, on_put, put);
    assert_false(put->over);
}

static enum outcome put_one(struct scene *scene, const char *snapshot, uint64_t index)
{
    struct put put;
    begin(scene, snapshot, index, &put);
    world_run(scene->canned->world, &put.over);
    assert_true(put.over);
    return put.outcome;
}

static void set(void *context)
{
    *(bool *)context = true;
}

static void pass(struct scene *scene, int64_t ms)
{
    bool over = false;
    world_timer(scene->canned->world, ms, set, &over);
    world_run(scene->canned->world, &over);
}

#define PUT(n) "PUT https://ebs.eu-west-1.amazonaws.com/snapshots/snap-1/blocks/" n "\n"

static void test_a_put(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{PUT("77"), .status = 201}};
    struct scene scene;
    set_up(&scene, script, 1);
    assert_int_equal(put_one(&scene, "snap-1", 77), OUTCOME_OK);
    const char *log = scene.canned->log.data; /* up to the block's first NUL */
    assert_non_null(strstr(log, "x-amz-Data-Length: 524288\nx-amz-Progress: 40\n"
                                "x-amz-Checksum: B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE=\n"
                                "x-amz-Checksum-Algorithm: SHA256\n"));
    assert_non_null(strstr(log, "X-Amz-Content-SHA256: UNSIGNED-PAYLOAD\n"));
    assert_non_null(strstr(log, "x-amz-checksum;x-amz-checksum-algorithm;"));
    tear_down(&scene);
}

/* Without TLS what is sent is signed: its SHA-256 is known. */
static void test_unencrypted_is_signed(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{"PUT http://127.0.0.1:5000/snapshots/snap-1/blocks/1\n", .status = 201}};
    struct scene scene;
    set_up(&scene, script, 1);
    ebs_target_destroy(scene.target);
    aws_destroy(scene.aws);
    world_simulated_set_environment(scene.canned->world, "AWS_ENDPOINT_URL_EBS", "http://127.0.0.1:5000");
    scene.aws = canned_aws(scene.canned);
    scene.target = ebs_target_create(scene.aws);
    char hex[65], line[128];
    assert_int_equal(put_one(&scene, "snap-1", 1), OUTCOME_OK);
    block_digest_hex(&scene.digest, hex);
    snprintf(line, sizeof line, "X-Amz-Content-SHA256: %s\n", hex);
    assert_non_null(strstr(scene.canned->log.data, line));
    tear_down(&scene);
}

#define NOT_THERE                                                                                  \
    "{\"__type\":\"ResourceNotFoundException\",\"Message\":\"no such snapshot\","                  \
    "\"Reason\":\"SNAPSHOT_NOT_FOUND\"}"

/* A snapshot that was begun just now may not be seen yet; one that was seen is gone. */
static void test_not_there(void **state)
{
    (void)state;
    const struct canned_answer young[] = {{PUT("1"), .status = 404, .body = NOT_THERE},
                                          {PUT("1"), .status = 404, .body = NOT_THERE},
                                          {PUT("1"), .status = 201},
                                          {PUT("1"), .status = 404, .body = NOT_THERE},
                                          {PUT("1"), .status = 404, .body = NOT_THERE}};
    struct scene scene;
    set_up(&scene, young, 5);
    assert_int_equal(put_one(&scene, "snap-1", 1), OUTCOME_RETRY);
    pass(&scene, 110000);
    assert_int_equal(put_one(&scene, "snap-1", 1), OUTCOME_RETRY);
    assert_int_equal(put_one(&scene, "snap-1", 1), OUTCOME_OK);
    assert_int_equal(put_one(&scene, "snap-1", 1), OUTCOME_RETRY);
    pass(&scene, 30000);
    assert_int_equal(put_one(&scene, "snap-1", 1), OUTCOME_ABSENT);
    tear_down(&scene);
    set_up(&scene, young, 2);
    assert_int_equal(put_one(&scene, "snap-1", 1), OUTCOME_RETRY);
    pass(&scene, 160000);
    assert_int_equal(put_one(&scene, "snap-1", 1), OUTCOME_ABSENT);
    tear_down(&scene);
}

static void test_refusals(void **state)
{
    (void)state;
    const struct {
        int status;
        const char *body;
        enum outcome outcome;
    } cases[] = {
        {400, "{\"__type\":\"RequestThrottledException\",\"Message\":\"x\"}", OUTCOME_THROTTLED},
        {503, "{\"__type\":\"InternalServerException\",\"Message\":\"x\"}", OUTCOME_UNKNOWN},
        {400, "{\"__type\":\"ValidationException\",\"Message\":\"x\",\"Reason\":\"INVALID_BLOCK\"}",
         OUTCOME_FATAL},
        {403, "{\"__type\":\"AccessDeniedException\",\"Message\":\"x\"}", OUTCOME_FATAL},
        {500, "<html>", OUTCOME_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct canned_answer script[] = {
            {PUT("1"), .status = cases[i].status, .body = cases[i].body}};
        struct scene scene;
        set_up(&scene, script, 1);
        enum outcome outcome = put_one(&scene, "snap-1", 1);
        if (outcome != cases[i].outcome) {
            fail_msg("%s: %s", cases[i].body, outcome_name(outcome));
        }
        tear_down(&scene);
    }
}

/* No answer ends as one that may have been carried out, after a time. */
static void test_silence(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{PUT("1"), .latency_ms = 3600000}};
    struct scene scene;
    set_up(&scene, script, 1);
    int64_t from = world_monotonic_ms(scene.canned->world);
    assert_int_equal(put_one(&scene, "snap-1", 1), OUTCOME_UNKNOWN);
    assert_true(world_monotonic_ms(scene.canned->world) - from <= 60000);
    tear_down(&scene);
}

static void test_forgotten(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{PUT("2"), .status = 201}};
    struct scene scene;
    struct put a, b;
    set_up(&scene, script, 1);
    begin(&scene, "snap-1", 1, &a);
    begin(&scene, "snap-1", 2, &b);
    scene.target->forget(scene.target, &a);
    world_run(scene.canned->world, &b.over);
    assert_true(b.over);
    assert_false(a.over);
    begin(&scene, "snap-1", 1, &a); /* destroyed under way */
    tear_down(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_put),
        cmocka_unit_test(test_unencrypted_is_signed),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
