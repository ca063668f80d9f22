/* Buckets: made, looked at, listed, deleted. */
#include "runtime/sandbox/s3.h"

#include <string.h>
#include <time.h>

const char *http_time(struct arena *arena, int64_t utc_ms)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(utc_ms / 1000);
    struct tm at;
    if (!gmtime_r(&seconds, &at)) {
        return "Thu, 01 Jan 1970 00:00:00 GMT";
    }
    return arena_printf(arena, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[at.tm_wday], at.tm_mday,
                        months[at.tm_mon], at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
}

void s3_open(struct request *r, const char *name)
{
    buffer_printf(&r->xml.out, "<%s xmlns=\"%s\">", name, S3_NAMESPACE);
}

bool s3_bucket(struct request *r)
{
    return state_value(r->state, 0, "SELECT 1 FROM s3_buckets WHERE name = ?", "s", r->of) ||
           fail(r, 404, "NoSuchBucket", "The specified bucket does not exist");
}

bool s3_bucket_name_is_valid(const char *name)
{
    size_t length = strlen(name);
    return length >= 3 && length <= 63 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == length && name[0] != '-' &&
           name[0] != '.' && name[length - 1] != '-' && name[length - 1] != '.' &&
           !strstr(name, "..");
}

bool s3_bucket_make(struct request *r, const char *name)
{
    return state_run(r->state, "INSERT OR IGNORE INTO s3_buckets VALUES (?, ?)", "si", name,
                     r->now_ms);
}

bool s3_create_bucket(struct request *r)
{
    if (!s3_bucket_name_is_valid(r->of)) {
        return fail(r, 400, "InvalidBucketName", "The specified bucket is not valid.");
    }
    if (state_value(r->state, 0, "SELECT 1 FROM s3_buckets WHERE name = ?", "s", r->of)) {
        return fail(r, 409, "BucketAlreadyOwnedByYou",
                    "Your previous request to create the named bucket succeeded and you already "
                    "own it.");
    }
    answer_header(r, "Location", arena_printf(r->arena, "/%s", r->of));
    return s3_bucket_make(r, r->of);
}

bool s3_head_bucket(struct request *r)
{
    answer_header(r, "x-amz-bucket-region", r->region);
    return s3_bucket(r);
}

/* us-east-1 has no name here. */
bool s3_get_bucket_location(struct request *r)
{
    if (!s3_bucket(r)) {
        return false;
    }
    s3_open(r, "LocationConstraint");
    buffer_printf(&r->xml.out, "%s</LocationConstraint>",
                  strcmp(r->region, "us-east-1") == 0 ? "" : r->region);
    return true;
}

bool s3_delete_bucket(struct request *r)
{
    if (!s3_bucket(r)) {
        return false;
    }
    if (state_value(r->state, 0, "SELECT 1 FROM s3_objects WHERE bucket = ? LIMIT 1", "s", r->of)) {
        return fail(r, 409, "BucketNotEmpty", "The bucket you tried to delete is not empty");
    }
    r->answer.status = 204;
    return state_run(r->state, "DELETE FROM s3_buckets WHERE name = ?", "s", r->of);
}

bool s3_list_buckets(struct request *r)
{
    s3_open(r, "ListAllMyBucketsResult");
    xml_open(&r->xml, "Owner");
    xml_put(&r->xml, "ID", r->caller.account);
    xml_close(&r->xml, "Owner");
    xml_open(&r->xml, "Buckets");
    struct sqlite3_stmt *rows =
        state_query(r->state, "SELECT name, created_ms FROM s3_buckets ORDER BY name", "");
    while (state_next(r->state, rows)) {
        xml_open(&r->xml, "Bucket");
        xml_put(&r->xml, "Name", state_text(r->arena, rows, 0));
        xml_time(&r->xml, "CreationDate", state_int(rows, 1));
        xml_close(&r->xml, "Bucket");
    }
    xml_close(&r->xml, "Buckets");
    buffer_puts(&r->xml.out, "</ListAllMyBucketsResult>");
    return true;
}
