#include "tests/unit/support/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/support/plan_fixture.h"

/* A plan whose VM web has a step with the argument `scalar`, written as in the file. */
static struct plan_fixture with_argument(const char *scalar)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture =
        fixture_bind(arena_printf(arena,
                                  "vars: {domain: shop.example, port: 8080}\n%s"
                                  "vms:\n"
                                  "  db: {source: /a, subnet: db}\n"
                                  "  web:\n"
                                  "    source: /b\n"
                                  "    subnet: app\n"
                                  "    post_boot:\n"
                                  "      - script: a.sh\n"
                                  "        args: [%s]\n",
                                  fixture_head, scalar));
    arena_destroy(arena);
    return fixture;
}

static const struct template *argument(const struct plan_fixture *fixture)
{
    assert_non_null(fixture->plan);
    return &fixture->plan->vms[1].post_boot[0].args[0];
}

static void all_forms_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum reference_kind kind;
        const char *value; /* of VALUE */
        const char *vm;
        enum vm_field field;
    } forms[] = {
        {"${vars.domain}", REFERENCE_VALUE, "shop.example", NULL, 0},
        {"${vars.port}", REFERENCE_VALUE, "8080", NULL, 0},
        {"${plan.name}", REFERENCE_VALUE, "shop", NULL, 0},
        {"${workflow}", REFERENCE_VALUE, NULL, NULL, 0},
        {"${run.id}", REFERENCE_RUN_ID, NULL, NULL, 0},
        {"${recovery_point.time}", REFERENCE_RECOVERY_POINT_TIME, NULL, NULL, 0},
        {"${vms.db.address}", REFERENCE_VM, NULL, "db", VM_FIELD_ADDRESS},
        {"${vms.db.private_ip}", REFERENCE_VM, NULL, "db", VM_FIELD_PRIVATE_IP},
        {"${vms.db.public_ip}", REFERENCE_VM, NULL, "db", VM_FIELD_PUBLIC_IP},
        {"${vms.db.instance_id}", REFERENCE_VM, NULL, "db", VM_FIELD_INSTANCE_ID},
        {"${vms.db.name}", REFERENCE_VM, NULL, "db", VM_FIELD_NAME},
        {"${self.address}", REFERENCE_VM, NULL, "web", VM_FIELD_ADDRESS},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "\"%s\"", forms[i].text);
        struct plan_fixture fixture = with_argument(quoted);
        const struct template *template = argument(&fixture);
        assert_string_equal(template->raw, forms[i].text);
        assert_int_equal(template->part_count, 1);
        const struct reference_part *part = &template->parts[0];
        assert_int_equal(part->kind, forms[i].kind);
        if (forms[i].kind == REFERENCE_VALUE && forms[i].value) {
            assert_string_equal(part->text, forms[i].value);
        }
        if (forms[i].vm) {
            assert_string_equal(part->vm->name, forms[i].vm);
            assert_int_equal(part->field, forms[i].field);
        }
        fixture_free(&fixture);
    }
}

static void texts_are_taken_apart(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_argument("\"a ${self.name}$$b$c $${d} ${run.id}\"");
    const struct template *template = argument(&fixture);
    assert_int_equal(template->part_count, 4);
    assert_string_equal(template->parts[0].text, "a ");
    assert_int_equal(template->parts[1].kind, REFERENCE_VM);
    assert_string_equal(template->parts[2].text, "$b$c ${d} ");
    assert_int_equal(template->parts[3].kind, REFERENCE_RUN_ID);
    fixture_free(&fixture);

    fixture = with_argument("\"\"");
    assert_int_equal(argument(&fixture)->part_count, 0);
    fixture_free(&fixture);

    fixture = with_argument("\"5$\"");
    assert_string_equal(argument(&fixture)->parts[0].text, "5$");
    fixture_free(&fixture);
}

