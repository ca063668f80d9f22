/* drc plan permissions: the least-privilege IAM policy of a workflow. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/permissions/policy.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"

static bool wants_markdown(const struct invocation *invocation, bool *markdown, struct error *error)
{
    const char *format = invocation->values[FLAG_FORMAT];
    *markdown = format && strcmp(format, "markdown") == 0;
    if (!format || *markdown || strcmp(format, "json") == 0) {
        return true;
    }
    error_set(error, "drc plan permissions has no format \"%s\"", format);
    return error_help(error, "json and markdown are known");
}

static bool load_only_plan(const struct invocation *invocation, struct loaded *loaded,
                           struct error *error)
{
    const struct source *source = load_source(invocation, invocation->arguments[0], error);
    if (!source) {
        tell_error(error);
        return false;
    }
    if (is_graph(source)) {
        error_set(error, "%s is a compiled graph, which does not say where the plan keeps things",
                  invocation->arguments[0]);
        error_help(error, "give the plan that it was compiled from");
        tell_error(error);
        return false;
    }
    return load_plan_text(invocation, source, &loaded->plan);
}

/* The plan of the command, and its graph; NULL for backup, which needs no more of AWS than where it
 * keeps things. False: all is told. */
static bool load(const struct invocation *invocation, struct loaded *loaded,
                 enum workflow *workflow)
{
    struct error error = {0};
    if (!load_workflow(invocation->arguments[1], workflow, &error)) {
        tell_error(&error);
        return false;
    }
    if (!load_only_plan(invocation, loaded, &error)) {
        return false;
    }
    if (*workflow == WORKFLOW_BACKUP) {
        return true;
    }
    if (!load_facts_of(invocation, invocation->arguments[0], &loaded->facts, &error) ||
        !load_selection(invocation, NULL, &loaded->plan, &error)) {
        tell_error(&error);
        return false;
    }
    loaded->graph = load_compiled(invocation, loaded->plan, *workflow, loaded->facts);
    return loaded->graph != NULL;
}

static const char *state_of(const struct invocation *invocation, const struct plan *plan)
{
    const char *given = load_state_option(invocation);
    return given ? given : plan->state.value;
}

/* FILE for the first, FILE-2.json and so on for the others. */
static const char *file_name(struct arena *arena, const char *file, size_t number)
{
    const char *base = strrchr(file, '/');
    const char *dot = strrchr(base ? base + 1 : file, '.');
    size_t stem = dot && dot != (base ? base + 1 : file) ? (size_t)(dot - file) : strlen(file);
    return number == 1 ? file
                       : arena_printf(arena, "%.*s-%zu%s", (int)stem, file, number, file + stem);
}

static bool write_one(const struct invocation *invocation, const char *file, struct buffer *text,
                      struct error *error)
{
    struct invocation to = *invocation;
    to.values[FLAG_OUTPUT] = file;
    return write_result(&to, text, error);
}

static void tell_document(const struct policy *policy, size_t i, const char *file)
{
    const struct policy_document *document = &policy->documents[i];
    fprintf(stderr, "policy %zu of %zu%s%s: %zu statements, %zu of %d characters, for %s\n", i + 1,
            policy->count, file ? ", " : "", file ? file : "", document->count,
            document->characters, POLICY_CHARACTERS_MAX,
            document->role ? document->role : "the runner");
}

static bool write_documents(const struct invocation *invocation, const struct policy *policy,
                            struct error *error)
{
    const char *file = invocation->values[FLAG_OUTPUT];
    bool ok = true;
    for (size_t i = 0; ok && i < policy->count; i++) {
        struct buffer text = {0};
        const char *to = file ? file_name(invocation->arena, file, i + 1) : NULL;
        policy_write_json(&policy->documents[i], 2, &text);
        ok = write_one(invocation, to, &text, error);
        buffer_free(&text);
        if (ok && policy->count > 1) {
            tell_document(policy, i, to);
        }
    }
    return ok;
}

static bool write_markdown(const struct invocation *invocation, const struct policy *policy,
                           struct error *error)
{
    struct buffer text = {0};
    policy_write_markdown(policy, &text);
    bool ok = write_result(invocation, &text, error);
    buffer_free(&text);
    return ok;
}

enum exit_status command_plan_permissions(const struct invocation *invocation)
{
    struct error error = {0};
    struct loaded loaded = {0};
    enum workflow workflow = WORKFLOW_FAILOVER;
    bool markdown = false;
    if (!wants_markdown(invocation, &markdown, &error)) {
        return tell_error(&error);
    }
    if (!load(invocation, &loaded, &workflow)) {
        return EXIT_ERROR;
    }
    const struct policy *policy = policy_make(invocation->arena, loaded.plan, workflow,
                                              loaded.graph, state_of(invocation, loaded.plan));
    if (markdown) {
        return write_markdown(invocation, policy, &error) ? EXIT_DONE : tell_error(&error);
    }
    if (policy->count == 0) {
        error_set(&error, "%s of plan %s needs nothing in AWS", workflow_name(workflow),
                  policy->plan_name);
        error_help(&error,
                   "its state and repository are not in S3; --format markdown says so as a text");
        return tell_error(&error);
    }
    bool ok = write_documents(invocation, policy, &error);
    for (size_t i = 0; ok && i < policy->note_count; i++) {
        fprintf(stderr, "note: %s\n", policy->notes[i]);
    }
    return ok ? EXIT_DONE : tell_error(&error);
}
