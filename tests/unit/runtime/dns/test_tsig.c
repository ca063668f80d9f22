/* Against BIND and nsupdate: tests/interop/test_bind.py. */
#include "runtime/dns/tsig.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

#define SECRET "YSBzZWNyZXQgdGhhdCBvbmx5IHRoaXMgdGVzdCBrbm93cw=="

/* www.example A, id 0x1234 */
static const char question[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                               "\x03www\x07"
                               "example\x00\x00\x01\x00\x01";
enum { QUESTION_LENGTH = sizeof question - 1, NOW_S = 1767225600 };

static struct tsig_key key_of(const char *algorithm)
{
    struct tsig_key key;
    assert_true(tsig_key_set(&key, "Drc-Key.", algorithm, SECRET, NULL));
    return key;
}

static void sign(const struct tsig_key *key, const struct tsig_mac *request, struct buffer *out,
                 struct tsig_mac *mac)
{
    struct tsig_stamp stamp = {.signed_s = NOW_S, .request = request};
    buffer_append(out, question, QUESTION_LENGTH);
    tsig_sign(key, &stamp, out, mac);
}

static enum tsig_verdict verify(const struct tsig_key *key, const struct buffer *message,
                                const struct tsig_mac *request, int64_t now_s)
{
    struct tsig_record record;
    assert_int_equal(tsig_find(message->data, message->length, &record), TSIG_PRESENT);
    return tsig_verify(key, message->data, message->length, &record, request, now_s);
}

static void what_is_signed_is_verified(void **state)
{
    static const struct {
        const char *name;
        size_t length;
    } algorithms[] = {{"hmac-sha1", 20},
                      {"hmac-sha224", 28},
                      {"hmac-sha256", 32},
                      {"hmac-sha384", 48},
                      {"hmac-sha512", 64}};
    (void)state;
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        struct tsig_key key = key_of(algorithms[i].name);
        struct buffer message = {0};
        struct tsig_mac mac;
        sign(&key, NULL, &message, &mac);
        assert_int_equal(mac.length, algorithms[i].length);
        assert_int_equal(verify(&key, &message, NULL, NOW_S), TSIG_GOOD);
        message.data[0] ^=
            1; /* a forwarder may give the message another id: the original one counts */
        assert_int_equal(verify(&key, &message, NULL, NOW_S), TSIG_GOOD);
        message.data[14] ^= 1;
        assert_int_equal(verify(&key, &message, NULL, NOW_S), TSIG_WRONG_SIGNATURE);
        buffer_free(&message);
    }
}

static void an_answer_belongs_to_its_request(void **state)
{
    (void)state;
    struct tsig_key key = key_of("hmac-sha256");
    struct buffer request = {0}, answer = {0};
    struct tsig_mac mac, other;
    sign(&key, NULL, &request, &mac);
    sign(&key, &mac, &answer, NULL);
    other = mac;
    other.bytes[0] ^= 1;
    assert_int_equal(verify(&key, &answer, &mac, NOW_S), TSIG_GOOD);
    assert_int_equal(verify(&key, &answer, &other, NOW_S), TSIG_WRONG_SIGNATURE);
    assert_int_equal(verify(&key, &answer, NULL, NOW_S), TSIG_WRONG_SIGNATURE);
    buffer_free(&request);
    buffer_free(&answer);
}

static void key_and_clock_have_to_be_the_same(void **state)
{
    (void)state;
    struct tsig_key key = key_of("hmac-sha256"), other;
    struct buffer message = {0};
    sign(&key, NULL, &message, NULL);
    assert_int_equal(verify(&key, &message, NULL, NOW_S + 300), TSIG_GOOD);
    assert_int_equal(verify(&key, &message, NULL, NOW_S + 301), TSIG_WRONG_TIME);
    assert_int_equal(verify(&key, &message, NULL, NOW_S - 301), TSIG_WRONG_TIME);
    assert_true(tsig_key_set(&other, "other-key", "hmac-sha256", SECRET, NULL));
    assert_int_equal(verify(&other, &message, NULL, NOW_S), TSIG_OTHER_KEY);
    assert_true(tsig_key_set(&other, "drc-key", "hmac-sha1", SECRET, NULL));
    assert_int_equal(verify(&other, &message, NULL, NOW_S), TSIG_OTHER_KEY);
    assert_true(tsig_key_set(&other, "drc-key", "hmac-sha256", "YW5vdGhlcg==", NULL));
    assert_int_equal(verify(&other, &message, NULL, NOW_S), TSIG_WRONG_SIGNATURE);
    buffer_free(&message);
}

