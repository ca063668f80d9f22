/* The DNS provider, call by call, on a canned server.
 * Covers: authority.c check_dns.c job.c query_record.c talk.c update_record.c wait_record.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/dns/dns.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/canned_dns.h"
#include "tests/unit/support/cmocka_all.h"

#define ZONE_RECORDS                                                                               \
    "corp.example. 60 IN SOA ns1.corp.example. h.corp.example. 1 1 1 1 1",                         \
        "corp.example. 60 IN NS ns1.corp.example.", "corp.example. 60 IN NS ns2.corp.example.",    \
        "ns1.corp.example. 60 IN A 10.0.0.1", "ns2.corp.example. 60 IN A 10.0.0.2",                \
        "mail.corp.example. 60 IN MX 10 shop.corp.example."
#define SHOP_OLD "shop.corp.example. 60 IN A 192.0.2.10"
#define SHOP_NEW "SHOP.corp.example. 30 IN A 192.0.2.99"
#define SECRET   "YSBzZWNyZXQgdGhhdCBvbmx5IHRoaXMgdGVzdCBrbm93cw=="
static const char OLD[] = "{\"ttl\":60,\"values\":[\"192.0.2.10\"]}";

struct fixture {
    struct canned_dns canned;
    struct tsig_key key;
    struct world *world;
    struct provider *dns;
    /* of the call */
    struct input inputs[16];
    size_t input_count;
    struct value items[4];
    /* what came of it */
    int64_t deadline_ms;
    int done, requests;
    enum outcome outcome;
    char message[1500], help[1500], code[40], old[300];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *records[] = {ZONE_RECORDS, SHOP_OLD, NULL};
    memcpy(f->canned.records, records, sizeof records);
    f->world = world_simulated_create(1, 1767225600000, canned_dns_responder(&f->canned));
    world_simulated_set_environment(f->world, "KEY", SECRET);
    f->dns =
        dns_provider_create(&(struct dns_options){.world = f->world, .resolver_file = "/dev/null"});
    assert_true(tsig_key_set(&f->key, "drc-key", "hmac-sha256", SECRET, NULL));
    f->canned.key = &f->key;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    f->dns->destroy(f->dns);
    assert_int_equal(world_simulated_pending(f->world), 0);
    world_destroy(f->world);
    canned_dns_clear(&f->canned);
    free(f);
    return 0;
}

static void records_after(struct fixture *f, const char *last)
{
    const char *records[] = {ZONE_RECORDS, last, NULL};
    memcpy(f->canned.after, records, sizeof records);
}

static void records_before(struct fixture *f, const char *last)
{
    const char *records[] = {ZONE_RECORDS, last, NULL};
    memcpy(f->canned.records, records, sizeof records);
}

static void copy(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "");
}

static void keep(void *context, struct call *call, const struct call_result *result)
{
    struct fixture *f = context;
    (void)call;
    f->done++;
    f->outcome = result->outcome;
    f->requests = result->requests;
    copy(f->message, sizeof f->message, result->error.message);
    copy(f->help, sizeof f->help, result->error.help);
    copy(f->code, sizeof f->code, result->error.code);
    copy(f->old, sizeof f->old, result->output_count ? result->outputs[0].value : NULL);
}

static void put(struct fixture *f, const char *name, struct value value)
{
    for (size_t i = 0; i < f->input_count; i++) {
        if (strcmp(f->inputs[i].name, name) == 0) {
            f->inputs[i].value = value;
            return;
        }
    }
    f->inputs[f->input_count++] = (struct input){name, value};
}

static void put_text(struct fixture *f, const char *name, const char *text)
{
    put(f, name, (struct value){.kind = VALUE_TEXT, .text = text});
}

static void put_list(struct fixture *f, const char *name, struct value *item, const char *text)
{
    *item = (struct value){.kind = VALUE_TEXT, .text = text};
    put(f, name, (struct value){.kind = VALUE_LIST, .items = item, .count = text ? 1 : 0});
}

/* The switch of shop.corp.example from 192.0.2.10 to 192.0.2.99. */
static void place(struct fixture *f)
{
    put_text(f, "zone", "corp.example");
    put_text(f, "server", "10.0.0.1:5353");
    put_text(f, "record", "shop.corp.example");
    put_text(f, "type", "A");
}

