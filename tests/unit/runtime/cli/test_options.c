/* Options: words of a command line become an invocation, or an error that says what was meant. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/cli/command.h"
#include "tests/unit/support/captured.h"
#include "tests/unit/support/cmocka_all.h"

struct parsed {
    struct invocation invocation;
    bool ok;
    enum exit_status status;
    struct captured captured;
};

/* Words separated by one blank. */
static struct parsed parse(const char *line)
{
    struct parsed parsed = {.invocation = {.arena = arena_create()}};
    char *text = arena_strdup(parsed.invocation.arena, line);
    char **argv = ARENA_ARRAY(parsed.invocation.arena, char *, 24);
    int argc = 0;
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    captured_begin(&parsed.captured);
    parsed.ok = invocation_parse(&parsed.invocation, argc, argv, &parsed.status);
    captured_end(&parsed.captured);
    return parsed;
}

static void done(struct parsed *parsed)
{
    arena_destroy(parsed->invocation.arena);
    captured_free(&parsed->captured);
}

static void flags_and_arguments_in_any_order(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "plan apply shop failover --yes --events - --var a=1 --var b=x=y",
        "plan apply -y --var a=1 shop --events=- failover --var=b=x=y",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct parsed parsed = parse(lines[i]);
        const struct invocation *invocation = &parsed.invocation;
        assert_true(parsed.ok);
        assert_string_equal(invocation->command->words, "plan apply");
        assert_int_equal(invocation->argument_count, 2);
        assert_string_equal(invocation->arguments[0], "shop");
        assert_string_equal(invocation->arguments[1], "failover");
        assert_true(invocation->given[FLAG_YES]);
        assert_false(invocation->given[FLAG_JSON]);
        assert_string_equal(invocation->values[FLAG_EVENTS], "-");
        assert_int_equal(invocation->variable_count, 2);
        assert_string_equal(invocation->variables[0].name, "a");
        assert_string_equal(invocation->variables[1].name, "b");
        assert_string_equal(invocation->variables[1].value, "x=y");
        assert_string_equal(parsed.captured.err, "");
        done(&parsed);
    }
}

static void an_optional_value_is_only_behind_an_equals_sign(void **state)
{
    (void)state;
    struct parsed parsed = parse("plan apply shop failover --dry-run");
    assert_true(parsed.ok);
    assert_true(parsed.invocation.given[FLAG_DRY_RUN]);
    assert_null(parsed.invocation.values[FLAG_DRY_RUN]);
    done(&parsed);
    parsed = parse("plan apply --dry-run=live shop failover");
    assert_true(parsed.ok);
    assert_string_equal(parsed.invocation.values[FLAG_DRY_RUN], "live");
    done(&parsed);
}

static void behind_two_dashes_all_are_arguments(void **state)
{
    (void)state;
    struct parsed parsed = parse("plan check -- --strict -target");
    assert_true(parsed.ok);
    assert_int_equal(parsed.invocation.argument_count, 2);
    assert_string_equal(parsed.invocation.arguments[0], "--strict");
    assert_false(parsed.invocation.given[FLAG_STRICT]);
    done(&parsed);
}

static void json_is_a_format(void **state)
{
    (void)state;
    static const char *const lines[] = {"run report --json", "run report --format json",
                                        "run report --format json --json"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct parsed parsed = parse(lines[i]);
        assert_true(parsed.ok);
        assert_true(parsed.invocation.given[FLAG_JSON]);
        assert_string_equal(parsed.invocation.values[FLAG_FORMAT], "json");
        done(&parsed);
    }
    struct parsed parsed = parse("run report --format text");
    assert_false(parsed.invocation.given[FLAG_JSON]);
    done(&parsed);
    parsed = parse("run list --json"); /* has no --format */
    assert_null(parsed.invocation.values[FLAG_FORMAT]);
    done(&parsed);
}

