/* drc repo export: disks of a recovery point as files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/cli/open_repository.h"
#include "runtime/cli/output.h"
#include "runtime/cli/transfer.h"
#include "runtime/mover/export.h"
#include "runtime/mover/sink.h"
#include "runtime/world/files.h"

struct exporting {
    const struct invocation *invocation;
    struct arena *arena;
    struct opened_repository opened;
    struct transfer transfer;
    const struct repository_point *point;
    size_t first, end; /* disks */
    enum image_format format;
    const char **paths; /* of each disk of the point */
    struct export_counts *counts;
    size_t done; /* disks that are in their places */
    struct sink *sink;
    struct export *export;
    size_t disk;
    int64_t took_ms;
};

/* ---- what is asked for ---- */

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);
    return length > tail && strcmp(name + length - tail, ending) == 0;
}

static bool read_format(struct exporting *exporting, struct error *error)
{
    const char *text = exporting->invocation->values[FLAG_IMAGE_FORMAT];
    const char *output = exporting->invocation->values[FLAG_OUTPUT];
    exporting->format = IMAGE_RAW;
    if (!text && output) {
        exporting->format = ends_in(output, ".qcow2")  ? IMAGE_QCOW2
                            : ends_in(output, ".vmdk") ? IMAGE_VMDK
                                                       : IMAGE_RAW;
        return true;
    }
    if (text && (!image_format_parse(text, &exporting->format) ||
                 exporting->format > IMAGE_VMDK)) {
        error_set(error, "drc repo export writes no \"%.64s\"", text);
        return error_help(error, "--format is raw, qcow2 or vmdk; qemu-img convert makes others of them");
    }
    return true;
}

static bool read_names(const struct invocation *invocation, struct error *error)
{
    if (!invocation->values[FLAG_PLAN] || !invocation->values[FLAG_VM]) {
        error_set(error, "drc repo export needs --plan and --vm");
        return error_help(error, "drc repo list %s tells which there are",
                          invocation->arguments[0]);
    }
    return true;
}

static bool read_until(const struct invocation *invocation, int64_t *until, struct error *error)
{
    const char *text = invocation->values[FLAG_RECOVERY_POINT];
    *until = INT64_MAX;
    if (!text || strcmp(text, "latest") == 0) {
        return true;
    }
    *until = parse_time(text);
    if (*until >= 0) {
        return true;
    }
    error_set(error, "--recovery-point wants \"latest\" or a time, not \"%.64s\"", text);
    return error_help(error, "such as 2026-11-22T10:00:00Z (RFC 3339)");
}

static bool find_point(struct exporting *exporting, struct error *error)
{
    const struct invocation *invocation = exporting->invocation;
    const char *plan = invocation->values[FLAG_PLAN];
    const char *vm = invocation->values[FLAG_VM];
    const char *name = repository_name(exporting->opened.repository);
    struct error why = {0};
    int64_t until = 0;
    if (!read_until(invocation, &until, error)) {
        return false;
    }
    exporting->point = repository_newest(exporting->opened.repository, exporting->arena, plan, vm,
                                         until, &why);
    if (why.message) {
        return error_move(error, &why);
    }
    if (!exporting->point) {
        error_set(error, "%s has no recovery point of %s/%s%s%s", name, plan, vm,
                  until == INT64_MAX ? "" : " at or before ",
                  until == INT64_MAX ? "" : invocation->values[FLAG_RECOVERY_POINT]);
        return error_help(error, "drc repo list %s tells which there are",
                          invocation->arguments[0]);
    }
    return true;
}

static bool choose_disks(struct exporting *exporting, struct error *error)
{
    size_t count = exporting->point->disk_count;
    double disk = -1;
    if (!flag_number(exporting->invocation, FLAG_DISK, 0, REPOSITORY_DISKS_MAX, &disk, error)) {
        return false;
    }
    exporting->first = 0;
    exporting->end = count;
    if (disk >= 0) {
        exporting->first = (size_t)disk;
        exporting->end = exporting->first + 1;
        if (disk != (double)exporting->first || exporting->first >= count) {
            error_set(error, "%s/%s has no disk %s at %s", exporting->point->plan,
                      exporting->point->vm, exporting->invocation->values[FLAG_DISK],
                      exporting->point->time);
            return error_help(error, "it has %zu disk%s, counted from 0", count,
                              count == 1 ? "" : "s");
        }
    }
    return true;
}

