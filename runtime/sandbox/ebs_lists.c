/* ListSnapshotBlocks and ListChangedBlocks: in the order of block indexes, in pages that may hold
 * less than was asked for, or nothing. */
#include <inttypes.h>
#include <string.h>

#include "runtime/sandbox/blobs.h"
#include "runtime/sandbox/ebs.h"

enum { RESULTS_MIN = 100, RESULTS_MAX = 10000, TOKEN_DAYS = 7, SHORT_PAGE_ONE_IN = 8 };

struct listing {
    const struct snapshot *first, *second; /* first NULL: one snapshot alone */
    const char *of;                        /* what its page tokens are for */
    int64_t from, limit, expires_ms;
    int64_t next; /* -1: the last page */
};

static bool read_paging(struct request *r, struct listing *listing)
{
    const char *token = query_get(&r->query, "pageToken");
    listing->limit = RESULTS_MAX;
    listing->next = -1;
    listing->expires_ms = r->now_ms + TOKEN_DAYS * INT64_C(86400000);
    if (!ebs_number(r, "maxResults", query_get(&r->query, "maxResults"), RESULTS_MIN, RESULTS_MAX,
                    &listing->limit)) {
        return false;
    }
    if (token) {
        return page_token_read(r, token, listing->of, &listing->from);
    }
    return ebs_number(r, "startingBlockIndex", query_get(&r->query, "startingBlockIndex"), 0,
                      INT32_MAX, &listing->from);
}

static struct snapshot *find_completed(struct request *r, const char *id)
{
    struct snapshot *snapshot = ebs_find(r, id);
    if (snapshot && strcmp(snapshot->state, "completed") != 0) {
        ebs_invalid(r, "INVALID_SNAPSHOT_ID", "The snapshot %s is %s, not completed", id,
                    snapshot->state);
        return NULL;
    }
    return snapshot;
}

/* How many blocks the page gets: the service promises nothing. */
static int64_t page_length(struct request *r, const struct listing *listing)
{
    if (draw(r) % SHORT_PAGE_ONE_IN) {
        return listing->limit;
    }
    return draw(r) % 2 ? 0 : draw_between(r, 1, listing->limit);
}

static void write_end(struct request *r, const struct listing *listing)
{
    json_end_array(&r->writer);
    json_key_int(&r->writer, "ExpiryTime", listing->expires_ms / 1000);
    json_key_int(&r->writer, "VolumeSize", listing->second->size_gib);
    json_key_int(&r->writer, "BlockSize", BLOCK_BYTES);
    if (listing->next >= 0) {
        json_key_string(&r->writer, "NextToken", page_token(r, listing->of, listing->next));
    }
    json_end_object(&r->writer);
}

static void write_token(struct request *r, const char *name, const struct snapshot *snapshot,
                        int64_t position, const struct listing *listing)
{
    json_key_string(&r->writer, name,
                    block_token(r, snapshot->resource.id, position, listing->expires_ms));
}

static void write_blocks(struct request *r, struct listing *listing, struct sqlite3_stmt *rows)
{
    int64_t length = page_length(r, listing), count = 0;
    json_begin_object(&r->writer);
    json_key(&r->writer, listing->first ? "ChangedBlocks" : "Blocks");
    json_begin_array(&r->writer);
    while (state_next(r->state, rows)) {
        int64_t position = state_int(rows, 0);
        if (count++ == length) {
            listing->next = position;
            state_done(rows);
            break;
        }
        json_begin_object(&r->writer);
        json_key_int(&r->writer, "BlockIndex", position);
        if (!listing->first) {
            write_token(r, "BlockToken", listing->second, position, listing);
        } else if (state_int(rows, 1)) {
            write_token(r, "FirstBlockToken", listing->first, position, listing);
        }
        if (listing->first && state_int(rows, 2)) {
            write_token(r, "SecondBlockToken", listing->second, position, listing);
        }
        json_end_object(&r->writer);
    }
    write_end(r, listing);
}

bool ebs_list_blocks(struct request *r)
{
    struct listing listing = {.second = find_completed(r, r->of), .of = r->of};
    if (!listing.second || !read_paging(r, &listing)) {
        return false;
    }
    write_blocks(r, &listing,
                 state_query(r->state,
                             "SELECT position FROM blocks WHERE map = ? AND position >= ? "
                             "ORDER BY position LIMIT ?",
                             "iii", listing.second->map, listing.from, listing.limit + 1));
    return true;
}

static bool are_related(const struct snapshot *first, const struct snapshot *second)
{
    const char *one = first->lineage ? first->lineage : first->resource.id;
    const char *two = second->lineage ? second->lineage : second->resource.id;
    return strcmp(one, two) == 0;
}

static bool find_both(struct request *r, struct listing *listing)
{
    const char *first = query_get(&r->query, "firstSnapshotId");
    if (!first) {
        return ebs_invalid(r, "INVALID_PARAMETER_VALUE",
                           "firstSnapshotId is needed with a second snapshot");
    }
    listing->first = find_completed(r, first);
    listing->second = listing->first ? find_completed(r, r->of) : NULL;
    if (!listing->second) {
        return false;
    }
    listing->of = arena_printf(r->arena, "%s %s", first, r->of);
    return are_related(listing->first, listing->second) ||
           ebs_invalid(r, "UNRELATED_SNAPSHOTS", "%s and %s are not of the same volume or lineage",
                       first, r->of);
}

bool ebs_list_changed_blocks(struct request *r)
{
    struct listing listing = {0};
    if (!find_both(r, &listing) || !read_paging(r, &listing)) {
        return false;
    }
    write_blocks(
        r, &listing,
        state_query(r->state,
                    "SELECT b.position, a.digest IS NOT NULL, 1 FROM blocks AS b "
                    "LEFT JOIN blocks AS a ON a.map = ?1 AND a.position = b.position "
                    "WHERE b.map = ?2 AND b.position >= ?3 AND a.digest IS NOT b.digest "
                    "UNION ALL SELECT a.position, 1, 0 FROM blocks AS a "
                    "WHERE a.map = ?1 AND a.position >= ?3 AND NOT EXISTS (SELECT 1 FROM blocks AS "
                    "b WHERE b.map = ?2 AND b.position = a.position) ORDER BY 1 LIMIT ?4",
                    "iiii", listing.first->map, listing.second->map, listing.from,
                    listing.limit + 1));
    return true;
}