static void what_is_wrong_is_told_with_what_was_meant(void **state)
{
    (void)state;
    static const struct {
        const char *line, *error, *help;
    } cases[] = {
        {"plan aply x", "there is no command \"plan aply\"", "did you mean \"drc plan apply\"?"},
        {"explan", "there is no command \"explan\"", "did you mean \"drc explain\"?"},
        {"qqqqqqqq", "there is no command \"qqqqqqqq\"", "drc --help lists all commands"},
        {"validate", "there is no command \"validate\"", "drc plan check PLAN"},
        {"plan destroy", "there is no command \"plan destroy\"", "drc run cleanup RUN"},
        {"plan apply shop failover --ys", "has no flag --ys", "did you mean --yes?"},
        {"plan check x --state d", "drc plan check has no flag --state",
         "drc plan check --help lists its flags"},
        {"plan check x -q", "drc plan check has no flag -q", "lists its flags"},
        {"plan apply shop failover -auto-approve", "has no flag -auto-approve", "--yes"},
        {"plan apply shop failover -target=db", "has no flag -target", "--only"},
        {"plan compile x failover -o", "-o needs a value", "--help shows it"},
        {"plan check x --format", "--format needs a value", "--help shows it"},
        {"plan check x --var a", "--var wants NAME=VALUE, not \"a\"", "--var domain=shop.example"},
        {"plan check x --var =1", "--var wants NAME=VALUE", "for instance"},
        {"plan check", "drc plan check needs PLAN", "usage: drc plan check PLAN"},
        {"plan facts x", "needs PLAN WORKFLOW", "usage:"},
        {"run show a b", "does not know what to do with \"b\"", "usage: drc run show [RUN]"},
        {"plan diff a b", "not built yet", ""},
        {"run report --json --format text", "--json and --format text contradict each other",
         "give one of them"},
        {"simulate x --format markdown --json", "--json and --format markdown contradict", "one"},
        {"plan check x --format sarif --json", "--json and --format sarif contradict", "one"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parsed parsed = parse(cases[i].line);
        if (parsed.ok || parsed.status != EXIT_ERROR ||
            !strstr(parsed.captured.err, cases[i].error) ||
            !strstr(parsed.captured.err, cases[i].help) || *parsed.captured.out) {
            fail_msg("drc %s: %s", cases[i].line, parsed.captured.err);
        }
        done(&parsed);
    }
}

static void help_is_a_result(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"--help", "usage: drc COMMAND"},
        {"-h", "usage: drc COMMAND"},
        {"help", "usage: drc COMMAND"},
        {"help plan", "drc plan COMMAND --help says more"},
        {"plan", "drc plan COMMAND --help says more"},
        {"run --help", "drc run COMMAND --help says more"},
        {"plan check --help", "usage: drc plan check"},
        {"plan check x --strict -h", "usage: drc plan check"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct parsed parsed = parse(lines[i][0]);
        assert_false(parsed.ok);
        assert_int_equal(parsed.status, EXIT_DONE);
        assert_non_null(strstr(parsed.captured.out, lines[i][1]));
        assert_string_equal(parsed.captured.err, "");
        done(&parsed);
    }
    struct parsed parsed = parse("");
    assert_int_equal(parsed.status, EXIT_ERROR); /* nothing was asked for */
    assert_non_null(strstr(parsed.captured.out, "usage: drc COMMAND"));
    done(&parsed);
    parsed = parse("--version");
    assert_true(parsed.ok);
    assert_string_equal(parsed.invocation.command->words, "version");
    done(&parsed);
}

/* An error in the middle of a bundle of short flags leaves nothing behind for the next line. */
static void each_line_is_parsed_anew(void **state)
{
    (void)state;
    struct parsed parsed = parse("plan apply shop failover -qyy");
    assert_false(parsed.ok);
    done(&parsed);
    parsed = parse("plan apply shop failover --json");
    assert_true(parsed.ok);
    assert_false(parsed.invocation.given[FLAG_YES]);
    assert_true(parsed.invocation.given[FLAG_JSON]);
    assert_int_equal(parsed.invocation.argument_count, 2);
    done(&parsed);
}

static void numbers_within_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        double value; /* -1: refused */
    } cases[] = {
        {"simulate shop failover", 7},
        {"simulate shop failover --runs 12", 12},
        {"simulate shop failover --runs 1", 1},
        {"simulate shop failover --runs 50", 50},
        {"simulate shop failover --runs 0", -1},
        {"simulate shop failover --runs 51", -1},
        {"simulate shop failover --runs x", -1},
        {"simulate shop failover --runs=", -1},
        {"simulate shop failover --runs 5x", -1},
        {"simulate shop failover --runs nan", -1},
        {"simulate shop failover --runs 1e999", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parsed parsed = parse(cases[i].line);
        struct error error = {0};
        double value = 7;
        assert_true(parsed.ok);
        bool ok = flag_number(&parsed.invocation, FLAG_RUNS, 1, 50, &value, &error);
        assert_int_equal(ok, cases[i].value >= 0);
        assert_true(value == (ok ? cases[i].value : 7));
        assert_int_equal(error.message != NULL, !ok);
        error_clear(&error);
        done(&parsed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_within_bounds),
        cmocka_unit_test(flags_and_arguments_in_any_order),
        cmocka_unit_test(an_optional_value_is_only_behind_an_equals_sign),
        cmocka_unit_test(behind_two_dashes_all_are_arguments),
        cmocka_unit_test(json_is_a_format),
        cmocka_unit_test(what_is_wrong_is_told_with_what_was_meant),
        cmocka_unit_test(help_is_a_result),
        cmocka_unit_test(each_line_is_parsed_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
