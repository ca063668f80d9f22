/* Covers: schema_equal.c schema_explain.c schema_load.c schema_report.c schema_validate.c */
#include "compiler/front/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/base/embedded.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/front_text.h"

static void expect_valid(const char *schema, const char *text)
{
    struct front front = front_parse(text);
    if (!front_validate(&front, schema)) {
        fail_msg("%s", front_render(&front, DIAGNOSTIC_FORMAT_HUMAN));
    }
    front_free(&front);
}

static bool says(const struct front *front, const char *text)
{
    const struct diagnostic *diagnostic = front->diagnostics->items[0];
    for (size_t i = 0; i < diagnostic->help_count; i++) {
        if (strstr(diagnostic->helps[i], text)) {
            return true;
        }
    }
    return strstr(diagnostic->message, text) || strstr(diagnostic->primary.text, text);
}

/* One error of that code at that place, which says `text` in message, label or help. */
static void expect_error(const char *schema, const char *text, enum diagnostic_code code,
                         uint32_t line, uint32_t column, const char *said)
{
    struct front front = front_parse(text);
    assert_false(front_validate(&front, schema));
    front_expect(&front, code, line, column);
    if (!says(&front, said)) {
        fail_msg("\"%s\" is not said:\n%s", said, front_render(&front, DIAGNOSTIC_FORMAT_HUMAN));
    }
    front_free(&front);
}

/* ---- loading ---- */

static void expect_refused(const char *json, const char *why)
{
    struct arena *arena = arena_create();
    struct error error = {0};
    assert_null(schema_load(arena, "test", json, &error));
    if (!strstr(error.message, why)) {
        fail_msg("\"%s\" is not in \"%s\"", why, error.message);
    }
    error_clear(&error);
    arena_destroy(arena);
}

static void test_load_refuses(void **state)
{
    (void)state;
    expect_refused("", "no JSON");
    expect_refused("{} x", "no JSON");
    expect_refused("3", "no object");
    expect_refused("{\"multipleOf\": 2}", "multipleOf is a keyword that is not supported");
    expect_refused("{\"properties\": {\"a\": {\"contains\": {}}}}", "contains");
    expect_refused("{\"type\": \"text\"}", "names no type");
    expect_refused("{\"pattern\": \"(\"}", "regular expression");
    expect_refused("{\"$ref\": \"#/$defs/a\"}", "#/$defs/a points to no schema");
    expect_refused("{\"$ref\": \"http://example.com/a\"}", "points to no schema");
    expect_refused("{\"required\": \"a\"}", "no array");
    expect_refused("{\"minimum\": \"1\"}", "minimum is no number");
    expect_refused("{\"x-code\": \"D9999\"}", "x-code");
    expect_refused("{\"items\": [{}]}", "no object"); /* a list was draft 7's form */
}

static void test_references(void **state)
{
    (void)state;
    static const char schema[] = "{\"properties\": {\"a\": {\"$ref\": \"#/$defs/x~1y~0z%25\"}, "
                                 "\"b\": {\"$ref\": \"#/prefixItems/1\"}}, "
                                 "\"prefixItems\": [{}, {\"type\": \"integer\"}], "
                                 "\"$defs\": {\"x/y~z%\": {\"type\": \"boolean\"}}}";
    expect_valid(schema, "a: true\nb: 1\n");
    expect_error(schema, "a: 1\n", DIAG_WRONG_TYPE, 1, 4, "true or false");
    expect_error(schema, "b: x\n", DIAG_WRONG_TYPE, 1, 4, "a whole number");
}

/* A $ref that only comes back to itself decides nothing, and ends. */
static void test_reference_to_itself(void **state)
{
    (void)state;
    struct front front = front_parse("a: 1\n");
    assert_false(schema_validate(
        schema_load(front.arena, "test",
                    "{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"$ref\": \"#\"}}}", NULL),
        front.tree, front.diagnostics));
    front_free(&front);
}

/* ---- what is said ---- */

#define DURATION                                                                                   \
    "{\"type\": \"string\", \"pattern\": \"^[0-9]+[smhd]$\", "                                     \
    "\"x-expect\": \"a duration such as 30s\"}"

