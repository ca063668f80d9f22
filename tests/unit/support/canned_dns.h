/* A DNS of a few lines in a simulated world: answers questions from records as a zone file has
 * them, and updates with the codes that were given; everything is signed where it has a key. */
#ifndef DRC_TEST_CANNED_DNS_H
#define DRC_TEST_CANNED_DNS_H

#include <ldns/ldns.h>

#include "runtime/dns/tsig.h"
#include "runtime/world/world.h"

enum canned_way {
    CANNED_ANSWERS,
    CANNED_SILENT,
    CANNED_CUT,      /* UDP answers do not fit */
    CANNED_GARBAGE,  /* bytes that are no message */
    CANNED_ELSEWHERE /* the answer is to another question */
};

struct canned_dns {
    const char *records[16]; /* "www.corp.example. 60 IN A 192.0.2.10", NULL behind the last */
    const char *after[16];   /* those once an update has been answered; none: as before */
    int update_codes[8];     /* of one update after the other; the last 0 goes on */
    int query_code;          /* of every question */
    bool not_authoritative;
    enum canned_way way;
    const char *silent_host;    /* this server does not answer */
    const struct tsig_key *key; /* NULL: it signs nothing */
    int tsig_error;             /* what it says of our signature; BADKEY and BADSIG unsigned */
    int64_t clock_s;            /* by which its clock is ahead */
    bool forges;                /* flips a bit of its signature */
    /* what was seen */
    int queries, updates, streams;
    char hosts[1000];       /* "127.0.0.1:53/udp " of each message */
    char last_update[4000]; /* as ldns prints it */
    /* inside */
    char *answer;
    size_t answer_length;
};

struct world_responder canned_dns_responder(struct canned_dns *canned);
void canned_dns_clear(struct canned_dns *canned);

#endif
