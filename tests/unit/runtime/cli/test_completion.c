/* Completion scripts name every command and flag, and bash can read its own.
 * Covers: explain.c: the other commands that only print. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/cli/command.h"
#include "tests/unit/support/captured.h"
#include "tests/unit/support/cmocka_all.h"

static enum exit_status run(enum exit_status (*command)(const struct invocation *), const char *word,
                            bool json, struct captured *captured)
{
    struct invocation invocation = {.arena = arena_create(), .arguments = &word,
                                    .argument_count = word != NULL};
    invocation.given[FLAG_JSON] = json;
    captured_begin(captured);
    enum exit_status status = command(&invocation);
    captured_end(captured);
    arena_destroy(invocation.arena);
    return status;
}

static void every_shell_knows_every_command(void **state)
{
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (int i = 0; i < 3; i++) {
        struct captured captured;
        assert_int_equal(run(command_completion, shells[i], false, &captured), EXIT_DONE);
        for (size_t k = 0; k < command_count; k++) {
            const char *words = commands[k].words;
            const char *last = strrchr(words, ' ') ? strrchr(words, ' ') + 1 : words;
            if (commands[k].run && !strstr(captured.out, last)) {
                fail_msg("%s does not know %s", shells[i], words);
            }
        }
        assert_non_null(strstr(captured.out, "recovery-point"));
        assert_null(strstr(captured.out, "inject")); /* not built yet */
        captured_free(&captured);
    }
    struct captured captured;
    assert_int_equal(run(command_completion, "tcsh", false, &captured), EXIT_ERROR);
    assert_string_equal(captured.out, "");
    assert_non_null(strstr(captured.err, "no completion for \"tcsh\""));
    captured_free(&captured);
}

/* What bash offers behind `words`. */
static char *offered(const char *script, const char *words, int at)
{
    struct buffer command = {0}, answer = {0};
    buffer_printf(&command,
                  "bash -c 'source /dev/stdin <<\"EOF\"\n%s\nEOF\nCOMP_WORDS=(%s); COMP_CWORD=%d; "
                  "_drc; echo \"${COMPREPLY[@]}\"'",
                  script, words, at);
    FILE *pipe = popen(buffer_text(&command), "r");
    for (int c; pipe && (c = getc(pipe)) != EOF;) {
        buffer_putc(&answer, (char)c);
    }
    if (pipe) {
        pclose(pipe);
    }
    buffer_free(&command);
    return buffer_steal(&answer);
}

static void bash_offers_what_fits(void **state)
{
    (void)state;
    struct captured captured;
    run(command_completion, "bash", false, &captured);
    static const struct {
        const char *words;
        int at;
        const char *offered;
    } cases[] = {
        {"drc pl", 1, "plan\n"},
        {"drc plan ch", 2, "check\n"},
        {"drc plan check --str", 3, "--strict\n"},
        {"drc run check --str", 3, "\n"},
        {"drc plan apply shop failo", 4, "failover\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *answer = offered(captured.out, cases[i].words, cases[i].at);
        assert_string_equal(answer, cases[i].offered);
        free(answer);
    }
    captured_free(&captured);
}

static void explain_knows_codes_keys_and_actions(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"D0207", "D0207"},
        {"vms.ready.tcp", "tcp"},
        {"create-volume", "permission: ec2:CreateVolume"},
        {"check-tcp", "permission: nothing"},
    };
    struct captured captured;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(run(command_explain, cases[i][0], false, &captured), EXIT_DONE);
        assert_non_null(strstr(captured.out, cases[i][1]));
        assert_string_equal(captured.err, "");
        captured_free(&captured);
    }
    assert_int_equal(run(command_explain, "D9999", false, &captured), EXIT_ERROR);
    assert_string_equal(captured.out, "");
    assert_non_null(strstr(captured.err, "no diagnostic, key or action \"D9999\""));
    captured_free(&captured);
}

static void the_version(void **state)
{
    (void)state;
    struct captured captured;
    assert_int_equal(run(command_version, NULL, false, &captured), EXIT_DONE);
    assert_string_equal(captured.out, "drc " DRC_VERSION "\n");
    captured_free(&captured);
    assert_int_equal(run(command_version, NULL, true, &captured), EXIT_DONE);
    assert_non_null(strstr(captured.out, "\"graph_format\": \"drc-graph/1\""));
    captured_free(&captured);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shell_knows_every_command),
        cmocka_unit_test(bash_offers_what_fits),
        cmocka_unit_test(explain_knows_codes_keys_and_actions),
        cmocka_unit_test(the_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
