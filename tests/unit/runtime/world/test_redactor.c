/* Redactor: no form of a secret passes, honest texts pass unchanged. */
#include "tests/unit/support/cmocka_all.h"

#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/redactor.h"
#include "runtime/world/world.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfi\"CYEXAMPLEKEY"

struct fixture {
    struct arena *arena;
    struct redactor *redactor;
};

static int set_up(void **state)
{
    struct fixture *fixture = base_alloc(sizeof *fixture);
    fixture->arena = arena_create();
    fixture->redactor = redactor_create();
    redactor_add(fixture->redactor, SECRET);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    redactor_destroy(fixture->redactor);
    arena_destroy(fixture->arena);
    free(fixture);
    return 0;
}

static const char *clean(struct fixture *fixture, const char *text)
{
    return redactor_text(fixture->redactor, fixture->arena, text, NULL);
}

static const char *base64(struct arena *arena, const char *text)
{
    size_t length = strlen(text);
    char *out = arena_alloc(arena, length * 2 + 8);
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, (int)length);
    return out;
}

static void every_form_is_taken_out(void **state)
{
    struct fixture *fixture = *state;
    static const char *const forms[] = {
        SECRET,
        "wJalrXUtnFEMI%2FK7MDENG%2BbPxRfi%22CYEXAMPLEKEY",
        "wJalrXUtnFEMI%2fK7MDENG%2bbPxRfi%22CYEXAMPLEKEY",
        "wJalrXUtnFEMI\\/K7MDENG+bPxRfi\\\"CYEXAMPLEKEY",
        "774a616c725855746e46454d492f4b374d44454e472b62507852666922435945584" /* hex */
        "14d504c454b4559",
        "774A616C725855746E46454D492F4B374D44454E472B62507852666922435945584"
        "14D504C454B4559",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const char *text = arena_printf(fixture->arena, "the key %s is wrong", forms[i]);
        assert_string_equal(clean(fixture, text), "the key [redacted] is wrong");
    }
}

/* What is encoded together with it depends on where it stands. */
static void base64_is_found_at_every_offset(void **state)
{
    struct fixture *fixture = *state;
    for (int before = 0; before < 7; before++) {
        for (int after = 0; after < 4; after++) {
            const char *plain = arena_printf(fixture->arena, "%.*s%s%.*s", before, "a:bcdefg",
                                             SECRET, after, "xyz");
            const char *encoded = base64(fixture->arena, plain);
            const char *told = clean(fixture, encoded);
            assert_non_null(strstr(told, REDACTED));
            assert_true(strlen(told) < strlen(encoded) - strlen(SECRET));
        }
    }
}

static void the_beginning_of_a_secret_counts(void **state)
{
    struct fixture *fixture = *state;
    assert_string_equal(clean(fixture, "it was wJalrXUtnFEMI/K7MDE… and"), "it was [redacted]… and");
    assert_string_equal(clean(fixture, "it was wJalrXUtnFE and"), "it was wJalrXUtnFE and");
}

/* A service's JSON may say an escaped writing of a secret, whole or cut: what is left is JSON still, or a
 * passing refusal would not be known as one. */
static void json_stays_json(void **state)
{
    struct fixture *fixture = *state;
    static const char *const secrets[] = {"/K7MDENGbPxRfiCYEXAMPLEKEY", "//7MDENG/PxRfi/YEXAMPLEKE//",
                                          "K7MDENGbPxR/iCYEXAMPLEKEY/", "K7MDENGbPx//iCYEXAMPLEKEY"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        struct redactor *redactor = redactor_create();
        redactor_add(redactor, secrets[i]);
        char escaped[80] = "";
        for (const char *at = secrets[i]; *at; at++) {
            snprintf(escaped + strlen(escaped), 3, *at == '/' ? "\\%c" : "%c", *at);
        }
        for (int cut = (int)strlen(escaped); cut >= 12; cut--) {
            cJSON *said = cJSON_CreateString(arena_printf(fixture->arena, "%.*s", cut, escaped));
            char *json = cJSON_PrintUnformatted(said);
            const char *told = redactor_text(redactor, fixture->arena, json, NULL);
            cJSON *read = cJSON_Parse(told);
            assert_non_null(read);
            assert_null(strstr(told, "MDENGbPxR"));
            cJSON_Delete(read);
            cJSON_Delete(said);
            cJSON_free(json);
        }
        redactor_destroy(redactor);
    }
}