static void change(struct fixture *f)
{
    place(f);
    put(f, "ttl", (struct value){.kind = VALUE_INT, .integer = 30});
    put_list(f, "values", &f->items[0], "192.0.2.99");
    put_text(f, "old", OLD);
    put_text(f, "tsig_name", "drc-key");
    put_text(f, "tsig_algorithm", "hmac-sha256");
    put(f, "tsig_secret", (struct value){.kind = VALUE_SECRET, .text = "env:KEY"});
}

enum what { START, LOOKUP, POLL };

static enum outcome carry_out(struct fixture *f, enum what what, enum action action)
{
    struct graph graph = {.plan_name = "shop"};
    struct graph_node node = {.id = "n", .action = action};
    struct call call = {
        .graph = &graph,
        .node = &node,
        .inputs = f->inputs,
        .input_count = f->input_count,
        .deadline_ms = f->deadline_ms,
    };
    struct call *calls[] = {&call};
    f->done = 0;
    if (what == START) {
        f->dns->start(f->dns, calls, 1, keep, f);
    } else if (what == LOOKUP) {
        f->dns->lookup(f->dns, &call, keep, f);
    } else {
        f->dns->poll(f->dns, calls, 1, keep, f);
    }
    assert_int_equal(f->done, 0); /* never from within */
    world_run(f->world, NULL);
    assert_int_equal(f->done, 1);
    return f->outcome;
}

#define assert_says(text, part)                                                                    \
    do {                                                                                           \
        if (!strstr(text, part)) {                                                                 \
            fail_msg("\"%s\" does not say \"%s\"", text, part);                                    \
        }                                                                                          \
    } while (0)

/* --- query-record --- */

static void what_is_there_is_read(void **state)
{
    struct fixture *f = *state;
    place(f);
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_OK);
    assert_string_equal(f->old, OLD);
    assert_int_equal(f->requests, 2);
    assert_string_equal(f->canned.hosts, "10.0.0.1:5353/udp 10.0.0.1:5353/udp ");
    put_text(f, "record", "new.corp.example");
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_OK);
    assert_string_equal(f->old, "");
}

static void what_is_expected_has_to_be_there(void **state)
{
    struct fixture *f = *state;
    place(f);
    put_list(f, "expect", &f->items[0], "192.0.2.10");
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_OK);
    put_list(f, "expect", &f->items[0], "192.0.2.11");
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "is 192.0.2.10 (ttl 60), and the plan expects 192.0.2.11");
    assert_says(f->help, "nothing was changed");
    put_list(f, "expect", &f->items[0], NULL);
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_FATAL);
}

static void a_cname_stands_alone(void **state)
{
    struct fixture *f = *state;
    place(f);
    records_before(f, "shop.corp.example. 60 IN CNAME www.corp.example.");
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "is a CNAME for www.corp.example");
    put_text(f, "type", "CNAME");
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_OK);
    assert_string_equal(f->old, "{\"ttl\":60,\"values\":[\"www.corp.example\"]}");
    put_text(f, "record", "mail.corp.example");
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "has a record of type MX already");
    assert_int_equal(f->canned.streams, 1); /* ANY is asked by TCP: by UDP servers say little */
    put_text(f, "record", "new.corp.example");
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_OK);
}

static void a_server_has_to_hold_the_zone(void **state)
{
    struct fixture *f = *state;
    place(f);
    put_text(f, "zone", "other.example");
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "does not hold the zone other.example");
    put_text(f, "zone", "corp.example");
    f->canned.not_authoritative = true;
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_FATAL);
    f->canned.query_code = LDNS_RCODE_REFUSED;
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_FATAL);
    assert_string_equal(f->code, "REFUSED");
    f->canned.query_code = LDNS_RCODE_SERVFAIL;
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_RETRY);
}

static void a_silent_server_is_asked_again_and_told(void **state)
{
    struct fixture *f = *state;
    place(f);
    f->canned.way = CANNED_SILENT;
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_RETRY);
    assert_says(f->message, "the server 10.0.0.1:5353 does not answer");
    assert_says(f->help, "dig @10.0.0.1 -p 5353 corp.example SOA");
    assert_string_equal(f->canned.hosts,
                        "10.0.0.1:5353/udp 10.0.0.1:5353/udp 10.0.0.1:5353/tcp 10.0.0.1:5353/udp ");
    assert_int_equal(world_monotonic_ms(f->world), 11000);
}

