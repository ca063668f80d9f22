/* Against dig, nsupdate and BIND's own answers: tests/interop/test_sandbox_dns.py.
 * Covers: dns_serve.c dns_update.c dns_zone.c populate_dns.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/dns/message.h"
#include "runtime/sandbox/dns.h"
#include "runtime/sandbox/internal.h"
#include "runtime/sandbox/route53.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/state.h"
#include "tests/unit/support/cmocka_all.h"

enum { UTC = 1767225600 };

struct fixture {
    struct arena *arena;
    struct sandbox *sandbox;
    struct world_responder dns;
    struct tsig_key key;
    struct buffer message;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sandbox_options options = {.seed = 1, .speed = 1};
    f->arena = arena_create();
    f->sandbox = sandbox_init(":memory:", &options, NULL);
    f->dns = sandbox_responder(f->sandbox);
    assert_true(state_begin(f->sandbox->state));
    struct request r = sandbox_own_request(f->sandbox, f->arena, 0);
    dns_zone_make(&r, &(struct dns_zone){"corp.example.", 1, "drc-key", "hmac-sha256", NULL});
    dns_zone_make(&r, &(struct dns_zone){"open.example.", 1, NULL, NULL, NULL});
    struct dns_zone zone;
    assert_true(dns_zone_named(&r, "corp.example.", &zone));
    dns_record_put(&r, &zone, &(struct dns_record){"shop.corp.example.", "A", "192.0.2.10", 60});
    dns_record_put(&r, &zone, &(struct dns_record){"*.wild.corp.example.", "A", "192.0.2.20", 60});
    dns_record_put(&r, &zone,
                   &(struct dns_record){"www.corp.example.", "CNAME", "shop.corp.example.", 60});
    struct hosted_zone hosted = {
        .id = "Z1", .name = "shop.example", .account = "111122223333", .reference = "r"};
    assert_true(hosted_zone_make(&r, &hosted));
    const char *addresses[] = {"192.0.2.30", "192.0.2.31"}, *alias[] = {"WWW.shop.example"};
    record_put(&r, "Z1",
               &(struct record){.name = "www.shop.example",
                                .type = "A",
                                .identifier = "",
                                .ttl_s = 60,
                                .weight = -1,
                                .values = addresses,
                                .count = 2});
    record_put(&r, "Z1",
               &(struct record){.name = "alias.shop.example",
                                .type = "CNAME",
                                .identifier = "",
                                .ttl_s = 60,
                                .weight = -1,
                                .values = alias,
                                .count = 1});
    assert_true(state_end(f->sandbox->state, true));
    assert_true(tsig_key_set(&f->key, "drc-key", "hmac-sha256", sandbox_tsig_secret(), NULL));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    buffer_free(&f->message);
    sandbox_close(f->sandbox);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

/* Brings f->message; the answer, NULL: silence. */
static ldns_pkt *bring(struct fixture *f, bool stream)
{
    struct message_request request = {.host = "10.0.0.53",
                                      .port = 53,
                                      .stream = stream,
                                      .bytes = f->message.data,
                                      .length = f->message.length};
    const char *failure = NULL;
    const void *bytes = NULL;
    size_t length = 0;
    int64_t latency_ms;
    ldns_pkt *packet = NULL;
    f->dns.message(f->dns.context, UTC * INT64_C(1000), &request, &failure, &bytes, &length,
                   &latency_ms);
    assert_null(failure);
    if (length > 0) {
        assert_int_equal(ldns_wire2pkt(&packet, bytes, length), LDNS_STATUS_OK);
    }
    return packet;
}

/* "0 192.0.2.10": the code and the values. */
static const char *ask(struct fixture *f, const char *name, ldns_rr_type type)
{
    struct record_set set;
    const char *alias;
    buffer_clear(&f->message);
    assert_true(message_question(name, type, true, &f->message, NULL));
    ldns_pkt *packet = bring(f, true);
    message_records(f->arena, packet, name, type, true, &set, &alias);
    struct buffer out = {0};
    buffer_printf(&out, "%d", ldns_pkt_get_rcode(packet));
    for (size_t i = 0; i < set.count; i++) {
        buffer_printf(&out, " %s", set.values[i]);
    }
    ldns_pkt_free(packet);
    const char *text = arena_strdup(f->arena, buffer_text(&out));
    buffer_free(&out);
    return text;
}

static void questions_are_answered(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(ask(f, "SHOP.corp.example", LDNS_RR_TYPE_A), "0 192.0.2.10");
    assert_string_equal(ask(f, "www.corp.example", LDNS_RR_TYPE_A), "0 192.0.2.10");
    assert_string_equal(ask(f, "shop.corp.example", LDNS_RR_TYPE_TXT), "0");
    assert_string_equal(ask(f, "x.y.wild.corp.example", LDNS_RR_TYPE_A), "0 192.0.2.20");
    assert_string_equal(ask(f, "nothing.corp.example", LDNS_RR_TYPE_A), "3");
    assert_string_equal(ask(f, "wild.corp.example", LDNS_RR_TYPE_A),
                        "0"); /* there is a name below it */
    assert_string_equal(ask(f, "www.elsewhere.example", LDNS_RR_TYPE_A), "5");
    assert_string_equal(ask(f, "ns.corp.example", LDNS_RR_TYPE_A), "0 127.0.0.1");
}

