/* The official test suite of JSON Schema (Debian's json-schema-test-suite) for the keywords that
 * are supported. Debian carries it up to draft 7; what 2020-12 spells otherwise is rewritten here:
 * definitions, items with a list, additionalItems, dependencies. JSON is YAML, so the instances
 * come through yaml_parse like plans do. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema.h"
#include "compiler/front/tree.h"
#include "tests/unit/support/cmocka_all.h"

#define SUITE "/usr/share/json-schema-test-suite/tests/draft7"

/* Groups that are not run, and why; a group that is not run and not here fails the test. */
static const char *const not_run[] = {
#include "tests/unit/compiler/front/schema_suite_not_run.inc"
};

enum { CASES_RUN = 354 };

/* ---- from draft 7 to 2020-12 ---- */

static void rewrite(cJSON *schema);

static void rewrite_children(cJSON *container)
{
    cJSON *child;
    cJSON_ArrayForEach(child, container)
    {
        rewrite(child);
    }
}

static void rename_key(cJSON *item, const char *name)
{
    free(item->string);
    item->string = strdup(name);
}

static void rewrite_items(cJSON *schema)
{
    cJSON *items = cJSON_GetObjectItemCaseSensitive(schema, "items");
    cJSON *additional = cJSON_GetObjectItemCaseSensitive(schema, "additionalItems");
    if (cJSON_IsArray(items)) {
        rewrite_children(items);
        rename_key(items, "prefixItems");
        if (additional) {
            rename_key(additional, "items");
        }
    } else if (additional) { /* means nothing then */
        cJSON_DeleteItemFromObjectCaseSensitive(schema, "additionalItems");
    }
}

static void rewrite_ref(cJSON *item)
{
    static const char *const prefixes[][2] = {{"#/definitions/", "#/$defs/"},
                                              {"#/items/", "#/prefixItems/"}};
    for (size_t i = 0; cJSON_IsString(item) && i < 2; i++) {
        size_t length = strlen(prefixes[i][0]);
        if (strncmp(item->valuestring, prefixes[i][0], length) == 0) {
            size_t size = strlen(item->valuestring) + 8;
            char *text = malloc(size);
            snprintf(text, size, "%s%s", prefixes[i][1], item->valuestring + length);
            free(item->valuestring);
            item->valuestring = text;
        }
    }
}

static bool is_one_of(const char *key, const char *const *keys)
{
    for (; *keys; keys++) {
        if (strcmp(key, *keys) == 0) {
            return true;
        }
    }
    return false;
}

static void rewrite(cJSON *schema)
{
    static const char *const single[] = {
        "items", "additionalProperties", "propertyNames", "not", "if", "then", "else", NULL};
    static const char *const several[] = {
        "properties", "patternProperties", "$defs", "allOf", "anyOf", "oneOf", NULL};
    if (!cJSON_IsObject(schema)) {
        return;
    }
    rewrite_items(schema);
    cJSON *item;
    cJSON_ArrayForEach(item, schema)
    {
        if (strcmp(item->string, "definitions") == 0) {
            rename_key(item, "$defs");
        }
        if (strcmp(item->string, "dependencies") == 0 && cJSON_IsArray(item->child)) {
            rename_key(item, "dependentRequired");
        }
        if (strcmp(item->string, "$ref") == 0) {
            rewrite_ref(item);
        }
        if (is_one_of(item->string, single)) {
            rewrite(item);
        } else if (is_one_of(item->string, several)) {
            rewrite_children(item);
        }
    }
}

/* ---- running ---- */

static int cases_run;
static size_t groups_not_run;

static bool is_valid(struct arena *arena, const struct schema *schema, const cJSON *data)
{
    char *text = cJSON_PrintUnformatted(data);
    struct diagnostics *diagnostics = diagnostics_create(arena);
    struct source *source = source_from_text(arena, "instance.json", text, strlen(text));
    struct tree *tree = yaml_parse(arena, source, diagnostics);
    if (!tree) {
        struct buffer out = {0};
        diagnostics_write(diagnostics, DIAGNOSTIC_FORMAT_HUMAN, false, &out);
        fail_msg("%s is not parsed: %s", text, buffer_text(&out));
    }
    free(text);
    bool valid = schema_validate(schema, tree, diagnostics);
    assert_int_equal(valid, diagnostics->error_count == 0);
    return valid;
}

static bool is_listed(const char *name)
{
    for (size_t i = 0; i < sizeof not_run / sizeof *not_run; i++) {
        if (strcmp(not_run[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static int run_group(const char *file, cJSON *group)
{
    struct arena *arena = arena_create();
    const char *description = cJSON_GetObjectItem(group, "description")->valuestring;
    char *name = arena_printf(arena, "%s: %s", file, description);
    cJSON *json = cJSON_GetObjectItem(group, "schema");
    rewrite(json);
    char *text = cJSON_PrintUnformatted(json);
    struct error error = {0};
    struct schema *schema = is_listed(name) ? NULL : schema_load(arena, file, text, &error);
    free(text);
    groups_not_run += is_listed(name);
    int wrong = 0;
    if (!schema && !is_listed(name)) {
        print_error("    \"%s\", /* %s */\n", name, error.message);
        wrong++;
    }
    const cJSON *test;
    cJSON_ArrayForEach(test, cJSON_GetObjectItem(group, "tests"))
    {
        if (schema) {
            cases_run++;
            bool expected = cJSON_IsTrue(cJSON_GetObjectItem(test, "valid"));
            if (is_valid(arena, schema, cJSON_GetObjectItem(test, "data")) != expected) {
                print_error("%s, %s: should be %s\n", name,
                            cJSON_GetObjectItem(test, "description")->valuestring,
                            expected ? "valid" : "invalid");
                wrong++;
            }
        }
    }
    error_clear(&error);
    arena_destroy(arena);
    return wrong;
}

static int run_file(const char *file)
{
    struct arena *arena = arena_create();
    struct error error = {0};
    struct source *source = source_read(arena, arena_printf(arena, SUITE "/%s", file), &error);
    assert_non_null(source);
    cJSON *groups = cJSON_Parse(source->text);
    assert_non_null(groups);
    int wrong = 0;
    cJSON *group;
    cJSON_ArrayForEach(group, groups)
    {
        wrong += run_group(file, group);
    }
    cJSON_Delete(groups);
    arena_destroy(arena);
    return wrong;
}

static int is_json(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0;
}

static void test_official_suite(void **state)
{
    (void)state;
    struct dirent **files;
    int count = scandir(SUITE, &files, is_json, alphasort);
    assert_true(count > 0); /* the package json-schema-test-suite is missing: tools/deps test */
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        wrong += run_file(files[i]->d_name);
        free(files[i]);
    }
    free(files);
    assert_int_equal(wrong, 0);
    assert_int_equal(cases_run, CASES_RUN);
    assert_int_equal(groups_not_run, sizeof not_run / sizeof *not_run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_official_suite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
