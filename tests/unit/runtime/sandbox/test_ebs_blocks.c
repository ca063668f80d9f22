/* The EBS direct APIs: a snapshot started, written, completed, listed and read.
 * Covers: ebs_start.c ebs_lists.c ebs_tokens.c rest.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/sha256.h"
#include "runtime/sandbox/base64.h"
#include "runtime/sandbox/blobs.h"

struct ebs {
    struct sandbox_client *c;
    char *block;     /* 512 KiB */
    int empty_pages; /* with more behind them, so far */
};

static int make(void **state)
{
    struct ebs *ebs = base_alloc(sizeof *ebs);
    ebs->c = client_create();
    ebs->block = base_alloc(BLOCK_BYTES);
    *state = ebs;
    return 0;
}

static int end(void **state)
{
    struct ebs *ebs = *state;
    client_destroy(ebs->c);
    free(ebs->block);
    free(ebs);
    return 0;
}

/* A block of one letter. */
static void fill(struct ebs *ebs, char letter)
{
    memset(ebs->block, letter, BLOCK_BYTES);
}

static const char *checksum(struct ebs *ebs)
{
    uint8_t digest[SHA256_SIZE];
    sha256(ebs->block, BLOCK_BYTES, digest);
    return base64(ebs->c->arena, digest, sizeof digest);
}

static void expect_refusal(struct ebs *ebs, int status, const char *code, const char *reason)
{
    struct sandbox_client *c = ebs->c;
    assert_int_equal(c->response.status, status);
    assert_string_equal(http_response_header(&c->response, "x-amzn-ErrorType"), code);
    assert_non_null(got_json(c, "Message"));
    if (reason) {
        assert_string_equal(got_json(c, "Reason"), reason);
    }
}

static int start_raw(struct ebs *ebs, const char *body)
{
    return client_rest(ebs->c, "ebs", "POST", "/snapshots", NULL, body, strlen(body));
}

static const char *start(struct ebs *ebs, const char *body)
{
    if (start_raw(ebs, body) != 201) {
        fail_msg("%s", ebs->c->response.body);
    }
    return got_json(ebs->c, "SnapshotId");
}

static int put_told(struct ebs *ebs, const char *id, const char *position, const char *sum,
                    const char *length)
{
    struct http_header headers[] = {{"x-amz-Data-Length", length},
                                    {"x-amz-Checksum", sum},
                                    {"x-amz-Checksum-Algorithm", "SHA256"},
                                    {"x-amz-Progress", "40"},
                                    {0}};
    return client_rest(ebs->c, "ebs", "PUT",
                       arena_printf(ebs->c->arena, "/snapshots/%s/blocks/%s", id, position),
                       headers, ebs->block, BLOCK_BYTES);
}

static void put(struct ebs *ebs, const char *id, int position, char letter)
{
    fill(ebs, letter);
    if (put_told(ebs, id, arena_printf(ebs->c->arena, "%d", position), checksum(ebs), "524288") !=
        201) {
        fail_msg("%s", ebs->c->response.body);
    }
    assert_string_equal(http_response_header(&ebs->c->response, "x-amz-Checksum"), checksum(ebs));
}

static int complete_told(struct ebs *ebs, const char *id, const char *count, const char *sum)
{
    struct http_header headers[] = {{"x-amz-ChangedBlocksCount", count},
                                    {sum ? "x-amz-Checksum" : NULL, sum},
                                    {"x-amz-Checksum-Algorithm", "SHA256"},
                                    {"x-amz-Checksum-Aggregation-Method", "LINEAR"},
                                    {0}};
    return client_rest(ebs->c, "ebs", "POST",
                       arena_printf(ebs->c->arena, "/snapshots/completion/%s", id), headers, "", 0);
}

static void complete(struct ebs *ebs, const char *id, const char *count)
{
    if (complete_told(ebs, id, count, NULL) != 202) {
        fail_msg("%s", ebs->c->response.body);
    }
    assert_string_equal(got_json(ebs->c, "Status"), "pending");
    client_pass(ebs->c, 60);
}

static int get_path(struct ebs *ebs, const char *format, const char *id, const char *more)
{
    return client_rest(ebs->c, "ebs", "GET", arena_printf(ebs->c->arena, format, id, more), NULL,
                       NULL, 0);
}

