/* Scripts and checks on instances: what is sent is run here, by the shell, as an agent would; and how the
 * agent is awaited. Covers: ssm_agent.c ssm_check.c ssm_payload.c */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/base/sha256.h"
#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

struct sent {
    struct canned *canned;
    struct aws *aws;
    const char *script;
    char digest[SHA256_HEX_SIZE];
    struct input inputs[8];
    size_t input_count;
    struct canned_result result;
    char output[8192];
    int status;
};

static const struct canned_answer taken[] = {
    {"SendCommand", .body = "{\"Command\":{\"CommandId\":\"0a-1\"}}", .any_order = true}};

static bool read_script(void *context, const char *digest, struct buffer *out, struct error *error)
{
    struct sent *sent = context;
    (void)digest, (void)error;
    buffer_puts(out, sent->script);
    return true;
}

static void add(struct sent *sent, struct input input)
{
    sent->inputs[sent->input_count++] = input;
}

static struct value text(const char *value)
{
    return (struct value){.kind = VALUE_TEXT, .text = value};
}

static int set_up(void **state)
{
    struct sent *sent = calloc(1, sizeof *sent);
    sent->canned = canned_create(taken, 1);
    sent->aws = canned_aws(sent->canned);
    aws_use_scripts(sent->aws, (struct script_source){sent, read_script});
    add(sent, canned_text("instance_id", "i-1"));
    *state = sent;
    return 0;
}

static int tear_down(void **state)
{
    struct sent *sent = *state;
    aws_destroy(sent->aws);
    canned_destroy(sent->canned);
    free(sent);
    return 0;
}

static void send_off(struct sent *sent, enum action action)
{
    struct canned_call call = {"db/post-boot-1/x", sent->inputs, sent->input_count, 0, ACTION_NONE};
    canned_run(sent->canned, sent->aws, CANNED_START, action, &call, 1, &sent->result);
}

/* The lines that the agent would get, and the request they came in; freed by the caller. */
static cJSON *request_of(const struct sent *sent)
{
    const char *log = buffer_text(&sent->canned->log), *at = NULL;
    for (const char *next = log; (next = strstr(next, "\n\n{\"DocumentName\"")); next++) {
        at = next + 2;
    }
    assert_non_null(at);
    cJSON *json = cJSON_ParseWithOpts(at, NULL, 0);
    assert_non_null(json);
    return json;
}

static const char *command_of(const cJSON *request)
{
    const cJSON *parameters = cJSON_GetObjectItem(request, "Parameters");
    return cJSON_GetArrayItem(cJSON_GetObjectItem(parameters, "commands"), 0)->valuestring;
}

/* As the agent does: the lines in a file, run by sh. */
static void run_as_agent(struct sent *sent)
{
    char path[] = "/tmp/drc-test-ssm-XXXXXX", command[200];
    cJSON *request = request_of(sent);
    int file = mkstemp(path);
    const char *lines = command_of(request);
    assert_int_equal(write(file, lines, strlen(lines)), (int)strlen(lines));
    close(file);
    snprintf(command, sizeof command, "env -i PATH=\"$PATH\" sh %s 2>&1", path);
    FILE *pipe = popen(command, "r");
    sent->output[fread(sent->output, 1, sizeof sent->output - 1, pipe)] = '\0';
    int status = pclose(pipe);
    sent->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    unlink(path);
    cJSON_Delete(request);
}

static void use_script(struct sent *sent, const char *script)
{
    sent->script = script;
    sha256_hex(script, strlen(script), sent->digest);
    add(sent, canned_text("os", "linux"));
    add(sent, canned_text("script", "scripts/x.sh"));
    add(sent, canned_text("digest", sent->digest));
    add(sent, (struct input){"timeout_ms", {.kind = VALUE_INT, .integer = 90000}});
}

static void a_script_travels_with_its_words(void **state)
{
    struct sent *sent = *state;
    const char *keys[] = {"DRC_VM", "LINES_OF", "x; echo no #"};
    struct value env[] = {text("db; $(id) {{ssm:secret}} '"), text("two\nlines"), text("y")};
    struct value args[] = {text("a b"), text("*"), text(""), text("it's {{{x}}} \\")};
    use_script(sent, "#!/bin/sh\nprintf '<%s>' \"$@\" \"$DRC_VM\" \"$LINES_OF\"\necho; pwd | "
                     "sed 's/[.].*//'\nexit 3\n");
    add(sent, (struct input){"env", {.kind = VALUE_MAP, .keys = keys, .items = env, .count = 3}});
    add(sent, (struct input){"args", {.kind = VALUE_LIST, .items = args, .count = 4}});
    send_off(sent, ACTION_SEND_SCRIPT);
    assert_int_equal(sent->result.outcome, OUTCOME_OK);
    cJSON *request = request_of(sent);
    assert_null(strstr(command_of(request), "{{")); /* SSM would put parameters in their place */
    assert_string_equal(cJSON_GetObjectItem(request, "DocumentName")->valuestring, "AWS-RunShellScript");
    assert_string_equal(cJSON_GetObjectItem(request, "Comment")->valuestring, "drc r1 db/post-boot-1/x");
    char *parameters = cJSON_PrintUnformatted(cJSON_GetObjectItem(request, "Parameters"));
    assert_non_null(strstr(parameters, "\"executionTimeout\":[\"90\"]"));
    cJSON_free(parameters);
    cJSON_Delete(request);
    run_as_agent(sent);
    assert_string_equal(sent->output, "<a b><*><><it's {{{x}}} \\><db; $(id) {{ssm:secret}} '><two\nlines>\n"
                                      "/tmp/drc\n");
    assert_int_equal(sent->status, 3);
}

