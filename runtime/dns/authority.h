/* Authority: the servers that a zone names (NS), and their addresses, asked of the plan's server
 * first: it has the addresses that lie in the zone. What was found is kept for a minute, and one
 * search serves all who ask meanwhile. */
#ifndef DRC_DNS_AUTHORITY_H
#define DRC_DNS_AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/world/world.h"

struct authorities;
struct authority_search;

enum { AUTHORITY_SERVERS_MAX = 32, AUTHORITY_ADDRESSES_MAX = 8 };

struct authority_server {
    const char *name;
    /* Where the plan's server does not tell any: the name itself, for the system's resolver. */
    const char *addresses[AUTHORITY_ADDRESSES_MAX];
    size_t address_count;
};

/* failure: why there are none. Valid during the callback. */
typedef void (*authority_callback)(void *context, const char *failure,
                                   const struct authority_server *servers, size_t count,
                                   int requests);

struct authorities *authorities_create(struct world *world);
void authorities_destroy(struct authorities *authorities);

/* Calls back once, from the loop. host, port: the plan's server. */
struct authority_search *authority_find(struct authorities *authorities, const char *zone,
                                        const char *host, int port, authority_callback callback,
                                        void *context);
/* It never calls back then. NULL is allowed. */
void authority_cancel(struct authority_search *search);

#endif
