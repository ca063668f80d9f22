/* Any bytes as one of drc's own documents, compiled graph or facts: refused with a reason, or read;
 * then it keeps the rules, and what is written reads again to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct format {
    void *(*read)(struct arena *arena, const char *text, size_t length, struct error *error);
    void (*write)(const void *document, struct buffer *out);
};

static void *read_graph(struct arena *arena, const char *text, size_t length, struct error *error)
{
    return graph_read(arena, "fuzz", text, length, error);
}

static void write_graph(const void *graph, struct buffer *out)
{
    if (!graph_verify(graph, NULL)) {
        abort();
    }
    graph_write_json(graph, out);
}

static void *read_facts(struct arena *arena, const char *text, size_t length, struct error *error)
{
    return facts_read(arena, "fuzz", text, length, error);
}

static void write_facts(const void *facts, struct buffer *out)
{
    facts_write(facts, out);
}

static void expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void round_trip(const struct format *format, const char *text, size_t length)
{
    struct arena *arena = arena_create();
    struct error error = {0};
    void *document = format->read(arena, text, length, &error);
    expect((document != NULL) == (error.message == NULL));
    if (document) {
        struct buffer once = {0}, twice = {0};
        format->write(document, &once);
        void *again = format->read(arena, once.data, once.length, NULL);
        expect(again != NULL);
        format->write(again, &twice);
        expect(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
        buffer_free(&once);
        buffer_free(&twice);
    }
    error_clear(&error);
    arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct format formats[] = {{read_graph, write_graph}, {read_facts, write_facts}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        round_trip(&formats[i], (const char *)data, size);
    }
    return 0;
}
