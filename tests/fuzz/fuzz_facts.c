/* Any bytes as facts: refused with a reason, or read; then what is written reads again to the same
 * bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/graph/facts.h"

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
    struct facts *facts = facts_read(arena, "fuzz", (const char *)data, size, &error);
    expect((facts != NULL) == (error.message == NULL));
    if (facts) {
        struct buffer once = {0}, twice = {0};
        facts_write(facts, &once);
        struct facts *again = facts_read(arena, "again", once.data, once.length, NULL);
        expect(again != NULL);
        facts_write(again, &twice);
        expect(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
        buffer_free(&once);
        buffer_free(&twice);
    }
    error_clear(&error);
    arena_destroy(arena);
    return 0;
}