static const char *member(const cJSON *item, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, name);
    return cJSON_IsString(value) ? value->valuestring : NULL;
}

static int position_of(const cJSON *item)
{
    return cJSON_GetObjectItemCaseSensitive(item, "BlockIndex")->valueint;
}

/* The letter that a block is full of. */
static char letter_at(struct ebs *ebs, const char *id, int position, const char *token)
{
    struct sandbox_client *c = ebs->c;
    const char *path = arena_printf(c->arena, "/snapshots/%s/blocks/%d?blockToken=%s", id, position,
                                    uri(c, token));
    if (client_rest(c, "ebs", "GET", path, NULL, NULL, 0) != 200) {
        fail_msg("%s", c->response.body);
    }
    assert_int_equal(c->response.body_length, BLOCK_BYTES);
    fill(ebs, c->response.body[0]);
    assert_memory_equal(ebs->block, c->response.body, BLOCK_BYTES);
    assert_string_equal(http_response_header(&c->response, "x-amz-Checksum"), checksum(ebs));
    assert_string_equal(http_response_header(&c->response, "x-amz-Data-Length"), "524288");
    return ebs->block[0];
}

struct listed {
    int position;
    const char *first, *second; /* tokens */
};

/* All pages of a listing. */
static size_t list_all(struct ebs *ebs, const char *path, struct listed *out, size_t room)
{
    struct sandbox_client *c = ebs->c;
    const char *next = NULL;
    size_t count = 0;
    do {
        const char *with = next ? arena_printf(c->arena, "%s%spageToken=%s", path,
                                               strchr(path, '?') ? "&" : "?", uri(c, next))
                                : path;
        if (client_rest(c, "ebs", "GET", with, NULL, NULL, 0) != 200) {
            fail_msg("%s", c->response.body);
        }
        const cJSON *blocks = cJSON_GetObjectItemCaseSensitive(c->json, "Blocks"), *item;
        blocks = blocks ? blocks : cJSON_GetObjectItemCaseSensitive(c->json, "ChangedBlocks");
        cJSON_ArrayForEach(item, blocks)
        {
            const char *first = member(item, "FirstBlockToken");
            const char *second = member(item, "SecondBlockToken");
            second = second ? second : member(item, "BlockToken");
            assert_true(count < room);
            out[count++] =
                (struct listed){position_of(item), first ? arena_strdup(c->arena, first) : NULL,
                                second ? arena_strdup(c->arena, second) : NULL};
        }
        const char *told = member(c->json, "NextToken");
        ebs->empty_pages += told && cJSON_GetArraySize(blocks) == 0;
        assert_true(!told || !next || strcmp(told, next) != 0);
        next = told ? arena_strdup(c->arena, told) : NULL;
    } while (next);
    return count;
}

static size_t list(struct ebs *ebs, const char *id, struct listed *out, size_t room)
{
    return list_all(ebs, arena_printf(ebs->c->arena, "/snapshots/%s/blocks", id), out, room);
}

static const char *state_of(struct ebs *ebs, const char *id)
{
    ec2_ok(ebs->c, "Action=DescribeSnapshots&SnapshotId.1=%s", id);
    return got(ebs->c, "snapshotSet/item/status");
}

static void test_written_and_read_back(void **state)
{
    struct ebs *ebs = *state;
    struct listed blocks[8];
    const char *id = start(ebs, "{\"VolumeSize\":2,\"Description\":\"d\",\"Tags\":[{\"Key\":\"k\","
                                "\"Value\":\"v\"}]}");
    assert_string_equal(got_json(ebs->c, "Status"), "pending");
    assert_int_equal(cJSON_GetObjectItem(ebs->c->json, "BlockSize")->valueint, BLOCK_BYTES);
    put(ebs, id, 4095, 'c');
    put(ebs, id, 3, 'x');
    put(ebs, id, 3, 'b'); /* the later one counts */
    put(ebs, id, 0, '\0');
    assert_string_equal(state_of(ebs, id), "pending");
    assert_string_equal(got(ebs->c, "snapshotSet/item/progress"), "40%");
    assert_string_equal(got(ebs->c, "snapshotSet/item/tagSet/item/value"), "v");
    complete(ebs, id, "3");
    assert_string_equal(state_of(ebs, id), "completed");
    assert_int_equal(list(ebs, id, blocks, 8), 3);
    assert_int_equal(blocks[0].position, 0);
    assert_int_equal(blocks[2].position, 4095);
    assert_int_equal(letter_at(ebs, id, 0, blocks[0].second), '\0');
    assert_int_equal(letter_at(ebs, id, 3, blocks[1].second), 'b');
    assert_int_equal(letter_at(ebs, id, 4095, blocks[2].second), 'c');
}

