/* A sample as bytes: numbers of this machine, texts behind their length. Between a process and its
 * own child, so neither order nor version matters; lengths are checked all the same. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/simulation/sample.h"

enum { TEXT_MAX = 4096 };

static void put_int(struct buffer *out, int64_t value)
{
    buffer_append(out, &value, sizeof value);
}

static void put_text(struct buffer *out, const char *text)
{
    size_t length = text ? strnlen(text, TEXT_MAX) : 0;
    put_int(out, text ? (int64_t)length : -1);
    buffer_append(out, text ? text : "", length);
}

void sample_write(const struct sample *sample, struct buffer *out)
{
    put_int(out, (int64_t)sample->seed);
    put_int(out, sample->succeeded);
    put_int(out, sample->rto_ms);
    put_int(out, sample->requests);
    put_int(out, sample->throttled);
    put_int(out, sample->retries);
    put_int(out, sample->sessions);
    put_int(out, (int64_t)sample->vm_count);
    for (size_t i = 0; i < sample->vm_count; i++) {
        put_int(out, sample->recovered_ms[i]);
    }
    put_int(out, (int64_t)sample->piece_count);
    for (size_t i = 0; i < sample->piece_count; i++) {
        put_int(out, sample->pieces[i].node);
        put_int(out, sample->pieces[i].kind);
        put_int(out, sample->pieces[i].ms);
    }
    put_int(out, (int64_t)sample->cause_count);
    for (size_t i = 0; i < sample->cause_count; i++) {
        put_int(out, sample->causes[i].node);
        put_text(out, sample->causes[i].code);
        put_text(out, sample->causes[i].text);
    }
}

struct reader {
    struct arena *arena;
    const char *bytes;
    size_t left;
    bool broken;
};

/* Between least and most; anything else breaks the reading. */
static int64_t take_int(struct reader *reader, int64_t least, int64_t most)
{
    int64_t value = least;
    if (reader->left < sizeof value) {
        reader->broken = true;
        return least;
    }
    memcpy(&value, reader->bytes, sizeof value);
    reader->bytes += sizeof value;
    reader->left -= sizeof value;
    reader->broken |= value < least || value > most;
    return reader->broken ? least : value;
}

/* A number of items, of which each takes a number at least. */
static size_t take_count(struct reader *reader)
{
    return (size_t)take_int(reader, 0, (int64_t)(reader->left / sizeof(int64_t)));
}

static const char *take_text(struct reader *reader)
{
    int64_t length = take_int(reader, -1, TEXT_MAX);
    if (length < 0 || (size_t)length > reader->left) {
        reader->broken |= length >= 0;
        return NULL;
    }
    const char *text = arena_strndup(reader->arena, reader->bytes, (size_t)length);
    reader->bytes += length;
    reader->left -= (size_t)length;
    return text;
}

static void take_numbers(struct reader *reader, struct sample *sample)
{
    sample->seed = (uint64_t)take_int(reader, INT64_MIN, INT64_MAX);
    sample->succeeded = take_int(reader, 0, 1);
    sample->rto_ms = take_int(reader, -1, INT64_MAX);
    sample->requests = take_int(reader, 0, INT64_MAX);
    sample->throttled = take_int(reader, 0, INT64_MAX);
    sample->retries = take_int(reader, 0, INT64_MAX);
    sample->sessions = (int)take_int(reader, 0, INT32_MAX);
    sample->vm_count = take_count(reader);
    sample->recovered_ms = ARENA_ARRAY(reader->arena, int64_t, sample->vm_count + 1);
    for (size_t i = 0; i < sample->vm_count; i++) {
        sample->recovered_ms[i] = take_int(reader, -1, INT64_MAX);
    }
}

static void take_pieces(struct reader *reader, struct sample *sample, int64_t last_node)
{
    sample->piece_count = take_count(reader);
    sample->pieces = ARENA_ARRAY(reader->arena, struct sample_piece, sample->piece_count + 1);
    for (size_t i = 0; i < sample->piece_count; i++) {
        sample->pieces[i].node = (uint32_t)take_int(reader, 0, last_node);
        sample->pieces[i].kind = (enum piece_kind)take_int(reader, 0, PIECE_AWAY);
        sample->pieces[i].ms = take_int(reader, 0, INT64_MAX);
    }
}

static void take_causes(struct reader *reader, struct sample *sample, int64_t last_node)
{
    sample->cause_count = take_count(reader);
    sample->causes = ARENA_ARRAY(reader->arena, struct sample_cause, sample->cause_count + 1);
    for (size_t i = 0; i < sample->cause_count; i++) {
        sample->causes[i].node = (uint32_t)take_int(reader, 0, last_node);
        sample->causes[i].code = take_text(reader);
        const char *text = take_text(reader);
        sample->causes[i].text = text ? text : "failed";
    }
}

struct sample *sample_read(struct arena *arena, const void *bytes, size_t length, size_t node_count,
                           size_t vm_count, struct error *error)
{
    struct reader reader = {.arena = arena, .bytes = bytes, .left = length};
    struct sample *sample = ARENA_NEW(arena, struct sample);
    int64_t last_node = node_count ? (int64_t)node_count - 1 : 0;
    take_numbers(&reader, sample);
    take_pieces(&reader, sample, last_node);
    take_causes(&reader, sample, last_node);
    if (reader.broken || reader.left > 0 || sample->vm_count != vm_count) {
        error_set(error, "reading a simulation's result: it is not whole");
        return NULL;
    }
    return sample;
}
