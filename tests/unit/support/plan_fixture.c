#include "tests/unit/support/plan_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "compiler/front/tree.h"

const char fixture_head[] = "version: 1\n"
                            "name: shop\n"
                            "objectives: {rpo: 30m, rto: 20m}\n"
                            "backup: {every: 10m, repository: \"s3://acme-dr/shop\"}\n"
                            "replication: {every: 10m}\n"
                            "sites:\n"
                            "  recovery:\n"
                            "    aws:\n"
                            "      region: eu-west-1\n"
                            "      account: \"111122223333\"\n"
                            "      placeholder_image: {bios: ami-1, uefi: ami-2}\n"
                            "      conversion: {instances: {eu-west-1a: i-1}}\n"
                            "networks:\n"
                            "  production:\n"
                            "    vpc: vpc-1\n"
                            "    subnets:\n"
                            "      app: {id: subnet-1, cidr: 10.20.1.0/24, zone: eu-west-1a}\n"
                            "      db: {id: subnet-2, cidr: 10.20.2.0/24, zone: eu-west-1a}\n"
                            "    security_groups: {web: sg-1, db: sg-2}\n";

const char fixture_test_network[] =
    "  test:\n"
    "    vpc: vpc-2\n"
    "    subnets:\n"
    "      app: {id: subnet-3, cidr: 10.99.1.0/24, zone: eu-west-1a}\n"
    "      db: {id: subnet-4, cidr: 10.99.2.0/24, zone: eu-west-1a}\n"
    "    security_groups: {web: sg-3, db: sg-4}\n";

struct plan_fixture fixture_bind_with(const char *text, const struct variable *variables,
                                      size_t variable_count)
{
    struct plan_fixture fixture = {.arena = arena_create()};
    fixture.diagnostics = diagnostics_create(fixture.arena);
    struct source *source = source_from_text(fixture.arena, "plan.yaml", text, strlen(text));
    struct tree *tree = yaml_parse(fixture.arena, source, fixture.diagnostics);
    fixture.plan = tree ? plan_bind(fixture.arena, source, tree, variables, variable_count,
                                    fixture.diagnostics)
                        : NULL;
    return fixture;
}

struct plan_fixture fixture_bind(const char *text)
{
    return fixture_bind_with(text, NULL, 0);
}

struct plan_fixture fixture_check(const char *text)
{
    struct plan_fixture fixture = fixture_bind(text);
    if (fixture.plan) {
        plan_check(fixture.plan, fixture.diagnostics);
    }
    return fixture;
}

struct plan_fixture fixture_check_vms(const char *vms)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture =
        fixture_check(arena_printf(arena, "%svms:\n%s", fixture_head, vms));
    arena_destroy(arena);
    return fixture;
}

void fixture_free(struct plan_fixture *fixture)
{
    arena_destroy(fixture->arena);
    *fixture = (struct plan_fixture){0};
}

const char *fixture_replace(struct arena *arena, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    return arena_printf(arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

size_t fixture_count(const struct plan_fixture *fixture, enum diagnostic_code code)
{
    size_t count = 0;
    for (size_t i = 0; i < fixture->diagnostics->count; i++) {
        count += fixture->diagnostics->items[i]->code == code;
    }
    return count;
}

const struct diagnostic *fixture_find(const struct plan_fixture *fixture, enum diagnostic_code code)
{
    for (size_t i = 0; i < fixture->diagnostics->count; i++) {
        if (fixture->diagnostics->items[i]->code == code) {
            return fixture->diagnostics->items[i];
        }
    }
    return NULL;
}

static void tell(const struct plan_fixture *fixture)
{
    struct buffer text = {0};
    diagnostics_write(fixture->diagnostics, DIAGNOSTIC_FORMAT_HUMAN, false, &text);
    print_error("%s", buffer_text(&text));
    buffer_free(&text);
}

const struct diagnostic *fixture_only(const struct plan_fixture *fixture, enum diagnostic_code code)
{
    const struct diagnostic *found = fixture_find(fixture, code);
    if (!found || fixture->diagnostics->count != 1) {
        tell(fixture);
        fail_msg("wanted %s and nothing else", diagnostic_info(code)->code);
    }
    return found;
}

void fixture_clean(const struct plan_fixture *fixture)
{
    if (fixture->diagnostics->count) {
        tell(fixture);
        fail_msg("wanted no diagnostics");
    }
}
