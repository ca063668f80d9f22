#include "runtime/cli/ask_run.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/state/journal.h"
#include "runtime/state/shared.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

enum { ANSWER_POLL_MS = 200, ANSWER_PATIENCE_MS = 20000 };

struct decision ask_decision(struct session *session, const char *verb, const char *target)
{
    const struct invocation *invocation = session->invocation;
    const char *who = invocation->values[FLAG_AS];
    who = who ? who : world_environment(session->site.world, "USER");
    return (struct decision){
        .verb = verb,
        .target = target,
        .who = who && *who ? who : NULL,
        .comment = invocation->values[FLAG_COMMENT],
        .at_utc_ms = world_utc_ms(session->site.world),
    };
}

static bool is_alive(struct session *session)
{
    return run_is_alive(session->invocation->arena, session->state, &session->run);
}

/* --- what the journal says --- */

struct search {
    struct arena *arena;
    const char *id;
    struct decision found; /* verb NULL: not yet */
};

static bool look_at(void *context, int64_t number, const char *text)
{
    struct search *search = context;
    (void)number;
    if (strstr(text, "\"r\":\"decision\"")) {
        cJSON *record = cJSON_Parse(text);
        struct decision decision = decision_read(search->arena, record);
        if (decision.id && strcmp(decision.id, search->id) == 0) {
            search->found = decision;
        }
        cJSON_Delete(record);
    }
    return true;
}

static bool read_answer(struct session *session, struct world *world, const char *id,
                        struct decision *answer, struct error *error)
{
    struct search search = {.arena = session->invocation->arena, .id = id};
    struct journal *journal = NULL;
    if (shared_refresh_state(world, session->state, error)) {
        journal = run_open(&session->run, NULL, true, error);
    }
    bool ok = journal && journal_replay(journal, look_at, &search, error);
    journal_close(journal);
    *answer = search.found;
    return ok;
}

/* --- waiting --- */

/* The clock here is the real one: the run's own may be a sandbox's, which runs faster. */
struct errand {
    struct session *session;
    struct world *world;
    struct store *store;
    char id[INBOX_ID_MAX];
};

static enum ask_answer await_answer(const struct errand *errand, struct decision *decision,
                                    struct error *error)
{
    struct session *session = errand->session;
    const char *key = arena_printf(session->invocation->arena, "%s/runs/%s/inbox/%s",
                                   session->run.plan, session->run.id, errand->id);
    int64_t until = world_monotonic_ms(errand->world) + ANSWER_PATIENCE_MS;
    for (;;) {
        struct decision answer;
        if (!shared_refresh_state(errand->world, session->state, error)) {
            return ASK_FAILED;
        }
        bool alive = is_alive(session); /* before the look: what it wrote last is seen */
        if (!read_answer(session, errand->world, errand->id, &answer, error)) {
            return ASK_FAILED;
        }
        if (answer.verb) {
            decision->refused = answer.refused;
            return answer.refused ? ASK_REFUSED : ASK_DONE;
        }
        if (!alive) {
            enum store_outcome taken_back =
                store_remove_now(errand->store, errand->world, key, error);
            return taken_back == STORE_FAILED ? ASK_FAILED : ASK_NOBODY;
        }
        if (world_monotonic_ms(errand->world) >= until) {
            return ASK_UNANSWERED;
        }
        world_pause(errand->world, ANSWER_POLL_MS);
    }
}

enum ask_answer ask_run(struct session *session, enum inbox_verb verb, struct decision *decision,
                        struct error *error)
{
    if (!is_alive(session)) {
        return ASK_NOBODY;
    }
    struct errand errand = {.session = session};
    struct site site = {0};
    lookup_set_account(session->invocation, session->options.region, session->options.profile, &site);
    if (lookup_open_state_site(shared_name(session->invocation->arena, session->state),
                               session->options.sandbox, &site, error)) {
        errand.world = site.real;
        errand.store = shared_store_of(errand.world, session->state, error);
    }
    struct inbox_message message = {
        .verb = verb,
        .target = decision->target,
        .who = decision->who,
        .comment = decision->comment,
        .at_utc_ms = decision->at_utc_ms,
    };
    enum ask_answer answer = ASK_FAILED;
    if (errand.store && inbox_post(errand.store, errand.world, session->run.plan, session->run.id,
                                   &message, errand.id, error)) {
        answer = await_answer(&errand, decision, error);
    }
    store_destroy(errand.store);
    site_close(&site);
    return answer;
}
