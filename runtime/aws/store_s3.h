/* Store on S3: objects below s3://BUCKET/PREFIX (see world/store.h).
 *
 * Puts are conditional by If-None-Match: * and If-Match, and carry a CRC-32 that S3 verifies; reads are
 * verified against the one that S3 tells. What S3 refuses for a passing reason (500, 503, SlowDown, 409
 * ConditionalRequestConflict, timeouts) is sent again with jittered backoff, as long as the store's
 * budget of retries lasts. A conditional put whose answer got lost and that then meets 412 is looked up:
 * with our bytes in it the object is ours.
 * Large objects (blocks) share a limited number of places; small ones (leases, records) go past them.
 * A bucket in another region than was thought is found there.
 * Sources: Amazon S3 API Reference, PutObject, ListObjectsV2; S3 User Guide, "Conditional writes",
 * "Checking object integrity". */
#ifndef DRC_AWS_STORE_S3_H
#define DRC_AWS_STORE_S3_H

#include <stdbool.h>

#include "runtime/world/store.h"

struct store_s3_options {
    struct world *world;
    const char *url;     /* s3://BUCKET[/PREFIX] */
    const char *region;  /* NULL: AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1 */
    const char *profile; /* of AWS's shared files; NULL: the environment's */
    bool path_style;     /* the bucket as a folder of the path, whatever the endpoint */
};

/* "s3://BUCKET[/PREFIX]", where PREFIX is as a key is. False with an empty error: no s3:// at all. */
bool store_s3_is_url(const char *url, struct error *error);

/* Asks nothing yet: that there is no such bucket is told by the first operation. */
struct store *store_s3_open(const struct store_s3_options *options, struct error *error);

#endif