static void nobody_is_asked_beyond_the_deadline(void **state)
{
    struct fixture *f = *state;
    place(f);
    f->canned.way = CANNED_SILENT;
    f->deadline_ms = 2500;
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_RETRY);
    assert_says(f->message, "does not answer");
    assert_string_equal(f->canned.hosts, "10.0.0.1:5353/udp 10.0.0.1:5353/udp ");
    assert_int_equal(world_monotonic_ms(f->world), 2500);
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_RETRY);
    assert_says(f->message, "does not answer");
    assert_int_equal(world_monotonic_ms(f->world), 2500);
}

static void what_does_not_fit_comes_by_tcp(void **state)
{
    struct fixture *f = *state;
    place(f);
    f->canned.way = CANNED_CUT;
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_OK);
    assert_string_equal(f->old, OLD);
    assert_int_equal(f->canned.streams, 2);
}

static void what_is_no_answer_is_not_believed(void **state)
{
    struct fixture *f = *state;
    place(f);
    f->canned.way = CANNED_GARBAGE;
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_RETRY);
    assert_says(f->message, "sends no proper DNS answer");
    f->canned.way = CANNED_ELSEWHERE;
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_RETRY);
    assert_says(f->message, "sends no proper DNS answer");
}

/* --- update-record --- */

static void an_update_is_one_signed_message(void **state)
{
    struct fixture *f = *state;
    change(f);
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_OK);
    assert_int_equal(f->requests, 1);
    assert_int_equal(f->canned.updates, 1);
    /* what ldns calls answer are the prerequisites, authority the change */
    assert_says(f->canned.last_update, "shop.corp.example.\t0\tIN\tA\t192.0.2.10");
    assert_says(f->canned.last_update, "shop.corp.example.\t0\tANY\tA");
    assert_says(f->canned.last_update, "shop.corp.example.\t30\tIN\tA\t192.0.2.99");
    assert_says(f->canned.last_update, "TSIG");
}

static void where_nothing_was_nothing_may_be(void **state)
{
    struct fixture *f = *state;
    change(f);
    put_text(f, "old", "");
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_OK);
    assert_says(f->canned.last_update, "shop.corp.example.\t0\tNONE\tA");
    assert_says(f->canned.last_update, "shop.corp.example.\t0\tNONE\tCNAME");
    put_text(f, "type", "CNAME");
    put_list(f, "values", &f->items[0], "www.corp.example");
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_OK);
    assert_says(f->canned.last_update, "shop.corp.example.\t0\tNONE\tANY");
}

static void a_change_that_was_ours_is_done(void **state)
{
    struct fixture *f = *state;
    change(f);
    f->canned.update_codes[0] = 8; /* NXRRSET: the first message arrived, its answer did not */
    records_after(f, SHOP_NEW);
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_OK);
    assert_int_equal(f->canned.queries, 1);
}

static void a_change_of_others_is_left(void **state)
{
    struct fixture *f = *state;
    change(f);
    f->canned.update_codes[0] = 8;
    records_after(f, "shop.corp.example. 60 IN A 203.0.113.5");
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_says(f->message,
                "is 203.0.113.5 (ttl 60): somebody has changed it since the run read 192.0.2.10");
    assert_says(f->help, "to become 192.0.2.99 (ttl 30)");
}

static void a_moment_of_another_value_is_no_end(void **state)
{
    struct fixture *f = *state;
    change(f);
    f->canned.update_codes[0] = 8;
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_RETRY);
}

static void a_lost_update_is_looked_up(void **state)
{
    struct fixture *f = *state;
    change(f);
    assert_int_equal(carry_out(f, LOOKUP, ACTION_UPDATE_RECORD), OUTCOME_ABSENT);
    records_before(f, SHOP_NEW);
    assert_int_equal(carry_out(f, LOOKUP, ACTION_UPDATE_RECORD), OUTCOME_OK);
    records_before(f, "shop.corp.example. 60 IN A 203.0.113.5");
    assert_int_equal(carry_out(f, LOOKUP, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_int_equal(f->canned.updates, 0);
}

static void what_a_server_answers_says_what_to_do(void **state)
{
    static const struct {
        int code;
        enum outcome outcome;
        const char *name, *help;
    } cases[] = {
        {LDNS_RCODE_REFUSED, OUTCOME_FATAL, "REFUSED", "grant drc-key name shop.corp.example A"},
        {9, OUTCOME_FATAL, "NOTAUTH", "the zone's primary"},
        {10, OUTCOME_FATAL, "NOTZONE", "has to lie in the zone"},
        {LDNS_RCODE_NOTIMPL, OUTCOME_FATAL, "NOTIMP", "no dynamic updates"},
        {LDNS_RCODE_SERVFAIL, OUTCOME_RETRY, "SERVFAIL", "server's own log"},
        {LDNS_RCODE_FORMERR, OUTCOME_FATAL, "FORMERR", "server's own log"},
        {6, OUTCOME_FATAL, "YXDOMAIN", "nothing was changed"},
    };
    struct fixture *f = *state;
    change(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->canned.updates = 0;
        f->canned.update_codes[0] = cases[i].code;
        assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), cases[i].outcome);
        assert_string_equal(f->code, cases[i].name);
        assert_says(f->help, cases[i].help);
    }
}

