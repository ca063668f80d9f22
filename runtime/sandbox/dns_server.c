/* A message and its answer: signatures, questions; updates are dns_update.c's. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/sandbox/dns.h"
#include "runtime/sandbox/state.h"

enum { HEADER = 12, DATAGRAM_MAX = 512, NOTAUTH = 9, ALIASES_MAX = 16 };

/* --- questions --- */

static size_t push(ldns_pkt *answer, ldns_pkt_section section, const struct dns_record *records,
                   size_t count, const char *owner)
{
    size_t pushed = 0;
    for (size_t i = 0; i < count; i++) {
        struct buffer line = {0};
        ldns_rr *rr = NULL;
        buffer_printf(&line, "%s %lld IN %s %s", owner, (long long)records[i].ttl, records[i].type,
                      records[i].data);
        if (ldns_rr_new_frm_str(&rr, buffer_text(&line), 0, NULL, NULL) == LDNS_STATUS_OK) {
            ldns_pkt_push_rr(answer, section, rr);
            pushed++;
        }
        buffer_free(&line);
    }
    return pushed;
}

/* The name that answers for this one: itself, or the wildcard above it; NULL: there is none. */
static const char *source_of(struct request *r, const struct dns_zone *zone, const char *name)
{
    if (dns_name_exists(r, zone, name)) {
        return name;
    }
    while (strcmp(name, zone->name) != 0) {
        name = strchr(name, '.') + 1;
        struct dns_record *records;
        const char *wildcard = arena_printf(r->arena, "*.%s", name);
        if (dns_records(r, zone, wildcard, NULL, &records) > 0) {
            return wildcard;
        }
        if (dns_name_exists(r, zone, name)) {
            return NULL;
        }
    }
    return NULL;
}

static void push_soa(struct request *r, ldns_pkt *answer, const struct dns_zone *zone)
{
    struct dns_record *records;
    size_t count = dns_records(r, zone, zone->name, "SOA", &records);
    push(answer, LDNS_SECTION_AUTHORITY, records, count, zone->name);
}

/* Follows CNAMEs as far as the sandbox's zones reach. */
static int answer_question(struct request *r, const ldns_rr *question, ldns_pkt *answer)
{
    const char *name = dns_name(r->arena, ldns_rr_owner(question));
    ldns_rr_type asked = ldns_rr_get_type(question);
    const char *type = asked == LDNS_RR_TYPE_ANY ? NULL : dns_type(r->arena, asked);
    for (int i = 0; i < ALIASES_MAX; i++) {
        struct dns_zone zone;
        struct dns_record *records;
        if (!dns_zone_find(r, name, &zone)) {
            return i > 0 ? LDNS_RCODE_NOERROR : LDNS_RCODE_REFUSED;
        }
        ldns_pkt_set_aa(answer, true);
        const char *source = source_of(r, &zone, name);
        if (!source) {
            push_soa(r, answer, &zone);
            return LDNS_RCODE_NXDOMAIN;
        }
        size_t count = dns_records(r, &zone, source, type, &records);
        if (push(answer, LDNS_SECTION_ANSWER, records, count, name) > 0) {
            return LDNS_RCODE_NOERROR;
        }
        count = dns_records(r, &zone, source, "CNAME", &records);
        if (push(answer, LDNS_SECTION_ANSWER, records, count, name) == 0) {
            push_soa(r, answer, &zone);
            return LDNS_RCODE_NOERROR;
        }
        name = dns_name_of(r->arena, records[0].data); /* Route 53 keeps it as it was written */
        if (!name) {
            break;
        }
    }
    return LDNS_RCODE_NOERROR;
}

/* --- messages --- */

static int answer_code(struct request *r, const ldns_pkt *question, const struct tsig_key *signer,
                       ldns_pkt *answer)
{
    const ldns_rr_list *list = ldns_pkt_question(question);
    if (ldns_pkt_get_opcode(question) == LDNS_PACKET_UPDATE) {
        return dns_update_zone(r, question, signer);
    }
    if (ldns_pkt_get_opcode(question) != LDNS_PACKET_QUERY) {
        return LDNS_RCODE_NOTIMPL;
    }
    if (ldns_rr_list_rr_count(list) != 1) {
        return LDNS_RCODE_FORMERR;
    }
    const ldns_rr *asked = ldns_rr_list_rr(list, 0);
    ldns_pkt_push_rr(answer, LDNS_SECTION_QUESTION, ldns_rr_clone(asked));
    bool transfer = ldns_rr_get_type(asked) == LDNS_RR_TYPE_AXFR ||
                    ldns_rr_get_type(asked) == LDNS_RR_TYPE_IXFR;
    return transfer ? LDNS_RCODE_NOTIMPL : answer_question(r, asked, answer);
}

