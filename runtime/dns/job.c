#include "runtime/dns/job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"

struct job *dns_job_create(struct dns *dns, struct call *call, call_done done, void *context)
{
    struct job *job = base_alloc(sizeof *job);
    job->dns = dns;
    job->call = call;
    job->done = done;
    job->context = context;
    job->arena = arena_create();
    DL_APPEND(dns->jobs, job);
    return job;
}

void dns_job_free(struct job *job)
{
    DL_DELETE(job->dns->jobs, job);
    world_cancel(job->dns->world, job->task);
    talk_cancel(job->talk);
    secret_cancel(job->secret);
    authority_cancel(job->search);
    for (size_t i = 0; i < job->watched_count; i++) {
        talk_cancel(job->watched[i].talk);
    }
    tsig_key_wipe(&job->key);
    buffer_free(&job->host);
    arena_destroy(job->arena);
    free(job);
}

static void tell(struct job *job)
{
    job->result.requests = job->requests;
    job->done(job->context, job->call, &job->result);
    dns_job_free(job);
}

void dns_job_end(struct job *job, enum outcome outcome, const char *code, const char *message,
                 const char *help)
{
    job->result = (struct call_result){
        .outcome = outcome,
        .error = {.service = outcome == OUTCOME_OK ? NULL : "dns",
                  .code = code,
                  .message = message,
                  .help = help},
    };
    tell(job);
}

void dns_job_done(struct job *job, const char *output, const char *value)
{
    job->result = (struct call_result){.outcome = OUTCOME_OK};
    if (output) {
        job->result.outputs[0] = (struct call_output){output, value};
        job->result.output_count = 1;
    }
    tell(job);
}

static void on_settled(void *context)
{
    struct job *job = context;
    job->task = NULL;
    tell(job);
}

void dns_job_settle(struct job *job, enum outcome outcome, const char *message, const char *help)
{
    job->result = (struct call_result){
        .outcome = outcome,
        .error = {.message = message, .help = help},
    };
    job->task = world_defer(job->dns->world, on_settled, job);
}

bool dns_job_take_place(struct job *job)
{
    static const char *const help =
        "the compiled graph asks for what cannot be done: compile it again";
    struct error error = {0};
    job->zone = call_text(job->call, "zone");
    job->server = call_text(job->call, "server");
    job->record = call_text(job->call, "record");
    job->type_text = call_text(job->call, "type");
    job->type = record_type(job->type_text);
    if (!job->zone || !job->server || !job->record || !job->type) {
        dns_job_settle(job, OUTCOME_FATAL,
                       "the DNS record has no zone, server, name, or no type that drc knows", help);
        return false;
    }
    if (!server_parse(job->server, &job->host, &job->port, &error)) {
        dns_job_settle(job, OUTCOME_FATAL, arena_strdup(job->arena, error.message),
                       arena_strdup(job->arena, error.help));
        error_clear(&error);
        return false;
    }
    return true;
}

const char *dns_job_place(struct job *job)
{
    return arena_printf(job->arena, "%s %s at %s", job->record, job->type_text, job->server);
}

void dns_job_ask(struct job *job, const char *name, ldns_rr_type type, bool stream,
                 talk_callback callback)
{
    struct buffer message = {0};
    struct error error = {0};
    if (!message_question(name, type, false, &message, &error)) {
        dns_job_settle(job, OUTCOME_FATAL, arena_strdup(job->arena, error.message), NULL);
        error_clear(&error);
        buffer_free(&message);
        return;
    }
    struct talk_request request = {
        .host = buffer_text(&job->host),
        .port = job->port,
        .message = &message,
        .name = name,
        .type = type,
        .stream = stream,
        .deadline_ms = job->call->deadline_ms,
    };
    job->talk = talk_start(job->dns->world, &request, callback, job);
    buffer_free(&message);
}

/* --- refusals --- */

