/* EBS read: the blocks of snapshots by EBS direct: which there are, which differ from an earlier snapshot
 * of the same volume, and their bytes. For reading copies back, and for failback.
 * Source: "EBS direct APIs" reference, ListSnapshotBlocks, ListChangedBlocks, GetSnapshotBlock. */
#ifndef DRC_AWS_EBS_READ_H
#define DRC_AWS_EBS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/mover/block.h"
#include "runtime/world/provider.h"

struct aws;

/* ---- which ---- */

/* Valid during the callback. */
struct ebs_block {
    uint64_t index;
    const char *token; /* to get it by, within 7 days; NULL: of a difference: it holds nothing any more */
};
struct ebs_page {
    const struct ebs_block *blocks; /* by index, which grow from page to page */
    size_t count;
    bool last;
    int64_t size_gib; /* of the snapshot's volume */
};
/* `page` NULL: it failed, as `why` says. */
typedef void (*ebs_page_done)(void *context, const struct ebs_page *page,
                              const struct call_result *why);

struct ebs_listing_options {
    const char *snapshot_id;
    const char *since; /* an earlier snapshot of that volume: what differs from it; NULL: all */
    uint64_t from;     /* the first index that is wanted: to go on with another listing's work */
    double priority;   /* at the rate gate */
};
struct ebs_listing;
/* Texts are copied. */
struct ebs_listing *ebs_listing_create(struct aws *aws, const struct ebs_listing_options *options);
/* The next page, which has blocks, or is the last: pages may be empty, tokens of pages expire (60
 * minutes), and questions are asked again for some minutes. The callback never comes from within. */
void ebs_listing_next(struct ebs_listing *listing, ebs_page_done done, void *context);
/* What is under way never calls back. NULL is allowed. */
void ebs_listing_destroy(struct ebs_listing *listing);

/* ---- their bytes ---- */

/* result: OK, or as a provider's; CONFLICT: the token is too old, list again from that index on. RETRY with
 * HTTP status 200: there was an answer, and it is not sound. */
typedef void (*ebs_read_done)(void *context, const struct call_result *result);
struct ebs_read;
/* Reads into BLOCK_BYTES that live until the callback, and holds them against the checksum that came
 * with them, which becomes *digest. One attempt. */
struct ebs_read *ebs_read_block(struct aws *aws, const char *snapshot_id,
                              const struct ebs_block *block, double priority, void *into,
                              struct block_digest *digest, ebs_read_done done, void *context);
/* The callback will not come; not after it has. */
void ebs_read_cancel(struct ebs_read *get);

#endif