static ldns_pkt *begin_answer(const ldns_pkt *question)
{
    ldns_pkt *answer = ldns_pkt_new();
    ldns_pkt_set_id(answer, ldns_pkt_id(question));
    ldns_pkt_set_opcode(answer, ldns_pkt_get_opcode(question));
    ldns_pkt_set_qr(answer, true);
    ldns_pkt_set_rd(answer, ldns_pkt_rd(question));
    if (ldns_pkt_edns(question)) {
        ldns_pkt_set_edns_udp_size(answer, 1232);
    }
    return answer;
}

/* Its header alone says that it cannot be read. */
static void refuse_format(const unsigned char *bytes, struct buffer *out)
{
    unsigned char header[HEADER] = {bytes[0], bytes[1], (unsigned char)(0x80 | (bytes[2] & 0x79)),
                                    LDNS_RCODE_FORMERR};
    buffer_append(out, header, sizeof header);
}

static void put(ldns_pkt *answer, struct buffer *out)
{
    uint8_t *wire = NULL;
    size_t length = 0;
    if (ldns_pkt2wire(&wire, answer, &length) == LDNS_STATUS_OK) {
        buffer_append(out, wire, length);
    }
    LDNS_FREE(wire);
}

static size_t room_for(const ldns_pkt *question, bool stream)
{
    size_t told = ldns_pkt_edns_udp_size(question);
    return stream ? 65535 : told > DATAGRAM_MAX ? told : DATAGRAM_MAX;
}

static ldns_pkt *cut(const ldns_pkt *question, const ldns_pkt *whole)
{
    ldns_pkt *answer = begin_answer(question);
    ldns_pkt_set_aa(answer, ldns_pkt_aa(whole));
    ldns_pkt_set_rcode(answer, (uint8_t)ldns_pkt_get_rcode(whole));
    if (ldns_rr_list_rr_count(ldns_pkt_question(question)) == 1) {
        ldns_pkt_push_rr(answer, LDNS_SECTION_QUESTION,
                         ldns_rr_clone(ldns_rr_list_rr(ldns_pkt_question(question), 0)));
    }
    ldns_pkt_set_tc(answer, true);
    return answer;
}

/* The signature of the message: whose, and whether it holds. */
struct signing {
    enum tsig_presence presence;
    struct tsig_record record;
    struct tsig_key key;
    int error; /* 0: it holds */
};

static void examine(struct request *r, const void *bytes, size_t length, struct signing *signing)
{
    signing->error = 0;
    signing->presence = tsig_find(bytes, length, &signing->record);
    if (signing->presence != TSIG_PRESENT) {
        return;
    }
    if (!dns_key_find(r, &signing->record, &signing->key)) {
        signing->error = TSIG_BADKEY;
        return;
    }
    enum tsig_verdict verdict =
        tsig_verify(&signing->key, bytes, length, &signing->record, NULL, r->now_ms / 1000);
    signing->error = verdict == TSIG_GOOD         ? 0
                     : verdict == TSIG_WRONG_TIME ? TSIG_BADTIME
                                                  : TSIG_BADSIG;
}

static void sign(struct request *r, const struct signing *signing, struct buffer *out)
{
    if (signing->presence != TSIG_PRESENT) {
        return;
    }
    if (signing->error == TSIG_BADKEY || signing->error == TSIG_BADSIG) {
        tsig_refuse(&signing->record, signing->error, r->now_ms / 1000, out);
        return;
    }
    bool late = signing->error == TSIG_BADTIME;
    struct tsig_stamp stamp = {
        .signed_s = late ? signing->record.signed_s : r->now_ms / 1000,
        .error = signing->error,
        .server_s = late ? r->now_ms / 1000 : 0,
        .request = &signing->record.mac,
    };
    tsig_sign(&signing->key, &stamp, out, NULL);
}

void dns_respond(struct request *r, const void *bytes, size_t length, bool stream,
                 struct buffer *out)
{
    ldns_pkt *question = NULL;
    struct signing signing;
    if (length < HEADER || ((const unsigned char *)bytes)[2] & 0x80) {
        return;
    }
    examine(r, bytes, length, &signing);
    if (signing.presence == TSIG_MALFORMED ||
        ldns_wire2pkt(&question, bytes, length) != LDNS_STATUS_OK) {
        refuse_format(bytes, out);
        return;
    }
    ldns_pkt *answer = begin_answer(question);
    int code = signing.error
                   ? NOTAUTH
                   : answer_code(r, question,
                                 signing.presence == TSIG_PRESENT ? &signing.key : NULL, answer);
    ldns_pkt_set_rcode(answer, (uint8_t)code);
    put(answer, out);
    if (out->length + (signing.presence == TSIG_PRESENT ? 200 : 0) > room_for(question, stream)) {
        ldns_pkt *beginning = cut(question, answer);
        ldns_pkt_free(answer);
        answer = beginning;
        buffer_clear(out);
        put(answer, out);
    }
    sign(r, &signing, out);
    ldns_pkt_free(answer);
    ldns_pkt_free(question);
}
