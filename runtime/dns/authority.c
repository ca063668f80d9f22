#include "runtime/dns/authority.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/dns/message.h"
#include "runtime/dns/talk.h"

enum { KEPT_MS = 60000 };

struct found;

/* Somebody who asked. */
struct authority_search {
    struct found *found;
    authority_callback callback;
    void *context;
    struct world_task *task; /* it was known already: tells in a moment */
    struct authority_search *prev, *next;
};

/* One question about addresses. */
struct address_talk {
    struct found *found;
    struct authority_server *server;
    struct talk *talk;
    ldns_rr_type type;
};

/* What is known of a zone, or is being found out. */
struct found {
    struct authorities *authorities;
    struct arena *arena;
    const char *zone, *host;
    int port;
    int64_t until_ms; /* monotonic; 0: being found out */
    struct authority_server *servers;
    size_t count;
    const char *failure;
    struct talk *talk;
    struct address_talk *talks;
    size_t talk_count, talks_left;
    int requests; /* told to the first who asked */
    struct authority_search *searches;
    struct found *prev, *next;
};

struct authorities {
    struct world *world;
    struct found *found;
};

struct authorities *authorities_create(struct world *world)
{
    struct authorities *authorities = base_alloc(sizeof *authorities);
    authorities->world = world;
    return authorities;
}

static void search_free(struct authority_search *search)
{
    world_cancel(search->found->authorities->world, search->task);
    DL_DELETE(search->found->searches, search);
    free(search);
}

void authority_cancel(struct authority_search *search)
{
    if (search) {
        search_free(search);
    }
}

static void found_free(struct found *found)
{
    while (found->searches) {
        search_free(found->searches);
    }
    talk_cancel(found->talk);
    for (size_t i = 0; i < found->talk_count; i++) {
        talk_cancel(found->talks[i].talk);
    }
    DL_DELETE(found->authorities->found, found);
    arena_destroy(found->arena);
    free(found);
}

void authorities_destroy(struct authorities *authorities)
{
    if (authorities) {
        while (authorities->found) {
            found_free(authorities->found);
        }
        free(authorities);
    }
}

static void tell(struct authority_search *search)
{
    struct found *found = search->found;
    authority_callback callback = search->callback;
    void *context = search->context;
    int requests = found->requests;
    found->requests = 0;
    search_free(search);
    callback(context, found->failure, found->servers, found->count, requests);
}

static void on_known(void *context)
{
    struct authority_search *search = context;
    search->task = NULL;
    tell(search);
}

/* Those who are told may ask again, or be gone. */
static void ended(struct found *found)
{
    found->until_ms = world_monotonic_ms(found->authorities->world) + KEPT_MS;
    for (struct authority_search *search = found->searches; search; search = search->next) {
        if (!search->task) {
            search->task = world_defer(found->authorities->world, on_known, search);
        }
    }
}

/* --- addresses --- */

static void take_addresses(struct address_talk *asked, const struct talk_answer *answer)
{
    struct authority_server *server = asked->server;
    struct record_set set;
    const char *alias;
    if (answer->failure || answer->rcode != LDNS_RCODE_NOERROR) {
        return;
    }
    message_records(asked->found->arena, answer->packet, server->name, asked->type, false, &set,
                    &alias);
    for (size_t i = 0; i < set.count && server->address_count < AUTHORITY_ADDRESSES_MAX; i++) {
        server->addresses[server->address_count++] = set.values[i];
    }
}

static void on_addresses(void *context, const struct talk_answer *answer)
{
    struct address_talk *asked = context;
    struct found *found = asked->found;
    asked->talk = NULL;
    found->requests += answer->requests;
    take_addresses(asked, answer);
    if (--found->talks_left > 0) {
        return;
    }
    for (size_t i = 0; i < found->count; i++) {
        struct authority_server *server = &found->servers[i];
        if (server->address_count == 0) {
            server->addresses[server->address_count++] = server->name;
        }
    }
    ended(found);
}

static struct talk *ask(struct found *found, const char *name, ldns_rr_type type,
                        talk_callback callback, void *context)
{
    struct buffer message = {0};
    struct talk *talk = NULL;
    if (message_question(name, type, false, &message, NULL)) {
        struct talk_request request = {.host = found->host,
                                       .port = found->port,
                                       .message = &message,
                                       .name = name,
                                       .type = type,
                                       .patience = TALK_BRIEF};
        talk = talk_start(found->authorities->world, &request, callback, context);
    }
    buffer_free(&message);
    return talk;
}

