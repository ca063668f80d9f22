/* A run as an OpenTelemetry trace. That it is what OpenTelemetry's own definition reads is held in
 * tests/e2e/test_eyes.py; here what stands in it. */
#include "runtime/report/otlp.h"

#include <cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/told_history.h"

struct fixture {
    struct arena *arena;
    struct history *history;
    struct buffer text;
    cJSON *json;
    const cJSON *spans;
};

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->arena = arena_create();
    f->history = told_history(f->arena);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cJSON_Delete(f->json);
    buffer_free(&f->text);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static void read_spans(struct fixture *f)
{
    cJSON_Delete(f->json);
    f->json = cJSON_ParseWithOpts(buffer_text(&f->text), NULL, 0);
    assert_non_null(f->json);
    const cJSON *resource = cJSON_GetArrayItem(cJSON_GetObjectItem(f->json, "resourceSpans"), 0);
    const cJSON *scope = cJSON_GetArrayItem(cJSON_GetObjectItem(resource, "scopeSpans"), 0);
    f->spans = cJSON_GetObjectItem(scope, "spans");
}

static const char *text_of(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(object, key));
}

static const cJSON *span(const struct fixture *f, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, f->spans) {
        if (!strcmp(text_of(item, "name"), name)) {
            return item;
        }
    }
    fail_msg("there is no span \"%s\"", name);
    return NULL;
}

static const char *attribute(const cJSON *object, const char *key)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(object, "attributes")) {
        if (!strcmp(text_of(item, "key"), key)) {
            return cJSON_GetStringValue(cJSON_GetObjectItem(item, "value")->child);
        }
    }
    return NULL;
}

static void write_all(struct fixture *f)
{
    struct otlp_trace trace = {"run00001", f->history};
    size_t count = otlp_write_run(&trace, &f->text);
    read_spans(f);
    assert_int_equal(cJSON_GetArraySize(f->spans), count);
}

static void a_tree_of_processes_vms_and_actions(void **state)
{
    struct fixture *f = *state;
    told_two_sessions(f->history);
    write_all(f);
    assert_int_equal(cJSON_GetArraySize(f->spans), 2 + 2 + 4);
    const cJSON *root = span(f, "failover"), *later = span(f, "resume of failover");
    const cJSON *db = span(f, "db"), *app = span(f, "app");
    assert_null(cJSON_GetObjectItem(root, "parentSpanId"));
    assert_string_equal(text_of(later, "parentSpanId"), text_of(root, "spanId"));
    assert_string_equal(text_of(db, "parentSpanId"), text_of(root, "spanId"));
    assert_string_equal(text_of(app, "parentSpanId"), text_of(later, "spanId"));
    assert_string_equal(text_of(span(f, "disk-0/create-volume"), "parentSpanId"), text_of(db, "spanId"));
    assert_int_equal(strlen(text_of(root, "traceId")), 32);
    assert_int_equal(strlen(text_of(root, "spanId")), 16);
    assert_string_equal(text_of(root, "startTimeUnixNano"), "1000000000000");
    assert_string_equal(text_of(later, "startTimeUnixNano"), "1060000000000");
    assert_string_equal(text_of(db, "endTimeUnixNano"), "1001000000000");
    assert_string_equal(attribute(db, "host.id"), "i-1");
    const cJSON *event = cJSON_GetArrayItem(cJSON_GetObjectItem(db, "events"), 0);
    assert_string_equal(text_of(event, "name"), "recovered");
    assert_int_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(later, "status"), "code")->valueint, 2);
    assert_string_equal(text_of(cJSON_GetObjectItem(later, "status"), "message"), "app/check-http");
    assert_null(cJSON_GetObjectItem(root, "status")); /* killed: not known */
}

static void an_action_with_its_requests_links_and_failure(void **state)
{
    struct fixture *f = *state;
    told_two_sessions(f->history);
    write_all(f);
    const cJSON *volume = span(f, "disk-0/create-volume");
    assert_int_equal(cJSON_GetObjectItem(volume, "kind")->valueint, 3);
    assert_string_equal(attribute(volume, "drc.throttled"), "1");
    assert_string_equal(attribute(volume, "code.file.path"), "plan.yaml");
    assert_string_equal(attribute(volume, "code.line.number"), "7");
    assert_null(cJSON_GetObjectItem(volume, "status"));
    const cJSON *events = cJSON_GetObjectItem(volume, "events");
    assert_int_equal(cJSON_GetArraySize(events), 3);
    const cJSON *throttled = cJSON_GetArrayItem(events, 1);
    assert_string_equal(text_of(throttled, "name"), "throttled");
    assert_string_equal(text_of(throttled, "timeUnixNano"), "1000200000000");
    assert_string_equal(attribute(throttled, "aws.request_id"), "r-1");
    assert_string_equal(attribute(throttled, "drc.detail"), "slow \"down\"");
    const cJSON *check = span(f, "check-http");
    assert_int_equal(cJSON_GetObjectItem(check, "kind")->valueint, 1);
    assert_string_equal(attribute(check, "error.type"), "503");
    assert_string_equal(text_of(cJSON_GetObjectItem(check, "status"), "message"), "did not hold within 1m");
    const cJSON *link = cJSON_GetArrayItem(cJSON_GetObjectItem(check, "links"), 0);
    assert_string_equal(text_of(link, "spanId"), text_of(span(f, "recovered"), "spanId"));
}

/* While a run goes on only what has ended is there, and the same span keeps its id. */
static void a_part_of_it(void **state)
{
    struct fixture *f = *state;
    uint32_t nodes[] = {TOLD_VOLUME, TOLD_RUN};
    struct otlp_trace trace = {"run00001", f->history};
    struct otlp_part part = {nodes, 2, -1};
    told_record(f->history, "{\"r\":\"start\",\"at\":1000000,\"t\":0}");
    told_record(f->history, "{\"r\":\"intent\",\"n\":0,\"t\":100,\"at\":1000100}");
    told_record(f->history, "{\"r\":\"done\",\"n\":0,\"t\":200}");
    told_record(f->history, "{\"r\":\"intent\",\"n\":1,\"t\":100,\"at\":1000100}");
    assert_int_equal(otlp_write(&trace, &part, &f->text), 1);
    read_spans(f);
    char id[17];
    strcpy(id, text_of(span(f, "disk-0/create-volume"), "spanId"));
    buffer_clear(&f->text);
    write_all(f);
    assert_string_equal(text_of(span(f, "disk-0/create-volume"), "spanId"), id);
    assert_int_equal(strcspn(buffer_text(&f->text), "\n") + 1, f->text.length);
    struct otlp_trace other = {"run00002", f->history};
    buffer_clear(&f->text);
    otlp_write_run(&other, &f->text);
    read_spans(f);
    assert_string_not_equal(text_of(span(f, "disk-0/create-volume"), "spanId"), id);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_tree_of_processes_vms_and_actions),
        TEST(an_action_with_its_requests_links_and_failure),
        TEST(a_part_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