static void test_scalars(void **state)
{
    (void)state;
    static const char duration[] = "{\"properties\": {\"rto\": " DURATION "}}";
    expect_valid(duration, "rto: 30s\n");
    expect_error(duration, "rto: 30 s\n", DIAG_WRONG_VALUE, 1, 6,
                 "expected a duration such as 30s");
    expect_error(duration, "rto: 30\n", DIAG_WRONG_TYPE, 1, 6, "rto cannot be a number");
    expect_error(duration, "rto: 30s \\n\n", DIAG_WRONG_VALUE, 1, 6, "30s \\n");
    expect_error(duration, "rto: [30s]\n", DIAG_WRONG_TYPE, 1, 6, "rto cannot be a list");
    expect_error(duration, "rto:\n", DIAG_WRONG_TYPE, 1, 5, "rto is empty");
    static const char number[] =
        "{\"properties\": {\"port\": {\"type\": \"integer\", \"minimum\": 1, "
        "\"maximum\": 65535}}}";
    expect_valid(number, "port: 65535\n");
    expect_error(number, "port: 0\n", DIAG_OUT_OF_RANGE, 1, 7, "a whole number from 1 to 65535");
    expect_error(number, "port: 1.5\n", DIAG_WRONG_TYPE, 1, 7, "a whole number");
    static const char choice[] =
        "{\"properties\": {\"boot\": {\"enum\": [\"attach\", \"image\"]}}}";
    expect_error(choice, "boot: images\n", DIAG_WRONG_CHOICE, 1, 7, "attach or image");
    expect_error(choice, "boot: images\n", DIAG_WRONG_CHOICE, 1, 7, "did you mean image?");
    expect_error("{\"minLength\": 2, \"maxLength\": 3}", "x", DIAG_WRONG_LENGTH, 1, 1,
                 "2 to 3 characters");
}

static void test_type_hints(void **state)
{
    (void)state;
    static const char boolean[] = "{\"properties\": {\"a\": {\"type\": \"boolean\"}}}";
    expect_error(boolean, "a: yes\n", DIAG_WRONG_TYPE, 1, 4, "write true");
    expect_error(boolean, "a: off\n", DIAG_WRONG_TYPE, 1, 4, "write false");
    static const char account[] =
        "{\"properties\": {\"a\": {\"type\": \"string\", \"pattern\": \"^[0-9]{3}$\"}}}";
    expect_error(account, "a: 123\n", DIAG_WRONG_TYPE, 1, 4, "put it in quotes: \"123\"");
    struct front front = front_parse("a: 1234\n"); /* quotes would not help */
    front_validate(&front, account);
    assert_false(says(&front, "quotes"));
    front_free(&front);
    expect_error("{\"properties\": {\"a\": {\"type\": \"array\"}}}", "a: x\n", DIAG_WRONG_TYPE, 1,
                 4, "[x]");
}

#define VM                                                                                         \
    "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"source\"], "         \
    "\"properties\": {\"source\": {\"type\": \"string\", \"description\": \"Its path. More.\"}, "  \
    "\"depends_on\": {\"type\": \"array\"}}}"

static void test_keys(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"properties\": {\"rto\": {}, \"vms\": {\"additionalProperties\": " VM "}}}";
    expect_valid(schema, "vms:\n  db: {source: /a}\n");
    expect_error(schema, "vms:\n  db:\n    source: a\n    depend_on: []\n", DIAG_UNKNOWN_KEY, 4, 5,
                 "did you mean \"depends_on\"?");
    expect_error(schema, "vms:\n  db: {source: a, rto: 5m}\n", DIAG_UNKNOWN_KEY, 2, 19,
                 "is a key of the plan itself");
    expect_error(schema, "vms:\n  db: {source: a, zzz: 5m}\n", DIAG_UNKNOWN_KEY, 2, 19,
                 "possible here: depends_on");
    /* What is missing is shown at the key of the mapping that lacks it. */
    expect_error(schema, "vms:\n  db:\n    depends_on: []\n", DIAG_MISSING_KEY, 2, 3,
                 "vms.db lacks the key \"source\"");
    expect_error(schema, "vms:\n  db: {}\n", DIAG_MISSING_KEY, 2, 3, "source: Its path");
    /* A misspelt key is told once. */
    expect_error(schema, "vms:\n  db: {sorce: a}\n", DIAG_UNKNOWN_KEY, 2, 8,
                 "did you mean \"source\"?");
}