static void find_addresses(struct found *found)
{
    static const ldns_rr_type types[] = {LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA};
    found->talks = ARENA_ARRAY(found->arena, struct address_talk, 2 * found->count);
    for (size_t i = 0; i < 2 * found->count; i++) {
        struct address_talk *asked = &found->talks[i];
        *asked = (struct address_talk){
            .found = found, .server = &found->servers[i / 2], .type = types[i % 2]};
        found->talk_count++;
        asked->talk = ask(found, asked->server->name, asked->type, on_addresses, asked);
        found->talks_left += asked->talk != NULL;
    }
    if (found->talks_left == 0) {
        found->failure = "what the zone names as its servers are no names";
        ended(found);
    }
}

/* --- names --- */

static void take_names(struct found *found, const struct talk_answer *answer)
{
    const ldns_rr_list *list = ldns_pkt_answer(answer->packet);
    found->servers = ARENA_ARRAY(found->arena, struct authority_server, AUTHORITY_SERVERS_MAX);
    for (size_t i = 0; i < ldns_rr_list_rr_count(list) && found->count < AUTHORITY_SERVERS_MAX;
         i++) {
        const ldns_rr *rr = ldns_rr_list_rr(list, i);
        char *owner = ldns_rr_owner(rr) ? ldns_rdf2str(ldns_rr_owner(rr)) : NULL;
        bool named =
            owner && ldns_rr_get_type(rr) == LDNS_RR_TYPE_NS && same_name(owner, found->zone);
        const char *name = named ? record_value(found->arena, rr) : NULL;
        LDNS_FREE(owner);
        if (name) {
            found->servers[found->count++].name = name;
        }
    }
}

static void on_names(void *context, const struct talk_answer *answer)
{
    struct found *found = context;
    found->talk = NULL;
    found->requests += answer->requests;
    if (answer->failure) {
        found->failure = arena_strdup(found->arena, answer->failure);
    } else if (answer->rcode != LDNS_RCODE_NOERROR) {
        found->failure = arena_printf(found->arena, "answers %s", rcode_name(answer->rcode));
    } else {
        take_names(found, answer);
        found->failure = found->count == 0 ? "names no servers of the zone (NS)" : NULL;
    }
    if (found->failure) {
        ended(found);
    } else {
        find_addresses(found);
    }
}

/* --- asking --- */

static bool is_old(const struct found *found)
{
    int64_t now_ms = world_monotonic_ms(found->authorities->world);
    return found->until_ms > 0 && !found->searches && (found->failure || found->until_ms <= now_ms);
}

static struct found *look_for(struct authorities *authorities, const char *zone, const char *host,
                              int port)
{
    struct found *found, *next;
    DL_FOREACH_SAFE(authorities->found, found, next)
    {
        if (is_old(found)) {
            found_free(found);
        } else if (found->port == port && strcmp(found->host, host) == 0 &&
                   strcmp(found->zone, zone) == 0) {
            return found;
        }
    }
    return NULL;
}

static struct found *begin(struct authorities *authorities, const char *zone, const char *host,
                           int port)
{
    struct found *found = base_alloc(sizeof *found);
    found->authorities = authorities;
    found->arena = arena_create();
    found->zone = arena_strdup(found->arena, zone);
    found->host = arena_strdup(found->arena, host);
    found->port = port;
    DL_APPEND(authorities->found, found);
    found->talk = ask(found, found->zone, LDNS_RR_TYPE_NS, on_names, found);
    if (!found->talk) {
        found->failure = "the zone's name is no name";
        ended(found);
    }
    return found;
}

struct authority_search *authority_find(struct authorities *authorities, const char *zone,
                                        const char *host, int port, authority_callback callback,
                                        void *context)
{
    struct found *found = look_for(authorities, zone, host, port);
    found = found ? found : begin(authorities, zone, host, port);
    struct authority_search *search = base_alloc(sizeof *search);
    search->found = found;
    search->callback = callback;
    search->context = context;
    DL_APPEND(found->searches, search);
    if (found->until_ms > 0) {
        search->task = world_defer(authorities->world, on_known, search);
    }
    return search;
}