static void what_was_changed_on_its_way_is_not_run(void **state)
{
    struct sent *sent = *state;
    use_script(sent, "#!/bin/sh\necho run\n");
    send_off(sent, ACTION_SEND_SCRIPT);
    char *at = strstr(sent->canned->log.data, sent->digest);
    at[0] = at[0] == '0' ? '1' : '0';
    run_as_agent(sent);
    assert_string_equal(sent->output, "drc: the script is not what was sent\n");
    assert_int_equal(sent->status, 125);
}

static void one_that_is_not_what_was_reviewed_is_not_sent(void **state)
{
    struct sent *sent = *state;
    use_script(sent, "#!/bin/sh\n");
    sent->script = "#!/bin/sh\necho another\n";
    send_off(sent, ACTION_SEND_SCRIPT);
    assert_int_equal(sent->result.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(sent->result.message, "is not the script that was reviewed"));
    assert_int_equal(sent->canned->requests, 0);
}

static void one_that_is_too_large_is_not_sent(void **state)
{
    struct sent *sent = *state;
    char *large = arena_alloc(sent->canned->arena, 100001);
    uint32_t random = 1;
    for (int i = 0; i < 100000; i++) { /* incompressible */
        random = random * 1664525 + 1013904223;
        large[i] = (char)('!' + (random >> 16) % 90);
    }
    large[100000] = '\0';
    use_script(sent, large);
    send_off(sent, ACTION_SEND_SCRIPT);
    assert_int_equal(sent->result.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(sent->result.message, "too large for a command of SSM"));
    assert_int_equal(sent->canned->requests, 0);
}

static void windows_gets_powershell(void **state)
{
    struct sent *sent = *state;
    struct value args[] = {text("it's {{x}}")};
    use_script(sent, "exit 3\r\n");
    sent->inputs[1] = canned_text("os", "windows");
    add(sent, (struct input){"args", {.kind = VALUE_LIST, .items = args, .count = 1}});
    send_off(sent, ACTION_SEND_SCRIPT);
    cJSON *request = request_of(sent);
    assert_string_equal(cJSON_GetObjectItem(request, "DocumentName")->valuestring,
                        "AWS-RunPowerShellScript");
    assert_non_null(strstr(command_of(request), "& (Join-Path $d 'script.ps1') ( 'it''s {' + '{x}}');"));
    cJSON_Delete(request);
}

/* --- checks --- */

static void use_check(struct sent *sent, const char **keys, struct value *items, uint32_t count,
                      int64_t timeout_ms)
{
    add(sent, canned_text("os", "linux"));
    add(sent, (struct input){"check",
                             {.kind = VALUE_MAP, .keys = keys, .items = items, .count = count}});
    add(sent, (struct input){"timeout_ms", {.kind = VALUE_INT, .integer = timeout_ms}});
    send_off(sent, ACTION_SEND_CHECK);
    assert_int_equal(sent->result.outcome, OUTCOME_OK);
    run_as_agent(sent);
}