static void test_all_errors_are_reported(void **state)
{
    (void)state;
    struct front front = front_parse("vms:\n  a: {x: 1}\n  b: 3\n  c: {source: 1}\n");
    front_validate(&front, "{\"properties\": {\"vms\": {\"additionalProperties\": " VM "}}}");
    assert_int_equal(front.diagnostics->count, 4);
    front_free(&front);
}

static void test_names(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"properties\": {\"vms\": {\"propertyNames\": {\"pattern\": \"^[a-z-]+$\", \"x-code\": "
        "\"D0109\", \"x-expect\": \"a name\"}}}}";
    expect_error(schema, "vms: {a: 1, DB_1: 2}\n", DIAG_WRONG_NAME, 1, 13,
                 "\"DB_1\" cannot be a key of vms");
}

static void test_collections(void **state)
{
    (void)state;
    expect_error("{\"minItems\": 1}", "[]", DIAG_WRONG_LENGTH, 1, 1, "an empty list");
    expect_error("{\"uniqueItems\": true}", "[a, b, {x: 1, y: [2]}, {\"y\": [2.0], x: 1}]",
                 DIAG_DUPLICATE_ITEM, 1, 24, "twice");
    expect_error("{\"uniqueItems\": true}",
                 "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 7]",
                 DIAG_DUPLICATE_ITEM, 1, 65, "holds 7 twice");
    expect_valid("{\"uniqueItems\": true}",
                 "[1, \"1\", true, null, [1], {a: 1}, 0, false, [], {}, a,"
                 " b, c, d, e, f, g, h, [a, b], [b, a]]");
    expect_error("{\"maxProperties\": 1}", "{a: 1, b: 2}", DIAG_WRONG_LENGTH, 1, 1,
                 "at most 1 entries");
}

static void test_forms(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"properties\": {\"type\": {\"anyOf\": ["
        "{\"title\": \"a type\", \"type\": \"string\", \"pattern\": \"^[a-z0-9.]+$\"}, "
        "{\"title\": \"a list of types\", \"type\": \"array\", \"items\": {\"type\": "
        "\"string\"}}]}}}";
    expect_valid(schema, "type: m6i.large\n");
    expect_valid(schema, "type: [m6i.large, auto]\n");
    /* The form that the value was meant to have is the one that is told. */
    expect_error(schema, "type: M6I\n", DIAG_WRONG_VALUE, 1, 7, "type cannot be \"M6I\"");
    expect_error(schema, "type: [a, 5]\n", DIAG_WRONG_TYPE, 1, 11, "type[1] cannot be a number");
    expect_error(schema, "type: {a: b}\n", DIAG_WRONG_TYPE, 1, 7, "a type or a list of types");
}

static void test_choice_of_keys(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"items\": {\"additionalProperties\": false, \"properties\": {\"tcp\": {\"type\": "
        "\"integer\"}, "
        "\"http\": {}, \"timeout\": {}}, \"oneOf\": [{\"required\": [\"tcp\"]}, {\"required\": "
        "[\"http\"]}]}}";
    expect_valid(schema, "- tcp: 1\n- http: 2\n  timeout: 1\n");
    expect_error(schema, "- tcp: 1\n  http: 2\n", DIAG_CONFLICTING_KEYS, 2, 3,
                 "\"tcp\" and \"http\" exclude each other");
    expect_error(schema, "- timeout: 1\n", DIAG_MISSING_KEY, 1, 3, "one of the keys tcp or http");
    expect_error(schema, "- tpc: 1\n", DIAG_UNKNOWN_KEY, 1, 3, "did you mean \"tcp\"?");
    expect_error(schema, "- tcp: x\n", DIAG_WRONG_TYPE, 1, 8, "[0].tcp cannot be text");
}

