#include "runtime/state/run.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/state/journal.h"
#include "runtime/state/journal_state.h"
#include "runtime/state/lease.h"
#include "runtime/state/shared.h"
#include "runtime/world/files.h"
#include "runtime/world/world.h"

enum { RUN_ID_LENGTH = 8, RUN_ID_BYTES = 5, RUN_ID_TRIES = 16, PROBLEM_MAX = 4096 };

static const char *const status_names[] = {
    [RUN_PREPARING] = "preparing", [RUN_RUNNING] = "running",     [RUN_INTERRUPTED] = "interrupted",
    [RUN_WAITING] = "waiting",     [RUN_FAILED] = "failed",       [RUN_SUCCEEDED] = "succeeded",
    [RUN_CLEANED] = "cleaned",     [RUN_CANCELLED] = "cancelled",
    [RUN_ROLLED_BACK] = "rolled-back", [RUN_COMMITTED] = "committed",
    [RUN_CLEANING] = "cleaning",
};

const char *run_status_name(enum run_status status)
{
    return status_names[status];
}

bool run_status_is_final(enum run_status status)
{
    return status == RUN_SUCCEEDED || status == RUN_CLEANED || status == RUN_CANCELLED ||
           status == RUN_ROLLED_BACK || status == RUN_COMMITTED;
}

bool run_is_undone(enum run_status status)
{
    return status == RUN_CLEANED || status == RUN_ROLLED_BACK;
}

static enum run_status status_by_name(const char *name)
{
    for (size_t i = 0; name && i < sizeof status_names / sizeof *status_names; i++) {
        if (!strcmp(name, status_names[i])) {
            return (enum run_status)i;
        }
    }
    return RUN_PREPARING;
}

/* --- where the state is --- */

static bool is_name(const char *name);

/* Whether a run of `plan` has `entry` beside it: "log", records that several runners share, or
 * "journal.db", a run of one host. */
static bool some_run_has(struct arena *arena, const char *plan, const char *entry)
{
    const char *runs = arena_printf(arena, "%s/runs", plan);
    DIR *directory = opendir(runs);
    bool found = false;
    for (struct dirent *run; directory && !found && (run = readdir(directory));) {
        found = is_name(run->d_name) &&
                access(arena_printf(arena, "%s/%s/%s", runs, run->d_name, entry), F_OK) == 0;
    }
    if (directory) {
        closedir(directory);
    }
    return found;
}

static bool some_plan_has(struct arena *arena, const char *state, const char *entry)
{
    DIR *directory = opendir(state);
    bool found = false;
    for (struct dirent *plan; directory && !found && (plan = readdir(directory));) {
        found = is_name(plan->d_name) &&
                some_run_has(arena, arena_printf(arena, "%s/%s", state, plan->d_name), entry);
    }
    if (directory) {
        closedir(directory);
    }
    return found;
}

/* A state that is named in the other way looks empty, and a second failover would begin beside the
 * first. */
static bool is_of_its_kind(struct arena *arena, const char *setting, const char *path, bool shared,
                           struct error *error)
{
    if (!some_plan_has(arena, path, shared ? "journal.db" : "log")) {
        return true;
    }
    if (shared) {
        error_set(error, "state %s: in %s are runs of one host, which are not shared", setting, path);
        return error_help(error, "name it as it was: --state %s; or share an empty directory", path);
    }
    error_set(error, "state %s: in it are runs that several runners share", setting);
    return *path == '/' ? error_help(error, "name it as it was: --state file://%s", path)
                        : error_help(error, "name it as it was: --state file:///DIR");
}

/* One place has one copy, however it is written. */
static const char *without_slash(struct arena *arena, const char *url)
{
    size_t length = strlen(url);
    bool s3 = strncmp(url, "s3://", strlen("s3://")) == 0;
    while (s3 && length > strlen("s3://") && url[length - 1] == '/') {
        length--;
    }
    return arena_strndup(arena, url, length);
}

