#include "runtime/cli/load.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/lower/lower.h"
#include "compiler/plan/select.h"
#include "runtime/cli/output.h"
#include "runtime/cli/size_text.h"
#include "runtime/site/site.h"
#include "runtime/state/published.h"

enum { FORMAT_WITHIN = 4096 }; /* bytes at a graph's beginning that say what it is */

const char *plan_file(struct arena *arena, const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        size_t length = strlen(path);
        return arena_printf(arena, "%s%splan.yaml", path,
                            length && path[length - 1] == '/' ? "" : "/");
    }
    return path;
}

void tell_diagnostics(const struct diagnostics *diagnostics)
{
    if (diagnostics->error_count + diagnostics->warning_count == 0) {
        return;
    }
    struct buffer text = {0};
    diagnostics_write(diagnostics, DIAGNOSTIC_FORMAT_HUMAN, wants_colour(stderr), &text);
    fputs(buffer_text(&text), stderr);
    buffer_free(&text);
}

/* s3://BUCKET/STATE/PLAN, file:///STATE/PLAN: the path of the plan in the cache. */
static const char *fetch(const struct invocation *invocation, const char *url, struct error *error)
{
    struct site site = {.region = invocation->values[FLAG_REGION],
                        .profile = invocation->values[FLAG_PROFILE]};
    bool s3 = strncmp(url, "s3://", strlen("s3://")) == 0;
    const char *path =
        site_open_world(&site, s3 ? invocation->values[FLAG_SANDBOX] : NULL, error)
            ? published_fetch(invocation->arena, site.real, url, error)
            : NULL;
    site_close(&site);
    return path;
}

const char *load_state_option(const struct invocation *invocation)
{
    const char *state = invocation->values[FLAG_STATE];
    const char *plan = invocation->argument_count ? invocation->arguments[0] : NULL;
    plan = plan && published_is_url(plan) ? plan : invocation->values[FLAG_PLAN];
    return state || !plan || !published_is_url(plan) ? state
                                                     : published_state(invocation->arena, plan);
}

struct source *load_source(const struct invocation *invocation, const char *path,
                           struct error *error)
{
    if (published_is_url(path) && !(path = fetch(invocation, path, error))) {
        return NULL;
    }
    const char *file = plan_file(invocation->arena, path);
    struct source *source = source_read(invocation->arena, file, error);
    enum workflow workflow;
    if (!source && workflow_by_name(path, &workflow) && access(path, F_OK) != 0) {
        error_help(error, "the plan comes first: PLAN %s", path);
    } else if (!source && file != path && access(file, F_OK) != 0) {
        error_help(error, "a folder stands for the plan.yaml in it; name the file if it has "
                          "another name");
    } else if (!source && file == path && access(path, F_OK) != 0) {
        error_help(error, "PLAN is a plan file, or a folder with a plan.yaml in it");
    }
    return source;
}

bool load_plan_text(const struct invocation *invocation, const struct source *source,
                    struct plan **plan)
{
    struct diagnostics *diagnostics = diagnostics_create(invocation->arena);
    *plan = compile_plan(invocation->arena, source, invocation->variables,
                         invocation->variable_count, diagnostics);
    tell_diagnostics(diagnostics);
    return *plan != NULL;
}

const char *load_digest(struct arena *arena, const char *path, const struct variable *variables,
                        size_t variable_count)
{
    struct error ignored = {0};
    const struct source *source = source_read(arena, path, &ignored);
    error_clear(&ignored);
    const struct plan *plan =
        source ? compile_plan(arena, source, variables, variable_count, diagnostics_create(arena))
               : NULL;
    return plan ? plan->digest : NULL;
}

bool load_plan(const struct invocation *invocation, const char *path, struct plan **plan)
{
    struct error error = {0};
    const struct source *source = load_source(invocation, path, &error);
    if (!source) {
        tell_error(&error);
        return false;
    }
    return load_plan_text(invocation, source, plan);
}