static void a_refusal_tells_its_error(void **state)
{
    (void)state;
    struct tsig_key key = key_of("hmac-sha256");
    struct buffer request = {0}, answer = {0};
    struct tsig_record record, found;
    struct tsig_mac mac;
    sign(&key, NULL, &request, &mac);
    assert_int_equal(tsig_find(request.data, request.length, &record), TSIG_PRESENT);
    buffer_append(&answer, question, QUESTION_LENGTH);
    tsig_refuse(&record, TSIG_BADKEY, NOW_S, &answer);
    assert_int_equal(tsig_find(answer.data, answer.length, &found), TSIG_PRESENT);
    assert_int_equal(found.error, TSIG_BADKEY);
    assert_int_equal(found.mac.length, 0);
    buffer_clear(&answer);
    buffer_append(&answer, question, QUESTION_LENGTH);
    struct tsig_stamp late = {
        .signed_s = NOW_S, .error = TSIG_BADTIME, .server_s = NOW_S + 4000, .request = &mac};
    tsig_sign(&key, &late, &answer, NULL);
    assert_int_equal(tsig_find(answer.data, answer.length, &found), TSIG_PRESENT);
    assert_int_equal(found.server_s, NOW_S + 4000);
    assert_int_equal(verify(&key, &answer, &mac, NOW_S), TSIG_GOOD);
    buffer_free(&request);
    buffer_free(&answer);
}

static void what_is_no_message_is_told(void **state)
{
    (void)state;
    struct tsig_key key = key_of("hmac-sha256");
    struct tsig_record record;
    struct buffer message = {0};
    assert_int_equal(tsig_find(question, QUESTION_LENGTH, &record), TSIG_ABSENT);
    sign(&key, NULL, &message, NULL);
    for (size_t length = 0; length < message.length; length++) {
        char *exact = malloc(length + 1); /* so that a sanitizer sees a byte too many being read */
        memcpy(exact, message.data, length);
        char *fits = realloc(exact, length ? length : 1);
        assert_int_equal(tsig_find(fits, length, &record), TSIG_MALFORMED);
        free(fits);
    }
    buffer_putc(&message, 'x'); /* something behind its end */
    assert_int_equal(tsig_find(message.data, message.length, &record), TSIG_MALFORMED);
    buffer_free(&message);
}

static void a_key_has_to_be_one(void **state)
{
    (void)state;
    struct tsig_key key;
    struct error error = {0};
    assert_false(tsig_key_set(&key, "drc-key", "hmac-md5", SECRET, &error));
    assert_non_null(strstr(error.message, "hmac-md5 is no algorithm"));
    static const char *const bad[] = {"", "x", "====", "not base64 at all!", "YW5v=GhlcX=="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(tsig_key_set(&key, "drc-key", "hmac-sha256", bad[i], &error));
        assert_non_null(strstr(error.message, "is not base64"));
    }
    assert_false(tsig_key_set(&key, "a..b", "hmac-sha256", SECRET, &error));
    error_clear(&error);
    assert_true(tsig_key_set(&key, "drc-key", "hmac-sha256", "YQ==", NULL));
    assert_int_equal(key.secret_length, 1);
    tsig_key_wipe(&key);
    assert_int_equal(key.secret[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_signed_is_verified),
        cmocka_unit_test(an_answer_belongs_to_its_request),
        cmocka_unit_test(key_and_clock_have_to_be_the_same),
        cmocka_unit_test(a_refusal_tells_its_error),
        cmocka_unit_test(what_is_no_message_is_told),
        cmocka_unit_test(a_key_has_to_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
