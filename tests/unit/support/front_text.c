#include "tests/unit/support/front_text.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

struct front front_parse_bytes(const char *text, size_t length)
{
    struct front front = {.arena = arena_create()};
    front.diagnostics = diagnostics_create(front.arena);
    front.source = source_from_text(front.arena, "plan.yaml", text, length);
    front.tree = yaml_parse(front.arena, front.source, front.diagnostics);
    assert_int_equal(front.tree == NULL, front.diagnostics->error_count > 0);
    return front;
}

struct front front_parse(const char *text)
{
    return front_parse_bytes(text, strlen(text));
}

bool front_validate(struct front *front, const char *schema_json)
{
    struct error error = {0};
    struct schema *schema = schema_load(front->arena, "test", schema_json, &error);
    if (!schema) {
        fail_msg("%s", error.message);
    }
    assert_non_null(front->tree);
    return schema_validate(schema, front->tree, front->diagnostics);
}

const char *front_render(struct front *front, enum diagnostic_format format)
{
    struct buffer out = {0};
    diagnostics_write(front->diagnostics, format, false, &out);
    free(front->rendered);
    front->rendered = buffer_steal(&out);
    return front->rendered;
}

void front_free(struct front *front)
{
    free(front->rendered);
    arena_destroy(front->arena);
}

void front_expect(struct front *front, enum diagnostic_code code, uint32_t line, uint32_t column)
{
    if (front->diagnostics->count != 1) {
        fail_msg("%zu diagnostics:\n%s", front->diagnostics->count,
                 front_render(front, DIAGNOSTIC_FORMAT_HUMAN));
    }
    const struct diagnostic *diagnostic = front->diagnostics->items[0];
    assert_string_equal(diagnostic_info(diagnostic->code)->code, diagnostic_info(code)->code);
    assert_int_equal(diagnostic->primary.span.line, line);
    assert_int_equal(diagnostic->primary.span.column, column);
}
