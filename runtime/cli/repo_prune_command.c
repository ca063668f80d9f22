/* drc repo prune: recovery points that are not to be kept, and what nothing needs any more. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "compiler/plan/plan.h"
#include "runtime/cli/open_repository.h"
#include "runtime/cli/output.h"
#include "runtime/cli/repo_text.h"
#include "runtime/mover/prune.h"
#include "runtime/world/world.h"

enum {
    SHOWN_MAX = 40,   /* recovery points that are listed before it is asked */
    WARNED_MAX = 5,   /* damaged records of DR copies that are named */
    WAIT_MS = 120000, /* for writers: longer than the lease of one that died */
};

static void tell_waiting(void *context, const char *why)
{
    struct buffer text = {0};
    (void)context;
    text_put(&text, why);
    fprintf(stderr, "%s\n", buffer_text(&text));
    buffer_free(&text);
}

static void show_progress(void *context, const char *what, uint64_t done, uint64_t of)
{
    (void)context;
    fprintf(stderr, "\r\033[K%s: %" PRIu64 " of %" PRIu64, what, done, of);
}

static bool read_options(const struct invocation *invocation, struct prune_options *options,
                         struct error *error)
{
    const char *keep = invocation->values[FLAG_KEEP];
    double last = 0;
    *options = (struct prune_options){.plan = invocation->values[FLAG_PLAN],
                                      .vm = invocation->values[FLAG_VM],
                                      .dry_run = invocation->given[FLAG_DRY_RUN],
                                      .wait_ms = WAIT_MS,
                                      .waiting = tell_waiting,
                                      .progress = isatty(STDERR_FILENO) ? show_progress : NULL};
    if (keep && (options->keep_ms = duration_parse(keep)) <= 0) {
        error_set(error, "--keep wants a duration, not \"%.40s\"", keep);
        return error_help(error, "a whole number and s, m, h or d: 12h, 30d");
    }
    if (!flag_number(invocation, FLAG_KEEP_LAST, 1, 1e6, &last, error)) {
        return false;
    }
    options->keep_last = (int64_t)last;
    return true;
}

/* --- asking --- */

static void put_points(const struct prune_result *result, size_t most, struct buffer *out)
{
    for (size_t i = 0; i < result->point_count && i < most; i++) {
        const struct repository_point *point = &result->points[i];
        buffer_puts(out, "  ");
        text_put(out, point->plan);
        buffer_putc(out, '/');
        text_put(out, point->vm);
        buffer_printf(out, "  %s\n", point->time);
    }
    if (result->point_count > most) {
        buffer_printf(out, "  and %zu more (--dry-run lists all)\n", result->point_count - most);
    }
}

static bool may_go_on(const struct invocation *invocation, struct repository *repository,
                      const struct prune_options *options, struct error *error)
{
    struct prune_result plan;
    if (invocation->given[FLAG_YES] || options->dry_run) {
        return true;
    }
    if (!isatty(STDIN_FILENO)) {
        error_set(error, "pruning the repository %s: nobody can be asked here",
                  repository_name(repository));
        return error_help(error, "--dry-run tells what would go; --yes does it without asking");
    }
    if (!repository_prune_points(repository, invocation->arena, options, &plan, error)) {
        return false;
    }
    char count[64], stay[64];
    struct buffer out = {0};
    buffer_printf(&out, "%s: %s would go, %s", repository_name(repository),
                  repo_count(count, plan.point_count, "recovery point"),
                  repo_count(stay, plan.kept_count, "recovery point"));
    buffer_puts(&out, " stay; then all that none of these needs.\n");
    put_points(&plan, SHOWN_MAX, &out);
    fputs(buffer_text(&out), stderr);
    buffer_free(&out);
    return ask_yes() || error_set(error, "not approved: nothing was removed");
}

/* --- telling --- */

static void put_text(const struct repository *repository, const struct prune_options *options,
                     const struct prune_result *result, struct buffer *out)
{
    char points[64], blocks[64], maps[64], stay[64], size[32];
    put_points(result, SIZE_MAX, out);
    buffer_printf(out, "%s: %s %s, %s (%s), %s", repository_name(repository),
                  options->dry_run ? "would remove" : "removed",
                  repo_count(points, result->point_count, "recovery point"),
                  repo_count(blocks, result->blocks, "block"),
                  format_size(size, (int64_t)result->blocks * BLOCK_BYTES),
                  repo_count(maps, result->maps, "map"));
    buffer_printf(out, "; %s with %s (%s) stay%s\n",
                  repo_count(points, result->kept_count, "recovery point"),
                  repo_count(stay, result->kept_blocks, "block"),
                  format_size(size, (int64_t)result->kept_blocks * BLOCK_BYTES),
                  result->kept_count == 1 ? "s" : "");
}