static void several_and_overlapping_ones(void **state)
{
    struct fixture *fixture = *state;
    redactor_add(fixture->redactor, SECRET "-and-more");
    assert_string_equal(clean(fixture, SECRET SECRET "-and-more, " SECRET),
                        "[redacted][redacted], [redacted]");
    size_t length = sizeof "a\0" SECRET "\0b" - 1;
    const char *told =
        redactor_text(fixture->redactor, fixture->arena, "a\0" SECRET "\0b", &length);
    assert_int_equal(length, sizeof "a\0[redacted]\0b" - 1);
    assert_memory_equal(told, "a\0[redacted]\0b", length + 1);
}

static void honest_texts_are_the_same_pointer(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {
        "",
        "w",
        "vol-0a1b2c3d is in-use; see https://docs.example.com/a@b and http://127.0.0.1:80/",
        "Basic authentication is wanted; the Signature=none; Bearer of news",
        "wJ wJa wJalrXUtnFE",
        "http://[redacted]@x/",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_ptr_equal(clean(fixture, texts[i]), texts[i]);
    }
    assert_null(clean(fixture, NULL));
}

static void known_by_their_form(void **state)
{
    struct fixture *fixture = *state;
    assert_string_equal(redactor_text(NULL, fixture->arena,
                                      "Credential=AKIA/x, Signature=0123456789abcdef0123, x", NULL),
                        "Credential=AKIA/x, Signature=[redacted], x");
    assert_string_equal(clean(fixture, "Authorization: Bearer eyJhbGciOiJIUzI1.NiJ9-_x z"),
                        "Authorization: Bearer [redacted] z");
    assert_string_equal(clean(fixture, "proxy http://me:p@ss@host:1/x@y: refused"),
                        "proxy http://[redacted]@host:1/x@y: refused");
}

static void passwords_of_urls(void **state)
{
    struct fixture *fixture = *state;
    redactor_add_url(fixture->redactor, "http://me:correct%2Fhorse@proxy:3128");
    redactor_add_url(fixture->redactor, "me:battery-staple@proxy");
    redactor_add_url(fixture->redactor, "http://proxy:3128/a:b@c");
    redactor_add_url(fixture->redactor, NULL);
    assert_string_equal(clean(fixture, "correct%2Fhorse correct/horse battery-staple 3128/a:b@c"),
                        "[redacted] [redacted] [redacted] 3128/a:b@c");
}

static void short_ones_are_not_looked_for(void **state)
{
    struct fixture *fixture = *state;
    redactor_add(fixture->redactor, "sandbox");
    redactor_add(fixture->redactor, "");
    redactor_add(fixture->redactor, NULL);
    assert_string_equal(clean(fixture, "the sandbox"), "the sandbox");
}

static void it_forgets_the_oldest_only(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 500; i++) {
        redactor_add(fixture->redactor, arena_printf(fixture->arena, "%08d-secret-%d", i, i));
    }
    assert_string_equal(clean(fixture, "00000499-secret-499 00000450-secret-450"),
                        "[redacted] [redacted]");
}

/* One for the process, however worlds are wrapped. */
static void wrapped_worlds_share_it(void **state)
{
    (void)state;
    struct world_responder nobody = {0};
    struct world *inner = world_simulated_create(1, 0, nobody);
    struct world *outer = world_redirected_create(inner, nobody, 1, 0, 0);
    assert_ptr_equal(world_redactor(outer), world_redactor(inner));
    world_destroy(outer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_form_is_taken_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(base64_is_found_at_every_offset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_beginning_of_a_secret_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_stays_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_and_overlapping_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(honest_texts_are_the_same_pointer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(known_by_their_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(passwords_of_urls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_ones_are_not_looked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_forgets_the_oldest_only, set_up, tear_down),
        cmocka_unit_test(wrapped_worlds_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
