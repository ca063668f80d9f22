/* Help: every page names all that there is, and fits into 80 columns.
 * Covers: command.c command_manual.c command_reference.c: the tables and their other pages. */
#include <stdio.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "runtime/cli/command.h"
#include "tests/unit/support/cmocka_all.h"

static void expect(const struct buffer *page, const char *text)
{
    if (!strstr(buffer_text(page), text)) {
        fail_msg("there is no \"%s\" in:\n%s", text, buffer_text(page));
    }
}

/* But for usage and example lines, which nobody may break. */
static void expect_narrow(const struct buffer *page)
{
    int columns = 0;
    const char *line = buffer_text(page);
    for (const char *c = line; *c; c++) {
        columns = *c == '\n' ? 0 : columns + (((unsigned char)*c & 0xc0) != 0x80);
        line = *c == '\n' ? c + 1 : line;
        if (columns > 80 && strncmp(line, "usage: ", 7) != 0 && strncmp(line, "  drc ", 6) != 0) {
            fail_msg("too wide: %.100s", line);
        }
    }
}

/* Two flags may share a name and mean different things, in different commands. */
static bool meet(int one, int other)
{
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].flags >> one & commands[i].flags >> other & 1) {
            return true;
        }
    }
    return false;
}

static void each_manual_says_what_it_is_of(void **state)
{
    static const char *const names[][2] = {{"plan", "drc-plan - check, compile"},
                                           {"run", "drc-run - look at runs"},
                                           {"repo", "drc-repo - the backup repository"},
                                           {"sandbox", "drc-sandbox - an AWS in a folder"}};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buffer page = {0};
        command_manual(names[i][0], &page);
        expect(&page, names[i][1]);
        buffer_free(&page);
    }
}

static void the_tables_are_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(command->words, commands[k].words);
        }
        if (command->run) {
            assert_true(command->flags >> FLAG_HELP & 1);
            assert_true(*command->summary && *command->details && *command->examples);
            assert_true(command->max_arguments < 0 ||
                        command->max_arguments >= command->min_arguments);
        }
    }
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        const struct flag_info *info = &flag_infos[flag];
        assert_int_equal(info->argument == FLAG_ARG_NONE, *info->metavar == '\0');
        for (int other = 0; other < flag; other++) {
            assert_true(strcmp(info->name, flag_infos[other].name) != 0 || !meet(flag, other));
            assert_true(!info->short_name || info->short_name != flag_infos[other].short_name);
        }
    }
}

static void the_first_page_has_every_command_that_works(void **state)
{
    (void)state;
    struct buffer page = {0};
    help_all(&page);
    expect_narrow(&page);
    for (size_t i = 0; i < command_count; i++) {
        char line[80];
        snprintf(line, sizeof line, "\n  %s ", commands[i].words);
        assert_int_equal(strstr(buffer_text(&page), line) != NULL, commands[i].run != NULL);
    }
    buffer_free(&page);
}

static void a_groups_page_has_its_commands_only(void **state)
{
    (void)state;
    struct buffer page = {0};
    help_group("run", &page);
    expect_narrow(&page);
    expect(&page, "\n  resume ");
    expect(&page, "\n  cleanup ");
    assert_null(strstr(buffer_text(&page), "compile"));
    expect(&page, "\n  orphans ");
    buffer_free(&page);
}

static void a_commands_page_has_its_flags_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_count; i++) {
        struct buffer page = {0};
        help_command(&commands[i], &page);
        expect_narrow(&page);
        for (int flag = 0; flag < FLAG_COUNT; flag++) {
            char name[48];
            snprintf(name, sizeof name, "--%s", flag_infos[flag].name);
            if (commands[i].flags >> flag & 1) {
                expect(&page, name);
            }
        }
        buffer_free(&page);
    }
    struct buffer page = {0};
    help_command(&commands[0], &page); /* plan check */
    expect(&page, "  --strict ");
    assert_null(strstr(buffer_text(&page), "--take-over"));
    buffer_free(&page);
}

static void groups_and_foreign_words(void **state)
{
    (void)state;
    assert_true(is_group("plan") && is_group("run") && is_group("sandbox"));
    assert_false(is_group("pla") || is_group("plans") || is_group("explain") || is_group(""));
    assert_non_null(foreign_word("validate"));
    assert_non_null(foreign_word("-auto-approve"));
    assert_null(foreign_word("check"));
    assert_null(foreign_word("--yes"));
}


static void the_manual_and_the_reference_have_everything(void **state)
{
    (void)state;
    struct buffer reference = {0}, plan = {0}, run = {0}, sandbox = {0};
    command_reference(&reference);
    command_manual("plan", &plan);
    command_manual("run", &run);
    command_manual("sandbox", &sandbox);
    for (size_t i = 0; i < command_count; i++) {
        char title[80];
        snprintf(title, sizeof title, "## drc %s", commands[i].words);
        if (!commands[i].run) {
            continue;
        }
        expect(&reference, title);
        if (strncmp(commands[i].words, "plan ", 5) == 0) {
            expect(&plan, title);
            assert_null(strstr(buffer_text(&run), title));
        } else if (strncmp(commands[i].words, "run ", 4) == 0) {
            expect(&run, title);
        } else if (strncmp(commands[i].words, "sandbox ", 8) == 0) {
            expect(&sandbox, title);
        }
    }
    expect(&plan, "drc-plan(1)\n");
    expect(&plan, "*--facts* FILE\n\tFacts gathered earlier by drc plan facts.\n");
    expect(&plan, "*--dry-run*[=offline|live]");
    buffer_free(&reference);
    buffer_free(&plan);
    buffer_free(&run);
    buffer_free(&sandbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_sound),
        cmocka_unit_test(each_manual_says_what_it_is_of),
        cmocka_unit_test(the_first_page_has_every_command_that_works),
        cmocka_unit_test(a_groups_page_has_its_commands_only),
        cmocka_unit_test(a_commands_page_has_its_flags_only),
        cmocka_unit_test(groups_and_foreign_words),
        cmocka_unit_test(the_manual_and_the_reference_have_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
