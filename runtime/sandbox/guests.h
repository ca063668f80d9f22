/* What is known of guests: which ports they answer, where on this machine they do (sandbox.h), whom else
 * they were told of, and what they say. */
#ifndef DRC_SANDBOX_GUESTS_H
#define DRC_SANDBOX_GUESTS_H

#include "compiler/base/buffer.h"
#include "compiler/plan/plan.h"
#include "runtime/sandbox/ec2.h"

/* The ports that a plan's checks ask its VMs for. */
void populate_guests(struct request *r, const struct plan *plan);

struct guest_port {
    const char *instance, *vm;
    const char *address; /* the instance's first private one */
    int port;
    bool http;
};
/* Those that answer now, at most `most` of them. */
size_t guests_up(struct request *r, struct guest_port *ports, size_t most);

/* A port of an instance is answered at that place of this machine; no longer; none is. */
void guest_listens(struct request *r, const struct guest_port *port, const char *host,
                   int host_port);
void guest_ends(struct request *r, const char *instance, int port);
void guests_end(struct request *r);
/* Where on this machine the instance at an address answers a port. False: nowhere. */
bool guest_place(struct request *r, const char *address, int port, const char **host,
                 int *host_port);

/* A script that runs on the instance, done at `since_ms`: the addresses of other instances in its text are
 * what the guest works with from then on. */
void guest_hears(struct request *r, const char *instance, const char *script, int64_t since_ms);

struct guest_backend {
    const char *address, *vm; /* vm NULL: no instance has the address any more */
    int port;                 /* the first that it serves; 0: none */
    const char *host;         /* of this machine; NULL: it does not answer */
    int host_port;
};
enum { GUEST_BACKENDS_MAX = 32 };
/* Of an instance, by address. */
size_t guest_backends(struct request *r, const char *instance,
                      struct guest_backend backends[GUEST_BACKENDS_MAX]);

/* What an instance says of itself by http, as JSON: the status, 200, or 503 unless every backend answers. */
int guest_page(const struct guest_port *self, const struct guest_backend *backends,
               const bool *answering, size_t count, struct buffer *out);

#endif