static void a_signature_that_is_not_taken_is_told(void **state)
{
    struct fixture *f = *state;
    change(f);
    f->canned.tsig_error = TSIG_BADKEY;
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "knows no TSIG key drc-key of hmac-sha256");
    f->canned.tsig_error = TSIG_BADSIG;
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "has another secret for the TSIG key drc-key");
    f->canned.tsig_error = TSIG_BADTIME;
    f->canned.clock_s = 3600;
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "ours is 3600 s behind its own");
    f->canned.clock_s = -1200;
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "ours is 1200 s ahead of its own");
}

static void an_answer_has_to_be_signed(void **state)
{
    struct fixture *f = *state;
    change(f);
    f->canned.forges = true;
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_UNKNOWN);
    assert_says(f->message, "answers with a signature that is not right");
    f->canned.forges = false;
    f->canned.clock_s = 600;
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_UNKNOWN);
    assert_says(f->message, "more than five minutes from ours");
    f->canned.key = NULL;
    f->canned.updates = 0;
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_UNKNOWN);
    assert_says(f->message, "answers without a signature");
    f->canned.updates = 0;
    f->canned.update_codes[0] = LDNS_RCODE_REFUSED; /* a refusal may be without */
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_string_equal(f->code, "REFUSED");
}

static void a_secret_that_is_missing_sends_nothing(void **state)
{
    struct fixture *f = *state;
    change(f);
    put(f, "tsig_secret", (struct value){.kind = VALUE_SECRET, .text = "env:NOWHERE"});
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "NOWHERE is not set");
    world_simulated_set_environment(f->world, "NOWHERE", "no base64!");
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "is not base64");
    assert_null(strstr(f->message, "no base64!"));
    assert_int_equal(f->canned.updates, 0);
}

static void a_silent_update_stays_in_doubt(void **state)
{
    struct fixture *f = *state;
    change(f);
    f->canned.way = CANNED_SILENT;
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_UNKNOWN);
    assert_says(f->message, "does not answer");
}

/* --- restore-record --- */

static void a_rollback_puts_back_what_was(void **state)
{
    struct fixture *f = *state;
    change(f);
    records_before(f, SHOP_NEW);
    assert_int_equal(carry_out(f, START, ACTION_RESTORE_RECORD), OUTCOME_OK);
    assert_says(f->canned.last_update, "shop.corp.example.\t0\tIN\tA\t192.0.2.99");
    assert_says(f->canned.last_update, "shop.corp.example.\t60\tIN\tA\t192.0.2.10");
    put_text(f, "old", "");
    assert_int_equal(carry_out(f, START, ACTION_RESTORE_RECORD), OUTCOME_OK);
    assert_says(f->canned.last_update, "shop.corp.example.\t0\tANY\tA");
    assert_null(strstr(f->canned.last_update, "\t60\tIN\tA"));
}

