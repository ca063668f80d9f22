/* Resolvers: whom the runner asks for names. */
#ifndef DRC_DNS_RESOLVERS_H
#define DRC_DNS_RESOLVERS_H

#include <stddef.h>

struct arena;
struct world;

/* DRC_RESOLVER (HOST:PORT), else the first three nameservers of the file (resolv.conf(5); NULL:
 * /etc/resolv.conf), else the one on this machine. At least one, as server_parse takes them, in the
 * arena. */
size_t resolvers_find(struct world *world, const char *file, struct arena *arena,
                      const char ***resolvers);

#endif
