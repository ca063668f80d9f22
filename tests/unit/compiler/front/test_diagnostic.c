/* Covers: diagnostic_human.c diagnostic_json.c diagnostic_sarif.c diagnostic_write.c
 * diagnostic_reference.c nearest_name.c */
#include "compiler/front/diagnostic.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

static struct arena *arena;
static struct diagnostics *list;
static struct buffer out;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create();
    list = diagnostics_create(arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_free(&out);
    arena_destroy(arena);
    return 0;
}

static struct source *from(const char *path, const char *text)
{
    return source_from_text(arena, path, text, strlen(text));
}

static struct span at(const struct source *source, uint32_t line, uint32_t column, uint32_t length)
{
    return (struct span){source, line, column, line, column + length};
}

static const char *render(enum diagnostic_format format)
{
    buffer_clear(&out);
    diagnostics_write(list, format, false, &out);
    return buffer_text(&out);
}

static void expect_human(const char *expected)
{
    assert_string_equal(render(DIAGNOSTIC_FORMAT_HUMAN), expected);
}

/* ---- the list of codes ---- */

static void test_rows(void **state)
{
    (void)state;
    for (int i = 0; i < DIAGNOSTIC_CODE_COUNT; i++) {
        const struct diagnostic_info *info = diagnostic_info((enum diagnostic_code)i);
        assert_int_equal(strlen(info->code), 5);
        assert_int_equal(info->code[0], 'D');
        assert_int_equal(strspn(info->code + 1, "0123456789"), 4);
        assert_true(strlen(info->title) > 0 && strlen(info->title) <= 80);
        assert_true(strlen(info->explanation) > 30);
        assert_non_null(strchr(".?", info->explanation[strlen(info->explanation) - 1]));
        if (i > 0) { /* in order, so none twice */
            assert_true(strcmp(diagnostic_info((enum diagnostic_code)(i - 1))->code, info->code) <
                        0);
        }
        assert_ptr_equal(diagnostic_info_by_code(info->code), info);
    }
    assert_ptr_equal(diagnostic_info_by_code("d0207"),
                     diagnostic_info(DIAG_ADDRESS_OUTSIDE_SUBNET));
    assert_null(diagnostic_info_by_code("D9999"));
    assert_null(diagnostic_info_by_code("D020"));
}

static void test_explain(void **state)
{
    (void)state;
    for (int i = 0; i < DIAGNOSTIC_CODE_COUNT; i++) {
        const struct diagnostic_info *info = diagnostic_info((enum diagnostic_code)i);
        buffer_clear(&out);
        diagnostic_explain(info, &out);
        assert_non_null(strstr(buffer_text(&out), info->code));
        assert_non_null(strstr(buffer_text(&out), info->title));
        assert_int_equal(*info->right && strstr(buffer_text(&out), "Right:") == NULL, 0);
        assert_int_equal(*info->wrong && strstr(buffer_text(&out), "Wrong:") == NULL, 0);
    }
    buffer_clear(&out);
    diagnostic_explain(diagnostic_info(DIAG_WRONG_CHOICE), &out);
    assert_string_equal(buffer_text(&out),
                        "D0105 error: a value is none of those that can be chosen\n\n"
                        "The key takes one of a fixed set of values, which the message lists.\n\n"
                        "Wrong:\n\n    boot: images\n\nRight:\n\n    boot: image\n");
}

static void test_nearest_name(void **state)
{
    (void)state;
    static const char *const keys[] = {"depends_on", "post_boot", "web", "db", "app", "source"};
    assert_string_equal(nearest_name("depend_on", keys, 6), "depends_on");
    assert_string_equal(nearest_name("dependson", keys, 6), "depends_on");
    assert_string_equal(nearest_name("wbe", keys, 6), "web"); /* a swap is one slip */
    assert_string_equal(nearest_name("dbs", keys, 6), "db");
    assert_string_equal(nearest_name("SOURCE", keys, 6), "source");
    assert_null(nearest_name("network", keys, 6));
    assert_null(nearest_name("xyz", keys, 6));
    assert_null(nearest_name("", keys, 6));
    assert_null(nearest_name("x", keys, 6));
    char word[300];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    const char *const same[] = {word};
    assert_null(nearest_name(word, same, 1));
    assert_null(nearest_name("web", NULL, 0));
}