static void mistakes_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum diagnostic_code code;
        const char *help;
    } mistakes[] = {
        {"${vars.domian}", DIAG_UNKNOWN_VARIABLE, "\"domain\""},
        {"${vms.bd.address}", DIAG_UNKNOWN_VM, "\"db\""},
        {"${vms.db.adress}", DIAG_UNKNOWN_REFERENCE, "\"address\""},
        {"${vms.db}", DIAG_UNKNOWN_REFERENCE, "${vms.db.address}"},
        {"${self.ip_of_mine}", DIAG_UNKNOWN_REFERENCE, "private_ip"},
        {"${plan.nam}", DIAG_UNKNOWN_REFERENCE, "${plan.name}"},
        {"${vars.}", DIAG_UNKNOWN_REFERENCE, NULL},
        {"${}", DIAG_REFERENCE_SYNTAX, "$${"},
        {"${vms.db.address", DIAG_REFERENCE_SYNTAX, "$${"},
        {"${vms db}", DIAG_REFERENCE_SYNTAX, "$${"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "\"%s\"", mistakes[i].text);
        struct plan_fixture fixture = with_argument(quoted);
        assert_null(fixture.plan);
        const struct diagnostic *found = fixture_only(&fixture, mistakes[i].code);
        if (mistakes[i].help) {
            assert_int_equal(found->help_count, 1);
            assert_non_null(strstr(found->helps[0], mistakes[i].help));
        }
        fixture_free(&fixture);
    }
}

static void places_are_exact(void **state)
{
    (void)state;
    /* "        args: [" is 15 columns wide. */
    static const struct {
        const char *scalar;
        uint32_t column, end_column;
    } places[] = {
        {"\"${vms.x.name}\"", 17, 30},
        {"\"$$ é ${vms.x.name}\"", 22, 35},
        {"'it''s ${vms.x.name}'", 23, 36},
        {"\"\\t${vms.x.name}\"", 19, 32},
        /* The file has one dollar sign fewer than the text: the whole scalar then. */
        {"\"\\x24 ${vms.x.name}\"", 16, 36},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct plan_fixture fixture = with_argument(places[i].scalar);
        struct span at = fixture_only(&fixture, DIAG_UNKNOWN_VM)->primary.span;
        assert_int_equal(at.column, places[i].column);
        assert_int_equal(at.end_column, places[i].end_column);
        fixture_free(&fixture);
    }
}

static void places_in_blocks_have_their_line(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_argument("ok]\n"
                                                "        env:\n"
                                                "          TEXT: |\n"
                                                "            one ${self.name}\n"
                                                "            two ${vms.x.name}\n"
                                                "        during: [failover");
    struct span at = fixture_only(&fixture, DIAG_UNKNOWN_VM)->primary.span;
    size_t length;
    const char *line = source_line(at.source, at.line, &length);
    assert_memory_equal(line, "            two ${vms.x.name}", length);
    assert_int_equal(at.column, 17);
    assert_int_equal(at.end_column, 30);
    fixture_free(&fixture);
}

static void self_needs_a_vm(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct plan_fixture fixture =
        fixture_bind(arena_printf(arena,
                                  "%safter:\n  - script: a.sh\n    run_on: runner\n"
                                  "    args: [\"${self.address}\"]\n"
                                  "vms: {db: {source: /a, subnet: db}}\n",
                                  fixture_head));
    fixture_only(&fixture, DIAG_SELF_OUTSIDE_VM);
    fixture_free(&fixture);
    arena_destroy(arena);
}

static struct plan_fixture with_description(const char *scalar)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_bind(arena_printf(arena,
                                                            "vars: {who: us}\ndescription: %s\n%s"
                                                            "vms: {db: {source: /a, subnet: db}}\n",
                                                            scalar, fixture_head));
    arena_destroy(arena);
    return fixture;
}

static void fixed_values_are_filled_in(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_description("${plan.name} of ${vars.who} for $$5");
    assert_non_null(fixture.plan);
    assert_string_equal(fixture.plan->description, "shop of us for $5");
    fixture_free(&fixture);
}

static void values_of_a_run_are_refused_where_keys_are_fixed(void **state)
{
    (void)state;
    static const char *const late[] = {"${run.id}", "${workflow}", "${recovery_point.time}"};
    for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
        struct plan_fixture fixture = with_description(late[i]);
        fixture_only(&fixture, DIAG_REFERENCE_NOT_HERE);
        fixture_free(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_forms_are_known),
        cmocka_unit_test(texts_are_taken_apart),
        cmocka_unit_test(mistakes_are_told_apart),
        cmocka_unit_test(places_are_exact),
        cmocka_unit_test(places_in_blocks_have_their_line),
        cmocka_unit_test(self_needs_a_vm),
        cmocka_unit_test(fixed_values_are_filled_in),
        cmocka_unit_test(values_of_a_run_are_refused_where_keys_are_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
