/* Sandbox: an AWS in a directory: functions from request to response over a state kept in SQLite.
 * In process (behind world_redirected_create) or served by `drc sandbox serve`. Follows the real
 * services as documented: idempotency tokens and their mismatch errors, state delays, error codes,
 * filters, paging, eventual consistency; latency, throttling and faults come from a seed. */
#ifndef DRC_SANDBOX_SANDBOX_H
#define DRC_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/plan/plan.h"
#include "runtime/world/world.h"

struct arena;
struct facts;
struct sandbox;

struct sandbox_options {
    uint64_t seed;
    double speed;         /* how much faster than real time its clock runs; 1: real */
    bool throttle;        /* enforce bucket.def */
    int64_t utc_base_ms;  /* its clock at the moment of init */
    int64_t real_base_ms; /* the real clock at the moment of init */
};

/* Deletes one that was closed, and its directory when nothing else is in it. */
void sandbox_remove(const char *directory);
/* Makes a new one: fails when the directory holds one already. `directory` ":memory:" keeps it in
 * memory (then sandbox_open is not possible). */
struct sandbox *sandbox_init(const char *directory, const struct sandbox_options *options,
                             struct error *error);
struct sandbox *sandbox_open(const char *directory, struct error *error);
void sandbox_close(struct sandbox *sandbox);
const struct sandbox_options *sandbox_options(const struct sandbox *sandbox);

/* Fills it with what a plan's failover needs: VPCs, subnets, groups, placeholder images, conversion
 * instances, elastic addresses, key pairs, the buckets of its state and repository, and usable DR copies
 * of each VM (disk counts and sizes varied by seed). */
bool sandbox_populate(struct sandbox *sandbox, const struct plan *plan, struct error *error);
/* The same without any copies: those come by replicate. */
bool sandbox_populate_without_copies(struct sandbox *sandbox, const struct plan *plan,
                                     struct error *error);
/* The same with the VMs' hardware as facts have it: disks, sizes, CPUs, memory, firmware. What they do
 * not say is as usual, whatever the seed: as many disks as the plan speaks of, 20 GiB each, two
 * CPUs, 8 GiB of memory. */
bool sandbox_populate_as(struct sandbox *sandbox, const struct plan *plan,
                         const struct facts *facts, struct error *error);

/* The plan's VMs have guests from now on: what the plan's checks dial goes to sockets of this machine, at
 * which only sandbox_guests_start listens. Without, the sandbox itself says what an instance would. */
bool sandbox_give_guests(struct sandbox *sandbox, const struct plan *plan, struct error *error);

/* Guests: each instance of such a VM that is up answers the ports of its checks on an address of its own in
 * 127.0.0.0/8 (10.20.1.5 is at 127.20.1.5), at free ports: tcp, and http with what it knows of itself as
 * JSON: 200, or 503 while an address that a script has told it does not answer. In a subnet that lies in
 * 127.0.0.0/8, address and port are the instance's own. On threads of their own, until stopped; `tell` gets
 * a line for each that begins or ends to answer, on one of them. One process does so for a sandbox. */
struct sandbox_guests;
struct sandbox_guests *sandbox_guests_start(struct sandbox *sandbox,
                                            void (*tell)(void *context, const char *line),
                                            void *context, struct error *error);
void sandbox_guests_stop(struct sandbox_guests *guests); /* NULL is allowed */

/* What it holds at `utc_ms`, by its clock: for drc sandbox show. Texts lie in the arena; NULL:
 * none. */
enum sandbox_kind {
    SANDBOX_INSTANCE,
    SANDBOX_VOLUME,
    SANDBOX_SNAPSHOT,
    SANDBOX_IMAGE,
    SANDBOX_BUCKET, /* of S3 */
    SANDBOX_RECORD, /* of DNS and Route 53 (but for NS and SOA): id is its name, state its type, detail its
                       data */
    SANDBOX_TARGET, /* of target groups: detail is why it is in that state, attached_to the group */
    SANDBOX_KIND_COUNT
};
struct sandbox_item {
    const char *id, *state, *plan, *vm, *run, *node, *role;
    const char *detail;      /* instance type, volume type, image name */
    const char *attached_to; /* volumes: the instance; records: the zone's id */
    const char *snapshot;    /* volumes: made from */
    int64_t size_gib;        /* 0: none */
    int64_t parts;           /* snapshots: blocks; buckets: objects; else 0 */
    int64_t bytes;           /* buckets: of all objects */
    int64_t ttl_s;           /* records; an alias has none */
};
size_t sandbox_list(struct sandbox *sandbox, struct arena *arena, int64_t utc_ms,
                    enum sandbox_kind kind, struct sandbox_item **items);

/* Sets a fault (runtime/sandbox/faults.h lists them); 0 takes it away. */
bool sandbox_set_fault(struct sandbox *sandbox, const char *name, double value,
                       struct error *error);

/* The secret of every TSIG key that its DNS server knows, in base64: the user's own stay out of it. */
const char *sandbox_tsig_secret(void);

/* The responder for world_redirected_create and world_simulated_create. */
struct world_responder sandbox_responder(struct sandbox *sandbox);

/* A real world whose HTTP and clock are the sandbox's. Takes `inner` over. */
struct world *sandbox_world(struct sandbox *sandbox, struct world *inner);

/* Serves it over HTTP on 127.0.0.1:port and its DNS (UDP and TCP) on the port after it (0: free ones,
 * told in *bound and *dns_bound) on threads of its own, until stopped. Signals are the caller's: block them
 * before. */
struct sandbox_server;
struct sandbox_server *sandbox_server_start(struct sandbox *sandbox, int port, int *bound,
                                            int *dns_bound, struct error *error);
/* What it has answered so far, and how much of it with a refusal for its rate. */
struct sandbox_served {
    int64_t requests, throttled;
};
struct sandbox_served sandbox_server_served(struct sandbox_server *server);
void sandbox_server_stop(struct sandbox_server *server);

#endif