/* ---- rustc's layout ---- */

static void test_sketch(void **state)
{
    (void)state;
    struct source *source =
        from("plans/shop/plan.yaml", "subnets:\n"
                                     "  db:  {id: subnet-0a, cidr: 10.20.2.0/24}\n"
                                     "vms:\n"
                                     "  db:\n"
                                     "    private_ip: 10.20.9.10\n");
    struct diagnostic *diagnostic =
        diagnose(list, DIAG_ADDRESS_OUTSIDE_SUBNET, at(source, 5, 17, 10),
                 "private_ip %s is outside of subnet \"db\"", "10.20.9.10");
    diagnostic_label(list, diagnostic, "not in 10.20.2.0/24");
    diagnostic_secondary(list, diagnostic, at(source, 2, 3, 2), "subnet \"db\" is defined here");
    diagnostic_help(list, diagnostic, "free addresses there: 10.20.2.4 to 10.20.2.254");
    expect_human("error[D0207]: private_ip 10.20.9.10 is outside of subnet \"db\"\n"
                 " --> plans/shop/plan.yaml:5:17\n"
                 "  |\n"
                 "5 |     private_ip: 10.20.9.10\n"
                 "  |                 ^^^^^^^^^^ not in 10.20.2.0/24\n"
                 "  |\n"
                 " ::: plans/shop/plan.yaml:2:3\n"
                 "  |\n"
                 "2 |   db:  {id: subnet-0a, cidr: 10.20.2.0/24}\n"
                 "  |   -- subnet \"db\" is defined here\n"
                 "  |\n"
                 "  = help: free addresses there: 10.20.2.4 to 10.20.2.254\n"
                 "  = note: drc explain D0207\n"
                 "\n"
                 "1 error in plans/shop/plan.yaml\n");
}

static void test_far_and_near_lines(void **state)
{
    (void)state;
    struct source *source = from("p", "a: [b]\nb: [c]\n\n\n\n\n\n\n\n\nc: [a]\n");
    struct diagnostic *diagnostic = diagnose(list, DIAG_DEPENDENCY_CYCLE, at(source, 1, 5, 1), "x");
    diagnostic_secondary(list, diagnostic, at(source, 2, 5, 1), "2. b needs c");
    diagnostic_secondary(list, diagnostic, at(source, 11, 5, 1), "3. c needs a");
    diagnostic_label(list, diagnostic, "1. a needs b");
    expect_human("error[D0301]: x\n"
                 "  --> p:1:5\n"
                 "   |\n"
                 " 1 | a: [b]\n"
                 "   |     ^ 1. a needs b\n"
                 " 2 | b: [c]\n"
                 "   |     - 2. b needs c\n"
                 "...\n"
                 "11 | c: [a]\n"
                 "   |     - 3. c needs a\n"
                 "   |\n"
                 "   = note: drc explain D0301\n"
                 "\n"
                 "1 error in p\n");
}

static void test_several_marks_on_one_line(void **state)
{
    (void)state;
    struct source *source = from("p", "a: [b, c, d]\n");
    struct diagnostic *diagnostic = diagnose(list, DIAG_DUPLICATE_ITEM, at(source, 1, 8, 1), "x");
    diagnostic_label(list, diagnostic, "middle");
    diagnostic_secondary(list, diagnostic, at(source, 1, 5, 1), "first");
    diagnostic_secondary(list, diagnostic, at(source, 1, 11, 1), "last");
    expect_human("error[D0108]: x\n"
                 " --> p:1:8\n"
                 "  |\n"
                 "1 | a: [b, c, d]\n"
                 "  |     -  ^  - last\n"
                 "  |     |  |\n"
                 "  |     |  middle\n"
                 "  |     first\n"
                 "  |\n"
                 "  = note: drc explain D0108\n"
                 "\n"
                 "1 error in p\n");
}

