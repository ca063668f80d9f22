/* Blocks of snapshots listed and read: pages, empty ones, tokens that expire, bytes that are others.
 * Covers: ebs_listing.c */
#include "runtime/aws/ebs_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define LIST "GET https://ebs.eu-west-1.amazonaws.com/snapshots/snap-1/blocks?maxResults=5000"
#define CHANGED                                                                                    \
    "GET https://ebs.eu-west-1.amazonaws.com/snapshots/snap-2/changedblocks?maxResults=5000"       \
    "&firstSnapshotId=snap-1"
#define REFUSED(type, reason)                                                                      \
    "{\"__type\":\"" type "\",\"Message\":\"no\",\"Reason\":\"" reason "\"}"

struct walk {
    struct buffer text; /* "3:token 5:- | 7:…" */
    bool over, failed;
    struct ebs_listing *listing;
};

static void on_page(void *context, const struct ebs_page *page, const struct call_result *why)
{
    struct walk *walk = context;
    walk->failed = !page;
    walk->over = !page || page->last;
    if (!page) {
        buffer_printf(&walk->text, "%s: %s", outcome_name(why->outcome), why->error.message);
        return;
    }
    assert_true(page->count > 0 || page->last);
    for (size_t i = 0; i < page->count; i++) {
        buffer_printf(&walk->text, "%" PRIu64 ":%s ", page->blocks[i].index,
                      page->blocks[i].token ? page->blocks[i].token : "-");
    }
    buffer_puts(&walk->text, page->last ? "." : "| ");
    if (!page->last) {
        ebs_listing_next(walk->listing, on_page, walk);
    }
}

static void expect_list(const struct canned_answer *script, size_t count, const char *since,
                        const char *expected)
{
    struct canned *canned = canned_create(script, count);
    struct aws *aws = canned_aws(canned);
    struct walk walk = {0};
    struct ebs_listing_options options = {.snapshot_id = since ? "snap-2" : "snap-1", .since = since};
    walk.listing = ebs_listing_create(aws, &options);
    ebs_listing_next(walk.listing, on_page, &walk);
    assert_false(walk.over);
    world_run(canned->world, &walk.over);
    assert_string_equal(buffer_text(&walk.text), expected);
    ebs_listing_destroy(walk.listing);
    buffer_free(&walk.text);
    aws_destroy(aws);
    canned_destroy(canned);
}

#define EXPECT(script, since, expected) expect_list(script, CANNED_COUNT(script), since, expected)

static void test_pages(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {LIST "\n", .body = "{\"Blocks\":[{\"BlockIndex\":0,\"BlockToken\":\"a\"},{\"BlockIndex\":7,"
                            "\"BlockToken\":\"b\"}],\"BlockSize\":524288,\"VolumeSize\":1,"
                            "\"NextToken\":\"n/1\"}"},
        {LIST "&pageToken=n%2F1\n", .body = "{\"Blocks\":[],\"NextToken\":\"n2\"}"}, /* empty */
        {LIST "&pageToken=n2\n", .body = "{\"NextToken\":\"n3\"}"},
        {LIST "&pageToken=n3\n", .body = "{\"Blocks\":[{\"BlockIndex\":9,\"BlockToken\":\"c\"}]}"}};
    EXPECT(script, NULL, "0:a 7:b | 9:c .");
    const struct canned_answer nothing[] = {{LIST "\n", .body = "{\"Blocks\":[]}"}};
    EXPECT(nothing, NULL, ".");
}

static void test_changed(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {CHANGED "\n",
         .body = "{\"ChangedBlocks\":[{\"BlockIndex\":1,\"FirstBlockToken\":\"x\",\"SecondBlockToken\":"
                 "\"y\"},{\"BlockIndex\":2,\"FirstBlockToken\":\"x\"}]}"}};
    EXPECT(script, "snap-1", "1:y 2:- .");
}

/* The token of a page lives for an hour: then from the next index on, without it. */
static void test_page_token_expires(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {LIST "\n", .body = "{\"Blocks\":[{\"BlockIndex\":41,\"BlockToken\":\"a\"}],\"NextToken\":\"n\"}"},
        {LIST "&pageToken=n\n", .status = 400,
         .body = REFUSED("ValidationException", "INVALID_PAGE_TOKEN")},
        {LIST "&startingBlockIndex=42\n", .body = "{\"Blocks\":[{\"BlockIndex\":43,\"BlockToken\":\"b\"}]}"}};
    EXPECT(script, NULL, "41:a | 43:b .");
}

static void test_asked_again(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {LIST, .status = 400, .body = REFUSED("RequestThrottledException", "ACCOUNT_THROTTLED")},
        {LIST, .status = 500, .body = REFUSED("InternalServerException", "")},
        {LIST, .failure = HTTP_BROKEN},
        {LIST, .body = "{\"Blocks\":[{\"BlockIndex\":1,\"BlockToken\":\"a\"}]}"}};
    EXPECT(script, NULL, "1:a .");
    const struct canned_answer refused[] = {
        {LIST, .status = 404, .body = REFUSED("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND")}};
    EXPECT(refused, NULL, "absent: ebs ListSnapshotBlocks: ResourceNotFoundException: SNAPSHOT_NOT_FOUND: no");
}

