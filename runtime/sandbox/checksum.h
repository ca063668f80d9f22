/* The checksums of S3 ("Checking object integrity", S3 User Guide): x-amz-checksum-crc32, -crc32c,
 * -crc64nvme, -sha1, -sha256. */
#ifndef DRC_SANDBOX_CHECKSUM_H
#define DRC_SANDBOX_CHECKSUM_H

#include <stddef.h>

struct arena;

enum { CHECKSUM_PREFIX_LENGTH = 15 }; /* of "x-amz-checksum-" */

/* What a header of that name has to say of the bytes, in base64; NULL: it is no checksum. */
const char *checksum_of(struct arena *arena, const char *header, const void *bytes, size_t length);

#endif
