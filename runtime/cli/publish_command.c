/* drc plan publish: puts a plan under the state that its runners share. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/session.h"
#include "runtime/site/site.h"
#include "runtime/state/published.h"
#include "runtime/state/run.h"
#include "runtime/state/shared.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

/* What goes along of the sites. Lies in the invocation's arena, but for `text`. */
struct gathered {
    struct buffer text;  /* empty: none */
    const char *missing; /* why there are none though they were to be gathered; NULL */
};

/* What is put is what compiles: facts of another version of drc are refused here, not in a disaster. */
static bool read_facts(const struct invocation *invocation, struct buffer *text, struct error *error)
{
    const char *path = invocation->values[FLAG_FACTS];
    struct source *source = source_read(invocation->arena, path, error);
    if (!source ||
        !facts_read(invocation->arena, source->path, source->text, source->length, error)) {
        return false;
    }
    buffer_append(text, source->text, source->length);
    return true;
}

/* With facts by which nothing can be compiled the plan could not even be shown. The first error; NULL:
 * it compiles. */
static const char *why_not_compiled(const struct session *session)
{
    struct diagnostics *diagnostics = diagnostics_create(session->invocation->arena);
    if (compile_graph(session->invocation->arena, session->plan, WORKFLOW_FAILOVER, session->facts,
                      diagnostics)) {
        return NULL;
    }
    const char *why = "they do not fit the plan";
    for (size_t i = diagnostics->count; i-- > 0;) {
        if (diagnostics->items[i]->severity == SEVERITY_ERROR) {
            why = diagnostics->items[i]->message;
        }
    }
    return why;
}

/* Facts of failover: the others are of the moment. That the sites do not answer is told and no error:
 * who applies the plan gathers facts anyway. */
static void gather_facts(const struct invocation *invocation, struct plan *plan,
                         struct gathered *gathered)
{
    struct session session = {.invocation = invocation, .plan = plan};
    struct error error = {0};
    if (options_from(invocation, plan, WORKFLOW_FAILOVER, &session.options, &error) &&
        session_open_site(&session, &error) &&
        aws_identify(session.site.aws, invocation->arena, &session.identity, &error) &&
        session_gather_facts(&session, &error)) {
        gathered->missing = why_not_compiled(&session);
    } else {
        gathered->missing = arena_strdup(invocation->arena, error.message);
    }
    if (!gathered->missing) {
        facts_write(session.facts, &gathered->text);
    }
    error_clear(&error);
    session_close(&session);
}

static bool find_facts(const struct invocation *invocation, struct plan *plan,
                       struct gathered *gathered, struct error *error)
{
    const char *given = invocation->values[FLAG_FACTS];
    if (!given) {
        gather_facts(invocation, plan, gathered);
        return true;
    }
    return strcmp(given, "none") == 0 || read_facts(invocation, &gathered->text, error);
}

/* The URL of the state; NULL: it is none that runners share. */
static const char *find_state(const struct invocation *invocation, const struct plan *plan,
                              struct error *error)
{
    struct world *world = world_real_create(error);
    const char *directory =
        world ? run_state_directory(invocation->arena, world, invocation->values[FLAG_STATE],
                                    plan->state.value, plan->directory, error)
              : NULL;
    world_destroy(world);
    const char *url = directory ? shared_name(invocation->arena, directory) : NULL;
    if (url && !strstr(url, "://")) {
        error_set(error, "the state %s is this host's own: no other runner would find the plan there",
                  url);
        error_help(error, "name one that they share: --state s3://BUCKET/PREFIX or --state file:///DIR");
        return NULL;
    }
    return url;
}

static void tell_missing(const struct invocation *invocation, const struct gathered *gathered)
{
    if (gathered->missing) {
        tell_warning(arena_printf(invocation->arena, "published without facts: %s", gathered->missing));
        fputs("  help: runners gather their own; --facts FILE publishes those of drc plan facts, --facts "
              "none asks nobody\n", stderr);
    }
}

static void tell(const struct invocation *invocation, const char *state,
                 const struct published *published, const struct gathered *gathered)
{
    if (!invocation->given[FLAG_JSON]) {
        printf("published %s (%.7s): %zu file%s, %lld bytes%s\n", published->plan, published->digest,
               published->file_count, published->file_count == 1 ? "" : "s",
               (long long)published->bytes, published->facts ? ", and facts" : "");
        printf("runners apply it with: drc plan apply %s/%s WORKFLOW\n", state, published->plan);
        return;
    }
    struct buffer text = {0};
    struct json_writer json = json_writer(&text, 2);
    json_begin_object(&json);
    json_key_string(&json, "plan", published->plan);
    json_key_string(&json, "state", state);
    json_key(&json, "url");
    struct buffer url = {0};
    buffer_printf(&url, "%s/%s", state, published->plan);
    json_string(&json, url.data);
    buffer_free(&url);
    json_key_string(&json, "digest", published->digest);
    json_key_string(&json, "manifest", published->manifest);
    json_key_int(&json, "files", (int64_t)published->file_count);
    json_key_int(&json, "bytes", published->bytes);
    json_key_bool(&json, "facts", published->facts);
    json_key_string(&json, "facts_problem", gathered->missing);
    json_end_object(&json);
    puts(text.data);
    buffer_free(&text);
}

static bool publish(const struct invocation *invocation, struct plan *plan, struct gathered *gathered,
                    struct published *published, const char **state, struct error *error)
{
    struct site site = {0};
    lookup_set_account(invocation, plan->aws.region.value, plan->aws.profile.value, &site);
    struct store *store = NULL;
    bool ok = (*state = find_state(invocation, plan, error)) &&
              find_facts(invocation, plan, gathered, error) &&
              lookup_open_state_site(*state, invocation->values[FLAG_SANDBOX], &site, error) &&
              (store = shared_open_url(site.real, *state, error)) &&
              published_put(invocation->arena, store, site.real, plan,
                            gathered->text.length ? gathered->text.data : NULL,
                            gathered->text.length, published, error);
    store_destroy(store);
    site_close(&site);
    return ok;
}

enum exit_status command_plan_publish(const struct invocation *invocation)
{
    struct error error = {0};
    struct plan *plan = NULL;
    struct gathered gathered = {0};
    struct published published;
    const char *state = NULL;
    if (!load_plan(invocation, invocation->arguments[0], &plan)) {
        return EXIT_ERROR;
    }
    bool ok = publish(invocation, plan, &gathered, &published, &state, &error);
    if (ok) {
        tell_missing(invocation, &gathered);
        tell(invocation, state, &published, &gathered);
    }
    buffer_free(&gathered.text);
    return ok ? EXIT_DONE : tell_error(&error);
}
