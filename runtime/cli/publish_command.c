/* drc plan publish: puts a plan under the state that its runners share. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/site/site.h"
#include "runtime/state/published.h"
#include "runtime/state/run.h"
#include "runtime/state/shared.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

/* What is put is what compiles: facts of another version of drc are refused here, not in a disaster. */
static bool read_facts(const struct invocation *invocation, struct source **source,
                       struct error *error)
{
    *source = NULL;
    if (!invocation->values[FLAG_FACTS]) {
        return true;
    }
    *source = source_read(invocation->arena, invocation->values[FLAG_FACTS], error);
    return *source && facts_read(invocation->arena, (*source)->path, (*source)->text,
                                 (*source)->length, error);
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

static void tell(const struct invocation *invocation, const char *state,
                 const struct published *published)
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
    json_end_object(&json);
    puts(text.data);
    buffer_free(&text);
}

static bool publish(const struct invocation *invocation, const struct plan *plan,
                    struct published *published, const char **state, struct error *error)
{
    struct site site = {0};
    lookup_set_account(invocation, plan->aws.region.value, plan->aws.profile.value, &site);
    struct source *facts = NULL;
    struct store *store = NULL;
    bool ok = read_facts(invocation, &facts, error) &&
              (*state = find_state(invocation, plan, error)) &&
              lookup_open_state_site(*state, invocation->values[FLAG_SANDBOX], &site, error) &&
              (store = shared_open_url(site.real, *state, error)) &&
              published_put(invocation->arena, store, site.real, plan, facts ? facts->text : NULL,
                            facts ? facts->length : 0, published, error);
    store_destroy(store);
    site_close(&site);
    return ok;
}

enum exit_status command_plan_publish(const struct invocation *invocation)
{
    struct error error = {0};
    struct plan *plan = NULL;
    struct published published;
    const char *state = NULL;
    if (!load_plan(invocation, invocation->arguments[0], &plan)) {
        return EXIT_ERROR;
    }
    if (!publish(invocation, plan, &published, &state, &error)) {
        return tell_error(&error);
    }
    tell(invocation, state, &published);
    return EXIT_DONE;
}