static void a_rollback_leaves_what_others_wrote(void **state)
{
    struct fixture *f = *state;
    change(f);
    f->canned.update_codes[0] = 8;
    records_before(f, "shop.corp.example. 60 IN A 203.0.113.5");
    assert_int_equal(carry_out(f, START, ACTION_RESTORE_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "somebody has changed it since the run wrote 192.0.2.99");
    assert_says(f->help, "before the run it was 192.0.2.10 (ttl 60)");
    f->canned.updates = 0;
    records_before(f, SHOP_OLD); /* it is back already */
    assert_int_equal(carry_out(f, START, ACTION_RESTORE_RECORD), OUTCOME_OK);
}

/* --- wait-record --- */

static void every_server_has_to_answer_with_it(void **state)
{
    struct fixture *f = *state;
    place(f);
    put_list(f, "values", &f->items[0], "192.0.2.99");
    put(f, "interval_ms", (struct value){.kind = VALUE_INT, .integer = 2000});
    assert_int_equal(carry_out(f, START, ACTION_WAIT_RECORD), OUTCOME_OK);
    assert_int_equal(carry_out(f, POLL, ACTION_WAIT_RECORD), OUTCOME_PENDING);
    assert_string_equal(f->message,
                        "ns1.corp.example (10.0.0.1) still answers 192.0.2.10 (ttl 60); "
                        "ns2.corp.example (10.0.0.2) still answers 192.0.2.10 (ttl 60)");
    records_before(f, SHOP_NEW);
    f->canned.silent_host = "10.0.0.2";
    f->canned.hosts[0] = '\0';
    assert_int_equal(carry_out(f, POLL, ACTION_WAIT_RECORD), OUTCOME_PENDING);
    assert_string_equal(f->message, "ns2.corp.example (10.0.0.2) does not answer");
    assert_int_equal(f->requests, 3); /* who the servers are is known */
    assert_string_equal(f->canned.hosts, "10.0.0.1:5353/udp 10.0.0.2:53/udp 10.0.0.2:53/udp ");
    f->canned.silent_host = NULL;
    assert_int_equal(carry_out(f, POLL, ACTION_WAIT_RECORD), OUTCOME_OK);
}

static void a_server_needs_no_more_than_one_of_its_addresses(void **state)
{
    struct fixture *f = *state;
    const char *records[] = {ZONE_RECORDS, SHOP_NEW, "ns2.corp.example. 60 IN AAAA 2001:db8::2",
                             NULL};
    memcpy(f->canned.records, records, sizeof records);
    f->canned.silent_host = "2001:db8::2";
    place(f);
    put_list(f, "values", &f->items[0], "192.0.2.99");
    assert_int_equal(carry_out(f, POLL, ACTION_WAIT_RECORD), OUTCOME_OK);
}

static void a_zone_without_servers_is_told(void **state)
{
    struct fixture *f = *state;
    const char *records[] = {SHOP_NEW, NULL};
    memcpy(f->canned.records, records, sizeof records);
    place(f);
    put_list(f, "values", &f->items[0], "192.0.2.99");
    assert_int_equal(carry_out(f, POLL, ACTION_WAIT_RECORD), OUTCOME_PENDING);
    assert_string_equal(f->message, "the server 10.0.0.1:5353 names no servers of the zone (NS)");
    f->canned.way = CANNED_SILENT;
    assert_int_equal(carry_out(f, POLL, ACTION_WAIT_RECORD), OUTCOME_PENDING);
    assert_string_equal(f->message, "the server 10.0.0.1:5353 does not answer");
}

/* --- check-dns --- */

static void check(struct fixture *f, const char *name, const char *value)
{
    put_text(f, "record", name);
    put_text(f, "value", value);
    carry_out(f, POLL, ACTION_CHECK_DNS);
}

static void a_check_asks_the_resolver(void **state)
{
    struct fixture *f = *state;
    const char *records[] = {SHOP_OLD, "www.corp.example. 60 IN CNAME shop.corp.example.",
                             "six.corp.example. 60 IN AAAA 2001:db8::1",
                             "text.corp.example. 60 IN TXT \"v=1\"", NULL};
    memcpy(f->canned.records, records, sizeof records);
    check(f, "shop.corp.example", "192.0.2.10");
    assert_int_equal(f->outcome, OUTCOME_OK);
    assert_string_equal(f->canned.hosts,
                        "127.0.0.1:53/udp "); /* no file: the one on this machine */
    world_simulated_set_environment(f->world, "DRC_RESOLVER", "10.9.9.9:5300");
    f->canned.hosts[0] = '\0';
    check(f, "six.corp.example", "2001:0db8:0::1");
    assert_int_equal(f->outcome, OUTCOME_OK);
    assert_string_equal(f->canned.hosts, "10.9.9.9:5300/udp ");
    check(f, "www.corp.example", "SHOP.corp.example");
    assert_int_equal(f->outcome, OUTCOME_OK);
    check(f, "text.corp.example", "v=1");
    assert_int_equal(f->outcome, OUTCOME_OK);
    check(f, "shop.corp.example", "192.0.2.99");
    assert_int_equal(f->outcome, OUTCOME_PENDING);
    assert_string_equal(f->message,
                        "dns shop.corp.example is 192.0.2.10 (ttl 60), not 192.0.2.99, by the "
                        "resolver 10.9.9.9:5300");
    f->canned.query_code = LDNS_RCODE_NXDOMAIN;
    check(f, "shop.corp.example", "192.0.2.99");
    assert_says(f->message, "is no name that exists");
    f->canned.query_code = LDNS_RCODE_SERVFAIL;
    check(f, "shop.corp.example", "192.0.2.99");
    assert_int_equal(f->outcome, OUTCOME_PENDING);
    assert_says(f->message, "the resolver 10.9.9.9:5300 answers SERVFAIL");
}

/* --- the rest --- */

static void what_makes_no_sense_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_FATAL);
    change(f);
    put_list(f, "values", &f->items[0], "no address");
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "\"no address\" is no value of a DNS record of type A");
    put_text(f, "old", "{\"ttl\":60}");
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    put_text(f, "server", "10.0.0.1:port");
    assert_int_equal(carry_out(f, START, ACTION_UPDATE_RECORD), OUTCOME_FATAL);
    assert_says(f->message, "10.0.0.1:port is no DNS server");
    put_text(f, "server", "10.0.0.1");
    put_text(f, "record", "a..b");
    assert_int_equal(carry_out(f, START, ACTION_QUERY_RECORD), OUTCOME_FATAL);
    assert_int_equal(carry_out(f, START, ACTION_CREATE_VOLUME), OUTCOME_FATAL);
    assert_int_equal(f->canned.updates, 0);
}

