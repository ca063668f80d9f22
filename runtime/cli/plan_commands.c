/* drc plan check, compile, show, graph: what needs no world. */
#include "runtime/cli/command.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/emit/emit.h"
#include "compiler/front/diagnostic.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"

static bool diagnostic_format(const struct invocation *invocation, enum diagnostic_format *format,
                              struct error *error)
{
    static const char *const names[] = {"human", "json", "sarif", "github"};
    const char *word = invocation->values[FLAG_FORMAT];
    *format = DIAGNOSTIC_FORMAT_HUMAN;
    if (!word) {
        return true;
    }
    for (int i = 0; i < 4; i++) {
        if (strcmp(word, names[i]) == 0) {
            *format = (enum diagnostic_format)i;
            return true;
        }
    }
    error_set(error, "drc plan check has no format \"%s\"", word);
    return error_help(error, "human, json, sarif and github are known");
}

/* Adds all that is wrong with one plan. False when the file cannot be read, which is told. */
static bool check_one(const struct invocation *invocation, const char *path,
                      const struct facts *facts, struct diagnostics *diagnostics)
{
    struct error error = {0};
    const struct source *source = load_source(invocation, path, &error);
    if (!source) {
        tell_error(&error);
        return false;
    }
    const struct plan *plan = compile_plan(invocation->arena, source, invocation->variables,
                                           invocation->variable_count, diagnostics);
    if (plan) {
        compile_check_rto(invocation->arena, plan, facts, diagnostics);
        compile_check_rpo(invocation->arena, plan, facts, diagnostics);
        compile_check_test(plan, facts, diagnostics);
    }
    return true;
}

static bool facts_for_one(const struct invocation *invocation, struct error *error)
{
    if (!invocation->given[FLAG_FACTS] || invocation->argument_count == 1) {
        return true;
    }
    error_set(error, "--facts are of one plan, and %zu are given", invocation->argument_count);
    return error_help(error, "check it with its facts by itself");
}

enum exit_status command_plan_check(const struct invocation *invocation)
{
    struct error error = {0};
    enum diagnostic_format format = DIAGNOSTIC_FORMAT_HUMAN;
    struct facts *facts = NULL;
    if (!diagnostic_format(invocation, &format, &error) || !facts_for_one(invocation, &error) ||
        !load_facts(invocation, &facts, &error)) {
        return tell_error(&error);
    }
    struct diagnostics *diagnostics = diagnostics_create(invocation->arena);
    bool read = true;
    for (size_t i = 0; i < invocation->argument_count; i++) {
        read = check_one(invocation, invocation->arguments[i], facts, diagnostics) && read;
    }
    bool human = format == DIAGNOSTIC_FORMAT_HUMAN;
    struct buffer text = {0};
    diagnostics_write(diagnostics, format, wants_colour(stderr), &text);
    fputs(buffer_text(&text), human ? stderr : stdout);
    buffer_free(&text);
    size_t bad = diagnostics->error_count;
    if (invocation->given[FLAG_STRICT]) {
        bad += diagnostics->warning_count;
    }
    if (read && bad == 0 && diagnostics->warning_count == 0 && human) {
        size_t count = invocation->argument_count;
        fprintf(stderr, "%zu plan%s checked: no errors\n", count, count == 1 ? "" : "s");
    }
    return !read || bad ? EXIT_ERROR : EXIT_DONE;
}

enum exit_status command_plan_compile(const struct invocation *invocation)
{
    struct loaded loaded = {0};
    if (!load_graph(invocation, &loaded)) {
        return EXIT_ERROR;
    }
    struct buffer text = {0};
    struct error error = {0};
    graph_write_json(loaded.graph, &text);
    bool ok = write_result(invocation, &text, &error);
    buffer_free(&text);
    return ok ? EXIT_DONE : tell_error(&error);
}