static const char *from_setting(struct arena *arena, struct world *world, const char *setting,
                                const char *directory, struct error *error)
{
    struct error failure = {0};
    if (shared_is_url(setting, &failure)) {
        bool s3 = strncmp(setting, "s3://", strlen("s3://")) == 0;
        return s3 || is_of_its_kind(arena, setting, setting + strlen("file://"), true, error)
                   ? shared_cache(arena, world, without_slash(arena, setting), error)
                   : NULL;
    }
    if (failure.message) {
        error_move(error, &failure);
        return NULL;
    }
    if (strstr(setting, "://")) {
        error_set(error, "state %s: there is no state of that kind", setting);
        error_help(error, "give a local directory with --state DIR, or a shared one with --state "
                          "file:///DIR or s3://BUCKET/PREFIX");
        return NULL;
    }
    const char *path = strncmp(setting, "dir:", 4) ? setting : setting + 4;
    if (!*path) {
        error_set(error, "state: the directory has no name");
        error_help(error, "give a directory with --state DIR");
        return NULL;
    }
    path = directory && *path != '/' ? arena_printf(arena, "%s/%s", directory, path)
                                     : arena_strdup(arena, path);
    return is_of_its_kind(arena, setting, path, false, error) ? path : NULL;
}

static const char *environment(struct world *world, const char *name)
{
    const char *value = world_environment(world, name);
    return value && *value ? value : NULL;
}

const char *run_state_directory(struct arena *arena, struct world *world, const char *option,
                                const char *plan_state, const char *plan_directory,
                                struct error *error)
{
    const char *value;
    if (option) {
        return from_setting(arena, world, option, NULL, error);
    }
    if (plan_state) {
        return from_setting(arena, world, plan_state, plan_directory, error);
    }
    if ((value = environment(world, "DRC_STATE_DIR"))) {
        return from_setting(arena, world, value, NULL, error);
    }
    if ((value = environment(world, "XDG_STATE_HOME"))) {
        return arena_printf(arena, "%s/drc", value);
    }
    if ((value = environment(world, "HOME"))) {
        return arena_printf(arena, "%s/.local/state/drc", value);
    }
    error_set(error, "state: neither DRC_STATE_DIR nor XDG_STATE_HOME nor HOME is set");
    error_help(error, "give a directory with --state DIR");
    return NULL;
}

/* --- reading what there is --- */

static int64_t summary_integer(struct journal *journal, struct arena *arena, const char *name)
{
    const char *value = journal_summary(journal, arena, name);
    return value ? strtoll(value, NULL, 10) : 0;
}

static const char *journal_path(struct arena *arena, const char *directory)
{
    return arena_printf(arena, "%s/journal.db", directory);
}

bool run_is_alive(struct arena *arena, const char *state, const struct run_info *run)
{
    struct lease_holder holder;
    return run->lease && lease_holder(arena, state, run->plan, run->lease, &holder) &&
           !strcmp(holder.run, run->id);
}

static const char *lease_in(struct journal *journal, struct arena *arena, const char *workflow)
{
    enum workflow known;
    const char *lease = journal_summary(journal, arena, "lease");
    return lease ? lease : workflow_by_name(workflow, &known) ? lease_of(known) : NULL;
}

/* A directory without a journal, or with one in which nothing was begun: its process was killed
 * before the run was there. */
static bool is_begun(const struct run_info *run)
{
    return run->problem || *run->workflow;
}

/* What kept the copy of a shared run from being brought up to date; NULL: nothing. */
static const char *problem_of_copy(struct arena *arena, const char *directory)
{
    size_t length = 0;
    return files_read(arena, arena_printf(arena, "%s/problem", directory), PROBLEM_MAX, &length, NULL);
}

/* There a journal that is no copy of records was never begun: its process died before. */
static bool is_shared(struct arena *arena, const char *state)
{
    return access(arena_printf(arena, "%s/origin", state), F_OK) == 0;
}

