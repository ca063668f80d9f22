/* A token bucket for each row of bucket.def. It is refilled when it is looked at; only who waits at
 * the gate needs a timer. The executor (limits_take) and the gate take turns where both want. */
#include "runtime/engine/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/graph/action.h"
#include "runtime/world/event_heap.h"

/* How it learns, as TCP CUBIC does (RFC 9438) and the AWS SDKs' adaptive mode: a refusal halves the
 * rate; from there it climbs back, fast at first, lingers about the rate that was refused, and only
 * then tries more, faster and faster. */
static const double DECREASE = 0.5;
static const double CLIMB_S = 40; /* from half the refused rate to twice: (1 + 0.5^(1/3)) of it */
static const double FLOOR_OF_AWS = 1.0 / 16; /* never slower than this part of AWS's figure */
static const double FLOOR_PER_S = 1;         /* nor than that, where AWS names none */
static const double FASTEST_PER_S = 1e6;
static const double OBSERVED_OVER_S = 5; /* the window of the observed rate */
enum {
    DECREASE_EVERY_MS = 1000, /* requests that were under way together are refused together */
    PRIORITY_MAX_MS = 60000,
    RESERVED_MS = 1000, /* how long tokens are kept for an executor that was told to wait */
};
/* Of what a service lets through at once: requests bunch up on their way, and one refusal costs
 * more than one request that waits. */
static const double SPARE = 1;
static const double EPSILON = 1e-9;

struct waiter {
    struct event event; /* due: when it came and how urgent it is, in microseconds */
    double cost;
    void (*go)(void *context);
    void *context;
};

struct token_bucket {
    struct limits *limits;
    const struct bucket_info *info;
    bool limited;
    double tokens, capacity, rate_per_s;
    double full_per_s;     /* AWS's rate, up to which it recovers; 0: no such ceiling */
    double refused_per_s;  /* the rate that was refused last; 0: nothing learnt */
    double observed_per_s; /* what went through lately */
    int64_t at_ms, observed_at_ms, decreased_ms;
    struct event_heap waiters;
    struct world_task *pump; /* runs when the first waiter can go */
    bool gate_next;          /* the executor went last */
    double reserved;         /* what an executor that was told to wait wants; 0: none is waiting */
    int64_t reserved_until_ms;
};

struct limits {
    struct gate gate; /* first: the gate is the limits */
    struct world *world;
    enum limits_mode mode;
    char *account, *region;   /* NULL: the run's own */
    struct limits *elsewhere; /* list: those of other accounts and regions */
    uint64_t sequence;
    struct token_bucket buckets[BUCKET_COUNT];
};

static struct waiter *first_waiter(const struct token_bucket *bucket)
{
    struct event *event = event_heap_first(&bucket->waiters);
    return event ? (struct waiter *)event : NULL; /* the event is its first member */
}

/* More than the bucket ever holds is granted when it is full. */
static double needed(const struct token_bucket *bucket, double cost)
{
    return cost < bucket->capacity ? cost : bucket->capacity;
}

static double full_capacity(const struct bucket_info *info)
{
    return info->capacity > SPARE ? info->capacity - SPARE : info->capacity;
}

static void set_rate(struct token_bucket *bucket, double rate_per_s)
{
    bucket->rate_per_s = rate_per_s;
    bucket->capacity = bucket->full_per_s > 0
                           ? full_capacity(bucket->info) * rate_per_s / bucket->full_per_s
                           : rate_per_s; /* a second's worth */
    bucket->capacity = fmax(bucket->capacity, 1);
    bucket->tokens = fmin(bucket->tokens, bucket->capacity);
}

/* Without a throttle answer the rate grows again. */
static void recover(struct token_bucket *bucket, int64_t now_ms)
{
    double full = bucket->full_per_s;
    if (bucket->refused_per_s > 0 && (full == 0 || bucket->rate_per_s < full)) {
        double since_s = (double)(now_ms - bucket->decreased_ms) / 1000;
        double part = since_s / CLIMB_S - cbrt(1 - DECREASE);
        double rate = bucket->refused_per_s * (1 + part * part * part);
        rate = fmin(fmax(rate, bucket->rate_per_s), FASTEST_PER_S);
        set_rate(bucket, full > 0 ? fmin(rate, full) : rate);
    }
}

static int64_t refill(struct token_bucket *bucket)
{
    int64_t now_ms = world_monotonic_ms(bucket->limits->world);
    double elapsed_s = (double)(now_ms - bucket->at_ms) / 1000;
    bucket->at_ms = now_ms;
    if (bucket->limited && elapsed_s > 0) {
        recover(bucket, now_ms);
        bucket->tokens = fmin(bucket->tokens + elapsed_s * bucket->rate_per_s, bucket->capacity);
    }
    return now_ms;
}

