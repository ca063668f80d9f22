#include "runtime/dns/message.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

/* The answer to a question about `name`, from a zone file's lines. */
static struct buffer answer_of(const char *name, ldns_rr_type type, const char *const *lines)
{
    struct buffer bytes = {0};
    ldns_pkt *packet = ldns_pkt_new();
    ldns_rr *question = ldns_rr_new();
    uint8_t *wire = NULL;
    size_t length = 0;
    ldns_rr_set_owner(question, ldns_dname_new_frm_str(name));
    ldns_rr_set_type(question, type);
    ldns_rr_set_class(question, LDNS_RR_CLASS_IN);
    ldns_rr_set_question(question, true);
    ldns_pkt_push_rr(packet, LDNS_SECTION_QUESTION, question);
    ldns_pkt_set_qr(packet, true);
    for (; *lines; lines++) {
        ldns_rr *rr = NULL;
        assert_int_equal(ldns_rr_new_frm_str(&rr, *lines, 0, NULL, NULL), LDNS_STATUS_OK);
        ldns_pkt_push_rr(packet, LDNS_SECTION_ANSWER, rr);
    }
    assert_int_equal(ldns_pkt2wire(&wire, packet, &length), LDNS_STATUS_OK);
    buffer_append(&bytes, wire, length);
    LDNS_FREE(wire);
    ldns_pkt_free(packet);
    return bytes;
}

static void an_answer_is_held_to_its_question(void **state)
{
    (void)state;
    const char *const none[] = {NULL};
    struct buffer bytes = answer_of("WWW.example", LDNS_RR_TYPE_A, none), question = {0};
    static const struct {
        const char *name;
        ldns_rr_type type;
        bool good;
    } cases[] = {{"www.example", LDNS_RR_TYPE_A, true},
                 {"www.example", LDNS_RR_TYPE_AAAA, false},
                 {"www2.example", LDNS_RR_TYPE_A, false},
                 {NULL, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ldns_pkt *packet = message_read(bytes.data, bytes.length, cases[i].name, cases[i].type);
        assert_int_equal(packet != NULL, cases[i].good);
        ldns_pkt_free(packet);
    }
    assert_null(message_read(bytes.data, 11, "www.example", LDNS_RR_TYPE_A));
    assert_true(message_question("www.example", LDNS_RR_TYPE_A, true, &question, NULL));
    assert_int_equal(question.data[2], 1); /* recursion desired */
    assert_null(message_read(question.data, question.length, "www.example", LDNS_RR_TYPE_A));
    buffer_free(&bytes);
    buffer_free(&question);
}

static void records_are_found_among_others(void **state)
{
    (void)state;
    const char *const lines[] = {
        "www.example. 60 IN CNAME Shop.example.", "shop.example. 50 IN A 192.0.2.1",
        "shop.example. 40 IN A 192.0.2.2", "other.example. 1 IN A 192.0.2.3", NULL};
    struct arena *arena = arena_create();
    struct buffer bytes = answer_of("www.example", LDNS_RR_TYPE_A, lines);
    ldns_pkt *packet = message_read(bytes.data, bytes.length, "www.example", LDNS_RR_TYPE_A);
    struct record_set set;
    const char *alias;
    message_records(arena, packet, "www.example", LDNS_RR_TYPE_A, false, &set, &alias);
    assert_int_equal(set.count, 0);
    assert_string_equal(alias, "Shop.example");
    message_records(arena, packet, "www.example", LDNS_RR_TYPE_A, true, &set, &alias);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.ttl, 40);
    message_records(arena, packet, "www.example", LDNS_RR_TYPE_CNAME, false, &set, &alias);
    assert_int_equal(set.count, 1);
    assert_null(alias);
    ldns_pkt_free(packet);
    buffer_free(&bytes);
    arena_destroy(arena);
}

/* Names that lead to each other end. */
static void a_circle_of_names_ends(void **state)
{
    (void)state;
    const char *const lines[] = {"a.example. 60 IN CNAME b.example.",
                                 "b.example. 60 IN CNAME a.example.", NULL};
    struct arena *arena = arena_create();
    struct buffer bytes = answer_of("a.example", LDNS_RR_TYPE_A, lines);
    ldns_pkt *packet = message_read(bytes.data, bytes.length, "a.example", LDNS_RR_TYPE_A);
    struct record_set set;
    const char *alias;
    message_records(arena, packet, "a.example", LDNS_RR_TYPE_A, true, &set, &alias);
    assert_int_equal(set.count, 0);
    assert_non_null(alias);
    ldns_pkt_free(packet);
    buffer_free(&bytes);
    arena_destroy(arena);
}

static void a_time_to_live_beyond_all_is_none(void **state)
{
    (void)state;
    const char *const lines[] = {"www.example. 3221225472 IN A 192.0.2.1", NULL};
    struct arena *arena = arena_create();
    struct buffer bytes = answer_of("www.example", LDNS_RR_TYPE_A, lines);
    ldns_pkt *packet = message_read(bytes.data, bytes.length, "www.example", LDNS_RR_TYPE_A);
    struct record_set set;
    const char *alias;
    message_records(arena, packet, "www.example", LDNS_RR_TYPE_A, false, &set, &alias);
    assert_int_equal(set.count, 1);
    assert_int_equal(set.ttl, 0);
    ldns_pkt_free(packet);
    buffer_free(&bytes);
    arena_destroy(arena);
}

static void an_update_is_not_made_of_what_is_no_name(void **state)
{
    (void)state;
    const char *value = "192.0.2.1";
    struct record_set none = {0}, one = {.ttl = 60, .values = &value, .count = 1};
    struct record_change change = {.zone = "example",
                                   .record = "www.example",
                                   .type = LDNS_RR_TYPE_A,
                                   .from = &none,
                                   .to = &one};
    struct buffer bytes = {0};
    struct error error = {0};
    assert_true(message_update(&change, &bytes, &error));
    change.zone = "a..b";
    assert_false(message_update(&change, &bytes, &error));
    change.zone = "example";
    change.record = "a..b";
    assert_false(message_update(&change, &bytes, &error));
    change.record = "www.example";
    change.type = LDNS_RR_TYPE_AAAA;
    assert_false(message_update(&change, &bytes, &error));
    assert_non_null(strstr(error.message, "is no value of a DNS record of type AAAA"));
    error_clear(&error);
    buffer_free(&bytes);
}

static void codes_and_names(void **state)
{
    (void)state;
    assert_string_equal(rcode_name(5), "REFUSED");
    assert_string_equal(rcode_name(10), "NOTZONE");
    assert_string_equal(rcode_name(11), "an unknown error");
    assert_true(same_name("WWW.example.", "www.example"));
    assert_false(same_name("www.example", "www.example.org"));
    assert_false(same_name("a..b", "a..b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_held_to_its_question),
        cmocka_unit_test(records_are_found_among_others),
        cmocka_unit_test(a_circle_of_names_ends),
        cmocka_unit_test(a_time_to_live_beyond_all_is_none),
        cmocka_unit_test(an_update_is_not_made_of_what_is_no_name),
        cmocka_unit_test(codes_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