static int listen_somewhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(file, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(file, 5), 0);
    assert_int_equal(getsockname(file, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return file;
}

static void a_port_is_tried_there(void **state)
{
    struct sent *sent = *state;
    int port, file = listen_somewhere(&port);
    const char *keys[] = {"kind", "address", "port", "interval_ms"};
    struct value items[] = {text("tcp"), text("127.0.0.1"), {.kind = VALUE_INT, .integer = port},
                            {.kind = VALUE_INT, .integer = 1000}};
    use_check(sent, keys, items, 4, 5000);
    assert_string_equal(sent->output, "");
    assert_int_equal(sent->status, 0);
    close(file);
    sent->input_count = 1;
    use_check(sent, keys, items, 4, 1000);
    assert_int_equal(sent->status, 1);
    char expected[100];
    snprintf(expected, sizeof expected, "tcp :%d Connection refused\n", port);
    assert_string_equal(sent->output, expected);
}

/* A server of two answers. */
static pid_t serve(int file, const char *body)
{
    pid_t pid = fork();
    for (int i = 0; pid == 0 && i < 2; i++) {
        char request[1000], answer[300];
        int client = accept(file, NULL, NULL);
        (void)!read(client, request, sizeof request);
        int length = snprintf(answer, sizeof answer,
                              "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                              strlen(body), body);
        (void)!write(client, answer, (size_t)length);
        close(client);
    }
    if (pid == 0) {
        _exit(0);
    }
    return pid;
}

static void a_page_is_asked_there(void **state)
{
    struct sent *sent = *state;
    int port, file = listen_somewhere(&port);
    pid_t server = serve(file, "first\n{\"state\": \"ok\"}\n");
    const char *keys[] = {"kind", "address", "port", "path", "status", "match", "interval_ms"};
    struct value items[] = {text("http"), text("127.0.0.1"), {.kind = VALUE_INT, .integer = port},
                            text("/health?a='b'"), {.kind = VALUE_INT, .integer = 200},
                            text("\"state\":\\s+\"(ok|fine)\""), {.kind = VALUE_INT, .integer = 1000}};
    use_check(sent, keys, items, 7, 5000);
    assert_string_equal(sent->output, "");
    assert_int_equal(sent->status, 0);
    items[4].integer = 503;
    sent->input_count = 1;
    use_check(sent, keys, items, 7, 1000);
    assert_int_equal(sent->status, 1);
    assert_non_null(strstr(sent->output, "/health?a='b' answers 200\n"));
    waitpid(server, NULL, 0);
    close(file);
}

static void a_script_is_a_check_there(void **state)
{
    struct sent *sent = *state;
    const char *keys[] = {"kind", "script", "digest", "interval_ms"};
    sent->script = "#!/bin/sh\n[ -e count ] && exit 0\n: >count; echo not yet; exit 1\n";
    sha256_hex(sent->script, strlen(sent->script), sent->digest);
    struct value items[] = {text("script"), text("x.sh"), text(sent->digest),
                            {.kind = VALUE_INT, .integer = 500}};
    use_check(sent, keys, items, 4, 5000);
    assert_string_equal(sent->output, "");
    assert_int_equal(sent->status, 0);
    sent->input_count = 1;
    use_check(sent, keys, items, 4, 1000);
    assert_string_equal(sent->output, "the script ended with status 1: not yet\n");
    assert_int_equal(sent->status, 1);
}

static void a_name_is_asked_there(void **state)
{
    struct sent *sent = *state;
    const char *keys[] = {"kind", "record", "value"};
    struct value items[] = {text("dns"), text("localhost"), text("127.0.0.1")};
    use_check(sent, keys, items, 3, 3000);
    if (sent->status != 0) { /* ::1 alone */
        items[2] = text("::1");
        sent->input_count = 1;
        use_check(sent, keys, items, 3, 3000);
    }
    assert_int_equal(sent->status, 0);
    items[2] = text("192.0.2.1");
    sent->input_count = 1;
    use_check(sent, keys, items, 3, 1000);
    assert_int_equal(sent->status, 1);
    assert_non_null(strstr(sent->output, "localhost is answered with"));
}

/* --- the agent --- */

#define AGENT(id, status, pinged) \
    "{\"InstanceId\":\"" id "\",\"PingStatus\":\"" status "\",\"LastPingDateTime\":" pinged "}"
#define STARTED(id, time) \
    "<item><instancesSet><item><instanceId>" id "</instanceId><launchTime>" time \
    "</launchTime></item></instancesSet></item>"

static void the_agent_counts_since_the_start(void **state)
{
    struct sent *sent = *state;
    const struct canned_answer script[] = {
        {"{\"Filters\":[{\"Key\":\"InstanceIds\",\"Values\":[\"i-1\",\"i-2\",\"i-3\",\"i-4\"]}],"
         "\"MaxResults\":50}",
         .body = "{\"InstanceInformationList\":[" AGENT("i-1", "Online", "1763805600.5") "," AGENT(
             "i-2", "Online", "1763800000") "," AGENT("i-3", "ConnectionLost", "1763805600") "]}"},
        {"Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1&InstanceId.2=i-2",
         .body = "<DescribeInstancesResponse><reservationSet>" STARTED("i-1", "2025-11-22T10:00:00.000Z")
             STARTED("i-2", "2025-11-22T10:00:00.000Z") "</reservationSet></DescribeInstancesResponse>"}};
    struct input inputs[4];
    struct canned_call calls[4];
    struct canned_result results[4];
    canned_destroy(sent->canned);
    aws_destroy(sent->aws);
    sent->canned = canned_create(script, 2);
    sent->aws = canned_aws(sent->canned);
    for (int i = 0; i < 4; i++) {
        inputs[i] = canned_text("instance_id", arena_printf(sent->canned->arena, "i-%d", i + 1));
        calls[i] = (struct canned_call){"db/wait-agent", &inputs[i], 1, 0, ACTION_NONE};
    }
    canned_run(sent->canned, sent->aws, CANNED_POLL, ACTION_WAIT_AGENT, calls, 4, results);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
    assert_int_equal(results[1].outcome, OUTCOME_PENDING); /* the placeholder's, from before */
    assert_string_equal(results[1].message, "the SSM agent of i-2 has not registered since its start");
    assert_string_equal(results[2].message, "the SSM agent of i-3 is told ConnectionLost");
    assert_string_equal(results[3].message, "the SSM agent of i-4 has not registered");
    assert_non_null(strstr(results[3].help, "AmazonSSMManagedInstanceCore"));
    assert_int_equal(sent->canned->requests, 2);
}

/* --- the end --- */

/* One list of the account's newest tells of all; whoever has ended is asked for what it wrote. */
static void many_instances_share_a_question(void **state)
{
    struct sent *sent = *state;
    const struct canned_answer script[] = {
        {"ListCommandInvocations",
         .body = "{\"CommandInvocations\":[{\"CommandId\":\"c-0\",\"Status\":\"InProgress\"},"
                 "{\"CommandId\":\"c-1\",\"Status\":\"Success\"},{\"CommandId\":\"c-2\",\"Status\":\"Pending\"}]}"},
        {"{\"CommandId\":\"c-1\",\"InstanceId\":\"i-1\"}", .body = "{\"Status\":\"Success\"}"}};
    static const enum outcome expected[] = {OUTCOME_PENDING, OUTCOME_OK, OUTCOME_PENDING};
    struct input inputs[3][2];
    struct canned_call calls[3];
    struct canned_result results[3];
    canned_destroy(sent->canned);
    aws_destroy(sent->aws);
    sent->canned = canned_create(script, 2);
    sent->aws = canned_aws(sent->canned);
    for (int i = 0; i < 3; i++) {
        inputs[i][0] = canned_text("command_id", arena_printf(sent->canned->arena, "c-%d", i));
        inputs[i][1] = canned_text("instance_id", arena_printf(sent->canned->arena, "i-%d", i));
        calls[i] = (struct canned_call){"x/wait-script", inputs[i], 2, 0, ACTION_NONE};
    }
    canned_run(sent->canned, sent->aws, CANNED_POLL, ACTION_WAIT_SCRIPT, calls, 3, results);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i].outcome, expected[i]);
    }
    assert_int_equal(sent->canned->requests, 2);
    assert_null(strstr(buffer_text(&sent->canned->log), "\"InstanceId\":\"i-0\""));
}

