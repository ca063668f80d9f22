/* query-record: is the server the zone's own, what has the record now, is it what the plan expects?
 */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/dns/job.h"

static void judge(struct job *job, const struct record_set *found)
{
    const struct value *list = call_input(job->call, "expect");
    struct record_set expected;
    struct error error = {0};
    if (!list) {
        dns_job_done(job, "old", record_set_write(job->arena, found));
        return;
    }
    if (!record_set_of_values(job->arena, list, found->ttl, &expected, &error)) {
        const char *text = arena_strdup(job->arena, error.message);
        error_clear(&error);
        dns_job_end(job, OUTCOME_FATAL, NULL, text, NULL);
        return;
    }
    if (record_set_same(job->arena, job->type, found, &expected)) {
        dns_job_done(job, "old", record_set_write(job->arena, found));
        return;
    }
    expected.ttl = -1;
    dns_job_end(
        job, OUTCOME_FATAL, NULL,
        arena_printf(job->arena, "%s is %s, and the plan expects %s", dns_job_place(job),
                     record_set_text(job->arena, job->type, found),
                     record_set_text(job->arena, job->type, &expected)),
        "nothing was changed. Somebody else has: find out who, then put the record back or change "
        "`expect` in the plan");
}

/* A CNAME is to be made where there is none: nothing else may be there. */
static void on_others(void *context, const struct talk_answer *answer)
{
    struct job *job = context;
    struct record_set none = {0};
    job->talk = NULL;
    job->requests += answer->requests;
    bool answered = !answer->failure &&
                    (answer->rcode == LDNS_RCODE_NOERROR || answer->rcode == LDNS_RCODE_NXDOMAIN);
    const ldns_rr_list *list = answered ? ldns_pkt_answer(answer->packet) : NULL;
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        ldns_rr_type type = ldns_rr_get_type(ldns_rr_list_rr(list, i));
        if (type == LDNS_RR_TYPE_RRSIG || type == LDNS_RR_TYPE_NSEC) {
            continue;
        }
        char *name = ldns_rr_type2str(type);
        const char *text = arena_printf(
            job->arena, "%s has a record of type %s already, and a CNAME cannot stand beside it",
            job->record, name);
        LDNS_FREE(name);
        dns_job_end(job, OUTCOME_FATAL, NULL, text,
                    "nothing was changed. Switch that record in place of making a CNAME, or take "
                    "it away first");
        return;
    }
    judge(job,
          &none); /* a server that does not say (RFC 8482) has the prerequisite in the update */
}

static void on_record(void *context, const struct talk_answer *answer)
{
    struct job *job = context;
    struct record_set found;
    const char *alias;
    job->talk = NULL;
    job->requests += answer->requests;
    if (answer->failure ||
        (answer->rcode != LDNS_RCODE_NOERROR && answer->rcode != LDNS_RCODE_NXDOMAIN)) {
        dns_job_refused(job, answer, "the query");
        return;
    }
    message_records(job->arena, answer->packet, job->record, job->type, false, &found, &alias);
    if (alias) {
        dns_job_end(job, OUTCOME_FATAL, NULL,
                    arena_printf(job->arena,
                                 "%s is a CNAME for %s, and no %s record can stand beside it",
                                 job->record, alias, job->type_text),
                    "nothing was changed. Switch the CNAME (type: CNAME), or what it leads to");
    } else if (!answer->authoritative) {
        dns_job_end(
            job, OUTCOME_FATAL, NULL,
            arena_printf(job->arena,
                         "the server %s leads elsewhere for %s: it lies in another zone than %s",
                         job->server, job->record, job->zone),
            "the zone of the step has to be the one that the record is in");
    } else if (job->type == LDNS_RR_TYPE_CNAME && found.count == 0) {
        dns_job_ask(job, job->record, LDNS_RR_TYPE_ANY, true, on_others);
    } else {
        judge(job, &found);
    }
}

static bool has_soa(const struct job *job, const struct talk_answer *answer)
{
    const ldns_rr_list *list = ldns_pkt_answer(answer->packet);
    ldns_rdf *zone = ldns_dname_new_frm_str(job->zone);
    bool found = false;
    for (size_t i = 0; zone && i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(list, i);
        found = found || (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA && ldns_rr_owner(rr) &&
                          ldns_dname_compare(ldns_rr_owner(rr), zone) == 0);
    }
    ldns_rdf_deep_free(zone);
    return found && answer->authoritative;
}

static void on_zone(void *context, const struct talk_answer *answer)
{
    struct job *job = context;
    job->talk = NULL;
    job->requests += answer->requests;
    if (answer->failure ||
        (answer->rcode != LDNS_RCODE_NOERROR && answer->rcode != LDNS_RCODE_NXDOMAIN)) {
        dns_job_refused(job, answer, "the query");
    } else if (!has_soa(job, answer)) {
        dns_job_end(
            job, OUTCOME_FATAL, NULL,
            arena_printf(job->arena, "the server %s does not hold the zone %s", job->server,
                         job->zone),
            "dns.ZONE.server has to be the zone's primary, and the zone's name as it is there");
    } else {
        dns_job_ask(job, job->record, job->type, false, on_record);
    }
}

void dns_query(struct job *job)
{
    dns_job_ask(job, job->zone, LDNS_RR_TYPE_SOA, false, on_zone);
}
