/* Record: the journal's lines, and reading none of them (resume.c does). Written by hand into the
 * group's buffer, because this is the hot path:
 *   start, resume {at,t}      a process begins to work on the run; t is alive time, at is UTC; named:
 *                             only what `again` names is taken up
 *   intent {n,g,c,a,t,at,k,d} a request for node n is about to go out (generation, choice, attempt,
 *                             token, digest of the request, s: the slot taken for it)
 *   wait {n,t}                a wait has begun
 *   done {n,t,o}              with its outputs
 *   fail {n,t,…}              why; doubt: something may have happened; cont: on_failure continue;
 *                             gone: what a wait waits for has to be made anew
 *   skip {n,c}                because of node c
 *   retry {n,o,w,…}           an attempt failed in passing; w: milliseconds until the next one
 *   seen {n,a,…}              what a wait has seen after a polls: when it changes, and from time to
 *                             time, for those who watch
 *   note {n,t,d,of,message,k} how far its call is: bytes done, of all; what it told to keep
 *   next {n,g,c}              another alternative: nothing exists of the one before
 *   redo {n,g}                a guard has undone it: it is done again
 *   again {n}                 it had failed or was skipped, and is taken up again (retry, skip of what
 *                             it waited for); a resume of everything needs none
 *   decision {n,t,verb,id,target,who,comment,refused,at}  what a person asked, and what came of it
 *   tick {t,q,th,re,lo}       counters, with each group
 *   end {result,t,at} */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/engine/executor_state.h"
#include "runtime/state/journal.h"
#include "runtime/world/world.h"

/* Digits by hand: printf is most of the time otherwise. */
static void put_int(struct buffer *out, const char *key, int64_t value)
{
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0) {
        *--at = '-';
    }
    buffer_puts(out, key);
    buffer_append(out, at, (size_t)(digits + sizeof digits - at));
}

static void put_text(struct buffer *out, const char *key, const char *text)
{
    if (text) {
        struct json_writer json = json_writer(out, 0);
        buffer_puts(out, key);
        json_string(&json, text);
    }
}

static struct buffer *begin(struct executor *executor, const char *kind, uint32_t node)
{
    struct buffer *out = journal_group(executor->options.journal);
    buffer_puts(out, "{\"r\":\"");
    buffer_puts(out, kind);
    put_int(out, "\",\"n\":", node);
    return out;
}

static void finish(struct buffer *out)
{
    buffer_append(out, "}\n", 2);
}

static void put_alive(struct executor *executor, struct buffer *out)
{
    put_int(out, ",\"t\":", executor_alive_ms(executor));
}

void record_session(struct executor *executor)
{
    struct buffer *out = journal_group(executor->options.journal);
    buffer_printf(out, "{\"r\":\"%s\",\"at\":%" PRId64 ",\"t\":%" PRId64 "%s",
                  executor->resumed ? "resume" : "start", world_utc_ms(executor->world),
                  executor_alive_ms(executor),
                  executor->options.again_count ? ",\"named\":1" : "");
    if (executor->options.place) {
        put_text(out, ",\"place\":", executor->options.place);
    }
    buffer_puts(out, "}\n");
}

void record_intent(struct executor *executor, const struct flight *flight)
{
    static const char hex[] = "0123456789abcdef";
    const struct node_run *run = &executor->nodes[flight->node];
    struct buffer *out = begin(executor, "intent", flight->node);
    put_int(out, ",\"g\":", run->status.generation);
    put_int(out, ",\"c\":", run->status.choice);
    put_int(out, ",\"a\":", run->status.attempts);
    put_alive(executor, out);
    put_int(out, ",\"at\":", run->sent_utc_ms);
    if (run->slot >= 0) {
        put_int(out, ",\"s\":", run->slot);
    }
    char digest[17];
    for (int i = 0; i < 16; i++) {
        digest[i] = hex[run->digest >> (60 - 4 * i) & 15];
    }
    digest[16] = '\0';
    put_text(out, ",\"k\":", flight->token);
    put_text(out, ",\"d\":", digest);
    finish(out);
}

void record_wait(struct executor *executor, uint32_t node)
{
    struct buffer *out = begin(executor, "wait", node);
    put_alive(executor, out);
    finish(out);
}

void record_done(struct executor *executor, uint32_t node)
{
    const struct node_run *run = &executor->nodes[node];
    struct buffer *out = begin(executor, "done", node);
    put_alive(executor, out);
    if (run->output_count) {
        buffer_puts(out, ",\"o\":{");
        for (uint32_t i = 0; i < run->output_count; i++) {
            put_text(out, i ? "," : "", run->outputs[i].name);
            put_text(out, ":", run->outputs[i].value);
        }
        buffer_putc(out, '}');
    }
    finish(out);
}