static void zones_of_route_53_are_answered_for(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(ask(f, "www.SHOP.example", LDNS_RR_TYPE_A), "0 192.0.2.30 192.0.2.31");
    assert_string_equal(ask(f, "alias.shop.example", LDNS_RR_TYPE_A), "0 192.0.2.30 192.0.2.31");
    assert_string_equal(ask(f, "www.shop.example", LDNS_RR_TYPE_TXT), "0");
    assert_string_equal(ask(f, "nothing.shop.example", LDNS_RR_TYPE_A), "3");
}

struct change {
    const char *zone, *record, *from, *to;
    bool is_signed;
};

static int update(struct fixture *f, const struct change *change)
{
    struct record_set from = {.values = (const char *[]){change->from},
                              .count = change->from != NULL};
    struct record_set to = {
        .ttl = 30, .values = (const char *[]){change->to}, .count = change->to != NULL};
    struct record_change record = {.zone = change->zone,
                                   .record = change->record,
                                   .type = LDNS_RR_TYPE_A,
                                   .from = &from,
                                   .to = &to};
    struct tsig_stamp stamp = {.signed_s = UTC};
    buffer_clear(&f->message);
    assert_true(message_update(&record, &f->message, NULL));
    if (change->is_signed) {
        tsig_sign(&f->key, &stamp, &f->message, NULL);
    }
    ldns_pkt *packet = bring(f, false);
    int code = ldns_pkt_get_rcode(packet);
    ldns_pkt_free(packet);
    return code;
}

static void updates_hold_to_their_prerequisites(void **state)
{
    struct fixture *f = *state;
    struct change change = {"corp.example", "shop.corp.example", "192.0.2.10", "192.0.2.99", true};
    assert_int_equal(update(f, &change), 0);
    assert_string_equal(ask(f, "shop.corp.example", LDNS_RR_TYPE_A), "0 192.0.2.99");
    assert_int_equal(update(f, &change), RCODE_NXRRSET);
    change.from = NULL;
    assert_int_equal(update(f, &change), RCODE_YXRRSET);
    change = (struct change){"corp.example", "shop.corp.example", "192.0.2.99", NULL, true};
    assert_int_equal(update(f, &change), 0);
    assert_string_equal(ask(f, "shop.corp.example", LDNS_RR_TYPE_A), "3");
    change = (struct change){"corp.example", "shop.open.example", NULL, "192.0.2.1", true};
    assert_int_equal(update(f, &change), RCODE_NOTZONE);
    change = (struct change){"shop.example", "www.shop.example", NULL, "192.0.2.1", true};
    assert_int_equal(update(f, &change), LDNS_RCODE_NOTIMPL);
    change = (struct change){"nowhere.example", "shop.nowhere.example", NULL, "192.0.2.1", true};
    assert_int_equal(update(f, &change), RCODE_NOTAUTH);
}

static void only_the_zones_key_may(void **state)
{
    struct fixture *f = *state;
    struct change change = {"corp.example", "new.corp.example", NULL, "192.0.2.1", false};
    assert_int_equal(update(f, &change), LDNS_RCODE_REFUSED);
    change = (struct change){"open.example", "new.open.example", NULL, "192.0.2.1", false};
    assert_int_equal(update(f, &change), 0);
    change = (struct change){"corp.example", "new.corp.example", NULL, "192.0.2.1", true};
    f->key.secret[0] ^= 1;
    assert_int_equal(update(f, &change), RCODE_NOTAUTH);
    f->key.secret[0] ^= 1;
    assert_int_equal(update(f, &change), 0);
}

static void what_is_no_message_harms_nobody(void **state)
{
    struct fixture *f = *state;
    buffer_clear(&f->message);
    assert_true(message_question("shop.corp.example", LDNS_RR_TYPE_A, false, &f->message, NULL));
    size_t whole = f->message.length;
    for (size_t length = 12; length < whole; length++) {
        f->message.length = length;
        ldns_pkt *packet = bring(f, false);
        assert_int_equal(ldns_pkt_get_rcode(packet), LDNS_RCODE_FORMERR);
        ldns_pkt_free(packet);
    }
    f->message.length = whole;
    f->message.data[2] |= (char)0x80; /* an answer is not answered */
    assert_null(bring(f, false));
    f->message.length = 5;
    assert_null(bring(f, false));
}

static void faults_reach_it(void **state)
{
    struct fixture *f = *state;
    assert_true(sandbox_set_fault(f->sandbox, "lost", 1, NULL));
    struct record_set none = {0},
                      one = {.ttl = 30, .values = (const char *[]){"192.0.2.1"}, .count = 1};
    struct record_change change = {"open.example", "lost.open.example", LDNS_RR_TYPE_A, &none,
                                   &one};
    assert_true(message_update(&change, &f->message, NULL));
    assert_null(bring(f, false));
    assert_true(sandbox_set_fault(f->sandbox, "lost", 0, NULL));
    assert_string_equal(ask(f, "lost.open.example", LDNS_RR_TYPE_A),
                        "0 192.0.2.1"); /* carried out */
    assert_true(sandbox_set_fault(f->sandbox, "unavailable", 1, NULL));
    assert_null(bring(f, false));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(questions_are_answered),
        TEST(zones_of_route_53_are_answered_for), TEST(updates_hold_to_their_prerequisites),
        TEST(only_the_zones_key_may), TEST(what_is_no_message_harms_nobody),
        TEST(faults_reach_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