/* A folder where there is one, where several files have to go, or where "/" says so. */
static bool choose_paths(struct exporting *exporting, struct error *error)
{
    const char *output = exporting->invocation->values[FLAG_OUTPUT];
    struct stat there;
    output = output && *output ? output : ".";
    bool exists = stat(output, &there) == 0;
    bool several = exporting->end - exporting->first > 1;
    bool folder = (exists && S_ISDIR(there.st_mode)) || several ||
                  output[strlen(output) - 1] == '/';
    if (folder && exists && !S_ISDIR(there.st_mode)) {
        error_set(error, "%s: %zu disks need a folder, and this is none", output,
                  exporting->end - exporting->first);
        return error_help(error, "-o FOLDER, or --disk N for one of them");
    }
    if (folder && !exists && !files_make_directory(output, error)) {
        return false;
    }
    exporting->paths = ARENA_ARRAY(exporting->arena, const char *, exporting->point->disk_count);
    for (size_t i = exporting->first; i < exporting->end; i++) {
        exporting->paths[i] =
            !folder ? output
                    : arena_printf(exporting->arena, "%s%s%s-disk-%zu.%s", output,
                                   output[strlen(output) - 1] == '/' ? "" : "/",
                                   exporting->point->vm, i, image_format_name(exporting->format));
    }
    return true;
}

/* ---- writing ---- */

struct sink_step {
    struct exporting *exporting;
    bool ok;
    struct error error;
};

static void open_sink(void *context)
{
    struct sink_step *step = context;
    step->ok = sink_open(step->exporting->sink, &step->error);
}

static void finish_sink(void *context)
{
    struct sink_step *step = context;
    step->ok = sink_finish(step->exporting->sink, &step->error);
}

static void stop_sink(void *context)
{
    sink_stop(((struct sink_step *)context)->exporting->sink);
}

static bool on_thread(struct exporting *exporting, void (*run)(void *context),
                      struct error *error)
{
    struct sink_step step = {.exporting = exporting};
    transfer_work(&exporting->transfer, run, stop_sink, &step);
    return step.ok || error_move(error, &step.error);
}

static void stop_export(void *context)
{
    export_stop(((struct exporting *)context)->export);
}

static void look(void *context, struct transfer_state *state)
{
    struct exporting *exporting = context;
    const struct export_counts *counts = export_counts(exporting->export);
    state->what = arena_printf(exporting->arena, "disk %zu  %s", exporting->disk,
                               exporting->paths[exporting->disk]);
    state->total = (int64_t)(counts->blocks * BLOCK_BYTES);
    state->passed = (int64_t)(counts->written * BLOCK_BYTES);
    state->moved = counts->bytes_written;
}

static bool copy(struct exporting *exporting, struct error *error)
{
    const struct repository_disk *disk = &exporting->point->disks[exporting->disk];
    struct export_options options = {.repository = exporting->opened.repository,
                                     .disk = disk,
                                     .sink = exporting->sink};
    exporting->export = export_create(&options);
    exporting->transfer.on_stop = stop_export;
    exporting->transfer.stop_context = exporting;
    transfer_show(&exporting->transfer, look, exporting);
    bool ok = export_run(exporting->export, error);
    transfer_show(&exporting->transfer, NULL, NULL);
    exporting->transfer.on_stop = NULL;
    exporting->counts[exporting->disk] = *export_counts(exporting->export);
    export_destroy(exporting->export);
    exporting->export = NULL;
    return ok ||
           error_prefix(error, "disk %zu of %s/%s at %s", exporting->disk, exporting->point->plan,
                        exporting->point->vm, exporting->point->time);
}

static bool export_one(struct exporting *exporting, size_t disk, struct error *error)
{
    struct sink_options options = {.format = exporting->format,
                                   .bytes = exporting->point->disks[disk].bytes,
                                   .force = exporting->invocation->given[FLAG_FORCE]};
    exporting->disk = disk;
    exporting->sink = sink_create(exporting->paths[disk], &options);
    bool ok = on_thread(exporting, open_sink, error) && copy(exporting, error) &&
              on_thread(exporting, finish_sink, error);
    sink_destroy(exporting->sink);
    exporting->sink = NULL;
    exporting->done += ok;
    return ok;
}