static bool read_facts(const struct invocation *invocation, const char *path, struct facts **facts,
                       struct error *error)
{
    *facts = NULL;
    if (!path) {
        return true;
    }
    struct source *source = source_read(invocation->arena, path, error);
    if (source) {
        *facts = facts_read(invocation->arena, path, source->text, source->length, error);
    }
    return *facts != NULL;
}

/* What is predicted is that of a run that may send no more. */
static bool take_bandwidth(const struct invocation *invocation, struct facts *facts,
                           struct error *error)
{
    const char *rate = invocation->values[FLAG_BANDWIDTH];
    int64_t bytes_per_s = 0;
    if (rate && !rate_read(rate, &bytes_per_s, error)) {
        return error_prefix(error, "--bandwidth");
    }
    if (facts) {
        facts->copy_limit_bytes_per_s = bytes_per_s;
    }
    return true;
}

bool load_facts(const struct invocation *invocation, struct facts **facts, struct error *error)
{
    return read_facts(invocation, invocation->values[FLAG_FACTS], facts, error);
}

bool load_facts_of(const struct invocation *invocation, const char *plan_path, struct facts **facts,
                   struct error *error)
{
    const char *path = invocation->values[FLAG_FACTS];
    bool published = !path && published_is_url(invocation->arguments[0]);
    return read_facts(invocation, published ? published_facts(invocation->arena, plan_path) : path,
                      facts, error) &&
           take_bandwidth(invocation, *facts, error);
}

bool load_selection(const struct invocation *invocation, const bool *there, struct plan **plan,
                    struct error *error)
{
    struct selection selection;
    const char *names = invocation->values[FLAG_ONLY];
    if (!names) {
        return true;
    }
    if (!plan_choose(invocation->arena, *plan, names, there, &selection, error)) {
        return false;
    }
    for (size_t i = 0; i < selection.over_count; i++) {
        fprintf(stderr, "%s runs at the recovery site already\n", selection.over[i]);
    }
    for (size_t i = 0; i < selection.added_count; i++) {
        fprintf(stderr, "also %s: %s depends on it\n", selection.added[i], selection.added_by[i]);
    }
    *plan = plan_restrict(invocation->arena, *plan, selection.chosen, error);
    return *plan != NULL;
}

bool load_workflow(const char *word, enum workflow *workflow, struct error *error)
{
    if (word && workflow_by_name(word, workflow)) {
        return true;
    }
    const char *names[WORKFLOW_COUNT];
    for (int i = 0; i < WORKFLOW_COUNT; i++) {
        names[i] = workflow_name((enum workflow)i);
    }
    if (!word) {
        error_set(error, "which workflow?");
    } else {
        const char *near = nearest_name(word, names, WORKFLOW_COUNT);
        error_set(error, "there is no workflow \"%s\"%s%s%s", word, near ? ": did you mean " : "",
                  near ? near : "", near ? "?" : "");
    }
    return error_help(error, "this version carries out replicate, failover and test; the others are backup "
                             "and failback");
}

bool load_auto_cleanup(const struct invocation *invocation, enum workflow workflow, int64_t *after_ms,
                       struct error *error)
{
    const char *word = invocation->values[FLAG_AUTO_CLEANUP];
    *after_ms = 0;
    if (!word) {
        return true;
    }
    if (workflow != WORKFLOW_TEST) {
        error_set(error, "--auto-cleanup is for tests, not for %s", workflow_name(workflow));
        return error_help(error, "what a %s makes stays until drc run cleanup", workflow_name(workflow));
    }
    *after_ms = duration_parse(word);
    if (*after_ms > 0) {
        return true;
    }
    error_set(error, "--auto-cleanup wants a duration, not \"%s\"", word);
    return error_help(error, "a whole number from 1 and s, m, h or d: 30s, 15m, 4h");
}