static void test_another_file(void **state)
{
    (void)state;
    struct source *plan = from("plan.yaml", "a: 1\n");
    struct source *facts = from("facts.json", "{\"a\": 2}\n");
    struct diagnostic *diagnostic = diagnose(list, DIAG_SUBNET_DIFFERS, at(plan, 1, 4, 1), "x");
    diagnostic_secondary(list, diagnostic, at(facts, 1, 7, 1), "there");
    expect_human("error[D0704]: x\n"
                 " --> plan.yaml:1:4\n"
                 "  |\n"
                 "1 | a: 1\n"
                 "  |    ^\n"
                 "  |\n"
                 " ::: facts.json:1:7\n"
                 "  |\n"
                 "1 | {\"a\": 2}\n"
                 "  |       - there\n"
                 "  |\n"
                 "  = note: drc explain D0704\n"
                 "\n"
                 "1 error in plan.yaml\n");
}

/* The caret's column in the row below the line that is shown. */
static size_t caret_column(const char *text)
{
    const char *caret = strchr(text, '^');
    assert_non_null(caret);
    const char *start = caret;
    while (start[-1] != '\n') {
        start--;
    }
    return (size_t)(caret - start) - strlen("1 | ");
}

static void expect_caret(const char *line, uint32_t column, size_t shown_at, const char *shown)
{
    list = diagnostics_create(arena);
    diagnose(list, DIAG_WRONG_VALUE, at(from("p", line), 1, column, 1), "x");
    const char *text = render(DIAGNOSTIC_FORMAT_HUMAN);
    assert_int_equal(caret_column(text), shown_at);
    if (!strstr(text, shown)) {
        fail_msg("%s is not in\n%s", shown, text);
    }
}

static void test_widths(void **state)
{
    (void)state;
    expect_caret("\tx: 1", 2, 4, "1 |     x: 1\n");                    /* TAB */
    expect_caret("\xE4\xBD\xA0\xE5\xA5\xBD: x", 5, 6, "\xE4\xBD\xA0"); /* wide */
    expect_caret("e\xCC\x81: x", 5, 3, "e\xCC\x81: x\n");              /* combining */
    expect_caret("a\x1b[2J: x", 8, 7, "a\xE2\x90\x9B[2J: x\n");        /* escape is shown */
    expect_caret("a\xE2\x80\xAE: x", 5, 11, "a\\u{202e}: x\n");        /* so is bidi */
    expect_caret("a\xE9: x", 5, 4, "a\xEF\xBF\xBD: x\n");              /* what is no UTF-8 */
}

static void test_long_lines_are_cut(void **state)
{
    (void)state;
    char line[5000];
    memset(line, 'x', sizeof line);
    memcpy(line + 3000, "HERE", 4);
    line[sizeof line - 1] = '\0';
    diagnose(list, DIAG_WRONG_VALUE, at(from("p", line), 1, 3001, 4), "m");
    const char *text = render(DIAGNOSTIC_FORMAT_HUMAN);
    assert_non_null(strstr(text, "p:1:3001"));
    const char *row = strstr(text, "1 | …x");
    assert_non_null(row);
    assert_true(strcspn(row, "\n") < 120);
    assert_non_null(strstr(row, "xHEREx"));
    assert_non_null(strstr(row, "x…\n"));
    /* Both have three bytes of "…" in one column. */
    size_t shown_at = (size_t)(strstr(row, "HERE") - row) - strlen("1 | ") - 2;
    assert_int_equal(caret_column(text), shown_at);
}

static void test_places_past_the_text(void **state)
{
    (void)state;
    struct source *source = from("p", "ab");
    diagnose(list, DIAG_YAML_SYNTAX, at(source, 1, 3, 0), "at the end");
    diagnose(list, DIAG_YAML_SYNTAX, at(source, 1, 900, 5), "behind it");
    diagnose(list, DIAG_YAML_SYNTAX, at(source, 7, 1, 1), "no such line");
    diagnose(list, DIAG_YAML_SYNTAX, (struct span){0}, "nowhere");
    const char *text = render(DIAGNOSTIC_FORMAT_HUMAN);
    assert_non_null(strstr(text, "1 | ab\n  |   ^\n"));
    assert_non_null(strstr(text, "error[D0007]: nowhere\n"));
    render(DIAGNOSTIC_FORMAT_JSON);
    render(DIAGNOSTIC_FORMAT_SARIF);
    render(DIAGNOSTIC_FORMAT_GITHUB);
}