static void test_what_is_no_start(void **state)
{
    struct ebs *ebs = *state;
    static const struct {
        const char *body, *reason;
    } wrong[] = {
        {"{}", "INVALID_VOLUME_SIZE"},
        {"{\"VolumeSize\":0}", "INVALID_VOLUME_SIZE"},
        {"{\"VolumeSize\":1.5}", "INVALID_VOLUME_SIZE"},
        {"{\"VolumeSize\":65537}", "INVALID_VOLUME_SIZE"},
        {"{\"VolumeSize\":1,\"Timeout\":9}", "INVALID_PARAMETER_VALUE"},
        {"{\"VolumeSize\":1,\"Timeout\":4321}", "INVALID_PARAMETER_VALUE"},
        {"{\"VolumeSize\":1,\"Encrypted\":true,\"KmsKeyArn\":\"alias/mine\"}",
         "INVALID_CUSTOMER_KEY"},
        {"{\"VolumeSize\":1,\"KmsKeyArn\":\"arn:aws:kms:eu-west-1:111122223333:key/k\"}",
         "INVALID_PARAMETER_VALUE"},
        {"{\"VolumeSize\":1,\"ParentSnapshotId\":\"vol-1\"}", "INVALID_SNAPSHOT_ID"},
        {"{\"VolumeSize\":1,\"Tags\":[{\"Key\":\"aws:x\"}]}", "INVALID_TAG"},
        {"{\"VolumeSize\":1,\"Tags\":[{\"Key\":\"a\"},{\"Key\":\"a\"}]}", "INVALID_TAG"},
        {"{\"VolumeSize\":1,\"Tags\":7}", "INVALID_TAG"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(start_raw(ebs, wrong[i].body), 400);
        expect_refusal(ebs, 400, "ValidationException", wrong[i].reason);
    }
    start_raw(ebs, "[]");
    expect_refusal(ebs, 400, "SerializationException", NULL);
    start_raw(ebs, "{\"VolumeSize\":1,\"ParentSnapshotId\":\"snap-0123456789abcdef0\"}");
    expect_refusal(ebs, 404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND");
}

static void test_a_token_makes_one_snapshot(void **state)
{
    struct ebs *ebs = *state;
    const char *id = start(ebs, "{\"VolumeSize\":1,\"ClientToken\":\"t\"}");
    assert_string_equal(start(ebs, "{\"ClientToken\":\"t\",\"VolumeSize\":1}"), id);
    assert_string_not_equal(start(ebs, "{\"ClientToken\":\"u\",\"VolumeSize\":1}"), id);
    start_raw(ebs, "{\"VolumeSize\":2,\"ClientToken\":\"t\"}");
    expect_refusal(ebs, 409, "ConflictException", NULL);
    ec2_ok(ebs->c, "Action=DeleteSnapshot&SnapshotId=%s", id);
    start_raw(ebs, "{\"VolumeSize\":1,\"ClientToken\":\"t\"}");
    expect_refusal(ebs, 404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND");
}

static void test_what_is_no_block(void **state)
{
    struct ebs *ebs = *state;
    const char *id = start(ebs, "{\"VolumeSize\":1}");
    fill(ebs, 'a');
    const char *sum = checksum(ebs);
    put_told(ebs, id, "2048", sum, "524288");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_BLOCK");
    put_told(ebs, id, "-1", sum, "524288");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_BLOCK");
    put_told(ebs, id, "one", sum, "524288");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_BLOCK");
    put_told(ebs, id, "1", sum, "524287");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_PARAMETER_VALUE");
    put_told(ebs, id, "1", "AAAA", "524288");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_BLOCK");
    fill(ebs, 'b');
    put_told(ebs, id, "1", sum, "524288");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_BLOCK");
    put_told(ebs, "snap-0123456789abcdef0", "1", sum, "524288");
    expect_refusal(ebs, 404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND");
    complete(ebs, id, "0");
    put_told(ebs, id, "1", checksum(ebs), "524288");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_SNAPSHOT_ID");
}

static void test_completion_is_checked(void **state)
{
    struct ebs *ebs = *state;
    uint8_t all[2 * SHA256_SIZE], digest[SHA256_SIZE];
    const char *id = start(ebs, "{\"VolumeSize\":1}");
    put(ebs, id, 9, 'b');
    sha256(ebs->block, BLOCK_BYTES, all + SHA256_SIZE);
    put(ebs, id, 1, 'a');
    sha256(ebs->block, BLOCK_BYTES, all);
    complete_told(ebs, id, "1", NULL);
    expect_refusal(ebs, 400, "ValidationException", "INVALID_PARAMETER_VALUE");
    complete_told(ebs, id, "2", "AAAA");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_BLOCK");
    sha256(all, sizeof all, digest);
    const char *sum = base64(ebs->c->arena, digest, sizeof digest);
    assert_int_equal(complete_told(ebs, id, "2", sum), 202);
    assert_int_equal(complete_told(ebs, id, "2", sum), 202); /* its answer was lost */
    assert_string_equal(got_json(ebs->c, "Status"), "pending");
    client_pass(ebs->c, 60);
    assert_int_equal(complete_told(ebs, id, "2", sum), 202);
    assert_string_equal(got_json(ebs->c, "Status"), "completed");
    complete_told(ebs, id, "3", sum);
    expect_refusal(ebs, 400, "ValidationException", "INVALID_PARAMETER_VALUE");
    complete_told(ebs, copy_of(ebs->c, "db", 0), "0", NULL);
    expect_refusal(ebs, 400, "ValidationException", "INVALID_SNAPSHOT_ID");
}

static void test_a_child_has_what_its_parent_has(void **state)
{
    struct ebs *ebs = *state;
    struct listed blocks[8];
    struct arena *arena = ebs->c->arena;
    const char *parent = start(ebs, "{\"VolumeSize\":2,\"Encrypted\":true}");
    put(ebs, parent, 1, 'a');
    put(ebs, parent, 2, 'b');
    const char *body =
        arena_printf(arena, "{\"VolumeSize\":2,\"ParentSnapshotId\":\"%s\"}", parent);
    start_raw(ebs, body);
    expect_refusal(ebs, 400, "ValidationException", "INVALID_SNAPSHOT_ID"); /* not complete */
    complete(ebs, parent, "2");
    start_raw(ebs, arena_printf(arena, "{\"VolumeSize\":1,\"ParentSnapshotId\":\"%s\"}", parent));
    expect_refusal(ebs, 400, "ValidationException", "INVALID_VOLUME_SIZE");
    start_raw(ebs, arena_printf(arena,
                                "{\"VolumeSize\":2,\"Encrypted\":true,\"ParentSnapshotId\":\"%s\"}",
                                parent));
    expect_refusal(ebs, 400, "ValidationException", "INVALID_PARAMETER_VALUE");
    const char *child = start(ebs, body);
    assert_non_null(strstr(got_json(ebs->c, "KmsKeyArn"), ":key/"));
    put(ebs, child, 2, 'B');
    put(ebs, child, 3, 'c');
    ec2_ok(ebs->c, "Action=DeleteSnapshot&SnapshotId=%s", parent); /* takes nothing from it */
    complete(ebs, child, "2");
    assert_int_equal(list(ebs, child, blocks, 8), 3);
    assert_int_equal(letter_at(ebs, child, 1, blocks[0].second), 'a');
    assert_int_equal(letter_at(ebs, child, 2, blocks[1].second), 'B');
    assert_int_equal(letter_at(ebs, child, 3, blocks[2].second), 'c');
    ec2_ok(ebs->c, "Action=DescribeSnapshots&SnapshotId.1=%s", child);
    assert_string_equal(got(ebs->c, "snapshotSet/item/encrypted"), "true");
}

static void test_what_changed(void **state)
{
    struct ebs *ebs = *state;
    struct listed blocks[8];
    struct arena *arena = ebs->c->arena;
    const char *first = start(ebs, "{\"VolumeSize\":1}");
    put(ebs, first, 1, 'a');
    put(ebs, first, 2, 'b');
    complete(ebs, first, "2");
    const char *second =
        start(ebs, arena_printf(arena, "{\"VolumeSize\":1,\"ParentSnapshotId\":\"%s\"}", first));
    put(ebs, second, 2, 'B');
    put(ebs, second, 7, 'n');
    complete(ebs, second, "2");
    const char *path =
        arena_printf(arena, "/snapshots/%s/changedblocks?firstSnapshotId=%s", second, first);
    assert_int_equal(list_all(ebs, path, blocks, 8), 2);
    assert_int_equal(blocks[0].position, 2);
    assert_int_equal(letter_at(ebs, first, 2, blocks[0].first), 'b');
    assert_int_equal(letter_at(ebs, second, 2, blocks[0].second), 'B');
    assert_int_equal(blocks[1].position, 7);
    assert_null(blocks[1].first);
    const char *back =
        arena_printf(arena, "/snapshots/%s/changedblocks?firstSnapshotId=%s", first, second);
    assert_int_equal(list_all(ebs, back, blocks, 8), 2);
    assert_null(blocks[1].second);
    const char *sibling =
        start(ebs, arena_printf(arena, "{\"VolumeSize\":1,\"ParentSnapshotId\":\"%s\"}", first));
    put(ebs, sibling, 0, 's');
    put(ebs, sibling, 9, 's');
    complete(ebs, sibling, "2");
    const char *aside =
        arena_printf(arena, "/snapshots/%s/changedblocks?firstSnapshotId=%s", sibling, second);
    static const int differ[] = {0, 2, 7, 9}; /* by its index, whoever has it */
    assert_int_equal(list_all(ebs, aside, blocks, 8), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(blocks[i].position, differ[i]);
    }
    const char *other = start(ebs, "{\"VolumeSize\":1}");
    get_path(ebs, "/snapshots/%s/changedblocks?firstSnapshotId=%s", other, first);
    expect_refusal(ebs, 400, "ValidationException", "INVALID_SNAPSHOT_ID");
    complete(ebs, other, "0");
    get_path(ebs, "/snapshots/%s/changedblocks?firstSnapshotId=%s", other, first);
    expect_refusal(ebs, 400, "ValidationException", "UNRELATED_SNAPSHOTS");
    get_path(ebs, "/snapshots/%s/changedblocks%s", second, "");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_PARAMETER_VALUE");
}

static void test_pages(void **state)
{
    struct ebs *ebs = *state;
    enum { COUNT = 230 };
    struct listed *blocks = base_calloc(COUNT, sizeof *blocks);
    struct arena *arena = ebs->c->arena;
    const char *id = start(ebs, "{\"VolumeSize\":1}");
    fill(ebs, 'p');
    const char *sum = checksum(ebs);
    for (int i = COUNT - 1; i >= 0; i--) {
        assert_int_equal(put_told(ebs, id, arena_printf(arena, "%d", 5 * i), sum, "524288"), 201);
    }
    complete(ebs, id, "230");
    const char *path = arena_printf(arena, "/snapshots/%s/blocks?maxResults=100", id);
    int empty = ebs->empty_pages;
    for (int again = 0; again < 30; again++) {
        assert_int_equal(list_all(ebs, path, blocks, COUNT), COUNT);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(blocks[i].position, 5 * i);
        }
    }
    assert_true(ebs->empty_pages > empty); /* as the service may answer */
    path = arena_printf(arena, "/snapshots/%s/blocks?startingBlockIndex=1141", id);
    assert_int_equal(list_all(ebs, path, blocks, COUNT), 1);
    assert_int_equal(blocks[0].position, 1145);
    get_path(ebs, "/snapshots/%s/blocks?maxResults=%s", id, "99");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_PARAMETER_VALUE");
    get_path(ebs, "/snapshots/%s/blocks?pageToken=%s", id, "AAAA");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_PAGE_TOKEN");
    free(blocks);
}

static void test_block_tokens(void **state)
{
    struct ebs *ebs = *state;
    struct listed blocks[2];
    const char *id = start(ebs, "{\"VolumeSize\":1}");
    put(ebs, id, 1, 'a');
    put(ebs, id, 2, 'b');
    complete(ebs, id, "2");
    assert_int_equal(list(ebs, id, blocks, 2), 2);
    const char *right = uri(ebs->c, blocks[0].second);
    get_path(ebs, "/snapshots/%s/blocks/2?blockToken=%s", id, right);
    expect_refusal(ebs, 400, "ValidationException", "INVALID_BLOCK_TOKEN");
    get_path(ebs, "/snapshots/%s/blocks/1%s", id, "");
    expect_refusal(ebs, 400, "ValidationException", "INVALID_PARAMETER_VALUE");
    client_pass(ebs->c, 8 * 24 * 3600);
    get_path(ebs, "/snapshots/%s/blocks/1?blockToken=%s", id, right);
    expect_refusal(ebs, 400, "ValidationException", "INVALID_BLOCK_TOKEN");
}

static void test_a_snapshot_left_alone_becomes_an_error(void **state)
{
    struct ebs *ebs = *state;
    const char *id = start(ebs, "{\"VolumeSize\":1,\"Timeout\":10}");
    client_pass(ebs->c, 9 * 60);
    for (int again = 0; again < 2; again++) {
        put(ebs, id, 1, 'a'); /* counts anew */
        client_pass(ebs->c, 9 * 60);
    }
    assert_string_equal(state_of(ebs, id), "pending");
    client_pass(ebs->c, 60);
    assert_string_equal(state_of(ebs, id), "error");
    fill(ebs, 'a');
    put_told(ebs, id, "1", checksum(ebs), "524288");
    expect_refusal(ebs, 400, "ValidationException", "WRITE_REQUEST_TIMEOUT");
    complete_told(ebs, id, "1", NULL);
    expect_refusal(ebs, 400, "ValidationException", "WRITE_REQUEST_TIMEOUT");
    ec2_fails(ebs->c, 400, "IncorrectState",
              "Action=CreateVolume&AvailabilityZone=eu-west-1a&SnapshotId=%s", id);
    ec2_ok(ebs->c, "Action=DeleteSnapshot&SnapshotId=%s", id);
}

static void test_a_hundred_may_be_pending(void **state)
{
    struct ebs *ebs = *state;
    for (int i = 0; i < 100; i++) {
        start(ebs, "{\"VolumeSize\":1}");
    }
    start_raw(ebs, "{\"VolumeSize\":1}");
    expect_refusal(ebs, 402, "ServiceQuotaExceededException", "DEPENDENCY_SERVICE_QUOTA_EXCEEDED");
}

/* Failback reads what a volume of such a snapshot holds. */
static void test_snapshots_of_its_volumes_have_its_blocks(void **state)
{
    struct ebs *ebs = *state;
    struct listed blocks[2];
    const char *id = start(ebs, "{\"VolumeSize\":1}");
    put(ebs, id, 1, 'a');
    complete(ebs, id, "1");
    const char *volume = make_volume(ebs->c, id);
    ec2_ok(ebs->c, "Action=DeleteSnapshot&SnapshotId=%s", id);
    ec2_ok(ebs->c, "Action=CreateSnapshot&VolumeId=%s", volume);
    const char *later = got(ebs->c, "snapshotId");
    client_pass(ebs->c, 60);
    assert_int_equal(list(ebs, later, blocks, 2), 1);
    assert_int_equal(letter_at(ebs, later, 1, blocks[0].second), 'a');
}

static const char *content_of(struct ebs *ebs, const char *what)
{
    ec2_ok(ebs->c,
           "Action=RegisterImage&Name=%s&RootDeviceName=/dev/sda1&"
           "VirtualizationType=hvm&Architecture=x86_64&EnaSupport=true&"
           "BlockDeviceMapping.1.DeviceName=/dev/sda1&"
           "BlockDeviceMapping.1.Ebs.SnapshotId=%s",
           what, what);
    const char *image = got(ebs->c, "imageId");
    client_pass(ebs->c, 60);
    ec2_ok(ebs->c,
           "Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=m6i.large&ImageId=%s&"
           "SubnetId=subnet-0a00000000000000a",
           image);
    const char *id = got(ebs->c, "instancesSet/item/instanceId");
    client_pass(ebs->c, 300);
    ec2_ok(ebs->c, "Action=DescribeInstanceStatus&InstanceId.1=%s", id);
    return got(ebs->c, "instanceStatusSet/item/instanceStatus/status");
}

/* Images, instances, tags and holds are EC2's business, with these snapshots as with others. A disk
 * from outside has no drivers for EC2; one whose parent has them has them, too. */
static void test_what_ec2_makes_of_it(void **state)
{
    struct ebs *ebs = *state;
    struct sandbox_client *c = ebs->c;
    const char *id = start(ebs, "{\"VolumeSize\":8}");
    ec2_fails(c, 400, "IncorrectState",
              "Action=RegisterImage&Name=pending&RootDeviceName=/dev/sda1&VirtualizationType=hvm&"
              "Architecture=x86_64&EnaSupport=true&BlockDeviceMapping.1.DeviceName=/dev/sda1&"
              "BlockDeviceMapping.1.Ebs.SnapshotId=%s",
              id);
    put(ebs, id, 1, 'a');
    complete(ebs, id, "1");
    assert_string_not_equal(content_of(ebs, id), "ok");
    ec2_fails(c, 400, "InvalidSnapshot.InUse", "Action=DeleteSnapshot&SnapshotId=%s", id);
    ec2_ok(c, "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=drc:hold:r1&Tag.1.Value=", id);
    ec2_ok(c, "Action=DescribeSnapshots&Filter.1.Name=tag-key&Filter.1.Value.1=drc:hold:*");
    assert_string_equal(got(c, "snapshotSet/item/snapshotId"), id);
    ec2_ok(c, "Action=DeleteTags&ResourceId.1=%s&Tag.1.Key=drc:hold:r1", id);
    ec2_ok(c, "Action=DescribeSnapshots&Filter.1.Name=tag-key&Filter.1.Value.1=drc:hold:*");
    assert_int_equal(got_count(c, "snapshotSet"), 0);

    ec2_ok(c, "Action=DescribeImages&ImageId.1=ami-0c000000000000001");
    const char *bootable = got(c, "imagesSet/item/blockDeviceMapping/item/ebs/snapshotId");
    const char *child = start(
        ebs, arena_printf(c->arena, "{\"VolumeSize\":8,\"ParentSnapshotId\":\"%s\"}", bootable));
    complete(ebs, child, "0");
    assert_string_equal(content_of(ebs, child), "ok");
}

static void test_not_seen_at_once(void **state)
{
    struct ebs *ebs = *state;
    client_fault(ebs->c, "consistency", 1);
    client_fault(ebs->c, "consistency_ms", 120000);
    const char *id = start(ebs, "{\"VolumeSize\":1}");
    fill(ebs, 'a');
    put_told(ebs, id, "1", checksum(ebs), "524288");
    expect_refusal(ebs, 404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND");
    client_pass(ebs->c, 121);
    put(ebs, id, 1, 'a');
}

static void test_no_such_operation(void **state)
{
    struct ebs *ebs = *state;
    get_path(ebs, "/snapshots%s%s", "", "");
    expect_refusal(ebs, 404, "UnknownOperationException", NULL);
    get_path(ebs, "/snapshots/%s/blocks/1/2/3%s", "snap-1", "");
    expect_refusal(ebs, 404, "UnknownOperationException", NULL);
    ebs->c->key.secret = "wrong";
    start_raw(ebs, "{\"VolumeSize\":1}");
    expect_refusal(ebs, 403, "InvalidSignatureException", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_written_and_read_back),
        TEST(test_what_is_no_start),
        TEST(test_a_token_makes_one_snapshot),
        TEST(test_what_is_no_block),
        TEST(test_completion_is_checked),
        TEST(test_a_child_has_what_its_parent_has),
        TEST(test_what_changed),
        TEST(test_pages),
        TEST(test_block_tokens),
        TEST(test_a_snapshot_left_alone_becomes_an_error),
        TEST(test_a_hundred_may_be_pending),
        TEST(test_snapshots_of_its_volumes_have_its_blocks),
        TEST(test_what_ec2_makes_of_it),
        TEST(test_not_seen_at_once),
        TEST(test_no_such_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
