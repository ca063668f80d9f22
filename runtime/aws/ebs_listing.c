#include "runtime/aws/ebs_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"
#include "runtime/aws/client.h"
#include "runtime/aws/internal.h"
#include "runtime/world/world.h"

enum {
    PAGE_BLOCKS = 5000, /* of at most 10,000: an answer of about a MiB */
    EMPTY_MAX = 10000,  /* pages without a block, one after another */
    PATIENCE_MS = 300000,
    PAUSE_FIRST_MS = 200,
    PAUSE_MAX_MS = 10000,
    TIMEOUT_MS = 60000,
    TOKEN_MAX = 4096,
};

struct ebs_listing {
    struct aws *aws;
    char *snapshot_id, *since;
    uint64_t from; /* the next index that is expected, at least */
    double priority;
    char *page_token; /* NULL: from `from` on */
    bool ended;
    int empty, attempts;
    int64_t asked_ms; /* since when this page is asked for */
    struct aws_client_call *call;
    struct world_task *pause;
    ebs_page_done done;
    void *context;
};

static struct world *world_of(const struct ebs_listing *listing)
{
    return aws_client_world(listing->aws->client);
}

struct ebs_listing *ebs_listing_create(struct aws *aws, const struct ebs_listing_options *options)
{
    struct ebs_listing *listing = base_alloc(sizeof *listing);
    *listing = (struct ebs_listing){.aws = aws,
                                    .snapshot_id = base_strdup(options->snapshot_id),
                                    .since = options->since ? base_strdup(options->since) : NULL,
                                    .from = options->from,
                                    .priority = options->priority};
    return listing;
}

void ebs_listing_destroy(struct ebs_listing *listing)
{
    if (!listing) {
        return;
    }
    if (listing->call) {
        aws_client_cancel(listing->call);
    }
    if (listing->pause) {
        world_cancel(world_of(listing), listing->pause);
    }
    free(listing->snapshot_id);
    free(listing->since);
    free(listing->page_token);
    free(listing);
}

static void set_token(struct ebs_listing *listing, const char *token)
{
    char *copy = token ? base_strdup(token) : NULL;
    free(listing->page_token);
    listing->page_token = copy;
}

static void fail(struct ebs_listing *listing, const struct call_result *why)
{
    listing->done(listing->context, NULL, why);
}

static void fail_because(struct ebs_listing *listing, const char *message)
{
    fail(listing, &(struct call_result){.outcome = OUTCOME_FATAL,
                                        .error = {.service = "ebs", .message = message}});
}

/* --- what a page says --- */

static const char *token_of(const cJSON *item, bool changed)
{
    return json_text(item, changed ? "SecondBlockToken" : "BlockToken");
}

/* NULL, or what is wrong with it. */
static const char *read_blocks(const struct ebs_listing *listing, const cJSON *json,
                               struct arena *arena, struct ebs_page *page)
{
    bool changed = listing->since != NULL;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, changed ? "ChangedBlocks" : "Blocks");
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(json, "BlockSize");
    struct ebs_block *blocks =
        ARENA_ARRAY(arena, struct ebs_block, (size_t)cJSON_GetArraySize(list) + 1);
    uint64_t least = listing->from;
    const cJSON *item;
    if (json_int_or(size, BLOCK_BYTES) != BLOCK_BYTES) {
        return "its blocks are not of 512 KiB";
    }
    cJSON_ArrayForEach(item, list) {
        int64_t index = json_int_or(cJSON_GetObjectItemCaseSensitive(item, "BlockIndex"), -1);
        const char *token = token_of(item, changed);
        if (index < 0 || (uint64_t)index < least || (!token && !changed)) {
            return "its list of blocks is not in order";
        }
        blocks[page->count++] = (struct ebs_block){.index = (uint64_t)index, .token = token};
        least = (uint64_t)index + 1;
    }
    page->blocks = blocks;
    page->size_gib = json_int_or(cJSON_GetObjectItemCaseSensitive(json, "VolumeSize"), 0);
    return NULL;
}

static void ask(struct ebs_listing *listing);

