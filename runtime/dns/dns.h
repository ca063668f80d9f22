/* DNS: records of zones that take dynamic updates (RFC 2136), and what the runner's resolvers
 * answer.
 *
 * A change is a compare-and-swap at the server: the value that was read before is a prerequisite in
 * the same message, so that nobody else's change is overwritten, and sending it twice does it once:
 * where the prerequisite does not hold, the record is looked at, and it was our own change, or it
 * is told what is there. Updates and their answers are signed with TSIG where the plan has a key.
 */
#ifndef DRC_DNS_DNS_H
#define DRC_DNS_DNS_H

#include "runtime/world/provider.h"
#include "runtime/world/world.h"

struct dns_options {
    struct world *world;
    /* In place of whatever secret a plan refers to (base64): in the sandbox, which has one of its
     * own, so that the user's stay out of it; NULL: the plan's. Lives as long as the provider. */
    const char *tsig_secret;
    /* /etc/resolv.conf, unless DRC_RESOLVER (HOST:PORT) is set; NULL: that. */
    const char *resolver_file;
};

/* The provider of PROVIDER_DNS actions. Destroy with its destroy operation; what is under way then
 * is dropped. */
struct provider *dns_provider_create(const struct dns_options *options);

#endif
