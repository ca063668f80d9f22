#include "runtime/sandbox/faults.h"

#include <stdarg.h>
#include <string.h>

double fault(struct request *r, const char *format, ...)
{
    struct buffer name = {0};
    va_list args;
    va_start(args, format);
    buffer_vprintf(&name, format, args);
    va_end(args);
    struct sqlite3_stmt *row =
        state_query(r->state, "SELECT value FROM faults WHERE name = ?", "s", buffer_text(&name));
    double value = 0;
    if (state_next(r->state, row)) {
        value = state_number(row, 0);
        state_done(row);
    }
    buffer_free(&name);
    return value;
}

bool fault_strikes(struct request *r, const char *name)
{
    double probability = fault(r, "%s", name);
    return probability > 0 && (double)(draw(r) % 1000000) < probability * 1000000;
}

int64_t fault_latency_ms(struct request *r, const struct operation *operation)
{
    double factor = fault(r, "latency");
    /* Half to twice the typical time; one answer in fifty takes five times as long. */
    double spread = 0.5 + (double)(draw(r) % 1500) / 1000;
    bool slow = draw(r) % 50 == 0;
    return (int64_t)((double)operation->latency_ms * factor * spread * (slow ? 5 : 1));
}

bool is_visible(struct request *r, const char *id, int64_t created_ms)
{
    double probability = fault(r, "consistency");
    if (probability <= 0) {
        return true;
    }
    uint64_t chance = mix_text(r->seed, id);
    if ((double)(chance % 1000) >= probability * 1000) {
        return true;
    }
    int64_t longest_ms = (int64_t)fault(r, "consistency_ms");
    int64_t delay_ms = longest_ms > 0 ? (int64_t)((chance >> 20) % (uint64_t)longest_ms) + 1 : 0;
    return r->now_ms >= created_ms + delay_ms;
}

/* Tokens there now, refilled since the last time; without a row the bucket is full. */
static double refilled(struct request *r, const struct bucket_info *bucket, const char *name)
{
    struct sqlite3_stmt *row =
        state_query(r->state, "SELECT tokens, at_ms FROM buckets WHERE name = ?", "s", name);
    double tokens = bucket->capacity;
    if (state_next(r->state, row)) {
        int64_t passed_ms = r->now_ms - state_int(row, 1);
        tokens = state_number(row, 0);
        double refill_per_s = bucket->refill_per_s * (1 - fault(r, "busy"));
        tokens += passed_ms > 0 ? (double)passed_ms / 1000 * refill_per_s : 0;
        state_done(row);
    }
    return tokens < bucket->capacity ? tokens : bucket->capacity;
}

/* of: the snapshot or S3 bucket that the limit is for; NULL: the account. */
static bool take(struct request *r, enum bucket which, const char *of, double cost)
{
    const struct bucket_info *bucket = bucket_info(which);
    if (which == BUCKET_NONE || bucket->capacity <= 0) {
        return true;
    }
    const char *name = of ? arena_printf(r->arena, "%s/%s", bucket->name, of) : bucket->name;
    double tokens = refilled(r, bucket, name);
    bool enough = tokens >= cost;
    state_run(r->state, "INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)", "sfi", name,
              enough ? tokens - cost : tokens, r->now_ms);
    return enough;
}

static bool slow_down(struct request *r, const char *reason)
{
    switch (r->protocol) {
    case PROTOCOL_JSON:
        return fail(r, 400, "ThrottlingException", "Rate exceeded");
    case PROTOCOL_REST_JSON:
        r->failure.reason = reason;
        return fail(r, 400, "RequestThrottledException", "Rate exceeded");
    case PROTOCOL_REST_XML:
        return fail(r, 503, "SlowDown", "Please reduce your request rate.");
    case PROTOCOL_ROUTE53:
        return fail(r, 400, "Throttling", "Rate exceeded");
    case PROTOCOL_QUERY:
        break;
    }
    return strcmp(r->service, "ec2") != 0
               ? fail(r, 400, "Throttling", "Rate exceeded")
               : fail(r, 503, "RequestLimitExceeded", "Request limit exceeded.");
}

/* A snapshot takes as many blocks a second as the account may put ("Amazon EBS endpoints and
 * quotas"). */
static bool is_of_snapshot(const struct operation *operation)
{
    return operation->bucket == BUCKET_EBS_PUT_BLOCK || operation->bucket == BUCKET_EBS_GET_BLOCK;
}

bool throttle(struct request *r, const struct operation *operation, double resources)
{
    if (!state_setting_int(r->state, "throttle", 0)) {
        return true;
    }
    const char *bucket = r->protocol == PROTOCOL_REST_XML ? r->of : NULL;
    if (!take(r, operation->bucket, bucket, 1)) {
        return slow_down(r, "ACCOUNT_THROTTLED");
    }
    if (is_of_snapshot(operation) && !take(r, operation->bucket, r->of, 1)) {
        return slow_down(r, "RESOURCE_LEVEL_THROTTLE");
    }
    return take(r, operation->resource, NULL, resources) || slow_down(r, NULL);
}
