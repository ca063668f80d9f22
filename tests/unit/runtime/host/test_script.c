#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"
#include "runtime/host/host.h"
#include "runtime/world/simulated.h"

struct fixture {
    struct world *world;
    struct provider *host;
    char folder[64], digest[SHA256_HEX_SIZE];
    const char *script, *kept; /* asked for, and what is kept of it */
    int64_t timeout_ms;
    int generation, attempt;
    struct input extra; /* one more; name NULL: none */
    struct buffer said;
    int ends_of_output;
    int done;
    enum outcome outcome;
    bool gone;
    char message[1200], help[600];
};

static bool read_script(void *context, const char *digest, struct buffer *out, struct error *error)
{
    struct fixture *f = context;
    assert_string_equal(digest, f->digest);
    if (!f->kept) {
        return error_set(error, "there is none");
    }
    buffer_puts(out, f->kept);
    return true;
}

static void open_host(struct fixture *f, struct world *world)
{
    f->world = world;
    f->host = host_provider_create(f->world);
    host_use_run(f->host, (struct script_source){f, read_script}, f->folder);
}

static void close_host(struct fixture *f)
{
    f->host->destroy(f->host);
    world_destroy(f->world);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/drc-test-script-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->timeout_ms = 60000;
    open_host(f, world_real_create(NULL));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[100];
    close_host(f);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    buffer_free(&f->said);
    free(f);
    return 0;
}

static void keep(void *context, struct call *call, const struct call_result *result)
{
    struct fixture *f = context;
    assert_ptr_equal(call->context, f);
    f->done++;
    f->outcome = result->outcome;
    f->gone = result->error.gone;
    snprintf(f->message, sizeof f->message, "%s", result->error.message ? result->error.message : "");
    snprintf(f->help, sizeof f->help, "%s", result->error.help ? result->error.help : "");
}

static void hear(struct call *call, const void *bytes, size_t length)
{
    struct fixture *f = call->context;
    buffer_append(&f->said, bytes, length);
    f->ends_of_output += length == 0;
}

static struct value text(const char *value)
{
    return (struct value){.kind = VALUE_TEXT, .text = value};
}

enum how { START, LOOK_UP, POLL };

static void ask(struct fixture *f, enum action action, enum how how, bool interrupt)
{
    struct input inputs[] = {
        {"script", text("scripts/x.sh")},
        {"digest", text(f->digest)},
        {"timeout_ms", {.kind = VALUE_INT, .integer = f->timeout_ms}},
        f->extra,
    };
    struct graph_node node = {.id = "db/post-boot-1/run-script", .action = action};
    struct call call = {.node = &node, .inputs = inputs, .input_count = f->extra.name ? 4 : 3,
                        .run_id = "7k2f", .generation = f->generation, .attempt = f->attempt,
                        .deadline_ms = world_monotonic_ms(f->world) + f->timeout_ms, .context = f,
                        .output = hear};
    struct call *calls[] = {&call};
    f->done = f->ends_of_output = 0;
    buffer_clear(&f->said);
    if (how == START) {
        f->host->start(f->host, calls, 1, keep, f);
    } else if (how == LOOK_UP) {
        f->host->lookup(f->host, &call, keep, f);
    } else {
        f->host->poll(f->host, calls, 1, keep, f);
    }
    if (interrupt) {
        f->host->interrupt(f->host);
    }
    assert_int_equal(f->done, 0);
    world_run(f->world, NULL);
    assert_int_equal(f->done, 1);
}

static void run(struct fixture *f, const char *script)
{
    f->script = f->kept = script;
    sha256_hex(script, strlen(script), f->digest);
    ask(f, ACTION_RUN_SCRIPT, START, false);
}

static void a_script_is_run_once(void **state)
{
    struct fixture *f = *state;
    run(f, "#!/bin/sh\necho x >> ../../../count; echo done\n");
    assert_int_equal(f->outcome, OUTCOME_OK);
    assert_string_equal(buffer_text(&f->said), "done\n");
    assert_int_equal(f->ends_of_output, 1);
    ask(f, ACTION_RUN_SCRIPT, LOOK_UP, false);
    assert_int_equal(f->outcome, OUTCOME_OK);
    ask(f, ACTION_RUN_SCRIPT, START, false);
    assert_int_equal(f->outcome, OUTCOME_OK);
    struct stat info;
    char path[100];
    snprintf(path, sizeof path, "%s/count", f->folder);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 2);
    f->generation = 1;
    ask(f, ACTION_RUN_SCRIPT, START, false);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 4);
}