static struct run_info read_run(struct arena *arena, const char *state, const char *plan,
                                const char *id)
{
    struct run_info run = {.id = arena_strdup(arena, id),
                           .plan = arena_strdup(arena, plan),
                           .workflow = "",
                           .status = RUN_FAILED};
    run.directory = arena_printf(arena, "%s/%s/runs/%s", state, plan, id);
    struct error error = {0};
    struct journal *journal = journal_open(journal_path(arena, run.directory), true, &error);
    if (!journal) {
        run.problem = arena_strdup(arena, error.message);
        error_clear(&error);
        return run;
    }
    run.problem = problem_of_copy(arena, run.directory);
    const char *workflow = journal_summary(journal, arena, "workflow");
    bool begun = workflow && (!is_shared(arena, state) || journal_summary(journal, arena, JOURNAL_CHAIN));
    run.workflow = begun ? workflow : "";
    run.lease = lease_in(journal, arena, run.workflow);
    run.status = status_by_name(journal_summary(journal, arena, "status"));
    run.started_utc_ms = summary_integer(journal, arena, "started");
    run.ended_utc_ms = summary_integer(journal, arena, "ended");
    run.vm_count = (size_t)summary_integer(journal, arena, "vms");
    run.verdict = journal_summary(journal, arena, "verdict");
    run.vms_recovered =
        run_is_undone(run.status) && !run.verdict ? 0 : (size_t)summary_integer(journal, arena, "recovered");
    run.alive = run_is_alive(arena, state, &run);
    journal_close(journal);
    return run;
}

struct run_listing {
    struct arena *arena;
    const char *state;
    struct run_info *items;
    size_t count, capacity;
};

static bool is_name(const char *name)
{
    if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name)) {
        return false;
    }
    for (const char *c = name; *c; c++) {
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-') {
            return false;
        }
    }
    return true;
}

static bool has_journal(const struct run_listing *listing, const char *plan, const char *id)
{
    const char *path =
        arena_printf(listing->arena, "%s/%s/runs/%s/journal.db", listing->state, plan, id);
    return access(path, F_OK) == 0;
}

static bool list_plan(struct run_listing *listing, const char *plan, struct error *error)
{
    const char *path = arena_printf(listing->arena, "%s/%s/runs", listing->state, plan);
    if (!files_check_private(arena_printf(listing->arena, "%s/%s", listing->state, plan), false,
                             error) ||
        !files_check_private(path, false, error)) {
        return false;
    }
    DIR *directory = opendir(path);
    if (!directory) {
        return errno == ENOENT || errno == ENOTDIR || files_error(error, errno, "reading", path);
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!is_name(entry->d_name) || !has_journal(listing, plan, entry->d_name)) {
            continue;
        }
        struct run_info run = read_run(listing->arena, listing->state, plan, entry->d_name);
        if (is_begun(&run)) {
            listing->items = arena_grow(listing->arena, listing->items, listing->count,
                                        &listing->capacity, sizeof *listing->items);
            listing->items[listing->count++] = run;
        }
    }
    closedir(directory);
    return true;
}

static bool list_all(struct run_listing *listing, struct error *error)
{
    DIR *directory = opendir(listing->state);
    if (!directory) {
        return errno == ENOENT ||
               files_error(error, errno, "reading the state directory", listing->state);
    }
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(directory));) {
        ok = !is_name(entry->d_name) || list_plan(listing, entry->d_name, error);
    }
    closedir(directory);
    return ok;
}

static int newest_first(const void *a, const void *b)
{
    const struct run_info *one = a, *other = b;
    if (one->started_utc_ms != other->started_utc_ms) {
        return one->started_utc_ms < other->started_utc_ms ? 1 : -1;
    }
    return strcmp(one->id, other->id);
}

bool run_list(struct arena *arena, const char *state, const char *plan, struct run_info **runs,
              size_t *count, struct error *error)
{
    struct run_listing listing = {.arena = arena, .state = state};
    if (!(plan ? list_plan(&listing, plan, error) : list_all(&listing, error))) {
        return false;
    }
    if (listing.count > 1) {
        qsort(listing.items, listing.count, sizeof *listing.items, newest_first);
    }
    *runs = listing.items;
    *count = listing.count;
    return true;
}

