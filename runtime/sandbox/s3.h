/* S3: what the files of S3 have in common. Behaviour and codes: Amazon S3 API Reference. */
#ifndef DRC_SANDBOX_S3_H
#define DRC_SANDBOX_S3_H

#include "runtime/sandbox/request.h"

#define S3_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

struct s3_object {
    const char *key, *etag, *headers;
    int64_t modified_ms, size;
    uint8_t digest[32];
};

/* The bucket of the path; false: refused with NoSuchBucket. */
bool s3_bucket(struct request *r);
/* NULL: there is none (nothing is refused). */
struct s3_object *s3_find(struct request *r, const char *key);
void s3_remove(struct request *r, const char *key);
/* "<NAME xmlns=…>" */
void s3_open(struct request *r, const char *name);
/* Sun, 22 Nov 2026 10:00:00 GMT */
const char *http_time(struct arena *arena, int64_t utc_ms);

bool s3_bucket_name_is_valid(const char *name);
/* Makes the bucket unless it is there. */
bool s3_bucket_make(struct request *r, const char *name);

#endif