static void test_keys_among_each_other(void **state)
{
    (void)state;
    expect_error("{\"not\": {\"required\": [\"nics\", \"subnet\"]}}", "subnet: a\nnics: []\n",
                 DIAG_CONFLICTING_KEYS, 2, 1, "only one of the two");
    expect_error(
        "{\"allOf\": [{\"not\": {\"required\": [\"server\"]}, \"x-message\": \"not here\"}]}",
        "server: a\n", DIAG_CONFLICTING_KEYS, 1, 1, "not here");
    expect_error("{\"dependentRequired\": {\"args\": [\"script\"]}}", "args: []\n",
                 DIAG_KEY_NEEDS_KEY, 1, 1, "\"args\" goes only with \"script\"");
    static const char condition[] = "{\"if\": {\"properties\": {\"p\": {\"const\": \"x\"}}}, "
                                    "\"then\": {\"required\": [\"a\"]}, "
                                    "\"else\": {\"required\": [\"b\"]}}";
    expect_valid(condition, "p: x\na: 1\n");
    expect_valid(condition, "p: y\nb: 1\n");
    expect_error(condition, "p: x\n", DIAG_MISSING_KEY, 1, 1, "\"a\"");
    expect_error(condition, "p: y\n", DIAG_MISSING_KEY, 1, 1, "\"b\"");
}

static void test_secrets_are_not_shown(void **state)
{
    (void)state;
    static const char schema[] = "{\"properties\": {\"key\": {\"type\": \"string\", \"pattern\": "
                                 "\"^env:\", \"x-secret\": true, "
                                 "\"x-code\": \"D0114\", \"x-expect\": \"env:NAME\"}}}";
    static const char *const texts[] = {"key: hunter2\n", "key: 4711081\n",
                                        "key: |\n  hunter2\n  x\n"};
    for (size_t i = 0; i < 3; i++) {
        struct front front = front_parse(texts[i]);
        assert_false(front_validate(&front, schema));
        assert_int_equal(front.diagnostics->items[0]->code, DIAG_LITERAL_SECRET);
        for (enum diagnostic_format format = 0; format <= DIAGNOSTIC_FORMAT_GITHUB; format++) {
            const char *text = front_render(&front, format);
            assert_null(strstr(text, "hunter2"));
            assert_null(strstr(text, "4711081"));
        }
        front_free(&front);
    }
}

/* A pattern that could take for ever is given up. */
static void test_patterns_have_limits(void **state)
{
    (void)state;
    expect_error("{\"pattern\": \"^(a+)+$\"}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
                 DIAG_WRONG_VALUE, 1, 1, "cannot be");
}

/* ---- the plan's own schema ---- */

static struct front validate_plan_file(const char *path)
{
    struct front front = {.arena = arena_create()};
    front.diagnostics = diagnostics_create(front.arena);
    struct error error = {0};
    front.source = source_read(front.arena, path, &error);
    if (!front.source) {
        fail_msg("%s", error.message);
    }
    front.tree = yaml_parse(front.arena, front.source, front.diagnostics);
    if (front.tree) {
        schema_validate(schema_plan(front.arena), front.tree, front.diagnostics);
    }
    return front;
}

static void test_reference_plan_is_valid(void **state)
{
    (void)state;
    struct front front = validate_plan_file("examples/reference/plan.yaml");
    assert_string_equal(front_render(&front, DIAGNOSTIC_FORMAT_HUMAN), "");
    front_free(&front);
}

/* Whether `key` with any value passes somewhere in the reference plan. */
static bool mentions(const struct tree *tree, const char *key)
{
    if (tree->kind == TREE_SEQUENCE) {
        for (size_t i = 0; i < tree->item_count; i++) {
            if (mentions(tree->items[i], key)) {
                return true;
            }
        }
    } else if (tree->kind == TREE_MAPPING) {
        for (size_t i = 0; i < tree->pair_count; i++) {
            if (strcmp(tree->pairs[i].key->text, key) == 0 || mentions(tree->pairs[i].value, key)) {
                return true;
            }
        }
    }
    return false;
}