static void test_span_of_several_lines(void **state)
{
    (void)state;
    struct source *source = from("p", "a:\n  b: 1  \n  c: 2\n");
    diagnose(list, DIAG_MISSING_KEY, (struct span){source, 2, 3, 3, 7}, "x");
    assert_non_null(strstr(render(DIAGNOSTIC_FORMAT_HUMAN), "2 |   b: 1  \n  |   ^^^^\n"));
}

static void test_concealed(void **state)
{
    (void)state;
    struct source *source = from("p", "a: {user: me, password: hunter2, port: x}\n");
    struct diagnostic *secret = diagnose(list, DIAG_LITERAL_SECRET, at(source, 1, 25, 7), "secret");
    secret->primary.concealed = true;
    diagnose(list, DIAG_WRONG_TYPE, at(source, 1, 40, 1), "port"); /* of the same line */
    for (enum diagnostic_format format = 0; format <= DIAGNOSTIC_FORMAT_GITHUB; format++) {
        assert_null(strstr(render(format), "hunter2"));
    }
    const char *text = render(DIAGNOSTIC_FORMAT_HUMAN);
    assert_non_null(strstr(text, "password: *******, port: x}"));
}

static void test_colours(void **state)
{
    (void)state;
    struct source *source = from("p", "a: 1\n");
    struct diagnostic *diagnostic = diagnose(list, DIAG_WRONG_VALUE, at(source, 1, 4, 1), "x");
    diagnostic_label(list, diagnostic, "y");
    diagnostics_write(list, DIAGNOSTIC_FORMAT_HUMAN, true, &out);
    assert_non_null(strstr(buffer_text(&out), "\033[1;31merror[D0104]\033[0m"));
    /* Colour only marks: without it the same words are left. */
    char *plain = malloc(out.length + 1), *to = plain;
    for (const char *from_ = out.data; *from_;) {
        if (*from_ == '\033') {
            from_ += strcspn(from_, "m") + 1;
        } else {
            *to++ = *from_++;
        }
    }
    *to = '\0';
    assert_string_equal(plain, render(DIAGNOSTIC_FORMAT_HUMAN));
    free(plain);
}

static void test_order_and_summary(void **state)
{
    (void)state;
    struct source *a = from("a", "x\ny\n"), *b = from("b", "x\n");
    diagnose(list, DIAG_WRONG_VALUE, at(b, 1, 1, 1), "4");
    diagnose(list, DIAG_RTO_EXCEEDED, at(a, 2, 1, 1), "2");
    diagnose(list, DIAG_WRONG_VALUE, at(a, 2, 1, 1), "3");
    diagnose(list, DIAG_WRONG_VALUE, at(a, 1, 1, 1), "1");
    const char *text = render(DIAGNOSTIC_FORMAT_HUMAN);
    const char *found[] = {strstr(text, ": 1\n"), strstr(text, ": 2\n"), strstr(text, ": 3\n"),
                           strstr(text, ": 4\n")};
    for (int i = 0; i < 3; i++) {
        assert_true(found[i] && found[i] < found[i + 1]);
    }
    assert_non_null(strstr(text, "\n3 errors, 1 warning\n"));
    assert_non_null(strstr(text, "warning[D0402]: 2\n"));
}

static void test_none(void **state)
{
    (void)state;
    assert_string_equal(render(DIAGNOSTIC_FORMAT_HUMAN), "");
    assert_string_equal(render(DIAGNOSTIC_FORMAT_JSON), "");
    assert_string_equal(render(DIAGNOSTIC_FORMAT_GITHUB), "");
    cJSON *sarif = cJSON_Parse(render(DIAGNOSTIC_FORMAT_SARIF));
    assert_non_null(sarif);
    cJSON_Delete(sarif);
}