void record_failed(struct executor *executor, uint32_t node)
{
    const struct node_run *run = &executor->nodes[node];
    struct buffer *out = begin(executor, "fail", node);
    put_alive(executor, out);
    put_text(out, ",\"message\":", run->detail);
    put_text(out, ",\"help\":", run->help);
    put_text(out, ",\"service\":", run->service);
    put_text(out, ",\"code\":", run->code);
    put_text(out, ",\"request_id\":", run->request_id);
    buffer_puts(out, run->in_doubt ? ",\"doubt\":1" : "");
    buffer_puts(out, run->forgiven ? ",\"cont\":1" : "");
    buffer_puts(out, run->exhausted ? ",\"exhausted\":1" : "");
    buffer_puts(out, run->gone ? ",\"gone\":1" : "");
    finish(out);
}

void record_skipped(struct executor *executor, uint32_t node)
{
    struct buffer *out = begin(executor, "skip", node);
    put_alive(executor, out);
    put_int(out, ",\"c\":", executor->nodes[node].status.cause);
    finish(out);
}

static void put_answer(struct buffer *out, const struct node_run *run)
{
    put_text(out, ",\"message\":", run->detail);
    put_text(out, ",\"service\":", run->service);
    put_text(out, ",\"code\":", run->code);
    put_text(out, ",\"request_id\":", run->request_id);
}

void record_retry(struct executor *executor, uint32_t node, enum outcome outcome)
{
    const struct node_run *run = &executor->nodes[node];
    struct buffer *out = begin(executor, "retry", node);
    put_alive(executor, out);
    put_text(out, ",\"o\":", outcome_name(outcome));
    if (run->status.state == NODE_RETRYING) {
        put_int(out, ",\"w\":", run->due_ms - world_monotonic_ms(executor->world));
    }
    put_answer(out, run);
    finish(out);
}

void record_seen(struct executor *executor, uint32_t node)
{
    const struct node_run *run = &executor->nodes[node];
    struct buffer *out = begin(executor, "seen", node);
    put_alive(executor, out);
    put_int(out, ",\"a\":", run->status.attempts);
    put_answer(out, run);
    finish(out);
}

void record_note(struct executor *executor, uint32_t node)
{
    const struct node_run *run = &executor->nodes[node];
    struct buffer *out = begin(executor, "note", node);
    put_alive(executor, out);
    put_int(out, ",\"d\":", run->status.done_bytes);
    put_int(out, ",\"of\":", run->status.total_bytes);
    put_text(out, ",\"message\":", run->detail);
    put_text(out, ",\"k\":", run->kept);
    finish(out);
}

void record_next(struct executor *executor, uint32_t node, const char *kind)
{
    const struct node_run *run = &executor->nodes[node];
    struct buffer *out = begin(executor, kind, node);
    put_alive(executor, out);
    put_int(out, ",\"g\":", run->status.generation);
    put_int(out, ",\"c\":", run->status.choice);
    finish(out);
}

void record_again(struct executor *executor, uint32_t node)
{
    struct buffer *out = begin(executor, "again", node);
    finish(out);
}

void record_tick(struct executor *executor)
{
    struct buffer *out = journal_group(executor->options.journal);
    buffer_puts(out, "{\"r\":\"tick\"");
    put_alive(executor, out);
    put_int(out, ",\"q\":", executor->counters.requests);
    put_int(out, ",\"th\":", executor->counters.throttled);
    put_int(out, ",\"re\":", executor->counters.retries);
    put_int(out, ",\"lo\":", executor->counters.lookups);
    finish(out);
}

void record_end(struct executor *executor, const char *result)
{
    struct buffer *out = journal_group(executor->options.journal);
    buffer_puts(out, "{\"r\":\"end\"");
    put_text(out, ",\"result\":", result);
    put_alive(executor, out);
    put_int(out, ",\"at\":", world_utc_ms(executor->world));
    finish(out);
}

char *text_clean(const char *text)
{
    if (!text) {
        return NULL;
    }
    size_t length = strnlen(text, DETAIL_MAX);
    char *copy = base_alloc(length + 1);
    for (size_t i = 0; i < length;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t taken = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                                  (utf8proc_ssize_t)(length - i), &point);
        if (taken <= 0) {
            copy[i++] = '?';
        } else if (taken == 1) {
            copy[i] = point < 0x20 || point == 0x7f ? ' ' : text[i];
            i++;
        } else {
            memcpy(copy + i, text + i, (size_t)taken);
            i += (size_t)taken;
        }
    }
    return copy;
}
