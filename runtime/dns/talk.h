/* Talk: one DNS message brought to a server until it is answered: by UDP, again when nothing comes,
 * by TCP when the answer does not fit or UDP stays silent; signed anew each time, and the answer's
 * signature verified. */
#ifndef DRC_DNS_TALK_H
#define DRC_DNS_TALK_H

#include <ldns/ldns.h>

#include "compiler/base/error.h"
#include "runtime/world/world.h"

struct buffer;
struct tsig_key;
struct talk;

enum talk_patience {
    TALK_LONG,  /* up to 11 s: somebody waits for this answer */
    TALK_BRIEF, /* up to 3 s: it is asked again and again */
};

struct talk_request {
    const char *host; /* copied */
    int port;
    const struct buffer *message; /* without a signature, its id is 0; copied */
    const char *name;             /* what is asked for; NULL: an update. Copied */
    ldns_rr_type type;
    bool stream;                /* by TCP from the beginning */
    const struct tsig_key *key; /* NULL: not signed; lives as long as the talk */
    enum talk_patience patience;
    int64_t deadline_ms; /* monotonic: no longer than until then; 0: none */
};

/* What became of it. Valid during the callback. */
struct talk_answer {
    const char *failure;    /* no answer, or none that can be believed: "does not answer"; NULL */
    bool forged;            /* the failure: there was an answer, its signature is not right */
    const ldns_pkt *packet; /* else */
    int rcode;
    bool authoritative;
    int tsig_error;   /* why the server did not take the signature; 0 */
    int64_t server_s; /* of TSIG_BADTIME: its clock, 0: not told */
    int64_t sent_s;   /* and ours */
    int requests;
};
typedef void (*talk_callback)(void *context, const struct talk_answer *answer);

/* Calls back once, from the loop. */
struct talk *talk_start(struct world *world, const struct talk_request *request,
                        talk_callback callback, void *context);
/* It never calls back then. NULL is allowed. */
void talk_cancel(struct talk *talk);

/* HOST, HOST:PORT, [V6], [V6]:PORT; port 53 where there is none. host is copied into a buffer. */
bool server_parse(const char *server, struct buffer *host, int *port, struct error *error);

#endif
