/* DR copies read back: what their snapshots hold against the repository's maps. */
#include "runtime/site/read_back.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/mover/block_map.h"
#include "runtime/world/store.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define URL   "GET https://ebs.eu-west-1.amazonaws.com/snapshots/snap-1/blocks"
#define LIST  URL "?maxResults=5000"
#define ZEROS "B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE=" /* 512 KiB of zeros */
#define ONES  "M6FQvOsTwamSIx5ltPrRaBUhL8Bs20CJltMu6yzvnrs=" /* of bytes that are 1 */

enum { DISK_BLOCKS = 32 };

static void set_done(void *context, const struct error *error)
{
    assert_null(error);
    *(bool *)context = true;
}

/* The caller frees it. */
static char *block_of(int byte)
{
    char *bytes = malloc(BLOCK_BYTES);
    memset(bytes, byte, BLOCK_BYTES);
    return bytes;
}

static void add_block(struct map_writer *map, uint64_t index, int byte)
{
    struct block_digest digest;
    char *bytes = block_of(byte);
    block_digest(bytes, BLOCK_BYTES, &digest);
    map_writer_add(map, index, &digest);
    free(bytes);
}

/* The disk has zeros at 1, which count as data here, and ones at 3. */
static void fill(struct canned *canned, struct repository *repository)
{
    struct repository_copy copy = {.snapshot_id = "snap-1", .plan = "shop", .vm = "db",
                                   .recovery_point = "2026-11-22T10:00:00Z", .disk = 1,
                                   .disk_bytes = (int64_t)DISK_BLOCKS * BLOCK_BYTES};
    struct repository_writer *writer = repository_write(repository, "a test", NULL, NULL, NULL);
    struct map_writer *map = map_writer_create(writer, copy.disk_bytes);
    uint64_t blocks;
    bool done = false;
    add_block(map, 1, 0);
    add_block(map, 3, 1);
    assert_true(map_writer_finish(map, &copy.map, &blocks, NULL));
    map_writer_destroy(map);
    repository_writer_close(writer);
    repository_put_copy(repository, &copy, set_done, &done);
    world_run(canned->world, &done);
}

/* What came of it, as a text: "COPIES BLOCKS GONE: BLOCK PROBLEM; …", or the error. */
static char *read_back(const struct canned_answer *script, size_t count,
                       struct read_back_options options)
{
    struct canned *canned = canned_create(script, count);
    struct store_memory *memory = store_memory_create();
    struct error error = {0};
    struct repository *repository = repository_open(store_memory_open(canned->world, memory),
                                                    canned->world, "test", true, &error);
    struct buffer told = {0};
    struct read_back_result result;
    fill(canned, repository);
    struct aws *aws = canned_aws(canned);
    options.sample = options.sample > 0 ? options.sample : 1;
    if (read_back_copies(repository, aws, canned->arena, &options, &result, &error)) {
        buffer_printf(&told, "%zu %d %zu:", result.copies, (int)result.blocks, result.gone_count);
        for (size_t i = 0; i < result.problem_count; i++) {
            const struct read_back_problem *problem = &result.problems[i];
            assert_string_equal(problem->snapshot_id, "snap-1");
            assert_int_equal(problem->disk, 1);
            buffer_printf(&told, " %d %s;", (int)problem->block, problem->text);
        }
    } else {
        assert_non_null(error.help);
        buffer_puts(&told, error.message);
    }
    error_clear(&error);
    aws_destroy(aws);
    repository_close(repository);
    store_memory_destroy(memory);
    canned_destroy(canned);
    return buffer_steal(&told);
}

#define EXPECT(script, options, words)                                                             \
    do {                                                                                           \
        char *told = read_back(script, CANNED_COUNT(script), (struct read_back_options)options);   \
        if (strcmp(told, words) != 0) {                                                            \
            fail_msg("%s", told);                                                                  \
        }                                                                                          \
        free(told);                                                                                \
    } while (0)
#define ALL {0}

#define REFUSED(type, reason)                                                                      \
    "{\"__type\":\"" type "\",\"Reason\":\"" reason "\",\"message\":\"no\"}"
