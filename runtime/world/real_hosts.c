/* Turns: at most so many requests at once to one host. libcurl could keep the others waiting too,
 * but would let their time run out meanwhile, as if the host were silent. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "compiler/base/hash.h"
#include "runtime/world/real.h"

enum { AT_ONCE = 32 };

struct real_host {
    char *name; /* scheme and authority of the URL */
    size_t active;
    struct real_turn *waiting; /* in order */
    UT_hash_handle hh;
};

static size_t host_length(const char *url)
{
    const char *authority = strstr(url, "://");
    authority = authority ? authority + 3 : url;
    return (size_t)(authority - url) + strcspn(authority, "/?#");
}

static struct real_host *host_of(struct real *real, const char *url)
{
    struct real_host *host;
    size_t length = host_length(url);
    HASH_FIND(hh, real->hosts, url, length, host);
    if (!host) {
        host = base_alloc(sizeof *host);
        host->name = base_alloc(length + 1);
        memcpy(host->name, url, length);
        HASH_ADD_KEYPTR(hh, real->hosts, host->name, length, host);
    }
    return host;
}

void real_turn_take(struct real *real, struct real_turn *turn, const char *url)
{
    turn->host = host_of(real, url);
    turn->active = turn->host->active < AT_ONCE;
    if (turn->active) {
        turn->host->active++;
        turn->go(turn);
    } else {
        DL_APPEND(turn->host->waiting, turn);
    }
}

static void let_next_go(struct real_host *host)
{
    struct real_turn *next = host->waiting;
    if (next && host->active < AT_ONCE) {
        DL_DELETE(host->waiting, next);
        next->active = true;
        host->active++;
        next->go(next);
    }
}

void real_turn_leave(struct real *real, struct real_turn *turn)
{
    struct real_host *host = turn->host;
    if (!host) {
        return;
    }
    turn->host = NULL;
    if (turn->active) {
        host->active--;
        let_next_go(host);
    } else {
        DL_DELETE(host->waiting, turn);
    }
    if (host->active == 0 && !host->waiting) {
        HASH_DEL(real->hosts, host);
        free(host->name);
        free(host);
    }
}
