/* The chain of sources, through whole requests: what is fetched from where, with which key the
 * request is signed at last, and what is told when there is none.
 * Covers: fetch.c fetch_http.c fetch_process.c fetch_sts.c identity.c profile.c recipe.c */
#include "runtime/aws/credentials.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/world/redactor.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

/* printf corp | sha1sum */
#define SHA1_OF_CORP "ee0bfd2552fbd840c02cc48b6e823320543c450f"
#define IDENTITY                                                                                   \
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn</Arn><Account>111122223333"      \
    "</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
#define KEYS(id, expires)                                                                          \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" id                                                  \
    "\",\"SecretAccessKey\":\"s\",\"Token\":\"tok\","                                              \
    "\"Expiration\":\"" expires "\"}"
#define ASSUMED(operation, id)                                                                     \
    "<" operation "Response><" operation "Result><Credentials><AccessKeyId>" id "</AccessKeyId>"   \
    "<SecretAccessKey>s</SecretAccessKey><SessionToken>tok-" id "</SessionToken><Expiration>"      \
    "2026-11-22T11:00:00Z</Expiration></Credentials></" operation "Result></" operation            \
    "Response>"

struct fixture {
    struct canned *canned;
    char folder[32];
};

static void set(struct fixture *fixture, const char *name, const char *value)
{
    world_simulated_set_environment(fixture->canned->world, name, value);
}

static void write_file(struct fixture *fixture, const char *name, const char *text,
                       const char *variable)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    setvbuf(file, NULL, _IONBF, 0); /* no copy in a buffer of stdio's */
    fputs(text, file);
    fclose(file);
    if (variable) {
        set(fixture, variable, path);
    }
}

/* Asks who we are with this script. */
static bool identify(struct fixture *fixture, const char *profile, const char *role,
                     const struct canned_answer *script, size_t count, struct error *error)
{
    canned_script(fixture->canned, script, count);
    struct aws_options options = {.world = fixture->canned->world,
                                  .region = "eu-west-1",
                                  .profile = profile,
                                  .role_arn = role};
    struct aws *aws = aws_create(&options, error);
    struct aws_identity identity;
    bool ok = aws && aws_identify(aws, fixture->canned->arena, &identity, error);
    aws_destroy(aws);
    return ok;
}

static void assert_identified(struct fixture *fixture, const char *profile, const char *role,
                              const struct canned_answer *script, size_t count)
{
    struct error error = {0};
    if (!identify(fixture, profile, role, script, count, &error)) {
        fail_msg("%s", error.message);
    }
}

static void assert_refused(struct fixture *fixture, const char *profile, const char *message)
{
    struct error error = {0};
    assert_false(identify(fixture, profile, NULL, NULL, 0, &error));
    if (!strstr(error.message, message)) {
        fail_msg("\"%s\" is not in: %s", message, error.message);
    }
    assert_non_null(error.help);
    error_clear(&error);
}

static void test_environment(void **state)
{
    const struct canned_answer script[] = {{"Credential=AKIDEXAMPLE/", .body = IDENTITY}};
    assert_identified(*state, NULL, NULL, script, CANNED_COUNT(script));
    set(*state, "AWS_SESSION_TOKEN", "session");
    const struct canned_answer with_token[] = {{"X-Amz-Security-Token: session", .body = IDENTITY}};
    assert_identified(*state, NULL, NULL, with_token, CANNED_COUNT(with_token));
    set(*state, "AWS_SECRET_ACCESS_KEY", NULL);
    assert_refused(*state, NULL, "the secret access key is missing");
}

static void test_plan_profile_goes_before_the_environment(void **state)
{
    write_file(*state, "credentials",
               "[dr]\naws_access_key_id = AKIDDR\naws_secret_access_key = s\n",
               "AWS_SHARED_CREDENTIALS_FILE");
    const struct canned_answer script[] = {{"Credential=AKIDDR/", .body = IDENTITY}};
    assert_identified(*state, "dr", NULL, script, CANNED_COUNT(script));
    assert_refused(*state, "nobody", "there is no AWS profile \"nobody\" (named by the plan)");
}

static void test_role_on_top(void **state)
{
    const struct canned_answer script[] = {
        {"RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fdr&RoleSessionName=drc",
         .body = ASSUMED("AssumeRole", "ASIADR")},
        {"Credential=ASIADR/", .body = IDENTITY}};
    assert_identified(*state, NULL, "arn:aws:iam::1:role/dr", script, CANNED_COUNT(script));
    assert_non_null(strstr(((struct fixture *)*state)->canned->log.data, "tok-ASIADR"));
}