#define BLOCK(index) "{\"BlockIndex\":" #index ",\"BlockToken\":\"t" #index "\"}"

static void test_all_is_well(void **state)
{
    (void)state;
    char *zeros = block_of(0), *ones = block_of(1);
    const struct canned_answer script[] = {
        {LIST "\n", .body = "{\"Blocks\":[" BLOCK(1) "],\"NextToken\":\"n\"}", .any_order = true},
        {LIST "&pageToken=n\n", .body = "{\"Blocks\":[" BLOCK(3) "," BLOCK(9) "]}", .any_order = true},
        {URL "/3", .body = ones, .body_length = BLOCK_BYTES, .checksum = ONES, .any_order = true},
        {URL "/", .body = zeros, .body_length = BLOCK_BYTES, .checksum = ZEROS, .any_order = true}};
    EXPECT(script, ALL, "1 3 0:"); /* 9 was put as zeros by an increment */
    const struct canned_answer none[] = {{URL, .any_order = true}};
    EXPECT(none, {.vm = "web"}, "0 0 0:");
    EXPECT(none, {.time = "2026-11-22T11:00:00Z"}, "0 0 0:");
    const struct canned_answer lists[] = {script[0], script[1]};
    EXPECT(lists, {.sample = 1e-9}, "1 0 0:"); /* no block is read, but all of them are there */
    free(zeros);
    free(ones);
}

static void test_what_is_wrong_is_named(void **state)
{
    (void)state;
    char *zeros = block_of(0), *ones = block_of(1);
    struct canned_answer script[] = {
        {LIST, .body = "{\"Blocks\":[" BLOCK(0) "," BLOCK(3) "]}", .any_order = true},
        {URL "/0", .body = ones, .body_length = BLOCK_BYTES, .checksum = ONES, .any_order = true},
        {URL "/3", .body = zeros, .body_length = BLOCK_BYTES, .checksum = ZEROS, .any_order = true}};
    char *told = read_back(script, 3, (struct read_back_options)ALL);
    assert_non_null(strstr(told, "1 2 0:"));
    assert_non_null(strstr(told, " 0 it holds data, and the disk has none there;"));
    assert_non_null(strstr(told, " 1 it is missing, and the disk has data there;"));
    assert_non_null(strstr(told, " 3 it holds other bytes than the disk has there (SHA-256);"));
    free(told);
    script[2].checksum = ONES; /* altered where EBS keeps them: it is asked again, and then a problem */
    script[0].body = "{\"Blocks\":[" BLOCK(3) "]}";
    told = read_back(script, 3, (struct read_back_options)ALL);
    assert_non_null(strstr(told, "1 0 0:"));
    assert_non_null(strstr(told, " 3 reading block 3 of snap-1: its bytes are not those of its checksum"));
    free(told);
    free(zeros);
    free(ones);
}

static void test_what_cannot_be_done(void **state)
{
    (void)state;
    const struct canned_answer gone[] = {
        {LIST, .status = 404, .body = REFUSED("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND"),
         .any_order = true}};
    EXPECT(gone, ALL, "0 0 1:");
    const struct canned_answer refused[] = {
        {LIST, .status = 403, .body = REFUSED("AccessDeniedException", "UNAUTHORIZED_ACCOUNT"),
         .any_order = true}};
    char *told = read_back(refused, 1, (struct read_back_options)ALL);
    assert_non_null(strstr(told, "reading the DR copy snap-1 back: ebs ListSnapshotBlocks: AccessDenied"));
    free(told);
    const struct canned_answer down[] = {
        {LIST, .body = "{\"Blocks\":[" BLOCK(1) "," BLOCK(3) "]}", .any_order = true},
        {URL "/", .status = 503, .body = REFUSED("ServiceUnavailable", ""), .any_order = true}};
    told = read_back(down, 2, (struct read_back_options)ALL);
    assert_non_null(strstr(told, "reading the DR copy snap-1 back: ebs GetSnapshotBlock: Service"));
    free(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),
        cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_what_cannot_be_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