/* Each key of the reference page stands in the reference plan, apart from the few that this adds
 * to it: the contract and the schema have the same keys. */
static void test_schema_has_the_keys_of_the_reference(void **state)
{
    (void)state;
    struct front front = validate_plan_file("examples/reference/plan.yaml");
    struct buffer page = {0};
    schema_reference(schema_plan(front.arena), &page);
    size_t keys = 0;
    static const char *const more[] = {"snapshot", "image", "stop", "volume", "script", "failback"};
    for (char *at = page.data; (at = strstr(at, "- **`")) != NULL;) {
        at += strlen("- **`");
        char *end = strchr(at, '`');
        *end = '\0';
        const char *key = strrchr(at, '.') ? strrchr(at, '.') + 1 : at;
        bool free_name = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(key);
        bool known = free_name || mentions(front.tree, key);
        for (size_t i = 0; !known && i < sizeof more / sizeof *more; i++) {
            known = strcmp(key, more[i]) == 0;
        }
        if (!known) {
            fail_msg("%s is not in the reference plan", at);
        }
        keys++;
        at = end + 1;
    }
    assert_true(keys > 150);
    buffer_free(&page);
    front_free(&front);
}

static void expect_plan_error(const char *vm, enum diagnostic_code code, const char *said)
{
    char text[2000];
    snprintf(text, sizeof text,
             "version: 1\nname: shop\nobjectives: {rpo: 1h, rto: 1h}\n"
             "sites: {recovery: {aws: {region: eu-west-1, account: \"111122223333\"}}}\n"
             "networks: {production: {vpc: vpc-0a000000000000001, subnets: {db: {id: "
             "subnet-0a00000000000000a, cidr: 10.0.0.0/24, zone: eu-west-1a}}}}\n"
             "vms:\n  db:\n    source: /a\n    %s\n",
             vm);
    struct front front = front_parse(text);
    assert_non_null(front.tree);
    bool valid = schema_validate(schema_plan(front.arena), front.tree, front.diagnostics);
    if (!said) {
        assert_true(valid);
    } else if (front.diagnostics->count != 1 || front.diagnostics->items[0]->code != code ||
               !says(&front, said)) {
        fail_msg("%s: not \"%s\":\n%s", vm, said, front_render(&front, DIAGNOSTIC_FORMAT_HUMAN));
    }
    front_free(&front);
}