/* Destroyed with calls under way: nothing comes, nothing leaks. */
static void it_can_go_at_any_time(void **state)
{
    struct fixture *f = *state;
    change(f);
    for (int events = 0; events < 12; events++) {
        struct graph graph = {.plan_name = "shop"};
        struct graph_node nodes[] = {{.id = "n", .action = ACTION_UPDATE_RECORD},
                                     {.id = "w", .action = ACTION_WAIT_RECORD}};
        struct call calls[2];
        for (int i = 0; i < 2; i++) {
            calls[i] = (struct call){.graph = &graph,
                                     .node = &nodes[i],
                                     .inputs = f->inputs,
                                     .input_count = f->input_count};
        }
        struct provider *dns = dns_provider_create(&(struct dns_options){.world = f->world});
        struct call *first = &calls[0], *second = &calls[1];
        dns->start(dns, &first, 1, keep, f);
        dns->poll(dns, &second, 1, keep, f);
        world_simulated_stop_after(f->world, events);
        world_run(f->world, NULL);
        dns->destroy(dns);
        world_simulated_stop_after(f->world, -1);
        f->canned.hosts[0] = '\0';
        f->canned.updates = 0;
    }
    assert_int_equal(world_simulated_pending(f->world), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_there_is_read),
        TEST(what_is_expected_has_to_be_there),
        TEST(a_cname_stands_alone),
        TEST(a_server_has_to_hold_the_zone),
        TEST(a_silent_server_is_asked_again_and_told),
        TEST(nobody_is_asked_beyond_the_deadline),
        TEST(what_does_not_fit_comes_by_tcp),
        TEST(what_is_no_answer_is_not_believed),
        TEST(an_update_is_one_signed_message),
        TEST(where_nothing_was_nothing_may_be),
        TEST(a_change_that_was_ours_is_done),
        TEST(a_change_of_others_is_left),
        TEST(a_moment_of_another_value_is_no_end),
        TEST(a_lost_update_is_looked_up),
        TEST(what_a_server_answers_says_what_to_do),
        TEST(a_signature_that_is_not_taken_is_told),
        TEST(an_answer_has_to_be_signed),
        TEST(a_secret_that_is_missing_sends_nothing),
        TEST(a_silent_update_stays_in_doubt),
        TEST(a_rollback_puts_back_what_was),
        TEST(a_rollback_leaves_what_others_wrote),
        TEST(every_server_has_to_answer_with_it),
        TEST(a_server_needs_no_more_than_one_of_its_addresses),
        TEST(a_zone_without_servers_is_told),
        TEST(a_check_asks_the_resolver),
        TEST(what_makes_no_sense_is_refused),
        TEST(it_can_go_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
