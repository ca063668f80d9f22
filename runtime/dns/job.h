/* Job: one call of the DNS provider on its way, and what all kinds of them share. */
#ifndef DRC_DNS_JOB_H
#define DRC_DNS_JOB_H

#include "compiler/base/buffer.h"
#include "runtime/dns/authority.h"
#include "runtime/dns/dns.h"
#include "runtime/dns/message.h"
#include "runtime/dns/talk.h"
#include "runtime/dns/tsig.h"
#include "runtime/world/secret.h"

struct arena;
struct job;

struct dns {
    struct provider provider; /* first: the provider is the dns */
    struct world *world;
    struct dns_options options;
    struct authorities *authorities;
    struct job *jobs; /* under way */
};

/* A server that is asked whether it has the new value already. */
struct watched {
    struct job *job;
    const char *server; /* its name */
    const char *address;
    struct talk *talk;
    bool answered, right;
    const char *seen; /* what it answers, or why not */
};

struct job {
    struct dns *dns;
    struct call *call;
    call_done done;
    void *context;
    struct arena *arena;
    /* of the call */
    const char *zone, *server, *record, *type_text;
    ldns_rr_type type;
    struct buffer host; /* of the server */
    int port;
    /* under way: one of these, or many watched */
    struct world_task *task;
    struct talk *talk;
    struct secret_lookup *secret;
    struct authority_search *search;
    struct watched *watched;
    size_t watched_count, watched_left;
    /* of a change */
    struct record_set from, to;
    struct tsig_key key;
    bool has_key;
    /* of a check: what is asked of which resolver */
    const char **resolvers;
    size_t resolver_count, resolver;
    int question;
    int requests;
    struct call_result result; /* of one that has ended before anything was asked */
    struct job *prev, *next;
};

struct job *dns_job_create(struct dns *dns, struct call *call, call_done done, void *context);
void dns_job_free(struct job *job); /* drops what is under way */

/* Ends it: tells and frees. Not from within start, lookup or poll: dns_job_settle is for there.
 * message and help (NULL) live as long as the job. */
void dns_job_end(struct job *job, enum outcome outcome, const char *code, const char *message,
                 const char *help);
void dns_job_done(struct job *job, const char *output,
                  const char *value); /* OK; output NULL: none */
void dns_job_settle(struct job *job, enum outcome outcome, const char *message, const char *help);

/* Reads zone, server, record and type. False: it is settled, the graph is none of ours. */
bool dns_job_take_place(struct job *job);

/* Asks the job's server. */
void dns_job_ask(struct job *job, const char *name, ldns_rr_type type, bool stream,
                 talk_callback callback);
/* Nobody answered, or with an error: ends the job, with what to do. `doing`: "update". */
void dns_job_refused(struct job *job, const struct talk_answer *answer, const char *doing);

/* "www.shop.example A at 10.0.0.53:53". */
const char *dns_job_place(struct job *job);

/* The kinds. */
void dns_query(struct job *job);
void dns_update(struct job *job, bool restore);
void dns_look_up(struct job *job, bool restore); /* what became of an update */
void dns_wait(struct job *job);
void dns_check(struct job *job);

#endif