static double observed(struct token_bucket *bucket, int64_t now_ms)
{
    double elapsed_s = (double)(now_ms - bucket->observed_at_ms) / 1000;
    bucket->observed_per_s *= exp(-elapsed_s / OBSERVED_OVER_S);
    bucket->observed_at_ms = now_ms;
    return bucket->observed_per_s;
}

static void spend(struct token_bucket *bucket, double cost, int64_t now_ms)
{
    bucket->observed_per_s = observed(bucket, now_ms) + cost / OBSERVED_OVER_S;
    if (bucket->limited) {
        bucket->tokens -= cost;
    }
}

static int64_t wait_for_ms(const struct token_bucket *bucket, double tokens)
{
    double missing = tokens - bucket->tokens;
    return missing <= 0 ? 1 : (int64_t)ceil(missing / bucket->rate_per_s * 1000 - EPSILON);
}

/* The gate. */

static double kept_for_executor(const struct token_bucket *bucket, int64_t now_ms)
{
    bool kept = !bucket->gate_next && bucket->reserved > 0 && now_ms < bucket->reserved_until_ms;
    return kept ? needed(bucket, bucket->reserved) : 0;
}

static void schedule(struct token_bucket *bucket);

static void pump(void *context)
{
    struct token_bucket *bucket = context;
    struct waiter *waiter;
    bucket->pump = NULL;
    int64_t now_ms = refill(bucket);
    while ((waiter = first_waiter(bucket))) {
        double wanted = needed(bucket, waiter->cost) + kept_for_executor(bucket, now_ms);
        if (bucket->limited && bucket->tokens + EPSILON < wanted) {
            break;
        }
        event_heap_remove(&bucket->waiters, &waiter->event);
        spend(bucket, waiter->cost, now_ms);
        bucket->gate_next = false;
        struct waiter gone = *waiter;
        free(waiter);
        gone.go(gone.context); /* may enter, leave and take */
        now_ms = refill(bucket);
    }
    schedule(bucket);
}

/* Sees to it that the pump runs when the first waiter may go, as things stand. */
static void schedule(struct token_bucket *bucket)
{
    struct world *world = bucket->limits->world;
    struct waiter *waiter = first_waiter(bucket);
    world_cancel(world, bucket->pump);
    bucket->pump = NULL;
    if (!waiter) {
        return;
    }
    int64_t now_ms = refill(bucket);
    double kept = kept_for_executor(bucket, now_ms);
    double wanted = needed(bucket, waiter->cost) + kept;
    if (!bucket->limited || bucket->tokens + EPSILON >= wanted) {
        bucket->pump = world_defer(world, pump, bucket);
        return;
    }
    int64_t wait_ms = wait_for_ms(bucket, wanted);
    if (kept > 0 && bucket->reserved_until_ms - now_ms < wait_ms) {
        wait_ms = bucket->reserved_until_ms - now_ms;
    }
    bucket->pump = world_timer(world, wait_ms, pump, bucket);
}

static void gate_enter(struct gate *gate, enum bucket which, double cost, double priority,
                       void (*go)(void *context), void *context)
{
    struct limits *limits = (struct limits *)gate;
    struct token_bucket *bucket = &limits->buckets[which];
    struct waiter *waiter = base_alloc(sizeof *waiter);
    double urgency_ms = priority > 0 ? fmin(priority, PRIORITY_MAX_MS) : 0;
    waiter->event.due_ms =
        world_monotonic_ms(limits->world) * 1000 + (int64_t)llround(urgency_ms * 1000);
    waiter->event.sequence = limits->sequence++;
    waiter->cost = cost;
    waiter->go = go;
    waiter->context = context;
    event_heap_push(&bucket->waiters, &waiter->event);
    if (!bucket->pump || first_waiter(bucket) == waiter) {
        schedule(bucket);
    }
}

static void withdraw(struct token_bucket *bucket, const void *context)
{
    for (size_t i = 0; i < bucket->waiters.count;) {
        struct waiter *waiter = (struct waiter *)bucket->waiters.items[i];
        if (waiter->context == context) {
            event_heap_remove(&bucket->waiters, &waiter->event);
            free(waiter);
            i = 0; /* the heap has a new order */
        } else {
            i++;
        }
    }
}

static void gate_leave(struct gate *gate, void *context)
{
    struct limits *limits = (struct limits *)gate;
    for (int i = 0; i < BUCKET_COUNT; i++) {
        struct token_bucket *bucket = &limits->buckets[i];
        size_t before = bucket->waiters.count;
        withdraw(bucket, context);
        if (bucket->waiters.count < before) {
            schedule(bucket);
        }
    }
}

static void gate_throttled(struct gate *gate, enum bucket which)
{
    limits_throttled((struct limits *)gate, which);
}

/* The executor. */

