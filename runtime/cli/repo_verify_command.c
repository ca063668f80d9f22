/* drc repo verify: every block of a repository hashed again, or a sample of them. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/cli/open_repository.h"
#include "runtime/cli/output.h"
#include "runtime/cli/repo_text.h"
#include "runtime/cli/repo_verify_copies.h"
#include "runtime/mover/verify.h"
#include "runtime/world/world.h"

static void show_progress(void *context, uint64_t blocks)
{
    char size[32];
    (void)context;
    fprintf(stderr, "\r\033[K%" PRIu64 " blocks hashed (%s)", blocks,
            format_size(size, (int64_t)blocks * BLOCK_BYTES));
}

static bool read_options(const struct invocation *invocation, struct verify_options *options,
                         struct error *error)
{
    double seed = 1;
    const char *sample = invocation->values[FLAG_SAMPLE];
    const char *time = invocation->values[FLAG_RECOVERY_POINT];
    *options = (struct verify_options){.plan = invocation->values[FLAG_PLAN],
                                       .vm = invocation->values[FLAG_VM],
                                       .time = time,
                                       .sample = 1,
                                       .progress = isatty(STDERR_FILENO) ? show_progress : NULL};
    if ((sample && !repo_percentage(sample, &options->sample, error)) ||
        !flag_number(invocation, FLAG_SEED, 0, 9e15, &seed, error)) {
        return false;
    }
    options->seed = (uint64_t)seed;
    if (time && parse_time(time) < 0) {
        error_set(error, "\"%.40s\" is no time of a recovery point", time);
        return error_help(error, "drc repo list --vm NAME shows them: 2026-11-22T10:00:00Z");
    }
    return true;
}

/* "shop/db 2026-11-22T10:00:00Z, disk 0 at 3145728: …" */
static void put_problem(const struct verify_problem *problem, struct buffer *out)
{
    if (problem->vm) {
        text_put(out, problem->plan);
        buffer_putc(out, '/');
        text_put(out, problem->vm);
        buffer_printf(out, " %s, disk %zu", problem->time, problem->disk);
        if (problem->offset >= 0) {
            buffer_printf(out, " at byte %" PRId64, problem->offset);
        }
        buffer_puts(out, ": ");
    }
    text_put(out, problem->text);
    buffer_putc(out, '\n');
}

static void put_text(const struct repository *repository, const struct verify_result *result,
                     struct buffer *out)
{
    char points[64], disks[64], blocks[64], problems[64];
    for (size_t i = 0; i < result->problem_count; i++) {
        put_problem(&result->problems[i], out);
    }
    if (result->problems_in_all > result->problem_count) {
        buffer_printf(out, "and %" PRIu64 " more like these\n",
                      result->problems_in_all - result->problem_count);
    }
    buffer_printf(out, "%s: %s of %s, %s hashed: ", repository_name(repository),
                  repo_count(disks, result->disks, "disk"),
                  repo_count(points, result->points, "recovery point"),
                  repo_count(blocks, result->blocks, "block"));
    if (result->problems_in_all) {
        buffer_printf(out, "%s\n", repo_count(problems, result->problems_in_all, "problem"));
    } else {
        buffer_puts(out, "all is well\n");
    }
}

static void put_json(const struct repository *repository, const struct verify_result *result,
                     struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json_begin_object(&json);
    json_key_string(&json, "repository", repository_name(repository));
    json_key_int(&json, "recovery_points", (int64_t)result->points);
    json_key_int(&json, "disks", (int64_t)result->disks);
    json_key_int(&json, "blocks", (int64_t)result->blocks);
    json_key_int(&json, "problems_in_all", (int64_t)result->problems_in_all);
    json_key(&json, "problems");
    json_begin_array(&json);
    for (size_t i = 0; i < result->problem_count; i++) {
        const struct verify_problem *problem = &result->problems[i];
        json_begin_object(&json);
        json_key_string(&json, "plan", problem->plan);
        json_key_string(&json, "vm", problem->vm);
        json_key_string(&json, "recovery_point", problem->time);
        if (problem->vm) {
            json_key_int(&json, "disk", (int64_t)problem->disk);
        }
        if (problem->offset >= 0) {
            json_key_int(&json, "offset", problem->offset);
        }
        json_key_string(&json, "problem", problem->text);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
}

static enum exit_status tell(const struct invocation *invocation, struct repository *repository,
                             const struct verify_result *result)
{
    struct buffer out = {0};
    if (invocation->given[FLAG_JSON]) {
        put_json(repository, result, &out);
    } else {
        put_text(repository, result, &out);
    }
    fputs(buffer_text(&out), stdout);
    buffer_free(&out);
    if (result->problems_in_all) {
        fflush(stdout);
        fputs("help: the other recovery points are not touched by that. Bring the objects back from a "
              "copy of the\n  repository; or import those disks again with --whole: blocks that are "
              "broken are put anew.\n  What could only not be reached (access denied, no answer) may be "
              "well: see to that first, then verify again\n",
              stderr);
    }
    return result->problems_in_all ? EXIT_ERROR : EXIT_DONE;
}

static enum exit_status verify_blocks(const struct invocation *invocation,
                                      struct opened_repository *opened,
                                      const struct verify_options *options)
{
    struct error error = {0};
    struct verify_result result;
    bool ok = repository_verify(opened->repository, invocation->arena, options, &result, &error);
    if (ok && options->progress) {
        fputs("\r\033[K", stderr);
    }
    return ok ? tell(invocation, opened->repository, &result) : tell_error(&error);
}

enum exit_status command_repo_verify(const struct invocation *invocation)
{
    struct error error = {0};
    struct opened_repository opened = {0};
    struct verify_options options;
    bool ok = read_options(invocation, &options, &error) &&
              open_repository(invocation, invocation->arguments[0], false, &opened, &error);
    enum exit_status status = !ok ? tell_error(&error)
                              : invocation->given[FLAG_COPIES]
                                  ? repo_verify_copies(invocation, &opened, &options)
                                  : verify_blocks(invocation, &opened, &options);
    opened_repository_close(&opened);
    return status;
}