static void test_chain_of_profiles(void **state)
{
    write_file(
        *state, "config",
        "[profile a]\nrole_arn = A\nsource_profile = b\nexternal_id = x y\n"
        "duration_seconds = 900\n[profile b]\nrole_arn = B\ncredential_source = Environment\n"
        "[profile mfa]\nrole_arn = M\nsource_profile = b\nmfa_serial = 1\n"
        "[profile c]\nrole_arn = C\nsource_profile = d\n"
        "[profile d]\nrole_arn = D\nsource_profile = c\n"
        "[profile odd]\nrole_arn = O\ncredential_source = Nowhere\n",
        "AWS_CONFIG_FILE");
    const struct canned_answer script[] = {
        {"RoleArn=B&", .body = ASSUMED("AssumeRole", "ASIAB")},
        {"RoleArn=A&RoleSessionName=drc&ExternalId=x%20y&DurationSeconds=900",
         .body = ASSUMED("AssumeRole", "ASIAA")},
        {"Credential=ASIAA/", .body = IDENTITY}};
    assert_identified(*state, "a", NULL, script, CANNED_COUNT(script));
    assert_refused(*state, "mfa", "wants an MFA code");
    assert_refused(*state, "c", "goes in a circle");
    assert_refused(*state, "odd", "credential_source Nowhere");
}

static void test_web_identity(void **state)
{
    set(*state, "AWS_ACCESS_KEY_ID", NULL);
    set(*state, "AWS_SECRET_ACCESS_KEY", NULL);
    write_file(*state, "token", "jwt.jwt\n", "AWS_WEB_IDENTITY_TOKEN_FILE");
    set(*state, "AWS_ROLE_ARN", "R");
    const struct canned_answer script[] = {
        {"RoleArn=R&RoleSessionName=drc&WebIdentityToken=jwt.jwt",
         .body = ASSUMED("AssumeRoleWithWebIdentity", "ASIAWEB")},
        {"Credential=ASIAWEB/", .body = IDENTITY}};
    assert_identified(*state, NULL, NULL, script, CANNED_COUNT(script));
    assert_null(strstr(((struct fixture *)*state)->canned->log.data, "Credential=AKID"));
    set(*state, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent");
    struct error error = {0};
    assert_false(identify(*state, NULL, NULL, NULL, 0, &error));
    assert_non_null(strstr(error.message, "cannot read /nonexistent"));
    error_clear(&error);
}

static void make_folder(struct fixture *fixture, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void test_sso(void **state)
{
    set(*state, "HOME", ((struct fixture *)*state)->folder);
    write_file(*state, "config",
               "[profile sso]\nsso_session = corp\nsso_account_id = 111122223333\n"
               "sso_role_name = Dr Admin\n[sso-session corp]\nsso_region = eu-central-1\n"
               "sso_start_url = https://x\n[profile half]\nsso_start_url = https://x\n",
               "AWS_CONFIG_FILE");
    assert_refused(*state, "sso", "nobody is logged in");
    assert_refused(*state, "half", "its SSO settings are incomplete");
    make_folder(*state, ".aws");
    make_folder(*state, ".aws/sso");
    make_folder(*state, ".aws/sso/cache");
    write_file(*state, ".aws/sso/cache/" SHA1_OF_CORP ".json",
               "{\"accessToken\":\"at\",\"expiresAt\":\"2026-11-22T12:00:00Z\"}", NULL);
    const struct canned_answer script[] = {
        {"GET https://portal.sso.eu-central-1.amazonaws.com/federation/credentials?"
         "account_id=111122223333&role_name=Dr%20Admin\nx-amz-sso_bearer_token: at",
         .body = "{\"roleCredentials\":{\"accessKeyId\":\"ASIASSO\",\"secretAccessKey\":\"s\","
                 "\"sessionToken\":\"t\",\"expiration\":1795345200000}}"},
        {"Credential=ASIASSO/", .body = IDENTITY}};
    assert_identified(*state, "sso", NULL, script, CANNED_COUNT(script));
    write_file(*state, ".aws/sso/cache/" SHA1_OF_CORP ".json",
               "{\"accessToken\":\"at\",\"expiresAt\":\"2026-11-22T09:59:59Z\"}", NULL);
    assert_refused(*state, "sso", "the login has expired");
}

static void test_process(void **state)
{
    write_file(*state, "config",
               "[profile p]\ncredential_process = sh -c 'printf \"%s\" "
               "\"{\\\"AccessKeyId\\\":\\\"AKIDPROC\\\",\\\"SecretAccessKey\\\":\\\"s\\\"}\"'\n"
               "[profile silent]\ncredential_process = true\n"
               "[profile open]\ncredential_process = sh -c 'x\n"
               "[profile inner]\ncredential_process = sh -c 'exit 127'\n"
               "[profile fails]\ncredential_process = sh -c 'exit 3'\n"
               "[profile missing]\ncredential_process = /nonexistent/program\n",
               "AWS_CONFIG_FILE");
    const struct canned_answer script[] = {{"Credential=AKIDPROC/", .body = IDENTITY}};
    assert_identified(*state, "p", NULL, script, CANNED_COUNT(script));
    struct error error = {0};
    assert_false(identify(*state, "silent", NULL, NULL, 0, &error));
    assert_non_null(strstr(error.message, "no access key"));
    error_clear(&error);
    assert_refused(*state, "open", "not a command line");
    /* "No such file or directory"; under valgrind, which hides that, "not found" */
    assert_refused(*state, "missing", "/nonexistent/program: ");
    assert_refused(*state, "inner", "sh: not found (it ended with status 127)");
    assert_refused(*state, "fails", "it ended with status 3");
}

/* How often it stands in this process's writable memory. */
static int times_in_memory(const char *bytes, size_t length)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC), found = 0;
    assert_true(maps && memory >= 0);
    char line[512];
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx rw", &from, &to) != 2 || !strstr(line, " rw") ||
            to - from > (64UL << 20)) { /* a sanitizer's own */
            continue;
        }
        char *copy = mmap(NULL, to - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ssize_t got = pread(memory, copy, to - from, (off_t)from);
        char *at = copy;
        while (got > 0 && (at = memmem(at, (size_t)(copy + got - at), bytes, length))) {
            found++;
            at++;
        }
        munmap(copy, to - from);
    }
    fclose(maps);
    close(memory);
    return found;
}