static void test_many_are_counted_and_not_kept(void **state)
{
    (void)state;
    struct source *source = from("p", "x\n");
    for (int i = 0; i < DIAGNOSTICS_MAX; i++) {
        diagnose(list, DIAG_WRONG_VALUE, at(source, 1, 1, 1), "x");
    }
    size_t bytes = arena_bytes(arena);
    for (int i = 0; i < 100000; i++) {
        struct diagnostic *diagnostic = diagnose(list, DIAG_WRONG_VALUE, at(source, 1, 1, 1), "x");
        diagnostic_label(list, diagnostic, "label");
        diagnostic_secondary(list, diagnostic, at(source, 1, 1, 1), "there");
        diagnostic_help(list, diagnostic, "help");
        diagnostic_note(list, diagnostic, "note");
    }
    assert_int_equal(arena_bytes(arena), bytes);
    assert_int_equal(list->count, DIAGNOSTICS_MAX);
    assert_int_equal(list->error_count, DIAGNOSTICS_MAX + 100000);
    assert_non_null(
        strstr(render(DIAGNOSTIC_FORMAT_HUMAN), "101000 errors in p; the first 1000 are shown\n"));
}

static void test_many_places(void **state)
{
    (void)state;
    struct source *source = from("p", "x\n");
    struct diagnostic *diagnostic = diagnose(list, DIAG_DEPENDENCY_CYCLE, at(source, 1, 1, 1), "x");
    for (int i = 0; i < 1000; i++) {
        diagnostic_secondary(list, diagnostic, at(source, 1, 1, 1), "%d", i);
    }
    const char *text = render(DIAGNOSTIC_FORMAT_HUMAN);
    assert_non_null(strstr(text, "= note: 937 more places are not shown\n"));
}

/* ---- for programs ---- */

static struct source *add_one(void)
{
    struct source *source = from("dir a/p.yaml", "\xC3\xA9: 1\nvalue: \xE4\xBD\xA0 x\n");
    struct diagnostic *diagnostic =
        diagnose(list, DIAG_WRONG_VALUE, at(source, 2, 10, 1), "50%% \"wrong\",\n\tsee: here");
    diagnostic_label(list, diagnostic, "label, with: signs");
    diagnostic_secondary(list, diagnostic, at(source, 1, 1, 1), "there");
    diagnostic_help(list, diagnostic, "helps");
    diagnostic_note(list, diagnostic, "notes");
    return source;
}

static cJSON *get(const cJSON *json, const char *key)
{
    cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);
    assert_non_null(value);
    return value;
}

static void assert_number(const cJSON *json, const char *key, int expected)
{
    assert_int_equal(get(json, key)->valueint, expected);
}

static void assert_text(const cJSON *json, const char *key, const char *expected)
{
    assert_string_equal(get(json, key)->valuestring, expected);
}

static void test_json(void **state)
{
    (void)state;
    add_one();
    const char *text = render(DIAGNOSTIC_FORMAT_JSON);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line each */
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    assert_text(json, "$message_type", "diagnostic");
    assert_text(json, "message", "50% \"wrong\",\n\tsee: here");
    assert_text(json, "level", "error");
    assert_text(get(json, "code"), "code", "D0104");
    const cJSON *spans = get(json, "spans");
    assert_int_equal(cJSON_GetArraySize(spans), 2);
    const cJSON *primary = cJSON_GetArrayItem(spans, 0);
    assert_text(primary, "file_name", "dir a/p.yaml");
    assert_true(cJSON_IsTrue(get(primary, "is_primary")));
    assert_text(primary, "label", "label, with: signs");
    assert_number(primary, "line_start", 2);
    assert_number(primary, "line_end", 2);
    assert_number(primary, "column_start", 10);
    assert_number(primary, "column_end", 11);
    assert_number(primary, "byte_start", 6 + 11);
    assert_number(primary, "byte_end", 6 + 12);
    const cJSON *line = cJSON_GetArrayItem(get(primary, "text"), 0);
    assert_text(line, "text", "value: \xE4\xBD\xA0 x");
    assert_number(line, "highlight_start", 10);
    assert_number(line, "highlight_end", 11);
    assert_true(cJSON_IsFalse(get(cJSON_GetArrayItem(spans, 1), "is_primary")));
    const cJSON *children = get(json, "children");
    assert_text(cJSON_GetArrayItem(children, 0), "level", "help");
    assert_text(cJSON_GetArrayItem(children, 1), "message", "notes");
    assert_non_null(strstr(get(json, "rendered")->valuestring, "error[D0104]: 50% \"wrong\""));
    cJSON_Delete(json);
}