enum exit_status command_plan_show(const struct invocation *invocation)
{
    struct loaded loaded = {0};
    if (!load_graph(invocation, &loaded)) {
        return EXIT_ERROR;
    }
    struct table_options options = {
        .colour = !invocation->values[FLAG_OUTPUT] && wants_colour(stdout),
        .all = invocation->given[FLAG_ALL],
        .width = output_width(stdout),
        .rto_objective_ms = loaded.plan ? loaded.plan->objectives.rto.ms : 0,
        .facts = loaded.facts,
    };
    struct buffer text = {0};
    struct error error = {0};
    if (invocation->given[FLAG_JSON]) {
        emit_table_json(loaded.graph, loaded.schedule, &options, &text);
    } else {
        emit_table(loaded.graph, loaded.schedule, &options, &text);
    }
    bool ok = write_result(invocation, &text, &error);
    buffer_free(&text);
    return ok ? EXIT_DONE : tell_error(&error);
}

/* Writes the DOT text into the program's standard input through a temporary file, so that neither
 * side can block the other, and reads its output back from another. */
static bool run_dot(FILE *in, FILE *out, struct error *error)
{
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, fileno(in), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, fileno(out), STDOUT_FILENO);
    char *arguments[] = {(char *)"dot", (char *)"-Tsvg", NULL};
    pid_t child = 0;
    int reason = posix_spawnp(&child, "dot", &files, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    if (reason != 0) {
        error_set(error, "cannot run Graphviz's dot program: %s", strerror(reason));
        return error_help(error, "install the package graphviz, or use --format dot or mermaid");
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return error_set(error, "Graphviz's dot program failed (status %d)", status);
    }
    return true;
}

static bool read_back(FILE *file, struct buffer *text)
{
    char part[65536];
    rewind(file);
    for (size_t length; (length = fread(part, 1, sizeof part, file)) > 0;) {
        buffer_append(text, part, length);
    }
    return !ferror(file);
}

static bool dot_to_svg(struct buffer *text, struct error *error)
{
    FILE *in = tmpfile();
    FILE *out = tmpfile();
    bool ok =
        in && out && fwrite(text->data, 1, text->length, in) == text->length && fflush(in) == 0;
    if (!ok) {
        error_set(error, "cannot write a temporary file: %s", strerror(errno));
    }
    if (ok) {
        rewind(in);
        ok = run_dot(in, out, error);
    }
    if (ok) {
        buffer_clear(text);
        ok = read_back(out, text) || error_set(error, "cannot read what dot has drawn");
    }
    if (in) {
        fclose(in);
    }
    if (out) {
        fclose(out);
    }
    return ok;
}

static bool draw(const struct invocation *invocation, const struct loaded *loaded,
                 struct buffer *text, struct error *error)
{
    const char *format = invocation->values[FLAG_FORMAT];
    const char *detail = invocation->values[FLAG_DETAIL];
    enum graph_detail level = DETAIL_ACTION;
    if (detail && strcmp(detail, "vm") == 0) {
        level = DETAIL_VM;
    } else if (detail && strcmp(detail, "action") != 0) {
        error_set(error, "drc plan graph has no detail \"%s\"", detail);
        return error_help(error, "vm and action are known");
    }
    if (format && strcmp(format, "mermaid") == 0) {
        emit_mermaid(loaded->graph, loaded->schedule, level, text);
        return true;
    }
    bool svg = format && strcmp(format, "svg") == 0;
    if (format && !svg && strcmp(format, "dot") != 0) {
        error_set(error, "drc plan graph has no format \"%s\"", format);
        return error_help(error, "dot, svg and mermaid are known");
    }
    return emit_dot(loaded->graph, loaded->schedule, level, text, error) &&
           (!svg || dot_to_svg(text, error));
}

enum exit_status command_plan_graph(const struct invocation *invocation)
{
    struct loaded loaded = {0};
    if (!load_graph(invocation, &loaded)) {
        return EXIT_ERROR;
    }
    struct buffer text = {0};
    struct error error = {0};
    bool ok = draw(invocation, &loaded, &text, &error) && write_result(invocation, &text, &error);
    buffer_free(&text);
    return ok ? EXIT_DONE : tell_error(&error);
}