/* The listing may be gone after this. */
static void take_page(struct ebs_listing *listing, const struct aws_answer *answer)
{
    struct arena *arena = arena_create();
    struct ebs_page page = {0};
    const char *next = json_text(answer->json, "NextToken");
    const char *wrong = read_blocks(listing, answer->json, arena, &page);
    if (!wrong && next && strlen(next) > TOKEN_MAX) {
        wrong = "the token of its next page is too long";
    }
    if (!wrong && page.count == 0 && next && ++listing->empty > EMPTY_MAX) {
        wrong = "its pages do not end";
    }
    if (wrong) {
        fail_because(listing, arena_printf(arena, "listing the blocks of %s: %s",
                                           listing->snapshot_id, wrong));
        arena_destroy(arena);
        return;
    }
    set_token(listing, next);
    listing->ended = page.last = !next;
    if (page.count == 0 && next) {
        ask(listing);
    } else {
        listing->empty = 0;
        listing->from = page.count ? page.blocks[page.count - 1].index + 1 : listing->from;
        listing->done(listing->context, &page, NULL);
    }
    arena_destroy(arena);
}

/* --- asking --- */

static void on_pause(void *context)
{
    struct ebs_listing *listing = context;
    listing->pause = NULL;
    ask(listing);
}

static bool may_ask_again(const struct ebs_listing *listing, enum outcome outcome)
{
    bool passing = outcome == OUTCOME_RETRY || outcome == OUTCOME_THROTTLED ||
                   outcome == OUTCOME_UNKNOWN;
    return passing && world_monotonic_ms(world_of(listing)) - listing->asked_ms < PATIENCE_MS;
}

static void on_answer(void *context, const struct aws_answer *answer)
{
    struct ebs_listing *listing = context;
    listing->call = NULL;
    if (answer->outcome == OUTCOME_OK) {
        take_page(listing, answer);
    } else if (listing->page_token && answer->reason &&
               strcmp(answer->reason, "INVALID_PAGE_TOKEN") == 0) {
        set_token(listing, NULL); /* too old: from the next index on */
        ask(listing);
    } else if (may_ask_again(listing, answer->outcome)) {
        int doublings = listing->attempts < 6 ? listing->attempts++ : 6;
        int64_t pause = (int64_t)PAUSE_FIRST_MS << doublings;
        pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
        listing->pause = world_timer(world_of(listing),
                                     pause > answer->retry_after_ms ? pause : answer->retry_after_ms,
                                     on_pause, listing);
    } else {
        fail(listing, &(struct call_result){.outcome = answer->outcome, .error = answer->error});
    }
}

static void put_query(const struct ebs_listing *listing, struct buffer *query)
{
    buffer_printf(query, "maxResults=%d", PAGE_BLOCKS);
    if (listing->since) {
        buffer_puts(query, "&firstSnapshotId=");
        uri_encode(query, listing->since, false);
    }
    if (listing->page_token) {
        buffer_puts(query, "&pageToken=");
        uri_encode(query, listing->page_token, false);
    } else if (listing->from > 0) {
        buffer_printf(query, "&startingBlockIndex=%" PRIu64, listing->from);
    }
}

static void ask(struct ebs_listing *listing)
{
    struct buffer path = {0}, query = {0};
    buffer_puts(&path, "/snapshots/");
    uri_encode(&path, listing->snapshot_id, false);
    buffer_puts(&path, listing->since ? "/changedblocks" : "/blocks");
    put_query(listing, &query);
    struct aws_client_request request = {
        .service = AWS_SERVICE_EBS,
        .operation = listing->since ? "ListChangedBlocks" : "ListSnapshotBlocks",
        .rest = {.method = "GET", .path = buffer_text(&path), .query = buffer_text(&query)},
        .bucket = BUCKET_EBS_LIST,
        .priority = listing->priority,
        .timeout_ms = TIMEOUT_MS};
    listing->call = aws_client_send(listing->aws->client, &request, on_answer, listing);
    buffer_free(&path);
    buffer_free(&query);
}

static void on_ended(void *context)
{
    struct ebs_listing *listing = context;
    listing->pause = NULL;
    listing->done(listing->context, &(struct ebs_page){.last = true}, NULL);
}

void ebs_listing_next(struct ebs_listing *listing, ebs_page_done done, void *context)
{
    listing->done = done;
    listing->context = context;
    listing->attempts = 0;
    listing->asked_ms = world_monotonic_ms(world_of(listing));
    if (listing->ended) {
        listing->pause = world_timer(world_of(listing), 0, on_ended, listing);
    } else {
        ask(listing);
    }
}