static void one_that_was_never_begun_is_absent(void **state)
{
    struct fixture *f = *state;
    ask(f, ACTION_RUN_SCRIPT, LOOK_UP, false);
    assert_int_equal(f->outcome, OUTCOME_ABSENT);
}

static void its_environment_is_the_nodes(void **state)
{
    struct fixture *f = *state;
    const char *keys[] = {"DRC_VM", "LANG"};
    struct value values[] = {text("db; $(id)"), text("de")};
    f->extra = (struct input){
        "env", {.kind = VALUE_MAP, .keys = keys, .items = values, .count = 2}};
    setenv("AWS_SECRET_ACCESS_KEY", "not to be seen", 1);
    run(f, "#!/bin/sh\nenv | grep -v '^_=\\|^PWD=\\|^SHLVL=\\|^OLDPWD=' | cut -d= -f1 | sort | tr '\\n' ' '\n"
           "echo \"$DRC_VM $LANG\"\n");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    assert_int_equal(f->outcome, OUTCOME_OK);
    assert_string_equal(buffer_text(&f->said), "DRC_VM HOME LANG PATH TMPDIR db; $(id) de\n");
}

static void how_it_failed_is_told(void **state)
{
    struct fixture *f = *state;
    run(f, "#!/bin/sh\necho starting\necho; echo 'no route to \x1b[31mhost' >&2; exit 7\n");
    assert_int_equal(f->outcome, OUTCOME_FATAL);
    assert_true(f->gone);
    assert_string_equal(f->message,
                        "scripts/x.sh ended with status 7: starting | no route to ?[31mhost");
    ask(f, ACTION_RUN_SCRIPT, LOOK_UP, false);
    assert_int_equal(f->outcome, OUTCOME_FATAL);
    assert_true(f->gone);
    assert_non_null(strstr(f->message, "no route to"));
    f->generation++;
    run(f, "#!/bin/sh\nkill -9 $$\n");
    assert_string_equal(f->message,
                        "scripts/x.sh was killed by signal 9 (Killed), and wrote nothing");
    f->generation++;
    run(f, "no interpreter\n");
    assert_string_equal(f->message, "scripts/x.sh could not be executed: Exec format error");
    assert_non_null(strstr(f->help, "#!/bin/sh"));
    f->generation++;
    run(f, "#!/no/such\n");
    assert_non_null(strstr(f->help, "not installed"));
}

static void one_that_hangs_is_killed(void **state)
{
    struct fixture *f = *state;
    f->timeout_ms = 1000;
    run(f, "#!/bin/sh\necho waiting; sleep 600\n");
    assert_int_equal(f->outcome, OUTCOME_FATAL);
    assert_string_equal(f->message, "scripts/x.sh was killed, with all that it had started: it had not "
                                    "ended within 1s: waiting");
}

static void only_what_was_reviewed_is_run(void **state)
{
    struct fixture *f = *state;
    f->kept = "#!/bin/sh\necho another\n";
    sha256_hex("#!/bin/sh\n", 10, f->digest);
    ask(f, ACTION_RUN_SCRIPT, START, false);
    assert_int_equal(f->outcome, OUTCOME_FATAL);
    assert_non_null(strstr(f->message, "is not the script that was reviewed"));
    assert_false(f->gone); /* it was never begun */
    f->kept = NULL;
    ask(f, ACTION_RUN_SCRIPT, START, false);
    assert_string_equal(f->message, "reading scripts/x.sh: there is none");
    f->digest[0] = '\0';
    ask(f, ACTION_RUN_SCRIPT, START, false);
    assert_non_null(strstr(f->message, "has no digest"));
}

static void an_interrupt_leaves_it_alone(void **state)
{
    struct fixture *f = *state;
    f->script = f->kept = "#!/bin/sh\nsleep 5.5; echo x >> ../../../count\n";
    sha256_hex(f->kept, strlen(f->kept), f->digest);
    ask(f, ACTION_RUN_SCRIPT, START, true);
    assert_int_equal(f->outcome, OUTCOME_UNKNOWN);
    assert_non_null(strstr(f->message, "goes on without drc"));
    ask(f, ACTION_RUN_SCRIPT, LOOK_UP, false);
    assert_int_equal(f->outcome, OUTCOME_OK);
}

