#include "runtime/dns/message.h"

#include <string.h>
#include <strings.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

enum { ALIASES_MAX = 16 };

const char *rcode_name(int rcode)
{
    static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                        "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                        "NXRRSET", "NOTAUTH", "NOTZONE"};
    return rcode >= 0 && (size_t)rcode < sizeof names / sizeof *names ? names[rcode]
                                                                      : "an unknown error";
}

static ldns_rdf *name_of(const char *text, struct error *error)
{
    ldns_rdf *name = ldns_dname_new_frm_str(text);
    if (!name) {
        error_set(error, "\"%.300s\" is no DNS name", text);
    }
    return name;
}

bool same_name(const char *a, const char *b)
{
    ldns_rdf *first = ldns_dname_new_frm_str(a), *second = ldns_dname_new_frm_str(b);
    bool same = first && second && ldns_dname_compare(first, second) == 0;
    ldns_rdf_deep_free(first);
    ldns_rdf_deep_free(second);
    return same;
}

/* A record without data, as questions, deletions and most prerequisites are. Takes the name over.
 */
static ldns_rr *bare_rr(ldns_rdf *name, ldns_rr_type type, ldns_rr_class class, bool question)
{
    ldns_rr *rr = ldns_rr_new();
    ldns_rr_set_owner(rr, name);
    ldns_rr_set_type(rr, type);
    ldns_rr_set_class(rr, class);
    ldns_rr_set_ttl(rr, 0);
    ldns_rr_set_question(rr, question);
    return rr;
}

static bool to_wire(ldns_pkt *packet, struct buffer *out, struct error *error)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    ldns_status status = ldns_pkt2wire(&bytes, packet, &length);
    if (status == LDNS_STATUS_OK) {
        buffer_append(out, bytes, length);
    }
    LDNS_FREE(bytes);
    return status == LDNS_STATUS_OK ||
           error_set(error, "the DNS message cannot be made: %s", ldns_get_errorstr_by_id(status));
}

bool message_question(const char *name, ldns_rr_type type, bool recursive, struct buffer *out,
                      struct error *error)
{
    ldns_rdf *asked = name_of(name, error);
    if (!asked) {
        return false;
    }
    ldns_pkt *packet = ldns_pkt_new();
    ldns_pkt_set_opcode(packet, LDNS_PACKET_QUERY);
    ldns_pkt_set_rd(packet, recursive);
    ldns_pkt_push_rr(packet, LDNS_SECTION_QUESTION, bare_rr(asked, type, LDNS_RR_CLASS_IN, true));
    bool made = to_wire(packet, out, error);
    ldns_pkt_free(packet);
    return made;
}

/* --- updates --- */

static bool push_values(ldns_pkt *packet, ldns_pkt_section section,
                        const struct record_change *change, const ldns_rdf *name,
                        const struct record_set *set, int64_t ttl, struct error *error)
{
    for (size_t i = 0; i < set->count; i++) {
        ldns_rr *rr = record_rr(name, change->type, ttl, set->values[i], error);
        if (!rr) {
            return false;
        }
        ldns_pkt_push_rr(packet, section, rr);
    }
    return true;
}

/* RFC 2136, 2.4: the record is exactly so (its time to live is not looked at); or it is not there,
 * and nothing that could not stand beside the new one. */
static bool push_prerequisites(ldns_pkt *packet, const struct record_change *change,
                               const ldns_rdf *name, struct error *error)
{
    if (change->from->count > 0) {
        return push_values(packet, LDNS_SECTION_ANSWER, change, name, change->from, 0, error);
    }
    bool alone = change->type == LDNS_RR_TYPE_CNAME && change->to->count > 0;
    ldns_pkt_push_rr(packet, LDNS_SECTION_ANSWER,
                     bare_rr(ldns_rdf_clone(name), alone ? LDNS_RR_TYPE_ANY : change->type,
                             LDNS_RR_CLASS_NONE, false));
    if (!alone) {
        ldns_pkt_push_rr(
            packet, LDNS_SECTION_ANSWER,
            bare_rr(ldns_rdf_clone(name), LDNS_RR_TYPE_CNAME, LDNS_RR_CLASS_NONE, false));
    }
    return true;
}

static bool push_change(ldns_pkt *packet, const struct record_change *change, const ldns_rdf *name,
                        struct error *error)
{
    ldns_pkt_push_rr(packet, LDNS_SECTION_AUTHORITY,
                     bare_rr(ldns_rdf_clone(name), change->type, LDNS_RR_CLASS_ANY, false));
    return push_values(packet, LDNS_SECTION_AUTHORITY, change, name, change->to, change->to->ttl,
                       error);
}