static bool ambiguous(const struct run_info *runs, size_t count, const char *prefix,
                      struct error *error)
{
    struct buffer names = {0};
    for (size_t i = 0; i < count; i++) {
        if (!strncmp(runs[i].id, prefix, strlen(prefix))) {
            buffer_printf(&names, "%s%s", names.length ? ", " : "", runs[i].id);
        }
    }
    error_set(error, "run %s: several runs begin with it: %s", prefix, buffer_text(&names));
    buffer_free(&names);
    return error_help(error, "give more of its letters");
}

bool run_find(struct arena *arena, const char *state, const char *prefix, struct run_info *run,
              struct error *error)
{
    struct run_info *runs = NULL;
    size_t count = 0, matches = 0;
    if (!run_list(arena, state, NULL, &runs, &count, error)) {
        return false;
    }
    if (count == 0) {
        error_set(error, "finding the run: there is none in %s yet", shared_name(arena, state));
        return error_help(error, "is this the right state directory? --state DIR gives another");
    }
    if (!prefix || !*prefix) {
        *run = runs[0];
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (!strncmp(runs[i].id, prefix, strlen(prefix))) {
            *run = runs[i];
            matches++;
        }
    }
    if (matches > 1) {
        return ambiguous(runs, count, prefix, error);
    }
    if (matches == 0) {
        error_set(error, "run %s: there is no such run in %s", prefix,
                  shared_name(arena, state));
        return error_help(error, "drc run list shows those that there are");
    }
    return true;
}

/* --- making and changing --- */