static bool export_all(struct exporting *exporting, struct error *error)
{
    bool ok = true;
    int64_t began = world_monotonic_ms(exporting->transfer.world);
    exporting->counts =
        ARENA_ARRAY(exporting->arena, struct export_counts, exporting->point->disk_count);
    for (size_t i = exporting->first; i < exporting->end && ok; i++) {
        ok = !exporting->transfer.stopped && export_one(exporting, i, error);
    }
    exporting->took_ms = world_monotonic_ms(exporting->transfer.world) - began;
    return ok;
}

/* ---- what came of it ---- */

static void put_json(const struct exporting *exporting, struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json_begin_object(&json);
    json_key_string(&json, "repository", repository_name(exporting->opened.repository));
    json_key_string(&json, "plan", exporting->point->plan);
    json_key_string(&json, "vm", exporting->point->vm);
    json_key_string(&json, "recovery_point", exporting->point->time);
    json_key(&json, "disks");
    json_begin_array(&json);
    for (size_t i = exporting->first; i < exporting->end; i++) {
        json_begin_object(&json);
        json_key_int(&json, "disk", (int64_t)i);
        json_key_string(&json, "file", exporting->paths[i]);
        json_key_string(&json, "format", image_format_name(exporting->format));
        json_key_int(&json, "bytes", exporting->point->disks[i].bytes);
        json_key_int(&json, "blocks", (int64_t)exporting->counts[i].written);
        json_key_int(&json, "bytes_written", exporting->counts[i].bytes_written);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_key_int(&json, "duration_ms", exporting->took_ms);
    json_end_object(&json);
    buffer_putc(out, '\n');
}

static void put_text_result(const struct exporting *exporting, struct buffer *out)
{
    char text[32];
    buffer_printf(out, "recovery point %s of %s/%s\n", exporting->point->time,
                  exporting->point->plan, exporting->point->vm);
    for (size_t i = exporting->first; i < exporting->end; i++) {
        buffer_printf(out, "  disk %zu  ", i);
        text_put(out, exporting->paths[i]);
        buffer_printf(out, "  %s  ", image_format_name(exporting->format));
        buffer_printf(out, "%s, ", format_size(text, exporting->point->disks[i].bytes));
        buffer_printf(out, "%s of data\n", format_size(text, exporting->counts[i].bytes_written));
    }
    buffer_printf(out, "  in %s, every block held against its SHA-256\n",
                  format_duration(text, exporting->took_ms));
}

static enum exit_status tell_end(const struct exporting *exporting, bool ok, struct error *error)
{
    if (!ok && exporting->point && exporting->done > 0) {
        fprintf(stderr, "%zu disk%s before it %s whole and in place\n", exporting->done,
                exporting->done == 1 ? "" : "s", exporting->done == 1 ? "is" : "are");
    }
    if (!ok && exporting->transfer.stopped) {
        fprintf(stderr, "stopped: the disk under way has left no file\n");
        error_clear(error);
        return EXIT_RESUMABLE;
    }
    if (!ok) {
        return tell_error(error);
    }
    struct buffer out = {0};
    if (exporting->invocation->given[FLAG_JSON]) {
        put_json(exporting, &out);
    } else {
        put_text_result(exporting, &out);
    }
    fputs(buffer_text(&out), stdout);
    buffer_free(&out);
    return EXIT_DONE;
}

enum exit_status command_repo_export(const struct invocation *invocation)
{
    struct error error = {0};
    struct exporting exporting = {.invocation = invocation, .arena = invocation->arena};
    bool ok = read_names(invocation, &error) && read_format(&exporting, &error) &&
              open_repository(invocation, invocation->arguments[0], false, &exporting.opened,
                              &error);
    if (ok) {
        transfer_begin(&exporting.transfer, exporting.opened.site.world);
        ok = find_point(&exporting, &error) && choose_disks(&exporting, &error) &&
             choose_paths(&exporting, &error) && export_all(&exporting, &error);
    }
    enum exit_status status = tell_end(&exporting, ok, &error);
    transfer_end(&exporting.transfer);
    opened_repository_close(&exporting.opened);
    return status;
}
