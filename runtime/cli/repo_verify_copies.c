#include "runtime/cli/repo_verify_copies.h"

#include <inttypes.h>
#include <stdio.h>

#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/cli/repo_text.h"
#include "runtime/mover/verify.h"
#include "runtime/site/read_back.h"
#include "runtime/state/run_options.h"

static void show_progress(void *context, uint64_t blocks)
{
    char size[32];
    (void)context;
    fprintf(stderr, "\r\033[K%" PRIu64 " blocks read back (%s)", blocks,
            format_size(size, (int64_t)blocks * BLOCK_BYTES));
}

/* "snap-0a1b (shop/db 2026-11-22T10:00:00Z, disk 0), block 6 at byte 3145728: …" */
static void put_problem(const struct read_back_problem *problem, struct buffer *out)
{
    if (problem->snapshot_id) {
        text_put(out, problem->snapshot_id);
        buffer_puts(out, " (");
        text_put(out, problem->plan);
        buffer_putc(out, '/');
        text_put(out, problem->vm);
        buffer_putc(out, ' ');
        text_put(out, problem->recovery_point);
        buffer_printf(out, ", disk %" PRId64 ")", problem->disk);
        if (problem->block >= 0) {
            buffer_printf(out, ", block %" PRId64 " at byte %" PRId64, problem->block,
                          problem->block * BLOCK_BYTES);
        }
        buffer_puts(out, ": ");
    }
    text_put(out, problem->text);
    buffer_putc(out, '\n');
}

static void put_text(const struct repository *repository, const struct read_back_result *result,
                     struct buffer *out)
{
    char blocks[64], problems[64];
    for (size_t i = 0; i < result->problem_count; i++) {
        put_problem(&result->problems[i], out);
    }
    if (result->problems_in_all > result->problem_count) {
        buffer_printf(out, "and %" PRIu64 " more like these\n",
                      result->problems_in_all - result->problem_count);
    }
    buffer_printf(out, "%s: %zu DR cop%s, %s read back: %s\n", repository_name(repository),
                  result->copies, result->copies == 1 ? "y" : "ies",
                  repo_count(blocks, result->blocks, "block"),
                  result->problems_in_all
                      ? repo_count(problems, result->problems_in_all, "problem")
                      : "all is well");
}

static void put_json(const struct repository *repository, const struct read_back_result *result,
                     struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json_begin_object(&json);
    json_key_string(&json, "repository", repository_name(repository));
    json_key_int(&json, "copies", (int64_t)result->copies);
    json_key_int(&json, "blocks", (int64_t)result->blocks);
    json_key(&json, "gone");
    json_begin_array(&json);
    for (size_t i = 0; i < result->gone_count; i++) {
        json_string(&json, result->gone[i]);
    }
    json_end_array(&json);
    json_key_int(&json, "problems_in_all", (int64_t)result->problems_in_all);
    json_key(&json, "problems");
    json_begin_array(&json);
    for (size_t i = 0; i < result->problem_count; i++) {
        const struct read_back_problem *problem = &result->problems[i];
        json_begin_object(&json);
        json_key_string(&json, "snapshot", problem->snapshot_id);
        json_key_string(&json, "plan", problem->plan);
        json_key_string(&json, "vm", problem->vm);
        json_key_string(&json, "recovery_point", problem->recovery_point);
        if (problem->disk >= 0) {
            json_key_int(&json, "disk", problem->disk);
        }
        if (problem->block >= 0) {
            json_key_int(&json, "block", problem->block);
            json_key_int(&json, "offset", problem->block * BLOCK_BYTES);
        }
        json_key_string(&json, "problem", problem->text);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
}

static void tell_gone(const struct read_back_result *result)
{
    struct buffer out = {0};
    buffer_printf(&out,
                  "%zu of the DR copies that the repository knows %s not in this account and region "
                  "(%s%s): deleted since, which the next replicate notes, or elsewhere (--region, "
                  "--profile)",
                  result->gone_count, result->gone_count == 1 ? "is" : "are", result->gone[0],
                  result->gone_count > 1 ? ", …" : "");
    tell_warning(buffer_text(&out));
    buffer_free(&out);
}

static enum exit_status tell(const struct invocation *invocation,
                             const struct opened_repository *opened,
                             const struct read_back_result *result)
{
    struct buffer out = {0};
    if (invocation->given[FLAG_JSON]) {
        put_json(opened->repository, result, &out);
    } else {
        put_text(opened->repository, result, &out);
    }
    fputs(buffer_text(&out), stdout);
    fflush(stdout);
    buffer_free(&out);
    if (result->gone_count) {
        tell_gone(result);
    }
    if (result->problems_in_all) {
        fputs("help: a DR copy that holds other bytes is of no use, nor is a later one that was made as its\n"
              "  change: delete these snapshots, and the next replicate copies that disk whole\n",
              stderr);
    }
    bool none = result->copies == 0 && result->gone_count > 0;
    return result->problems_in_all || none ? EXIT_ERROR : EXIT_DONE;
}

enum exit_status repo_verify_copies(const struct invocation *invocation,
                                    struct opened_repository *opened,
                                    const struct verify_options *options)
{
    struct error error = {0};
    struct read_back_result result;
    struct run_options site = {.region = invocation->values[FLAG_REGION],
                               .profile = invocation->values[FLAG_PROFILE],
                               .limits = invocation->values[FLAG_LIMITS]};
    struct read_back_options which = {.plan = options->plan,
                                      .vm = options->vm,
                                      .time = options->time,
                                      .sample = options->sample,
                                      .seed = options->seed,
                                      .progress = options->progress ? show_progress : NULL};
    bool ok = site_open_providers(&opened->site, &site, &error) &&
              read_back_copies(opened->repository, opened->site.aws, invocation->arena, &which,
                               &result, &error);
    if (options->progress) {
        fputs("\r\033[K", stderr);
    }
    return ok ? tell(invocation, opened, &result) : tell_error(&error);
}