static void a_check_is_tried_again_and_again(void **state)
{
    struct fixture *f = *state;
    f->kept = "#!/bin/sh\n[ -e ../../../there ] && exit 0\necho not yet; exit 1\n";
    sha256_hex(f->kept, strlen(f->kept), f->digest);
    for (; f->attempt < 2; f->attempt++) {
        ask(f, ACTION_CHECK_SCRIPT, POLL, false);
        assert_int_equal(f->outcome, OUTCOME_PENDING);
        assert_string_equal(f->message, "scripts/x.sh ended with status 1: not yet");
        assert_int_equal(f->ends_of_output, 1);
    }
    char path[100];
    snprintf(path, sizeof path, "%s/there", f->folder);
    fclose(fopen(path, "w"));
    ask(f, ACTION_CHECK_SCRIPT, POLL, false);
    assert_int_equal(f->outcome, OUTCOME_OK);
    snprintf(path, sizeof path, "%s/checks", f->folder);
    assert_int_equal(rmdir(path), 0); /* nothing is left of them */
}

static void in_a_simulated_world_nothing_is_executed(void **state)
{
    struct fixture *f = *state;
    close_host(f);
    open_host(f, world_simulated_create(3, 0, (struct world_responder){0}));
    run(f, "#!/bin/sh\necho real > ../../../count\n");
    assert_int_equal(f->outcome, OUTCOME_OK);
    assert_int_equal(rmdir(f->folder), 0);
    assert_int_equal(mkdir(f->folder, 0700), 0);
    f->generation = 1;
    ask(f, ACTION_RUN_SCRIPT, LOOK_UP, false);
    assert_int_equal(f->outcome, OUTCOME_ABSENT);
    world_simulated_set_faults(f->world, &(struct simulated_faults){.failed_job = 1});
    ask(f, ACTION_RUN_SCRIPT, START, false);
    assert_int_equal(f->outcome, OUTCOME_FATAL);
}

static void one_that_died_with_its_machine_is_not_begun_again(void **state)
{
    struct fixture *f = *state;
    close_host(f);
    open_host(f, world_simulated_create(3, 0, (struct world_responder){0}));
    f->kept = "#!/bin/sh\n";
    sha256_hex(f->kept, strlen(f->kept), f->digest);
    struct input inputs[] = {{"script", text("x")}, {"digest", text(f->digest)},
                             {"timeout_ms", {.kind = VALUE_INT, .integer = f->timeout_ms}}};
    struct graph_node node = {.id = "db/post-boot-1/run-script", .action = ACTION_RUN_SCRIPT};
    struct call call = {.node = &node, .inputs = inputs, .input_count = 3, .context = f};
    struct call *calls[] = {&call};
    f->host->start(f->host, calls, 1, keep, f);
    world_simulated_kill(f->world, 0);
    world_simulated_power_cut(f->world);
    f->host->destroy(f->host);
    struct world *world = f->world;
    open_host(f, world);
    ask(f, ACTION_RUN_SCRIPT, LOOK_UP, false);
    assert_int_equal(f->outcome, OUTCOME_FATAL);
    assert_true(f->gone);
    assert_non_null(strstr(f->message, "not run again by itself"));
    assert_non_null(strstr(f->help, "drc run retry 7k2f db/post-boot-1/run-script"));
    assert_int_equal(world_simulated_counts(f->world).jobs, 1);
}

int main(void)
{
#define SCRIPT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SCRIPT_TEST(a_script_is_run_once),
        SCRIPT_TEST(one_that_was_never_begun_is_absent),
        SCRIPT_TEST(its_environment_is_the_nodes),
        SCRIPT_TEST(how_it_failed_is_told),
        SCRIPT_TEST(one_that_hangs_is_killed),
        SCRIPT_TEST(only_what_was_reviewed_is_run),
        SCRIPT_TEST(an_interrupt_leaves_it_alone),
        SCRIPT_TEST(a_check_is_tried_again_and_again),
        SCRIPT_TEST(in_a_simulated_world_nothing_is_executed),
        SCRIPT_TEST(one_that_died_with_its_machine_is_not_begun_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