static void test_sarif(void **state)
{
    (void)state;
    struct source *source = add_one();
    diagnose(list, DIAG_RTO_EXCEEDED, at(source, 1, 1, 1), "late");
    cJSON *json = cJSON_Parse(render(DIAGNOSTIC_FORMAT_SARIF));
    assert_non_null(json);
    assert_text(json, "version", "2.1.0");
    const cJSON *run = cJSON_GetArrayItem(get(json, "runs"), 0);
    const cJSON *rules = get(get(get(run, "tool"), "driver"), "rules");
    assert_int_equal(cJSON_GetArraySize(rules), 2);
    const cJSON *results = get(run, "results");
    assert_int_equal(cJSON_GetArraySize(results), 2);
    const cJSON *warning = cJSON_GetArrayItem(results, 0), *error = cJSON_GetArrayItem(results, 1);
    assert_text(warning, "level", "warning");
    assert_text(error, "ruleId", "D0104");
    const cJSON *rule = cJSON_GetArrayItem(rules, get(error, "ruleIndex")->valueint);
    assert_text(rule, "id", "D0104");
    const cJSON *place = get(cJSON_GetArrayItem(get(error, "locations"), 0), "physicalLocation");
    assert_text(get(place, "artifactLocation"), "uri", "dir%20a/p.yaml");
    assert_number(get(place, "region"), "startLine", 2);
    assert_number(get(place, "region"), "startColumn", 10);
    assert_int_equal(cJSON_GetArraySize(get(error, "relatedLocations")), 1);
    assert_text(run, "columnKind", "unicodeCodePoints");
    cJSON_Delete(json);
}

static void test_github(void **state)
{
    (void)state;
    add_one();
    assert_string_equal(
        render(DIAGNOSTIC_FORMAT_GITHUB),
        "::error file=dir a/p.yaml,line=2,endLine=2,col=10,endColumn=11,"
        "title=D0104%3A a value is not of the form that is wanted::"
        "50%25 \"wrong\",%0A\tsee: here (label, with: signs)%0Ahelp: helps%0Anote: notes\n");
}

static void test_paths_that_are_no_utf8(void **state)
{
    (void)state;
    diagnose(list, DIAG_WRONG_VALUE, at(from("p\xE9\x1b.yaml", "x\n"), 1, 1, 1), "x");
    assert_non_null(
        strstr(render(DIAGNOSTIC_FORMAT_HUMAN), "--> p\xEF\xBF\xBD\xE2\x90\x9B.yaml:1:1"));
    assert_null(strchr(render(DIAGNOSTIC_FORMAT_JSON), '\xE9'));
    assert_null(strchr(render(DIAGNOSTIC_FORMAT_GITHUB), '\xE9'));
    assert_non_null(strstr(render(DIAGNOSTIC_FORMAT_SARIF), "p%E9%1B.yaml"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows),
        TEST(test_explain),
        TEST(test_nearest_name),
        TEST(test_sketch),
        TEST(test_far_and_near_lines),
        TEST(test_several_marks_on_one_line),
        TEST(test_another_file),
        TEST(test_widths),
        TEST(test_long_lines_are_cut),
        TEST(test_places_past_the_text),
        TEST(test_span_of_several_lines),
        TEST(test_concealed),
        TEST(test_colours),
        TEST(test_order_and_summary),
        TEST(test_none),
        TEST(test_many_are_counted_and_not_kept),
        TEST(test_many_places),
        TEST(test_json),
        TEST(test_sarif),
        TEST(test_github),
        TEST(test_paths_that_are_no_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