static void put_json(const struct repository *repository, const struct prune_options *options,
                     const struct prune_result *result, struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json_begin_object(&json);
    json_key_string(&json, "repository", repository_name(repository));
    json_key_bool(&json, "dry_run", options->dry_run);
    json_key(&json, "recovery_points");
    json_begin_array(&json);
    for (size_t i = 0; i < result->point_count; i++) {
        json_begin_object(&json);
        json_key_string(&json, "plan", result->points[i].plan);
        json_key_string(&json, "vm", result->points[i].vm);
        json_key_string(&json, "time", result->points[i].time);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_key_int(&json, "blocks", (int64_t)result->blocks);
    json_key_int(&json, "maps", (int64_t)result->maps);
    json_key_int(&json, "kept_recovery_points", (int64_t)result->kept_count);
    json_key_int(&json, "kept_blocks", (int64_t)result->kept_blocks);
    json_key_int(&json, "missing_blocks", (int64_t)result->missing_blocks);
    json_key(&json, "damaged_copies");
    json_begin_array(&json);
    for (size_t i = 0; i < result->damaged_copy_count; i++) {
        json_string(&json, result->damaged_copies[i]);
    }
    json_end_array(&json);
    json_end_object(&json);
}

static void warn_of_copies(const struct prune_result *result)
{
    struct buffer out = {0};
    for (size_t i = 0; i < result->damaged_copy_count && i < WARNED_MAX; i++) {
        tell_warning(result->damaged_copies[i]);
    }
    if (result->damaged_copy_count) {
        buffer_printf(&out,
                      "no block map was removed, because what says which maps the DR copies need is "
                      "damaged (%zu like that). Bring it back, or remove it: the next replicate then "
                      "makes a whole copy of that disk, and prune removes the maps",
                      result->damaged_copy_count);
        tell_warning(buffer_text(&out));
    }
    buffer_free(&out);
}

static enum exit_status tell(const struct invocation *invocation,
                             const struct repository *repository,
                             const struct prune_options *options, const struct prune_result *result)
{
    struct buffer out = {0};
    if (invocation->given[FLAG_JSON]) {
        put_json(repository, options, result, &out);
    } else {
        put_text(repository, options, result, &out);
    }
    fputs(buffer_text(&out), stdout);
    buffer_clear(&out);
    warn_of_copies(result);
    if (result->missing_blocks) {
        buffer_printf(&out,
                      "%" PRIu64
                      " blocks that recovery points need are missing: drc repo verify %s "
                      "names them",
                      result->missing_blocks, repository_name(repository));
        tell_warning(buffer_text(&out));
    }
    buffer_free(&out);
    return EXIT_DONE;
}

static void stop(void *context, int signal)
{
    (void)signal;
    *(bool *)context = true;
}

/* Ctrl-C gives the lease back, so that nobody waits for it to run out. */
static bool prune(struct repository *repository, struct arena *arena,
                  const struct prune_options *options, struct prune_result *result,
                  struct error *error)
{
    bool stopped = false;
    struct world *world = repository_world(repository);
    struct world_task *interrupt = world_signal(world, SIGINT, stop, &stopped);
    struct world_task *end = world_signal(world, SIGTERM, stop, &stopped);
    struct prune_options stoppable = *options;
    stoppable.stop = &stopped;
    bool ok = repository_prune(repository, arena, &stoppable, result, error);
    world_cancel(world, interrupt);
    world_cancel(world, end);
    return ok;
}

enum exit_status command_repo_prune(const struct invocation *invocation)
{
    struct error error = {0};
    struct opened_repository opened = {0};
    struct prune_options options;
    struct prune_result result;
    bool ok = read_options(invocation, &options, &error) &&
              open_repository(invocation, invocation->arguments[0], false, &opened, &error) &&
              may_go_on(invocation, opened.repository, &options, &error) &&
              prune(opened.repository, invocation->arena, &options, &result, &error);
    if (options.progress && opened.repository) {
        fputs("\r\033[K", stderr);
    }
    enum exit_status status =
        ok ? tell(invocation, opened.repository, &options, &result) : tell_error(&error);
    opened_repository_close(&opened);
    return status;
}