static void test_what_is_no_list(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"Blocks\":[{\"BlockIndex\":5,\"BlockToken\":\"a\"},{\"BlockIndex\":5,\"BlockToken\":\"a\"}]}",
        "{\"Blocks\":[{\"BlockIndex\":-1,\"BlockToken\":\"a\"}]}",
        "{\"Blocks\":[{\"BlockIndex\":1.5,\"BlockToken\":\"a\"}]}",
        "{\"Blocks\":[{\"BlockIndex\":1}]}",
        "{\"Blocks\":[7]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct canned_answer script[] = {{LIST, .body = bad[i]}};
        EXPECT(script, NULL, "fatal: listing the blocks of snap-1: its list of blocks is not in order");
    }
    const struct canned_answer size[] = {{LIST, .body = "{\"Blocks\":[],\"BlockSize\":512}"}};
    EXPECT(size, NULL, "fatal: listing the blocks of snap-1: its blocks are not of 512 KiB");
}

/* --- bytes --- */

struct got {
    bool over;
    enum outcome outcome;
    char message[200];
};

static void on_got(void *context, const struct call_result *result)
{
    struct got *got = context;
    got->over = true;
    got->outcome = result->outcome;
    snprintf(got->message, sizeof got->message, "%s", result->error.message ? result->error.message : "");
}

#define ZEROS "B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE=" /* 512 KiB of zeros */

static struct got get(const struct canned_answer *answer)
{
    struct canned *canned = canned_create(answer, 1);
    struct aws *aws = canned_aws(canned);
    struct got got = {0};
    struct block_digest digest, zeros;
    char *into = malloc(BLOCK_BYTES), *zero = calloc(1, BLOCK_BYTES);
    struct ebs_block block = {.index = 3, .token = "t/1"};
    memset(into, 1, BLOCK_BYTES);
    ebs_read_block(aws, "snap-1", &block, 0, into, &digest, on_got, &got);
    assert_false(got.over);
    world_run(canned->world, &got.over);
    if (got.outcome == OUTCOME_OK) {
        block_digest(zero, BLOCK_BYTES, &zeros);
        assert_memory_equal(into, zero, BLOCK_BYTES);
        assert_true(block_digest_equal(&digest, &zeros));
    }
    free(into);
    free(zero);
    aws_destroy(aws);
    canned_destroy(canned);
    return got;
}

#define GET "GET https://ebs.eu-west-1.amazonaws.com/snapshots/snap-1/blocks/3?blockToken=t%2F1\n"

static void test_got(void **state)
{
    (void)state;
    char *zeros = calloc(1, BLOCK_BYTES + 2);
    struct canned_answer answer = {GET, .body = zeros, .body_length = BLOCK_BYTES, .checksum = ZEROS};
    assert_int_equal(get(&answer).outcome, OUTCOME_OK);
    zeros[777] = 1; /* altered on the way */
    struct got got = get(&answer);
    assert_int_equal(got.outcome, OUTCOME_RETRY);
    assert_string_equal(got.message, "reading block 3 of snap-1: its bytes are not those of its checksum: "
                                     "they were altered on the way");
    answer.checksum = NULL;
    assert_int_equal(get(&answer).outcome, OUTCOME_RETRY);
    answer.checksum = "B4VNL";
    assert_int_equal(get(&answer).outcome, OUTCOME_RETRY);
    answer.checksum = ZEROS;
    answer.body_length = BLOCK_BYTES - 1;
    assert_int_equal(get(&answer).outcome, OUTCOME_RETRY);
    answer.body_length = BLOCK_BYTES + 2;
    assert_true(get(&answer).outcome != OUTCOME_OK);
    free(zeros);
    struct canned_answer old = {GET, .status = 400,
                                .body = REFUSED("ValidationException", "INVALID_BLOCK_TOKEN")};
    assert_int_equal(get(&old).outcome, OUTCOME_CONFLICT);
    struct canned_answer gone = {GET, .status = 404,
                                 .body = REFUSED("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND")};
    assert_int_equal(get(&gone).outcome, OUTCOME_ABSENT);
}

static void test_given_up(void **state)
{
    (void)state;
    struct canned *canned = canned_create(NULL, 0);
    struct aws *aws = canned_aws(canned);
    struct ebs_listing_options options = {.snapshot_id = "snap-1"};
    struct ebs_listing *listing = ebs_listing_create(aws, &options);
    struct block_digest digest;
    char *into = malloc(BLOCK_BYTES);
    struct ebs_block block = {.index = 3, .token = "t"};
    ebs_listing_next(listing, NULL, NULL);
    ebs_listing_destroy(listing);
    ebs_listing_destroy(NULL);
    ebs_read_cancel(ebs_read_block(aws, "snap-1", &block, 0, into, &digest, NULL, NULL));
    free(into);
    aws_destroy(aws);
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_page_token_expires),
        cmocka_unit_test(test_asked_again),
        cmocka_unit_test(test_what_is_no_list),
        cmocka_unit_test(test_got),
        cmocka_unit_test(test_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
