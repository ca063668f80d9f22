#include "runtime/dns/dns.h"

#include <stdlib.h>

#include "compiler/base/arena.h"
#include "runtime/dns/job.h"

/* A wait's start begins nothing, and has nothing to be looked up. */
static bool is_wait(const struct job *job)
{
    return action_info(job->call->node->action)->effect == EFFECT_WAIT;
}

static void cannot(struct job *job)
{
    dns_job_settle(job, OUTCOME_FATAL, "the DNS provider cannot carry out this action",
                   "the compiled graph asks for what cannot be done: compile it again");
}

static void dns_start(struct provider *provider, struct call **calls, size_t n, call_done done,
                      void *context)
{
    for (size_t i = 0; i < n; i++) {
        struct job *job = dns_job_create((struct dns *)provider, calls[i], done, context);
        enum action action = calls[i]->node->action;
        if (is_wait(job)) {
            dns_job_settle(job, OUTCOME_OK, NULL, NULL);
        } else if (!dns_job_take_place(job)) {
            continue;
        } else if (action == ACTION_QUERY_RECORD) {
            dns_query(job);
        } else if (action == ACTION_UPDATE_RECORD || action == ACTION_RESTORE_RECORD) {
            dns_update(job, action == ACTION_RESTORE_RECORD);
        } else {
            cannot(job);
        }
    }
}

static void dns_lookup(struct provider *provider, struct call *call, call_done done, void *context)
{
    struct job *job = dns_job_create((struct dns *)provider, call, done, context);
    enum action action = call->node->action;
    if (action != ACTION_UPDATE_RECORD && action != ACTION_RESTORE_RECORD) {
        dns_job_settle(job, OUTCOME_ABSENT, NULL, NULL);
    } else if (dns_job_take_place(job)) {
        dns_look_up(job, action == ACTION_RESTORE_RECORD);
    }
}

static void dns_poll(struct provider *provider, struct call **calls, size_t n, call_done done,
                     void *context)
{
    for (size_t i = 0; i < n; i++) {
        struct job *job = dns_job_create((struct dns *)provider, calls[i], done, context);
        if (calls[i]->node->action == ACTION_CHECK_DNS) {
            dns_check(job);
        } else if (calls[i]->node->action != ACTION_WAIT_RECORD) {
            cannot(job);
        } else if (dns_job_take_place(job)) {
            dns_wait(job);
        }
    }
}

static void dns_destroy(struct provider *provider)
{
    struct dns *dns = (struct dns *)provider;
    if (dns) {
        while (dns->jobs) {
            dns_job_free(dns->jobs);
        }
        authorities_destroy(dns->authorities);
        free(dns);
    }
}

struct provider *dns_provider_create(const struct dns_options *options)
{
    struct dns *dns = base_alloc(sizeof *dns);
    dns->provider = (struct provider){
        .name = "dns",
        .start = dns_start,
        .lookup = dns_lookup,
        .poll = dns_poll,
        .destroy = dns_destroy,
    };
    dns->world = options->world;
    dns->options = *options;
    dns->authorities = authorities_create(options->world);
    return &dns->provider;
}