static void test_plan_language(void **state)
{
    (void)state;
    static const struct {
        const char *vm;
        enum diagnostic_code code;
        const char *said; /* NULL: valid */
    } cases[] = {
        {"subnet: db", 0, NULL},
        {"subnet: Db", DIAG_WRONG_NAME, "a name of lower-case letters"},
        {"private_ip: {production: 10.0.0.5, test: 10.0.1.5}", 0, NULL},
        {"private_ip: {prod: 10.0.0.5}", DIAG_UNKNOWN_KEY, "private_ip"},
        {"public_ip: {production: true}", 0, NULL},
        {"public_ip: yes", DIAG_WRONG_TYPE, "write true"},
        {"iam_profile: dr", 0, NULL},
        {"elastic_ip: eipalloc-0a0000000000001", DIAG_WRONG_TYPE, "a mapping"},
        {"depends_on: {app: started}", DIAG_WRONG_CHOICE, "recovered, ready or running"},
        {"depends_on: app", DIAG_WRONG_TYPE, "[app]"},
        {"depends_on: [a, a]", DIAG_DUPLICATE_ITEM, "twice"},
        {"ready: [{tcp: 0}]", DIAG_OUT_OF_RANGE, "a port"},
        {"ready: [{tcp: 1, http: {port: 1}}]", DIAG_CONFLICTING_KEYS, "exclude"},
        {"ready: [{http: {}}]", DIAG_MISSING_KEY, "\"port\""},
        {"ready: [{instance_status: fine}]", DIAG_WRONG_CHOICE, "ok"},
        {"post_boot: [{script: a.sh, args: [5]}]", DIAG_WRONG_TYPE, "in quotes"},
        {"post_boot: [{delay: 5s, args: [a]}]", DIAG_KEY_NEEDS_KEY, "\"script\""},
        {"post_boot: [{check: {dns: a.b}}]", DIAG_KEY_NEEDS_KEY, "\"value\""},
        {"post_boot: [{delay: 5s, during: [backup]}]", DIAG_WRONG_CHOICE, "failover"},
        {"volumes: {0: {type: gp3}, 12: {iops: 3000}}", 0, NULL},
        {"volumes: {root: {type: gp3}}", DIAG_WRONG_NAME, "number of a disk"},
        {"tags: {\"drc:plan\": x}", DIAG_WRONG_NAME, "drc:"},
        {"env: {A: b}", DIAG_UNKNOWN_KEY, "post_boot"},
        {"guest: {credentials: secret}", DIAG_LITERAL_SECRET, "env:NAME"},
        {"timeouts: {start: 5}", DIAG_WRONG_TYPE, "a duration such as 30s"},
        {"nics: [{subnet: db}]", 0, NULL},
        {"nics: [{subnet: db}]\n    subnet: db", DIAG_CONFLICTING_KEYS, "exclude"},
        {"critical: 1", DIAG_WRONG_TYPE, "true or false"},
        {"instance_type: large", DIAG_WRONG_VALUE, "m6i.large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_plan_error(cases[i].vm, cases[i].code, cases[i].said);
    }
}

/* ---- documentation ---- */

static const char *explain(const char *key, struct buffer *out)
{
    struct arena *arena = arena_create();
    buffer_clear(out);
    bool found = schema_explain(schema_plan(arena), key, out);
    arena_destroy(arena);
    return found ? buffer_text(out) : NULL;
}

static void test_explain(void **state)
{
    (void)state;
    struct buffer out = {0};
    const char *text = explain("objectives.rto", &out);
    assert_non_null(strstr(text, "objectives.rto\n"));
    assert_non_null(strstr(text, "Needed."));
    assert_non_null(strstr(text, "a duration such as"));
    assert_ptr_equal(strstr(explain("rto", &out), "objectives.rto\n"), buffer_text(&out));
    text = explain("vms.ready.tcp", &out);
    assert_ptr_equal(strstr(text, "vms.NAME.ready[].tcp\n"), text);
    text = explain("instance_type", &out); /* of defaults and of VMs: the same */
    assert_ptr_equal(strstr(text, "vms.NAME.instance_type\n"), text);
    assert_non_null(strstr(text, "Default: auto"));
    text = explain("credentials", &out);
    assert_non_null(strstr(text, "several keys"));
    assert_non_null(strstr(text, "sites.primary.vcenter.credentials"));
    assert_non_null(strstr(explain("objectives", &out), "Below it: rpo, rto, test_every, on_miss"));
    assert_null(explain("nonsense", &out));
    assert_null(explain("", &out));
    assert_null(explain("objectives.", &out));
    assert_null(explain("tives.rto", &out));
    buffer_free(&out);
}

/* Every key has a description: the reference page and drc explain are made of them. */
static void test_every_key_is_described(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct buffer page = {0};
    schema_reference(schema_plan(arena), &page);
    for (const char *at = page.data; (at = strstr(at, "- **`")) != NULL; at++) {
        const char *next = strchr(at, '\n') + 1;
        if (strncmp(next, "  ", 2) != 0 || strncmp(next, "  Example", 9) == 0) {
            fail_msg("no description: %.60s", at);
        }
    }
    assert_non_null(strstr(page.data, "\n## vms\n"));
    assert_non_null(strstr(page.data, "Its keys are those of `vms.NAME`."));
    assert_null(strstr(page.data, "`defaults.tags`"));
    buffer_free(&page);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_refuses),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_reference_to_itself),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_type_hints),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_all_errors_are_reported),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_collections),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_choice_of_keys),
        cmocka_unit_test(test_keys_among_each_other),
        cmocka_unit_test(test_secrets_are_not_shown),
        cmocka_unit_test(test_patterns_have_limits),
        cmocka_unit_test(test_reference_plan_is_valid),
        cmocka_unit_test(test_schema_has_the_keys_of_the_reference),
        cmocka_unit_test(test_plan_language),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_every_key_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