/* Read from a file, signed with, and gone when its owner is. */
static void test_keys_do_not_stay_in_memory(void **state)
{
    char text[200], secret[41] = "", folded[41];
    for (size_t i = 0; i < 40; i++) {
        folded[i] = (char)(("Kx3+/Qz"[i % 7] + (char)(i / 7)) ^ 0x80); /* never plain in the program */
    }
    for (size_t i = 0; i < 40; i++) {
        secret[i] = (char)(folded[i] ^ 0x80);
    }
    snprintf(text, sizeof text, "[p]\naws_access_key_id = AKIDFILE\naws_secret_access_key = %s\n",
             secret);
    write_file(*state, "credentials", text, "AWS_SHARED_CREDENTIALS_FILE");
    assert_true(times_in_memory(secret, 40) > 0);
    explicit_bzero(text, sizeof text);
    const struct canned_answer script[] = {{"Credential=AKIDFILE/", .body = IDENTITY}};
    assert_identified(*state, "p", NULL, script, CANNED_COUNT(script));
    struct fixture *fixture = *state;
    redactor_destroy(fixture->canned->world->redactor);
    fixture->canned->world->redactor = NULL;
    char looked_for[40];
    memcpy(looked_for, secret, sizeof looked_for);
    explicit_bzero(secret, sizeof secret);
    int times = times_in_memory(looked_for, sizeof looked_for);
    explicit_bzero(looked_for, sizeof looked_for);
    assert_int_equal(times, 1); /* what is looked for */
}

static void no_keys(struct fixture *fixture)
{
    set(fixture, "AWS_ACCESS_KEY_ID", NULL);
    set(fixture, "AWS_SECRET_ACCESS_KEY", NULL);
}

