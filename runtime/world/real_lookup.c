/* The addresses of a host: of itself, where it is one, else by the system's resolver on a thread.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/world/real.h"

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct real_lookup *lookup = request->data;
    char failure[160];
    lookup->busy = false;
    lookup->found = addresses;
    if (status) { /* uv_strerror keeps the text of what it does not know, such as 0, for ever */
        snprintf(failure, sizeof failure, "cannot resolve the name: %s", uv_strerror(status));
    }
    lookup->done(lookup, status ? failure : NULL, addresses);
}

/* Addresses need no thread of the resolver. */
static bool is_address(struct real_lookup *lookup, const char *host, int port)
{
    struct addrinfo *info = &lookup->numeric_info;
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)&lookup->numeric) != 0 &&
        uv_ip6_addr(host, port, (struct sockaddr_in6 *)&lookup->numeric) != 0) {
        return false;
    }
    info->ai_addr = (struct sockaddr *)&lookup->numeric;
    return true;
}

void real_lookup_start(struct real *real, struct real_lookup *lookup, const char *host, int port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM}; /* each address once */
    char service[16];
    if (is_address(lookup, host, port)) {
        lookup->done(lookup, NULL, &lookup->numeric_info);
        return;
    }
    snprintf(service, sizeof service, "%d", port);
    lookup->request.data = lookup;
    int failed = uv_getaddrinfo(&real->loop, &lookup->request, on_resolved, host, service, &hints);
    if (failed) {
        lookup->done(lookup, uv_strerror(failed), NULL);
    } else {
        lookup->busy = true;
    }
}

void real_lookup_give_up(struct real_lookup *lookup)
{
    if (lookup->busy) {
        uv_cancel((uv_req_t *)&lookup->request);
    }
}

void real_lookup_free(struct real_lookup *lookup)
{
    uv_freeaddrinfo(lookup->found);
    lookup->found = NULL;
}