/* False: told. */
static bool take_auto_cleanup(const struct invocation *invocation, struct graph *graph)
{
    struct error error = {0};
    int64_t after_ms;
    if (!load_auto_cleanup(invocation, graph->workflow, &after_ms, &error)) {
        tell_error(&error);
        return false;
    }
    return after_ms == 0 || lower_auto_cleanup(graph, after_ms);
}

struct graph *load_compiled(const struct invocation *invocation, const struct plan *plan,
                            enum workflow workflow, const struct facts *facts)
{
    struct diagnostics *diagnostics = diagnostics_create(invocation->arena);
    struct graph *graph = compile_graph(invocation->arena, plan, workflow, facts, diagnostics);
    tell_diagnostics(diagnostics);
    return graph && take_auto_cleanup(invocation, graph) ? graph : NULL;
}

bool is_graph(const struct source *source)
{
    static const char format[] = "\"drc-graph/";
    const char *c = source->text;
    while (isspace((unsigned char)*c)) {
        c++;
    }
    size_t left = source->length - (size_t)(c - source->text);
    return *c == '{' &&
           memmem(c, left < FORMAT_WITHIN ? left : FORMAT_WITHIN, format, sizeof format - 1);
}

struct graph *load_graph_text(const struct invocation *invocation, const struct source *source,
                              struct error *error)
{
    if (invocation->argument_count > 1) {
        error_set(error, "%s is a compiled graph, which has its workflow already", source->path);
        error_help(error, "leave \"%s\" out", invocation->arguments[1]);
        return NULL;
    }
    if (invocation->given[FLAG_ONLY]) {
        error_set(error, "%s is a compiled graph, which has its VMs already", source->path);
        error_help(error, "give --only when it is compiled");
        return NULL;
    }
    return graph_read(invocation->arena, source->path, source->text, source->length, error);
}

/* PLAN WORKFLOW, compiled. False: all is told. */
static bool compile_given_plan(const struct invocation *invocation, const struct source *source,
                               struct loaded *loaded)
{
    struct error error = {0};
    enum workflow workflow = WORKFLOW_FAILOVER;
    const char *word = invocation->argument_count > 1 ? invocation->arguments[1] : NULL;
    if (!load_workflow(word, &workflow, &error)) {
        tell_error(&error);
        return false;
    }
    if (!load_plan_text(invocation, source, &loaded->plan)) {
        return false;
    }
    if (!load_selection(invocation, NULL, &loaded->plan, &error)) {
        tell_error(&error);
        return false;
    }
    loaded->graph = load_compiled(invocation, loaded->plan, workflow, loaded->facts);
    return loaded->graph != NULL;
}

static bool has_its_durations(const struct invocation *invocation, const struct source *source,
                              struct error *error)
{
    if (invocation->given[FLAG_AUTO_CLEANUP]) {
        error_set(error, "%s is a compiled graph, which says already what its cleanup waits for",
                  source->path);
        return error_help(error, "give --auto-cleanup when it is compiled");
    }
    if (!invocation->given[FLAG_BANDWIDTH]) {
        return true;
    }
    error_set(error, "%s is a compiled graph, which has its durations already", source->path);
    return error_help(error, "give --bandwidth when it is compiled, and when it is applied");
}

bool load_graph(const struct invocation *invocation, struct loaded *loaded)
{
    struct error error = {0};
    const struct source *source = NULL;
    bool given = false;
    if ((source = load_source(invocation, invocation->arguments[0], &error)) &&
        load_facts_of(invocation, source->path, &loaded->facts, &error) &&
        (given = is_graph(source)) && has_its_durations(invocation, source, &error)) {
        loaded->graph = load_graph_text(invocation, source, &error);
    }
    if (error.message) {
        tell_error(&error);
        return false;
    }
    if (!given && !compile_given_plan(invocation, source, loaded)) {
        return false;
    }
    loaded->schedule = estimate(invocation->arena, loaded->graph, loaded->facts, true);
    return true;
}