static void its_failure_means_another_command(void **state)
{
    struct sent *sent = *state;
    const struct canned_answer script[] = {
        {"GetCommandInvocation",
         .body = "{\"Status\":\"TimedOut\",\"StatusDetails\":\"Delivery Timed Out\",\"ResponseCode\":-1}"}};
    canned_destroy(sent->canned);
    aws_destroy(sent->aws);
    sent->canned = canned_create(script, 1);
    sent->aws = canned_aws(sent->canned);
    add(sent, canned_text("command_id", "0a-1"));
    struct canned_call call = {"db/post-boot-1/wait-script", sent->inputs, 2, 0, ACTION_NONE};
    canned_run(sent->canned, sent->aws, CANNED_POLL, ACTION_WAIT_SCRIPT, &call, 1, &sent->result);
    assert_int_equal(sent->result.outcome, OUTCOME_FATAL);
    assert_true(sent->result.gone);
    assert_string_equal(sent->result.message,
                        "the script on i-1 ended as Delivery Timed Out: (it said nothing)");
    assert_non_null(strstr(sent->result.help, "agent did not take the command"));
}

int main(void)
{
#define SSM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SSM_TEST(a_script_travels_with_its_words),
        SSM_TEST(what_was_changed_on_its_way_is_not_run),
        SSM_TEST(one_that_is_not_what_was_reviewed_is_not_sent),
        SSM_TEST(one_that_is_too_large_is_not_sent),
        SSM_TEST(windows_gets_powershell),
        SSM_TEST(a_port_is_tried_there),
        SSM_TEST(a_page_is_asked_there),
        SSM_TEST(a_script_is_a_check_there),
        SSM_TEST(a_name_is_asked_there),
        SSM_TEST(the_agent_counts_since_the_start),
        SSM_TEST(many_instances_share_a_question),
        SSM_TEST(its_failure_means_another_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
