/* --only: which VMs are chosen, what comes along, and the plan that is left. */
#include "compiler/plan/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/support/plan_fixture.h"

/* db ← app ← web; mail alone. */
static const char four_vms[] = "  db: {source: /DC/vm/db, subnet: db}\n"
                               "  app: {source: /DC/vm/app, subnet: app, depends_on: [db]}\n"
                               "  mail: {source: /DC/vm/mail, subnet: app}\n"
                               "  web:\n"
                               "    source: /DC/vm/web\n"
                               "    subnet: app\n"
                               "    depends_on: [app]\n"
                               "    post_boot:\n"
                               "      - script: join.sh\n"
                               "        args: ['${vms.app.private_ip}', '${self.name}']\n";

static struct plan_fixture make(void)
{
    struct plan_fixture fixture = fixture_check_vms(four_vms);
    assert_non_null(fixture.plan);
    return fixture;
}

static struct selection choose(const struct plan_fixture *fixture, const char *names,
                               const bool *there)
{
    struct selection selection;
    struct error error = {0};
    if (!plan_choose(fixture->arena, fixture->plan, names, there, &selection, &error)) {
        fail_msg("%s", error.message);
    }
    return selection;
}

static void test_dependencies_come_along(void **state)
{
    (void)state;
    struct plan_fixture fixture = make();
    struct selection selection = choose(&fixture, "web", NULL);
    assert_int_equal(selection.count, 3);
    assert_false(selection.chosen[2]);
    assert_int_equal(selection.added_count, 2);
    assert_string_equal(selection.added[0], "app");
    assert_string_equal(selection.added_by[0], "web");
    assert_string_equal(selection.added[1], "db");
    assert_string_equal(selection.added_by[1], "app");
    selection = choose(&fixture, " mail, db,db ", NULL);
    assert_int_equal(selection.count, 2);
    assert_int_equal(selection.added_count, 0);
    fixture_free(&fixture);
}

static void test_what_is_there_already_does_not(void **state)
{
    (void)state;
    struct plan_fixture fixture = make();
    const bool there[] = {true, false, false, false};
    struct selection selection = choose(&fixture, "web,db,db", there);
    assert_int_equal(selection.count, 2);
    assert_false(selection.chosen[0]);
    assert_int_equal(selection.over_count, 2);
    assert_string_equal(selection.over[0], "db");
    const bool app_there[] = {false, true, false, false};
    selection = choose(&fixture, "web", app_there); /* what app needs is app's affair */
    assert_int_equal(selection.count, 1);
    fixture_free(&fixture);
}

static void test_wrong_names(void **state)
{
    (void)state;
    static const struct {
        const char *names, *message;
    } wrong[] = {
        {"wep", "did you mean web?"}, {"db,nothing-like-it", "no VM \"nothing-like-it\""},
        {"", "no VM is named"},       {" ,, ", "no VM is named"},
    };
    struct plan_fixture fixture = make();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct selection selection;
        struct error error = {0};
        assert_false(plan_choose(fixture.arena, fixture.plan, wrong[i].names, NULL, &selection,
                                 &error));
        assert_non_null(strstr(error.message, wrong[i].message));
        assert_non_null(error.help);
        error_clear(&error);
    }
    fixture_free(&fixture);
}

static void test_the_plan_that_is_left(void **state)
{
    (void)state;
    struct plan_fixture fixture = make();
    struct error error = {0};
    struct plan *part = plan_restrict_to(fixture.arena, fixture.plan, "web,app", &error);
    assert_non_null(part);
    assert_int_equal(part->vm_count, 2);
    assert_string_equal(plan_vm_names(fixture.arena, part), "app,web");
    assert_string_equal(part->digest, fixture.plan->digest);
    const struct plan_vm *app = plan_vm_by_name(part, "app"), *web = plan_vm_by_name(part, "web");
    assert_ptr_equal(app, &part->vms[0]);
    assert_int_equal(web->index, 1);
    assert_int_equal(app->dependency_count, 0);
    assert_ptr_equal(web->dependencies[0].vm, app);
    assert_ptr_equal(web->post_boot[0].args[0].parts[0].vm, app);
    assert_ptr_equal(web->post_boot[0].args[1].parts[0].vm, web);
    assert_null(plan_vm_by_name(part, "db"));
    /* The whole is what it was. */
    assert_int_equal(fixture.plan->vms[1].dependency_count, 1);
    assert_ptr_equal(fixture.plan->vms[3].post_boot[0].args[0].parts[0].vm, &fixture.plan->vms[1]);
    fixture_free(&fixture);
}

static void test_values_of_what_is_not_selected(void **state)
{
    (void)state;
    struct plan_fixture fixture = make();
    struct error error = {0};
    assert_null(plan_restrict_to(fixture.arena, fixture.plan, "web", &error));
    assert_non_null(strstr(error.message, "web uses a value of app, which is not selected"));
    assert_string_equal(error.help, "name app too");
    error_clear(&error);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dependencies_come_along),
        cmocka_unit_test(test_what_is_there_already_does_not),
        cmocka_unit_test(test_wrong_names),
        cmocka_unit_test(test_the_plan_that_is_left),
        cmocka_unit_test(test_values_of_what_is_not_selected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
