/* update-record and restore-record: the record becomes `to` where it still is `from`. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/dns/job.h"

/* update: from what was read to the plan's values; restore: the other way round. */
static bool take_change(struct job *job, bool restore)
{
    struct record_set values, old;
    struct error error = {0};
    bool good = record_set_of_values(job->arena, call_input(job->call, "values"),
                                     call_int(job->call, "ttl", 60), &values, &error) &&
                record_set_read(job->arena, call_text(job->call, "old"), &old, &error);
    if (!good) {
        dns_job_settle(job, OUTCOME_FATAL, arena_strdup(job->arena, error.message), NULL);
        error_clear(&error);
        return false;
    }
    job->from = restore ? values : old;
    job->to = restore ? old : values;
    return true;
}

static bool is_restore(const struct job *job)
{
    return job->call->node->action == ACTION_RESTORE_RECORD;
}

/* The record as it is now, held against what was and what is to be. The time to live says nothing
 * about whose it is: servers may bound it. */
static void compare(struct job *job, const struct record_set *found, bool looked_up)
{
    if (record_set_same(job->arena, job->type, found, &job->to)) {
        dns_job_done(job, NULL, NULL); /* it was ours: an answer had been lost */
    } else if (record_set_same(job->arena, job->type, found, &job->from)) {
        dns_job_end(job, looked_up ? OUTCOME_ABSENT : OUTCOME_RETRY, NULL,
                    arena_printf(job->arena,
                                 "%s was another for a moment, and is again what it was",
                                 dns_job_place(job)),
                    NULL);
    } else if (is_restore(job)) {
        dns_job_end(
            job, OUTCOME_FATAL, NULL,
            arena_printf(
                job->arena,
                "%s is %s: somebody has changed it since the run wrote %s, and it is left so",
                dns_job_place(job), record_set_text(job->arena, job->type, found),
                record_set_text(job->arena, job->type, &job->from)),
            arena_printf(job->arena,
                         "before the run it was %s. Put that back by hand if nobody else wants "
                         "what is there now",
                         record_set_text(job->arena, job->type, &job->to)));
    } else {
        dns_job_end(
            job, OUTCOME_FATAL, NULL,
            arena_printf(
                job->arena,
                "%s is %s: somebody has changed it since the run read %s, and it is left so",
                dns_job_place(job), record_set_text(job->arena, job->type, found),
                record_set_text(job->arena, job->type, &job->from)),
            arena_printf(
                job->arena,
                "it was to become %s. Find out who changed it; when it is again as it was: drc run "
                "resume",
                record_set_text(job->arena, job->type, &job->to)));
    }
}

static void look(struct job *job, talk_callback callback)
{
    dns_job_ask(job, job->record, job->type, false, callback);
}

static void compare_answer(struct job *job, const struct talk_answer *answer, bool looked_up)
{
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
        return;
    }
    compare(job, &found, looked_up);
}

static void on_seen(void *context, const struct talk_answer *answer)
{
    compare_answer(context, answer, false);
}

static void on_looked_up(void *context, const struct talk_answer *answer)
{
    compare_answer(context, answer, true);
}

static void on_updated(void *context, const struct talk_answer *answer)
{
    struct job *job = context;
    job->talk = NULL;
    job->requests += answer->requests;
    if (answer->failure) {
        dns_job_refused(job, answer, "the update");
        return;
    }
    switch (answer->rcode) {
    case LDNS_RCODE_NOERROR:
        dns_job_done(job, NULL, NULL);
        break;
    case RCODE_YXDOMAIN:
        dns_job_end(
            job, OUTCOME_FATAL, rcode_name(answer->rcode),
            arena_printf(job->arena,
                         "%s has other records already, and a CNAME cannot stand beside them",
                         job->record),
            "nothing was changed. Switch those in place of making a CNAME, or take them away "
            "first");
        break;
    case RCODE_NXRRSET:
    case RCODE_YXRRSET:
    case LDNS_RCODE_NXDOMAIN:
        look(job, on_seen);
        break;
    default:
        dns_job_refused(job, answer, "the update");
    }
}

static void send_update(struct job *job)
{
    struct record_change change = {.zone = job->zone,
                                   .record = job->record,
                                   .type = job->type,
                                   .from = &job->from,
                                   .to = &job->to};
    struct buffer message = {0};
    struct error error = {0};
    if (!message_update(&change, &message, &error)) {
        dns_job_settle(job, OUTCOME_FATAL, arena_strdup(job->arena, error.message),
                       "correct `values` in the plan");
        error_clear(&error);
        buffer_free(&message);
        return;
    }
    struct talk_request request = {
        .host = buffer_text(&job->host),
        .port = job->port,
        .message = &message,
        .key = job->has_key ? &job->key : NULL,
        .deadline_ms = job->call->deadline_ms,
    };
    job->talk = talk_start(job->dns->world, &request, on_updated, job);
    buffer_free(&message);
}

static void use_secret(struct job *job, const char *value)
{
    struct error wrong = {0};
    const char *algorithm = call_text(job->call, "tsig_algorithm");
    job->has_key = tsig_key_set(&job->key, call_text(job->call, "tsig_name"),
                                algorithm ? algorithm : "hmac-sha256", value, &wrong);
    if (job->has_key) {
        send_update(job);
        return;
    }
    const char *message = arena_strdup(job->arena, wrong.message);
    const char *help = wrong.help ? arena_strdup(job->arena, wrong.help) : NULL;
    error_clear(&wrong);
    dns_job_end(job, OUTCOME_FATAL, NULL, message, help);
}

static void on_secret(void *context, const char *value, const struct error *error)
{
    struct job *job = context;
    job->secret = NULL;
    if (value) {
        use_secret(job, value);
    } else {
        dns_job_end(job, OUTCOME_FATAL, NULL, arena_strdup(job->arena, error->message),
                    error->help ? arena_strdup(job->arena, error->help) : NULL);
    }
}

static void on_given_secret(void *context)
{
    struct job *job = context;
    job->task = NULL;
    use_secret(job, job->dns->options.tsig_secret);
}

/* The reference: as a secret, or as text in graphs that came another way. */
static const char *secret_reference(const struct job *job)
{
    const struct value *value = call_input(job->call, "tsig_secret");
    bool is_reference = value && (value->kind == VALUE_SECRET || value->kind == VALUE_TEXT);
    return is_reference ? value->text : NULL;
}

void dns_update(struct job *job, bool restore)
{
    const char *reference = secret_reference(job);
    if (!take_change(job, restore)) {
        return;
    }
    if (!call_text(job->call, "tsig_name")) {
        send_update(job);
    } else if (job->dns->options.tsig_secret) {
        job->task = world_defer(job->dns->world, on_given_secret, job);
    } else if (reference) {
        job->secret =
            secret_look_up(job->dns->world, reference, job->call->graph->plan_file, on_secret, job);
    } else {
        dns_job_settle(job, OUTCOME_FATAL, "the TSIG key has no secret",
                       "dns.ZONE.tsig.secret names where it is");
    }
}

void dns_look_up(struct job *job, bool restore)
{
    if (take_change(job, restore)) {
        look(job, on_looked_up);
    }
}