/* Crockford's base 32: no letters that are taken for others. */
static void make_id(struct world *world, char id[RUN_ID_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t bytes[RUN_ID_BYTES];
    world_random(world, bytes, sizeof bytes);
    uint64_t number = 0;
    for (int i = 0; i < RUN_ID_BYTES; i++) {
        number = number << 8 | bytes[i];
    }
    for (int i = 0; i < RUN_ID_LENGTH; i++) {
        id[i] = digits[number >> (5 * (RUN_ID_LENGTH - 1 - i)) & 31];
    }
    id[RUN_ID_LENGTH] = '\0';
}

/* A directory that was not there before. */
static const char *make_directory(struct arena *arena, const char *state, const char *plan,
                                  struct world *world, char id[RUN_ID_LENGTH + 1],
                                  struct error *error)
{
    const char *runs = arena_printf(arena, "%s/%s/runs", state, plan);
    if (!files_make_directory(runs, error)) {
        return NULL;
    }
    for (int i = 0; i < RUN_ID_TRIES; i++) {
        make_id(world, id);
        const char *path = arena_printf(arena, "%s/%s", runs, id);
        if (mkdir(path, 0700) == 0 && files_sync_parent(path)) {
            return path;
        }
        if (errno != EEXIST) {
            files_error(error, errno, "making the directory", path);
            return NULL;
        }
    }
    error_set(error, "making a run in %s: no free id was found", runs);
    return NULL;
}

static void summarize_integer(struct journal *journal, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    journal_summarize(journal, name, text);
}

static void append_birth(struct journal *journal, const struct run_info *run)
{
    struct buffer record = {0};
    struct json_writer json = json_writer(&record, 0);
    json_begin_object(&json);
    json_key_string(&json, "r", "run");
    json_key_string(&json, "id", run->id);
    json_key_string(&json, "plan", run->plan);
    json_key_string(&json, "workflow", run->workflow);
    json_key_int(&json, "at", run->started_utc_ms);
    json_end_object(&json);
    journal_append(journal, buffer_text(&record));
    buffer_free(&record);
    journal_summarize(journal, "id", run->id);
    journal_summarize(journal, "plan", run->plan);
    journal_summarize(journal, "workflow", run->workflow);
    journal_summarize(journal, "lease", run->lease);
    summarize_integer(journal, "started", run->started_utc_ms);
}

struct journal *run_create(struct arena *arena, const char *state, struct world *world,
                           const char *plan, enum workflow workflow, const struct run_blob *blobs,
                           size_t blob_count, struct run_info *run, struct error *error)
{
    return run_create_with(arena, state, world, plan, workflow, lease_of(workflow), blobs, blob_count,
                           run, error);
}

struct journal *run_create_with(struct arena *arena, const char *state, struct world *world,
                                const char *plan, enum workflow workflow, const char *lease,
                                const struct run_blob *blobs, size_t blob_count,
                                struct run_info *run, struct error *error)
{
    if (!is_name(plan)) {
        error_set(error, "making a run: \"%s\" is no name of a plan", plan);
        error_help(error, "names are made of a-z, 0-9 and -, and begin with a letter");
        return NULL;
    }
    char id[RUN_ID_LENGTH + 1];
    const char *directory = make_directory(arena, state, plan, world, id, error);
    if (!directory) {
        return NULL;
    }
    struct journal *journal = journal_create(journal_path(arena, directory), error);
    if (!journal) {
        rmdir(directory); /* there is no run */
        return NULL;
    }
    journal_use_clock(journal, world);
    *run = (struct run_info){
        .id = arena_strdup(arena, id),
        .plan = arena_strdup(arena, plan),
        .workflow = workflow_name(workflow),
        .directory = directory,
        .lease = lease,
        .started_utc_ms = world_utc_ms(world),
        .status = RUN_PREPARING,
    };
    bool ok = true;
    for (size_t i = 0; i < blob_count && ok; i++) {
        ok = journal_put_blob(journal, blobs[i].name, blobs[i].bytes, blobs[i].length, error);
    }
    append_birth(journal, run);
    if (!ok || !run_set_status(journal, world, RUN_PREPARING, error)) {
        journal_close(journal);
        return NULL;
    }
    return journal;
}

struct journal *run_open(const struct run_info *run, struct world *world, bool read_only,
                         struct error *error)
{
    struct arena *arena = arena_create();
    struct journal *journal = journal_open(journal_path(arena, run->directory), read_only, error);
    arena_destroy(arena);
    if (journal && world) {
        journal_use_clock(journal, world);
    }
    return journal;
}

enum run_status run_status_now(struct journal *journal, struct arena *arena)
{
    return status_by_name(journal_summary(journal, arena, "status"));
}

void run_note_status(struct journal *journal, struct world *world, enum run_status status)
{
    struct buffer *group = journal_group(journal);
    int64_t now = world_utc_ms(world);
    buffer_printf(group, "{\"r\":\"status\",\"status\":\"%s\",\"at\":%" PRId64 "}\n",
                  run_status_name(status), now);
    journal_summarize(journal, "status", run_status_name(status));
    struct arena *scratch = arena_create();
    int64_t before = summary_integer(journal, scratch, "ended");
    arena_destroy(scratch);
    bool ended = run_status_is_final(status) || status == RUN_FAILED;
    summarize_integer(journal, "ended", !ended ? 0 : before ? before : now);
}

bool run_set_status(struct journal *journal, struct world *world, enum run_status status,
                    struct error *error)
{
    run_note_status(journal, world, status);
    return journal_commit(journal, error);
}

bool run_store_graph(struct journal *journal, const struct graph *graph, const struct facts *facts,
                     struct error *error)
{
    struct buffer graph_text = {0};
    struct buffer facts_text = {0};
    graph_write_json(graph, &graph_text);
    facts_write(facts, &facts_text);
    bool ok =
        journal_put_blob(journal, "facts", facts_text.data, facts_text.length, error) &&
        journal_put_blob(journal, "graph", graph_text.data, graph_text.length, error);
    buffer_free(&graph_text);
    buffer_free(&facts_text);
    return ok;
}

void run_set_progress(struct journal *journal, size_t vm_count, size_t vms_recovered)
{
    summarize_integer(journal, "vms", (int64_t)vm_count);
    summarize_integer(journal, "recovered", (int64_t)vms_recovered);
}