bool limits_take(struct limits *limits, enum bucket which, double cost, int64_t *wait_ms)
{
    struct token_bucket *bucket = &limits->buckets[which];
    int64_t now_ms = refill(bucket);
    struct waiter *waiter = first_waiter(bucket);
    double wanted = needed(bucket, cost);
    if (bucket->limited && waiter && bucket->gate_next) {
        wanted += needed(bucket, waiter->cost);
    }
    if (bucket->limited && bucket->tokens + EPSILON < wanted) {
        *wait_ms = wait_for_ms(bucket, wanted);
        bucket->reserved = cost;
        bucket->reserved_until_ms = now_ms + *wait_ms + RESERVED_MS;
        return false;
    }
    spend(bucket, cost, now_ms);
    bucket->gate_next = true;
    bucket->reserved = 0;
    if (waiter) {
        schedule(bucket);
    }
    return true;
}

double limits_available(struct limits *limits, enum bucket which)
{
    struct token_bucket *bucket = &limits->buckets[which];
    refill(bucket);
    return bucket->limited ? fmax(bucket->tokens, 0) : 1e9;
}

static double slowest(const struct token_bucket *bucket)
{
    double aws_per_s = bucket->info->refill_per_s;
    return aws_per_s > 0 ? aws_per_s * FLOOR_OF_AWS : FLOOR_PER_S;
}

void limits_throttled(struct limits *limits, enum bucket which)
{
    struct token_bucket *bucket = &limits->buckets[which];
    int64_t now_ms = refill(bucket);
    if (which == BUCKET_NONE) {
        return; /* local work */
    }
    if (!bucket->limited || now_ms - bucket->decreased_ms >= DECREASE_EVERY_MS) {
        double rate = bucket->limited ? bucket->rate_per_s : observed(bucket, now_ms);
        bucket->limited = true;
        bucket->refused_per_s = fmax(rate, slowest(bucket) / DECREASE);
        bucket->decreased_ms = now_ms;
        set_rate(bucket, bucket->refused_per_s * DECREASE);
    }
    bucket->tokens = fmin(bucket->tokens, 0); /* the service has none left */
    schedule(bucket);
}

/* The whole. */

static void reset(struct token_bucket *bucket, enum limits_mode mode)
{
    const struct bucket_info *info = bucket->info;
    bucket->limited = mode == LIMITS_AWS && info->capacity > 0;
    bucket->full_per_s = bucket->limited ? info->refill_per_s : 0;
    bucket->refused_per_s = 0;
    bucket->tokens = bucket->capacity = full_capacity(info);
    bucket->rate_per_s = info->refill_per_s;
    bucket->reserved = 0;
    bucket->gate_next = false;
    bucket->decreased_ms = INT64_MIN / 2; /* never */
    bucket->at_ms = bucket->observed_at_ms = world_monotonic_ms(bucket->limits->world);
    bucket->observed_per_s = 0;
}

void limits_set_mode(struct limits *limits, enum limits_mode mode)
{
    limits->mode = mode;
    for (int i = 0; i < BUCKET_COUNT; i++) {
        reset(&limits->buckets[i], mode);
        schedule(&limits->buckets[i]);
    }
    if (limits->elsewhere) {
        limits_set_mode(limits->elsewhere, mode);
    }
}

struct limits *limits_create(struct world *world, enum limits_mode mode)
{
    struct limits *limits = base_alloc(sizeof *limits);
    limits->gate =
        (struct gate){.enter = gate_enter, .throttled = gate_throttled, .leave = gate_leave};
    limits->world = world;
    for (int i = 0; i < BUCKET_COUNT; i++) {
        limits->buckets[i].limits = limits;
        limits->buckets[i].info = bucket_info((enum bucket)i);
    }
    limits_set_mode(limits, mode);
    return limits;
}

struct limits *limits_elsewhere(struct limits *limits, const char *account, const char *region)
{
    struct limits **end = &limits->elsewhere;
    for (; *end; end = &(*end)->elsewhere) {
        if (strcmp((*end)->account, account) == 0 && strcmp((*end)->region, region) == 0) {
            return *end;
        }
    }
    *end = limits_create(limits->world, limits->mode);
    (*end)->account = base_strdup(account);
    (*end)->region = base_strdup(region);
    return *end;
}

static void bucket_clear(struct token_bucket *bucket)
{
    struct waiter *waiter;
    world_cancel(bucket->limits->world, bucket->pump);
    while ((waiter = first_waiter(bucket))) {
        event_heap_remove(&bucket->waiters, &waiter->event);
        free(waiter);
    }
    event_heap_free(&bucket->waiters);
}

void limits_destroy(struct limits *limits)
{
    while (limits) {
        struct limits *next = limits->elsewhere;
        for (int i = 0; i < BUCKET_COUNT; i++) {
            bucket_clear(&limits->buckets[i]);
        }
        free(limits->account);
        free(limits->region);
        free(limits);
        limits = next;
    }
}

struct gate *limits_gate(struct limits *limits)
{
    return &limits->gate;
}