static void end_unanswered(struct job *job, const struct talk_answer *answer, const char *doing)
{
    const char *text = arena_printf(job->arena, "%s of %s in %s: the server %s %s", doing,
                                    job->record, job->zone, job->server, answer->failure);
    if (answer->forged) {
        dns_job_end(job, OUTCOME_UNKNOWN, NULL, text,
                    "nothing that it says can be believed: is the key of this name the same at the "
                    "server?");
    } else {
        bool changes = action_info(job->call->node->action)->effect == EFFECT_CHANGE;
        dns_job_end(
            job, changes ? OUTCOME_UNKNOWN : OUTCOME_RETRY, NULL, text,
            arena_printf(job->arena,
                         "is %s up, and open from here by UDP and TCP? dig @%s -p %d %s SOA",
                         job->server, buffer_text(&job->host), job->port, job->zone));
    }
}

static const char *how_far_apart(struct job *job, const struct talk_answer *answer)
{
    if (answer->server_s == 0) {
        return "by more than five minutes";
    }
    int64_t ahead = answer->sent_s - answer->server_s;
    return arena_printf(job->arena, "ours is %" PRId64 " s %s its own", ahead < 0 ? -ahead : ahead,
                        ahead < 0 ? "behind" : "ahead of");
}

static void end_unsigned(struct job *job, const struct talk_answer *answer)
{
    const char *key = call_text(job->call, "tsig_name");
    key = key ? key : "";
    if (answer->tsig_error == TSIG_BADTIME) {
        dns_job_end(
            job, OUTCOME_FATAL, "BADTIME",
            arena_printf(job->arena,
                         "the server %s takes no signature of the key %s: the clocks differ, %s",
                         job->server, key, how_far_apart(job, answer)),
            "set the clock that is wrong (chronyc tracking tells), and go on with: drc run resume");
    } else if (answer->tsig_error == TSIG_BADKEY) {
        dns_job_end(job, OUTCOME_FATAL, "BADKEY",
                    arena_printf(job->arena, "the server %s knows no TSIG key %s of %s",
                                 job->server, key, call_text(job->call, "tsig_algorithm")),
                    "name and algorithm have to be as in the server's configuration (BIND: key "
                    "\"NAME\" { algorithm "
                    "…; })");
    } else {
        dns_job_end(
            job, OUTCOME_FATAL, "BADSIG",
            arena_printf(job->arena, "the server %s has another secret for the TSIG key %s",
                         job->server, key),
            "the secret that the plan refers to has to be the one in the server's configuration");
    }
}

static const char *refusal_help(struct job *job, int rcode)
{
    const char *key = call_text(job->call, "tsig_name");
    switch (rcode) {
    case LDNS_RCODE_REFUSED:
        return key ? arena_printf(
                         job->arena,
                         "allow the key to change it (BIND: update-policy { grant %s name %s "
                         "%s; }; in the zone)",
                         key, job->record, job->type_text)
                   : "the server takes updates from few: give the zone a tsig key in the plan, or "
                     "allow the "
                     "runner's address there";
    case RCODE_NOTAUTH:
        return "dns.ZONE.server has to be the zone's primary, and the zone's name as it is there";
    case RCODE_NOTZONE:
        return "the record has to lie in the zone, and not in one below it";
    case LDNS_RCODE_NOTIMPL:
        return "the server takes no dynamic updates (RFC 2136)";
    case LDNS_RCODE_SERVFAIL:
        return "the server's own log says why (BIND: it cannot write its journal, or the zone is "
               "not loaded)";
    default:
        return "the server's own log says why";
    }
}

void dns_job_refused(struct job *job, const struct talk_answer *answer, const char *doing)
{
    if (answer->failure) {
        end_unanswered(job, answer, doing);
    } else if (answer->rcode == RCODE_NOTAUTH && answer->tsig_error != 0) {
        end_unsigned(job, answer);
    } else {
        const char *name = rcode_name(answer->rcode);
        bool passing = answer->rcode == LDNS_RCODE_SERVFAIL;
        dns_job_end(job, passing ? OUTCOME_RETRY : OUTCOME_FATAL, name,
                    arena_printf(job->arena, "%s of %s in %s: the server %s answers %s", doing,
                                 job->record, job->zone, job->server, name),
                    refusal_help(job, answer->rcode));
    }
}
