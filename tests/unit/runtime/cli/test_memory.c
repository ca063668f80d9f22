#include "runtime/cli/memory.h"

#include <cjson/cJSON.h>
#include <libxml/xmlmemory.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/support/cmocka_all.h"

/* Otherwise the sanitizer's own allocator ends the process, in its own words. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static volatile size_t too_much = SIZE_MAX / 4; /* not seen through by the compiler */
static void *volatile got;

static void ask_cjson(void)
{
    got = cJSON_malloc(too_much);
}

static void ask_libxml(void)
{
    got = xmlMalloc(too_much);
}

static void ask_openssl(void)
{
    got = OPENSSL_malloc(too_much);
}

static void grow_openssl(void)
{
    got = OPENSSL_malloc(1);
    got = OPENSSL_realloc(got, too_much);
}

static void ask_little(void)
{
    got = cJSON_malloc(10);
    cJSON_free(got);
    got = OPENSSL_malloc(10);
    OPENSSL_free(got);
}

/* Its status in a process of its own, which has been told; what it said in `said`. */
static int status_of(void (*ask)(void), char said[200])
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        memory_end_process_without();
        ask();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t more;
    while (length < 199 && (more = read(ends[0], said + length, 199 - length)) > 0) {
        length += (size_t)more;
    }
    said[length] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void libraries_end_the_process_without_memory(void **state)
{
    (void)state;
    static void (*const asks[])(void) = {ask_cjson, ask_libxml, ask_openssl, grow_openssl};
    char said[200];
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        assert_int_equal(status_of(asks[i], said), 1);
        assert_non_null(strstr(said, "drc: out of memory; a run that was under way can be resumed"));
    }
    assert_int_equal(status_of(ask_little, said), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libraries_end_the_process_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
