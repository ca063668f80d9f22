/* NBD lanes: a few connections to one NBD export, each with several requests in flight, for threads that
 * read or write it side by side. libnbd waits for its sockets itself, so all calls block: on threads
 * (world_work), never on the loop. A stop ends them within a moment; so does a server that says nothing
 * for a minute. */
#ifndef DRC_MOVER_NBD_LANES_H
#define DRC_MOVER_NBD_LANES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

enum {
    NBD_LANES_MAX = 4,
    NBD_REQUEST_BYTES = 512 << 10, /* one request's */
};

struct nbd_lanes;

struct nbd_lanes_options {
    const char *name; /* for people; borrowed until nbd_lanes_close */
    /* Either an URI, or words of a server that takes over a listening socket as qemu-nbd does
     * (child_start): it is started, and nobody else can ever connect to it. */
    const char *uri;
    const char *const *server;
    bool writable;
    const atomic_bool *stopped; /* borrowed; calls fail as soon as it is true */
};

/* NULL: `error` names the export. */
struct nbd_lanes *nbd_lanes_open(const struct nbd_lanes_options *options, struct error *error);
/* Takes down the connections and the server. NULL is allowed. */
void nbd_lanes_close(struct nbd_lanes *lanes);

int64_t nbd_lanes_bytes(const struct nbd_lanes *lanes);

/* Any threads. `length` bytes at `offset`, which lie in the export; requests of NBD_REQUEST_BYTES. */
bool nbd_lanes_read(struct nbd_lanes *lanes, int64_t offset, void *bytes, size_t length,
                    struct error *error);
bool nbd_lanes_write(struct nbd_lanes *lanes, int64_t offset, const void *bytes, size_t length,
                     struct error *error);

struct image_extent;
/* Data at and behind `offset`, up to *covered: see image_extents (image.h). */
bool nbd_lanes_extents(struct nbd_lanes *lanes, int64_t offset, struct image_extent *extents,
                       size_t max, size_t *count, int64_t *covered, struct error *error);

/* All that was written is durable; disconnects, and waits until the server has ended well. The lanes can
 * then only be closed. */
bool nbd_lanes_finish(struct nbd_lanes *lanes, struct error *error);

#endif
