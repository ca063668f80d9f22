/* permission.def holds what it promises: every permission of action.def is allowed somehow, nothing
 * is there without use, and what policies say is what IAM takes. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/permissions/permission.h"

static bool is_how(const struct permission_row *row)
{
    return row->action == ACTION_NONE && row->workflows == 0;
}

static size_t count_how(const char *permission)
{
    size_t count = 0;
    const struct permission_row *row;
    for (size_t i = 0; (row = permission_row(i)); i++) {
        count += is_how(row) && strcmp(row->permission, permission) == 0;
    }
    return count;
}

static void test_every_permission_of_an_action_is_allowed(void **state)
{
    (void)state;
    for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
        const char *own = action_info((enum action)action)->permission;
        if (*own && count_how(own) == 0) {
            fail_msg("permission.def has no HOW for %s of %s", own,
                     action_info((enum action)action)->name);
        }
    }
}

static void test_no_how_is_for_nothing(void **state)
{
    (void)state;
    const struct permission_row *row;
    for (size_t i = 0; (row = permission_row(i)); i++) {
        bool used = !is_how(row);
        for (int action = ACTION_NONE + 1; action < ACTION_COUNT && !used; action++) {
            used = strcmp(action_info((enum action)action)->permission, row->permission) == 0;
        }
        if (!used) {
            fail_msg("no action has the permission %s", row->permission);
        }
    }
}

/* service:Operation, without wildcards. */
static bool is_permission(const char *text)
{
    const char *colon = strchr(text, ':');
    if (!colon || colon == text || !isupper((unsigned char)colon[1])) {
        return false;
    }
    for (const char *at = text; *at; at++) {
        if (at != colon && !isalnum((unsigned char)*at)) {
            return false;
        }
    }
    return true;
}

static void test_rows_are_well_formed_and_differ(void **state)
{
    (void)state;
    const struct permission_row *row, *other;
    for (size_t i = 0; (row = permission_row(i)); i++) {
        assert_true(is_permission(row->permission));
        assert_true(is_how(row) || (row->why && *row->why));
        for (size_t k = 0; k < i && (other = permission_row(k)); k++) {
            bool same = other->action == row->action && other->statement == row->statement &&
                        other->workflows == row->workflows && other->where == row->where &&
                        strcmp(other->permission, row->permission) == 0;
            if (same) {
                fail_msg("%s stands in permission.def twice", row->permission);
            }
        }
    }
}

static void test_statements_have_sids_of_their_own_and_are_used(void **state)
{
    (void)state;
    for (int s = 0; s < STATEMENT_COUNT; s++) {
        const struct statement_info *info = statement_info((enum statement)s);
        const struct permission_row *row;
        bool used = false;
        for (const char *at = info->sid; *at; at++) {
            assert_true(isalpha((unsigned char)*at)); /* IAM: letters and digits */
        }
        for (int other = 0; other < s; other++) {
            assert_string_not_equal(info->sid, statement_info((enum statement)other)->sid);
        }
        for (size_t i = 0; (row = permission_row(i)); i++) {
            used = used || row->statement == (enum statement)s;
        }
        assert_true(used);
        assert_true(info->resources != 0 && *info->about);
    }
}

/* What changes anything needs a tag, or a thing that the plan names. */
static void test_wide_statements_only_look(void **state)
{
    (void)state;
    const struct permission_row *row;
    for (size_t i = 0; (row = permission_row(i)); i++) {
        const struct statement_info *info = statement_info(row->statement);
        const char *operation = strchr(row->permission, ':') + 1;
        bool looks = strncmp(operation, "Describe", 8) == 0 || strncmp(operation, "Get", 3) == 0 ||
                     strncmp(operation, "List", 4) == 0;
        if (info->resources & (UINT64_C(1) << RESOURCE_ANY)) {
            assert_true(looks);
        }
    }
}

static void test_cleanup_is_part_of_what_makes(void **state)
{
    (void)state;
    bool actions[ACTION_COUNT] = {false};
    actions[ACTION_CREATE_VOLUME] = actions[ACTION_RUN_INSTANCE] = true;
    permission_add_take_back(actions);
    assert_true(actions[ACTION_DELETE_VOLUME] && actions[ACTION_DETACH_VOLUME]);
    assert_true(actions[ACTION_TERMINATE_INSTANCE] && actions[ACTION_STOP_INSTANCE]);
    assert_false(actions[ACTION_DEREGISTER_IMAGE] || actions[ACTION_NONE]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_permission_of_an_action_is_allowed),
        cmocka_unit_test(test_no_how_is_for_nothing),
        cmocka_unit_test(test_rows_are_well_formed_and_differ),
        cmocka_unit_test(test_statements_have_sids_of_their_own_and_are_used),
        cmocka_unit_test(test_wide_statements_only_look),
        cmocka_unit_test(test_cleanup_is_part_of_what_makes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
