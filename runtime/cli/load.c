#include "runtime/cli/load.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "runtime/cli/output.h"

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

bool load_plan(const struct invocation *invocation, const char *path, struct plan **plan)
{
    struct error error = {0};
    struct source *source =
        source_read(invocation->arena, plan_file(invocation->arena, path), &error);
    if (!source) {
        tell_error(&error);
        return false;
    }
    struct diagnostics *diagnostics = diagnostics_create(invocation->arena);
    *plan = compile_plan(invocation->arena, source, invocation->variables,
                         invocation->variable_count, diagnostics);
    tell_diagnostics(diagnostics);
    return *plan != NULL;
}

bool load_facts(const struct invocation *invocation, struct facts **facts, struct error *error)
{
    *facts = NULL;
    const char *path = invocation->values[FLAG_FACTS];
    if (!path) {
        return true;
    }
    struct source *source = source_read(invocation->arena, path, error);
    if (source) {
        *facts = facts_read(invocation->arena, path, source->text, source->length, error);
    }
    return *facts != NULL;
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
    return error_help(error, "the workflows are backup, replicate, failover, test and failback");
}

struct graph *load_compiled(const struct invocation *invocation, const struct plan *plan,
                            enum workflow workflow, const struct facts *facts)
{
    struct diagnostics *diagnostics = diagnostics_create(invocation->arena);
    struct graph *graph = compile_graph(invocation->arena, plan, workflow, facts, diagnostics);
    tell_diagnostics(diagnostics);
    return graph;
}

bool is_graph_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        return false;
    }
    char start[256];
    size_t length = fread(start, 1, sizeof start - 1, file);
    fclose(file);
    start[length] = '\0';
    const char *c = start;
    while (isspace((unsigned char)*c)) {
        c++;
    }
    return *c == '{' && strstr(c, "\"drc-graph/");
}

static struct graph *read_graph(const struct invocation *invocation, const char *path,
                                struct error *error)
{
    struct source *source = source_read(invocation->arena, path, error);
    return source ? graph_read(invocation->arena, path, source->text, source->length, error) : NULL;
}

static bool load_given_graph(const struct invocation *invocation, struct loaded *loaded,
                             struct error *error)
{
    if (invocation->argument_count > 1) {
        error_set(error, "%s is a compiled graph, which has its workflow already",
                  invocation->arguments[0]);
        return error_help(error, "leave \"%s\" out", invocation->arguments[1]);
    }
    loaded->given_graph = true;
    loaded->graph = read_graph(invocation, invocation->arguments[0], error);
    return loaded->graph != NULL;
}

bool load_graph(const struct invocation *invocation, struct loaded *loaded)
{
    struct error error = {0};
    enum workflow workflow = WORKFLOW_FAILOVER;
    const char *path = invocation->arguments[0];
    if (!load_facts(invocation, &loaded->facts, &error)) {
        tell_error(&error);
        return false;
    }
    if (is_graph_file(path)) {
        if (!load_given_graph(invocation, loaded, &error)) {
            tell_error(&error);
            return false;
        }
    } else {
        const char *word = invocation->argument_count > 1 ? invocation->arguments[1] : NULL;
        if (!load_workflow(word, &workflow, &error)) {
            tell_error(&error);
            return false;
        }
        loaded->plan_path = plan_file(invocation->arena, path);
        if (!load_plan(invocation, path, &loaded->plan)) {
            return false;
        }
        loaded->graph = load_compiled(invocation, loaded->plan, workflow, loaded->facts);
        if (!loaded->graph) {
            return false;
        }
    }
    loaded->schedule = estimate(invocation->arena, loaded->graph, loaded->facts, true);
    return true;
}
