/* check-dns: what do the runner's resolvers answer? The form of the value says what is asked: an
 * address (A, AAAA), else a name (CNAME) or a text (TXT). The next resolver is asked where one does
 * not answer, as the system's own library does. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/dns/job.h"
#include "runtime/dns/resolvers.h"

/* What is asked, one after the other; 0: no more. */
static ldns_rr_type question_of(const char *value, int number)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, value, address) == 1) {
        return number == 0 ? LDNS_RR_TYPE_A : 0;
    }
    if (inet_pton(AF_INET6, value, address) == 1) {
        return number == 0 ? LDNS_RR_TYPE_AAAA : 0;
    }
    return number == 0 ? LDNS_RR_TYPE_CNAME : number == 1 ? LDNS_RR_TYPE_TXT : 0;
}

static void ask(struct job *job);

static const char *resolver_of(const struct job *job)
{
    return job->resolvers[job->resolver];
}

static bool has(struct job *job, const struct record_set *found, const char *value)
{
    for (size_t i = 0; i < found->count; i++) {
        struct record_set one = {.values = &found->values[i], .count = 1};
        struct record_set wanted = {.values = &value, .count = 1};
        if (record_set_same(job->arena, job->type, &one, &wanted)) {
            return true;
        }
    }
    return false;
}

static void ask_next_question(struct job *job, const char *seen)
{
    const char *value = call_text(job->call, "value");
    if (question_of(value, job->question + 1)) {
        job->question++;
        ask(job);
        return;
    }
    dns_job_end(job, OUTCOME_PENDING, NULL,
                arena_printf(job->arena, "dns %s is %s, not %s, by the resolver %s", job->record,
                             seen, value, resolver_of(job)),
                NULL);
}

static void ask_next_resolver(struct job *job, const char *why)
{
    if (job->resolver + 1 < job->resolver_count) {
        job->resolver++;
        ask(job);
        return;
    }
    dns_job_end(
        job, OUTCOME_PENDING, NULL,
        arena_printf(job->arena, "dns %s: the resolver %s %s", job->record, resolver_of(job), why),
        NULL);
}

static void on_answer(void *context, const struct talk_answer *answer)
{
    struct job *job = context;
    struct record_set found;
    const char *alias;
    job->talk = NULL;
    job->requests += answer->requests;
    if (answer->failure) {
        ask_next_resolver(job, arena_strdup(job->arena, answer->failure));
    } else if (answer->rcode == LDNS_RCODE_NXDOMAIN) {
        ask_next_question(job, "no name that exists");
    } else if (answer->rcode != LDNS_RCODE_NOERROR) {
        ask_next_resolver(job, arena_printf(job->arena, "answers %s", rcode_name(answer->rcode)));
    } else {
        message_records(job->arena, answer->packet, job->record, job->type, true, &found, &alias);
        if (has(job, &found, call_text(job->call, "value"))) {
            dns_job_done(job, NULL, NULL);
        } else {
            ask_next_question(job, record_set_text(job->arena, job->type, &found));
        }
    }
}

static void ask(struct job *job)
{
    struct buffer message = {0};
    struct error error = {0};
    job->type = question_of(call_text(job->call, "value"), job->question);
    if (!server_parse(resolver_of(job), &job->host, &job->port, &error) ||
        !message_question(job->record, job->type, true, &message, &error)) {
        dns_job_settle(job, OUTCOME_FATAL, arena_strdup(job->arena, error.message), NULL);
        error_clear(&error);
        return;
    }
    struct talk_request request = {
        .host = buffer_text(&job->host),
        .port = job->port,
        .message = &message,
        .name = job->record,
        .type = job->type,
        .patience = TALK_BRIEF,
        .deadline_ms = job->call->deadline_ms,
    };
    job->talk = talk_start(job->dns->world, &request, on_answer, job);
    buffer_free(&message);
}

void dns_check(struct job *job)
{
    job->record = call_text(job->call, "record");
    const char *value = call_text(job->call, "value");
    if (!job->record || !value) {
        dns_job_settle(job, OUTCOME_FATAL,
                       "the DNS check has no name or no value to hold it against",
                       "the compiled graph asks for what cannot be done: compile it again");
        return;
    }
    job->resolver_count = resolvers_find(job->dns->world, job->dns->options.resolver_file,
                                         job->arena, &job->resolvers);
    ask(job);
}
