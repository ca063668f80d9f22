/* drc simulate: many runs on a simulated cloud, and what they say together. */
#include "runtime/cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"
#include "runtime/simulation/forecast.h"
#include "runtime/simulation/rehearsal.h"
#include "runtime/simulation/workers.h"

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_MARKDOWN };

struct simulation {
    const struct invocation *invocation;
    struct arena *arena;
    enum format format;
    struct scenario_options asked;
    struct scenario *scenario;
    struct workers_options workers;
    struct sample **samples;
    bool interrupted;
    struct buffer result;
    int64_t began_ms;
    bool terminal; /* progress is shown */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what is asked for --- */

static bool read_format(struct simulation *simulation, struct error *error)
{
    static const char *const names[] = {"text", "json", "markdown"};
    const struct invocation *invocation = simulation->invocation;
    const char *word = invocation->values[FLAG_FORMAT];
    simulation->format = FORMAT_TEXT;
    for (int i = 0; word && i < 3; i++) {
        if (strcmp(word, names[i]) == 0) {
            simulation->format = (enum format)i;
            return true;
        }
    }
    if (!word) {
        return true;
    }
    error_set(error, "drc simulate has no format \"%s\"", word);
    return error_help(error, "text, json and markdown are known");
}

static bool read_profile(struct simulation *simulation, struct error *error)
{
    const char *word = simulation->invocation->values[FLAG_FAULTS];
    simulation->asked.profile = fault_profile_by_name(word ? word : "usual");
    if (simulation->asked.profile) {
        return true;
    }
    error_set(error, "there are no faults \"%s\"", word);
    struct buffer known = {0};
    for (size_t i = 0; i < fault_profile_count; i++) {
        buffer_printf(&known, "%s%s", i ? ", " : "", fault_profiles[i].name);
    }
    error_help(error, "%s are known", buffer_text(&known));
    buffer_free(&known);
    return false;
}

static bool read_outage(struct simulation *simulation, struct error *error)
{
    const char *word = simulation->invocation->values[FLAG_KILL];
    simulation->asked.outage_ms = word ? duration_parse(word) : -1;
    if (!word || simulation->asked.outage_ms >= 0) {
        return true;
    }
    error_set(error, "--kill wants a duration, not \"%s\"", word);
    return error_help(error, "a whole number and s, m, h or d: 30s, 15m, 4h");
}

static void read_capacity(struct simulation *simulation)
{
    const char *words = simulation->invocation->values[FLAG_CAPACITY_MISSING];
    const char **missing = NULL;
    size_t count = 0, capacity = 0;
    while (words && *words) {
        size_t length = strcspn(words, ",");
        missing = arena_grow(simulation->arena, missing, count, &capacity, sizeof *missing);
        missing[count++] = arena_strndup(simulation->arena, words, length);
        words += length + (words[length] == ',');
    }
    simulation->asked.capacity_missing = missing;
    simulation->asked.capacity_missing_count = count;
}

static bool read_numbers(struct simulation *simulation, struct error *error)
{
    const struct invocation *invocation = simulation->invocation;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    double runs = 200, seed = 1,
           jobs = cpus < 1             ? 1
                  : cpus > WORKERS_MAX ? WORKERS_MAX
                                       : (double)cpus;
    if (!flag_number(invocation, FLAG_RUNS, 1, RUNS_MAX, &runs, error) ||
        !flag_number(invocation, FLAG_SEED, 0, 9007199254740992.0, &seed, error) ||
        !flag_number(invocation, FLAG_JOBS, 1, WORKERS_MAX, &jobs, error)) {
        return false;
    }
    if (runs != (double)(size_t)runs || seed != (double)(uint64_t)seed) {
        error_set(error, "--runs and --seed want whole numbers");
        return error_help(error, "drc simulate --help");
    }
    simulation->workers.runs = (size_t)runs;
    simulation->workers.first_seed = (uint64_t)seed;
    simulation->workers.jobs = runs < jobs ? (int)runs : (int)jobs;
    return true;
}

/* False: all is told. */
static bool load(struct simulation *simulation)
{
    const struct invocation *invocation = simulation->invocation;
    struct error error = {0};
    struct facts *facts = NULL;
    struct plan *plan = NULL;
    const char *word = invocation->argument_count > 1 ? invocation->arguments[1] : NULL;
    const struct source *source = NULL;
    if (!(source = load_source(invocation, invocation->arguments[0], &error)) ||
        !load_facts_of(invocation, source->path, &facts, &error)) {
        tell_error(&error);
        return false;
    }
    if (is_graph(source)) {
        error_set(&error, "%s is a compiled graph: drc simulate needs the plan it was made from",
                  source->path);
        error_help(&error, "the simulated cloud is made from the plan's networks, images and VMs");
    } else if (load_workflow(word, &simulation->asked.workflow, &error) &&
               !load_plan_text(invocation, source, &plan)) {
        return false;
    }
    simulation->asked.plan = plan;
    simulation->asked.facts = facts;
    if (error.message) {
        tell_error(&error);
        return false;
    }
    /* What does not compile is told as ever; what is simulated is compiled anew, with the facts of
     * the simulated cloud. */
    return load_compiled(invocation, plan, simulation->asked.workflow, facts) != NULL;
}

/* --- while it runs --- */

static void show_progress(void *context, size_t done, size_t failed)
{
    const struct simulation *simulation = context;
    int64_t passed_ms = now_ms() - simulation->began_ms;
    fprintf(stderr, "\r\033[K%zu of %zu runs", done, simulation->workers.runs);
    if (failed) {
        fprintf(stderr, ", %zu failed", failed);
    }
    if (passed_ms > 0) {
        fprintf(stderr, " · %.0f a second", (double)done * 1000 / (double)passed_ms);
    }
    fflush(stderr);
}

static void tell_speed(const struct simulation *simulation, const struct forecast *forecast)
{
    double passed_s = (double)(now_ms() - simulation->began_ms) / 1000;
    passed_s = passed_s > 0 ? passed_s : 0.001;
    fprintf(stderr, "%s%zu run%s in %.1f s: %.0f a second, %d process%s\n",
            simulation->terminal ? "\r\033[K" : "", forecast->runs, forecast->runs == 1 ? "" : "s",
            passed_s, (double)forecast->runs / passed_s, simulation->workers.jobs,
            simulation->workers.jobs == 1 ? "" : "es");
}

/* --- the result --- */

static void render(struct simulation *simulation, const struct forecast *forecast)
{
    const struct invocation *invocation = simulation->invocation;
    switch (simulation->format) {
    case FORMAT_JSON:
        forecast_write_json(forecast, &simulation->result);
        break;
    case FORMAT_MARKDOWN:
        forecast_write_markdown(forecast, &simulation->result);
        break;
    case FORMAT_TEXT:
        forecast_write_text(forecast, output_width(stdout),
                            !invocation->values[FLAG_OUTPUT] && wants_colour(stdout),
                            &simulation->result);
        break;
    }
}

static bool simulate(struct simulation *simulation, const struct rehearsal *reference,
                     struct error *error)
{
    simulation->began_ms = now_ms();
    simulation->terminal = isatty(STDERR_FILENO);
    simulation->workers.scenario = simulation->scenario;
    simulation->workers.node_count = rehearsal_graph(reference)->node_count;
    simulation->workers.vm_count = rehearsal_graph(reference)->vm_count;
    simulation->workers.progress = simulation->terminal ? show_progress : NULL;
    simulation->workers.progress_context = simulation;
    simulation->samples = ARENA_ARRAY(simulation->arena, struct sample *, simulation->workers.runs);
    if (!workers_run(simulation->arena, &simulation->workers, simulation->samples,
                     &simulation->interrupted, error)) {
        if (simulation->terminal) {
            fputs("\r\033[K", stderr);
        }
        return false;
    }
    struct forecast_input input = {
        .graph = rehearsal_graph(reference),
        .schedule = rehearsal_schedule(reference),
        .scenario = simulation->scenario,
        .first_seed = simulation->workers.first_seed,
        .samples = simulation->samples,
        .asked = simulation->workers.runs,
        .capacity_missing = simulation->asked.capacity_missing,
        .capacity_missing_count = simulation->asked.capacity_missing_count,
    };
    struct forecast *forecast = forecast_make(simulation->arena, &input);
    tell_speed(simulation, forecast);
    render(simulation, forecast);
    return true;
}

static bool check_capacity(const struct simulation *simulation, const struct graph *graph,
                           struct error *error)
{
    for (size_t i = 0; i < simulation->asked.capacity_missing_count; i++) {
        if (!scenario_check_capacity(graph, simulation->asked.capacity_missing[i], error)) {
            return false;
        }
    }
    return true;
}

/* Graph and estimate, which all runs share, are those of a rehearsal that is not run. */
static bool rehearse_and_simulate(struct simulation *simulation, struct error *error)
{
    const char *scratch = scratch_make(simulation->arena, error);
    if (!scratch) {
        return false;
    }
    simulation->workers.scratch = scratch;
    simulation->scenario = scenario_make(simulation->arena, &simulation->asked);
    struct rehearsal *reference =
        scenario_rehearse(simulation->scenario, simulation->workers.first_seed, scratch, error);
    bool ok = reference && check_capacity(simulation, rehearsal_graph(reference), error) &&
              simulate(simulation, reference, error);
    rehearsal_destroy(reference);
    scratch_destroy(scratch);
    return ok;
}

enum exit_status command_simulate(const struct invocation *invocation)
{
    struct simulation simulation = {.invocation = invocation, .arena = invocation->arena};
    struct error error = {0};
    if (!read_format(&simulation, &error) || !read_profile(&simulation, &error) ||
        !read_outage(&simulation, &error) || !read_numbers(&simulation, &error)) {
        return tell_error(&error);
    }
    read_capacity(&simulation);
    if (!load(&simulation)) {
        return EXIT_ERROR;
    }
    /* Written when all is tidied up: whoever reads it may hang up. */
    bool ok = rehearse_and_simulate(&simulation, &error) &&
              write_result(invocation, &simulation.result, &error);
    buffer_free(&simulation.result);
    return ok ? EXIT_DONE : tell_error(&error);
}
