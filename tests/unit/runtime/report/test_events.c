/* Every line of --events is what schemas/events.schema.json says. */
#include "runtime/report/events.h"

#include <cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/embedded.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/failover_maker.h"

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static bool is_listed(const cJSON *list, const char *text)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        if (!strcmp(item->valuestring, text)) {
            return true;
        }
    }
    return false;
}

static void only_known_keys(const cJSON *object, const cJSON *schema)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        const cJSON *property = member(member(schema, "properties"), item->string);
        if (!property) {
            fail_msg("the schema does not know \"%s\"", item->string);
        }
        const char *type = cJSON_GetStringValue(member(property, "type"));
        assert_true(!type || strcmp(type, "string") != 0 || cJSON_IsString(item));
        assert_true(!type || strcmp(type, "integer") != 0 || cJSON_IsNumber(item));
        const cJSON *values = member(property, "enum");
        assert_true(!values || is_listed(values, item->valuestring));
    }
    const cJSON *required;
    cJSON_ArrayForEach(required, member(schema, "required")) {
        assert_non_null(member(object, required->valuestring));
    }
}

static void check_line(char *line, const cJSON *schema, int sequence)
{
    cJSON *event = cJSON_ParseWithOpts(line, NULL, 1);
    assert_non_null(event);
    only_known_keys(event, schema);
    only_known_keys(member(event, "data"), member(member(schema, "properties"), "data"));
    assert_int_equal(member(event, "v")->valueint, 1);
    assert_int_equal(member(event, "seq")->valueint, sequence);
    assert_int_equal(!strcmp(member(event, "type")->valuestring, "version"), sequence == 0);
    cJSON_Delete(event);
}

static bool write_out(void *context, const char *line, size_t length)
{
    FILE *out = context;
    return fwrite(line, 1, length, out) == length && fflush(out) == 0;
}

static void test_lines(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, maker_shop(arena), 1);
    for (size_t i = 0; i < bench.graph->node_count; i++) {
        bench.cloud->things[i].wait_ms = 20000;
    }
    fake_script(bench.cloud, "app/run-instance", OUTCOME_THROTTLED);
    fake_script(bench.cloud, "app/run-instance", OUTCOME_FATAL);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    struct events *events = events_create(write_out, out, bench.graph, "run00001", 0);
    bench.observer = events_observe;
    bench.observer_context = events;
    bench_begin(&bench);
    events_attach(events, bench.executor);
    assert_int_equal(bench_run(&bench), EXECUTOR_FAILED);
    bench_finish(&bench);
    assert_false(events_failed(events));
    events_destroy(events);
    fclose(out);
    cJSON *schema = cJSON_Parse(embedded_events_schema_json);
    assert_non_null(schema);
    int sequence = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        check_line(line, schema, sequence++);
    }
    assert_true(sequence > 100);
    cJSON_Delete(schema);
    free(text);
    bench_close(&bench);
    arena_destroy(arena);
}

static void test_reader_is_gone(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    FILE *out = fopen("/dev/full", "w");
    assert_non_null(out);
    struct events *events = events_create(write_out, out, maker_shop(arena), "run00001", 0);
    assert_true(events_failed(events));
    events_destroy(events);
    fclose(out);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_reader_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