static void test_container(void **state)
{
    no_keys(*state);
    set(*state, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x");
    set(*state, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "auth");
    const struct canned_answer script[] = {{"GET http://169.254.170.2/v2/x\nAuthorization: auth",
                                            .body = KEYS("ASIATASK", "2026-11-22T16:00:00Z")},
                                           {"Credential=ASIATASK/", .body = IDENTITY}};
    assert_identified(*state, NULL, NULL, script, CANNED_COUNT(script));
    set(*state, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", NULL);
    set(*state, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/x");
    assert_refused(*state, NULL, "neither https nor local");
    set(*state, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.evil.example/x");
    assert_refused(*state, NULL, "neither https nor local");
}

static const struct canned_answer imds_script[] = {
    {"PUT http://169.254.169.254/latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 21600",
     .body = "session"},
    {"GET http://169.254.169.254/latest/meta-data/iam/security-credentials/\n"
     "X-aws-ec2-metadata-token: session",
     .body = "dr-role\n"},
    {"security-credentials/dr-role\n", .body = KEYS("ASIAIMDS", "2026-11-22T16:00:00Z")},
    {"Credential=ASIAIMDS/", .body = IDENTITY}};

static void test_imds(void **state)
{
    no_keys(*state);
    set(*state, "AWS_EC2_METADATA_DISABLED", NULL);
    assert_identified(*state, NULL, NULL, imds_script, CANNED_COUNT(imds_script));
}

static void test_nothing_anywhere(void **state)
{
    no_keys(*state);
    assert_refused(*state, NULL, "no AWS credentials found: looked at the environment");
    set(*state, "AWS_EC2_METADATA_DISABLED", NULL);
    const struct canned_answer script[] = {
        {"PUT http://169.254.169.254/", .failure = HTTP_TIMED_OUT},
        {"PUT http://169.254.169.254/", .failure = HTTP_TIMED_OUT}};
    struct error error = {0};
    assert_false(identify(*state, NULL, NULL, script, CANNED_COUNT(script), &error));
    static const char *const places[] = {"environment", "profile default", "container",
                                         "metadata service", "as scripted"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        assert_non_null(strstr(error.message, places[i]));
    }
    error_clear(&error);
}

static void set_true(void *context)
{
    *(bool *)context = true;
}

static void wait_until(struct canned *canned, const char *time)
{
    bool over = false;
    world_timer(canned->world, parse_time(time) - world_utc_ms(canned->world), set_true, &over);
    world_run(canned->world, &over);
}

/* Fresh until 15 minutes before its end, then renewed beside requests, and from 10 minutes on the
 * requests wait for the new one. */
static void test_refresh(void **state)
{
    struct fixture *fixture = *state;
    struct aws_identity identity;
    no_keys(fixture);
    set(fixture, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x");
    const struct canned_answer first[] = {
        {"GET http://169.254.170.2/v2/x", .body = KEYS("ASIA1", "2026-11-22T11:00:00Z")},
        {"Credential=ASIA1/", .body = IDENTITY}};
    canned_script(fixture->canned, first, CANNED_COUNT(first));
    struct aws *aws = canned_aws(fixture->canned);
    assert_true(aws_identify(aws, fixture->canned->arena, &identity, NULL));

    wait_until(fixture->canned, "2026-11-22T10:46:00Z");
    const struct canned_answer beside[] = {
        {"GET http://169.254.170.2/v2/x", .any_order = true, .status = 500},
        {"Credential=ASIA1/", .body = IDENTITY}};
    canned_script(fixture->canned, beside, CANNED_COUNT(beside));
    assert_true(aws_identify(aws, fixture->canned->arena, &identity, NULL));

    wait_until(fixture->canned, "2026-11-22T10:51:00Z");
    const struct canned_answer waiting[] = {
        {"GET http://169.254.170.2/v2/x", .body = KEYS("ASIA2", "2026-11-22T17:00:00Z")},
        {"Credential=ASIA2/", .body = IDENTITY}};
    canned_script(fixture->canned, waiting, CANNED_COUNT(waiting));
    assert_true(aws_identify(aws, fixture->canned->arena, &identity, NULL));
    aws_destroy(aws);
}

static void test_expired_on_arrival(void **state)
{
    no_keys(*state);
    set(*state, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x");
    const struct canned_answer script[] = {
        {"GET http://169.254.170.2/v2/x", .body = KEYS("ASIA1", "2026-11-22T09:00:00Z")}};
    struct error error = {0};
    assert_false(identify(*state, NULL, NULL, script, CANNED_COUNT(script), &error));
    assert_non_null(strstr(error.message, "expired already"));
    error_clear(&error);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->folder, "/tmp/drc-keys-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->canned = canned_create(NULL, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf -- '%s'", fixture->folder);
    assert_int_equal(system(command), 0);
    canned_destroy(fixture->canned);
    free(fixture);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_environment),  TEST(test_plan_profile_goes_before_the_environment),
        TEST(test_role_on_top),  TEST(test_chain_of_profiles),
        TEST(test_web_identity), TEST(test_sso),
        TEST(test_process),      TEST(test_container),
        TEST(test_keys_do_not_stay_in_memory),
        TEST(test_imds),         TEST(test_nothing_anywhere),
        TEST(test_refresh),      TEST(test_expired_on_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
