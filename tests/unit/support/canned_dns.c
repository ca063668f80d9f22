#include "tests/unit/support/canned_dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

static const char *const *records_now(const struct canned_dns *canned)
{
    return canned->updates > 0 && canned->after[0] ? canned->after : canned->records;
}

static void push_records(const struct canned_dns *canned, ldns_pkt *answer, const ldns_rr *question)
{
    for (const char *const *line = records_now(canned); *line; line++) {
        ldns_rr *rr = NULL;
        assert_int_equal(ldns_rr_new_frm_str(&rr, *line, 0, NULL, NULL), LDNS_STATUS_OK);
        ldns_rr_type type = ldns_rr_get_type(rr), asked = ldns_rr_get_type(question);
        bool wanted = type == asked || asked == LDNS_RR_TYPE_ANY || type == LDNS_RR_TYPE_CNAME;
        if (wanted && ldns_dname_compare(ldns_rr_owner(rr), ldns_rr_owner(question)) == 0) {
            ldns_pkt_push_rr(answer, LDNS_SECTION_ANSWER, rr);
        } else {
            ldns_rr_free(rr);
        }
    }
}

static ldns_pkt *make_answer(struct canned_dns *canned, const ldns_pkt *question)
{
    ldns_pkt *answer = ldns_pkt_new();
    bool update = ldns_pkt_get_opcode(question) == LDNS_PACKET_UPDATE;
    ldns_pkt_set_id(answer, ldns_pkt_id(question));
    ldns_pkt_set_opcode(answer, ldns_pkt_get_opcode(question));
    ldns_pkt_set_qr(answer, true);
    ldns_pkt_set_aa(answer, !canned->not_authoritative);
    if (update) {
        char *text = ldns_pkt2str(question);
        snprintf(canned->last_update, sizeof canned->last_update, "%s", text);
        free(text);
        int code = canned->update_codes[canned->updates++];
        ldns_pkt_set_rcode(answer, (uint8_t)(canned->tsig_error ? 9 : code));
        return answer;
    }
    canned->queries++;
    const ldns_rr *asked = ldns_rr_list_rr(ldns_pkt_question(question), 0);
    ldns_rr *copy = ldns_rr_clone(asked);
    if (canned->way == CANNED_ELSEWHERE) {
        ldns_rdf_deep_free(ldns_rr_owner(copy));
        ldns_rr_set_owner(copy, ldns_dname_new_frm_str("elsewhere.example"));
    }
    ldns_pkt_push_rr(answer, LDNS_SECTION_QUESTION, copy);
    ldns_pkt_set_rcode(answer, (uint8_t)canned->query_code);
    if (canned->query_code == 0) {
        push_records(canned, answer, asked);
    }
    return answer;
}

static void sign(struct canned_dns *canned, int64_t utc_ms, const struct message_request *request,
                 struct buffer *bytes)
{
    struct tsig_record record;
    if (!canned->key || tsig_find(request->bytes, request->length, &record) != TSIG_PRESENT) {
        return;
    }
    if (canned->tsig_error == TSIG_BADKEY || canned->tsig_error == TSIG_BADSIG) {
        tsig_refuse(&record, canned->tsig_error, utc_ms / 1000, bytes);
        return;
    }
    bool late = canned->tsig_error == TSIG_BADTIME;
    struct tsig_stamp stamp = {
        .signed_s = late ? record.signed_s : utc_ms / 1000 + canned->clock_s,
        .error = canned->tsig_error,
        .server_s = late ? utc_ms / 1000 + canned->clock_s : 0,
        .request = &record.mac,
    };
    tsig_sign(canned->key, &stamp, bytes, NULL);
    if (canned->forges) {
        bytes->data[bytes->length - 10] ^= 1;
    }
}

static void respond(void *context, int64_t utc_ms, const struct message_request *request,
                    const char **failure, const void **out, size_t *length, int64_t *latency_ms)
{
    struct canned_dns *canned = context;
    ldns_pkt *question = NULL;
    (void)failure;
    *latency_ms = 2;
    size_t used = strlen(canned->hosts);
    snprintf(canned->hosts + used, sizeof canned->hosts - used, "%s:%d/%s ", request->host,
             request->port, request->stream ? "tcp" : "udp");
    canned->streams += request->stream;
    assert_int_equal(ldns_wire2pkt(&question, request->bytes, request->length), LDNS_STATUS_OK);
    if (canned->way == CANNED_SILENT ||
        (canned->silent_host && strcmp(canned->silent_host, request->host) == 0)) {
        ldns_pkt_free(question);
        return;
    }
    ldns_pkt *answer = make_answer(canned, question);
    ldns_pkt_set_tc(answer, canned->way == CANNED_CUT && !request->stream);
    uint8_t *wire = NULL;
    size_t size = 0;
    assert_int_equal(ldns_pkt2wire(&wire, answer, &size), LDNS_STATUS_OK);
    struct buffer bytes = {0};
    buffer_append(&bytes, wire, canned->way == CANNED_GARBAGE ? size / 2 : size);
    if (canned->way != CANNED_GARBAGE) {
        sign(canned, utc_ms, request, &bytes);
    }
    free(canned->answer);
    canned->answer_length = bytes.length;
    canned->answer = buffer_steal(&bytes);
    *out = canned->answer;
    *length = canned->answer_length;
    free(wire);
    ldns_pkt_free(answer);
    ldns_pkt_free(question);
}

struct world_responder canned_dns_responder(struct canned_dns *canned)
{
    return (struct world_responder){.context = canned, .message = respond};
}

void canned_dns_clear(struct canned_dns *canned)
{
    free(canned->answer);
    canned->answer = NULL;
}
