/* wait-record: does every server that the zone names answer with the new values? A server with
 * several addresses has to by each one that answers at all, and by one at least. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/dns/job.h"

enum { DNS_PORT = 53 };

/* Servers on loopback are a tunnel's end, or a test's: they share the port of the plan's server. */
static int port_of(const struct job *job, const char *address)
{
    bool loopback = strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
    return loopback || strcmp(address, buffer_text(&job->host)) == 0 ? job->port : DNS_PORT;
}

static bool is_done(const struct job *job, const char *server)
{
    bool answered = false;
    for (size_t i = 0; i < job->watched_count; i++) {
        const struct watched *watched = &job->watched[i];
        if (strcmp(watched->server, server) == 0) {
            if (watched->answered && !watched->right) {
                return false;
            }
            answered = answered || watched->answered;
        }
    }
    return answered;
}

/* "ns2.corp.example (10.0.0.54) still answers 192.0.2.10 (ttl 60)". */
static void put_laggard(const struct watched *watched, struct buffer *out)
{
    buffer_puts(out, out->length ? "; " : "");
    buffer_puts(out, watched->server);
    if (strcmp(watched->server, watched->address) != 0) {
        buffer_printf(out, " (%s)", watched->address);
    }
    buffer_printf(out, "%s%s", watched->answered ? " still answers " : " ", watched->seen);
}

static void judge(struct job *job)
{
    struct buffer lagging = {0};
    for (size_t i = 0; i < job->watched_count; i++) {
        const struct watched *watched = &job->watched[i];
        bool late = watched->answered ? !watched->right : !is_done(job, watched->server);
        if (late) {
            put_laggard(watched, &lagging);
        }
    }
    const char *text = arena_strdup(job->arena, buffer_text(&lagging));
    buffer_free(&lagging);
    if (*text) {
        dns_job_end(job, OUTCOME_PENDING, NULL, text, NULL);
    } else {
        dns_job_done(job, NULL, NULL);
    }
}

static void see(struct watched *watched, const struct talk_answer *answer)
{
    struct job *job = watched->job;
    struct record_set found;
    const char *alias;
    if (answer->failure) {
        watched->seen = arena_strdup(job->arena, answer->failure);
    } else if (answer->rcode != LDNS_RCODE_NOERROR && answer->rcode != LDNS_RCODE_NXDOMAIN) {
        watched->seen = arena_printf(job->arena, "answers %s", rcode_name(answer->rcode));
    } else if (!answer->authoritative) {
        watched->seen = "answers without authority: it does not hold the zone";
    } else {
        message_records(job->arena, answer->packet, job->record, job->type, false, &found, &alias);
        watched->answered = true;
        watched->right = record_set_same(job->arena, job->type, &found, &job->to);
        watched->seen = record_set_text(job->arena, job->type, &found);
    }
}

static void on_watched(void *context, const struct talk_answer *answer)
{
    struct watched *watched = context;
    struct job *job = watched->job;
    watched->talk = NULL;
    job->requests += answer->requests;
    see(watched, answer);
    if (--job->watched_left == 0) {
        judge(job);
    }
}

static void watch(struct job *job, const struct buffer *message, struct watched *watched)
{
    struct talk_request request = {
        .host = watched->address,
        .port = port_of(job, watched->address),
        .message = message,
        .name = job->record,
        .type = job->type,
        .patience = TALK_BRIEF,
        .deadline_ms = job->call->deadline_ms,
    };
    job->watched_left++;
    watched->talk = talk_start(job->dns->world, &request, on_watched, watched);
}

static void watch_all(struct job *job, const struct authority_server *servers, size_t count)
{
    struct buffer message = {0};
    job->watched = ARENA_ARRAY(job->arena, struct watched, count * AUTHORITY_ADDRESSES_MAX);
    if (!message_question(job->record, job->type, false, &message, NULL)) {
        dns_job_end(job, OUTCOME_FATAL, NULL,
                    arena_printf(job->arena, "%s is no DNS name", job->record), NULL);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < servers[i].address_count; k++) {
            struct watched *watched = &job->watched[job->watched_count++];
            watched->job = job;
            watched->server = arena_strdup(job->arena, servers[i].name);
            watched->address = arena_strdup(job->arena, servers[i].addresses[k]);
            watch(job, &message, watched);
        }
    }
    buffer_free(&message);
}

static void on_authority(void *context, const char *failure, const struct authority_server *servers,
                         size_t count, int requests)
{
    struct job *job = context;
    job->search = NULL;
    job->requests += requests;
    if (failure) {
        dns_job_end(job, OUTCOME_PENDING, NULL,
                    arena_printf(job->arena, "the server %s %s", job->server, failure), NULL);
    } else {
        watch_all(job, servers, count);
    }
}

void dns_wait(struct job *job)
{
    struct error error = {0};
    if (!record_set_of_values(job->arena, call_input(job->call, "values"), 0, &job->to, &error)) {
        dns_job_settle(job, OUTCOME_FATAL, arena_strdup(job->arena, error.message), NULL);
        error_clear(&error);
        return;
    }
    job->search = authority_find(job->dns->authorities, job->zone, buffer_text(&job->host),
                                 job->port, on_authority, job);
}