bool message_update(const struct record_change *change, struct buffer *out, struct error *error)
{
    ldns_rdf *zone = name_of(change->zone, error);
    ldns_rdf *name = zone ? name_of(change->record, error) : NULL;
    if (!name) {
        ldns_rdf_deep_free(zone);
        return false;
    }
    ldns_pkt *packet = ldns_pkt_new();
    ldns_pkt_set_opcode(packet, LDNS_PACKET_UPDATE);
    ldns_pkt_push_rr(packet, LDNS_SECTION_QUESTION,
                     bare_rr(zone, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN, true));
    bool made = push_prerequisites(packet, change, name, error) &&
                push_change(packet, change, name, error) && to_wire(packet, out, error);
    ldns_pkt_free(packet);
    ldns_rdf_deep_free(name);
    return made;
}

/* --- answers --- */

static bool answers(const ldns_pkt *packet, const char *name, ldns_rr_type type)
{
    const ldns_rr_list *questions = ldns_pkt_question(packet);
    if (!ldns_pkt_qr(packet)) {
        return false;
    }
    if (!name) {
        return ldns_pkt_get_opcode(packet) == LDNS_PACKET_UPDATE;
    }
    if (ldns_pkt_get_opcode(packet) != LDNS_PACKET_QUERY) {
        return false;
    }
    if (ldns_rr_list_rr_count(questions) != 1) { /* some servers leave it out when they refuse */
        return ldns_rr_list_rr_count(questions) == 0 &&
               ldns_pkt_get_rcode(packet) != LDNS_RCODE_NOERROR;
    }
    const ldns_rr *question = ldns_rr_list_rr(questions, 0);
    ldns_rdf *asked = ldns_dname_new_frm_str(name);
    bool same = asked && ldns_rr_get_type(question) == type && ldns_rr_owner(question) &&
                ldns_dname_compare(asked, ldns_rr_owner(question)) == 0;
    ldns_rdf_deep_free(asked);
    return same;
}

ldns_pkt *message_read(const void *bytes, size_t length, const char *name, ldns_rr_type type)
{
    ldns_pkt *packet = NULL;
    if (ldns_wire2pkt(&packet, bytes, length) != LDNS_STATUS_OK) {
        return NULL;
    }
    if (!answers(packet, name, type)) {
        ldns_pkt_free(packet);
        return NULL;
    }
    return packet;
}

static bool is_of(const ldns_rr *rr, const ldns_rdf *name, ldns_rr_type type)
{
    return ldns_rr_get_type(rr) == type && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN &&
           ldns_rr_owner(rr) && ldns_dname_compare(ldns_rr_owner(rr), name) == 0;
}

static void collect(struct arena *arena, const ldns_rr_list *list, const ldns_rdf *name,
                    ldns_rr_type type, struct record_set *set)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list) && set->count < RECORD_VALUES_MAX; i++) {
        const ldns_rr *rr = ldns_rr_list_rr(list, i);
        const char *value = is_of(rr, name, type) ? record_value(arena, rr) : NULL;
        if (value) {
            int64_t ttl = ldns_rr_ttl(rr) > INT32_MAX ? 0 : ldns_rr_ttl(rr); /* RFC 2181, 8 */
            set->ttl = set->count == 0 || ttl < set->ttl ? ttl : set->ttl;
            set->values[set->count++] = value;
        }
    }
}

void message_records(struct arena *arena, const ldns_pkt *answer, const char *name,
                     ldns_rr_type type, bool follow, struct record_set *set, const char **alias)
{
    const ldns_rr_list *list = ldns_pkt_answer(answer);
    ldns_rdf *at = ldns_dname_new_frm_str(name);
    *set = (struct record_set){
        .values = ARENA_ARRAY(arena, const char *, ldns_rr_list_rr_count(list) + 1)};
    *alias = NULL;
    for (int i = 0; at && i < ALIASES_MAX; i++) {
        struct record_set target = {
            .values = ARENA_ARRAY(arena, const char *, ldns_rr_list_rr_count(list) + 1)};
        collect(arena, list, at, type, set);
        if (set->count == 0 && type != LDNS_RR_TYPE_CNAME) {
            collect(arena, list, at, LDNS_RR_TYPE_CNAME, &target);
        }
        if (target.count == 0) {
            break;
        }
        *alias = target.values[0];
        ldns_rdf_deep_free(at);
        at = follow ? ldns_dname_new_frm_str(*alias) : NULL;
    }
    ldns_rdf_deep_free(at);
}
