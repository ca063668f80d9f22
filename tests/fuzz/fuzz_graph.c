/* Any bytes as a compiled graph: refused with a reason, or read; then it keeps the rules and what
 * is written reads again to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/graph/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create();
    struct error error = {0};
    struct graph *graph = graph_read(arena, "fuzz", (const char *)data, size, &error);
    expect((graph != NULL) == (error.message == NULL));
    if (graph) {
        struct buffer once = {0}, twice = {0};
        expect(graph_verify(graph, NULL));
        graph_write_json(graph, &once);
        struct graph *again = graph_read(arena, "again", once.data, once.length, NULL);
        expect(again != NULL);
        graph_write_json(again, &twice);
        expect(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
        buffer_free(&once);
        buffer_free(&twice);
    }
    error_clear(&error);
    arena_destroy(arena);
    return 0;
}
