/* drc repo import: disk images become a recovery point. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/cli/import_facts.h"
#include "runtime/cli/open_repository.h"
#include "runtime/cli/output.h"
#include "runtime/cli/sizes.h"
#include "runtime/cli/transfer.h"
#include "runtime/mover/image.h"
#include "runtime/mover/import.h"
#include "runtime/mover/point_form.h"

enum {
    SKEW_MS = 5 * 60 * 1000, /* that far ahead a clock may be */
    SAME_MOMENT_MS = 10000,  /* so little behind the newest point, an import goes behind it */
};

struct importing {
    const struct invocation *invocation;
    struct arena *arena;
    struct opened_repository opened;
    struct transfer transfer;
    struct image **images;
    size_t count;
    struct repository_point point;
    const struct repository_point *newest; /* NULL: the first of this VM */
    struct buffer detected;
    struct repository_writer *writer;
    struct import_counts *counts; /* of each disk */
    struct import *import;        /* under way */
    size_t disk;
    int64_t took_ms;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* ---- the images ---- */

/* Opened on a thread: starting a qemu-nbd, or reaching a server, may take its time. */
struct opening {
    struct importing *importing;
    unsigned char *head; /* of the boot disk */
    size_t head_length;
    bool ok;
    struct error error;
};

static bool check_twice(struct importing *importing, size_t i, struct error *error)
{
    for (size_t k = 0; k < i; k++) {
        if (image_is_same(importing->images[k], importing->images[i])) {
            error_set(error, "%s: is given twice, as disk %zu and disk %zu",
                      image_name(importing->images[i]), k, i);
            return error_help(error, "each image is one disk of the VM");
        }
    }
    return true;
}

static void open_images(void *context)
{
    struct opening *opening = context;
    struct importing *importing = opening->importing;
    opening->ok = true;
    for (size_t i = 0; i < importing->count && opening->ok; i++) {
        opening->ok = image_open(importing->images[i], &opening->error) &&
                      check_twice(importing, i, &opening->error);
    }
    if (opening->ok) {
        struct image *boot = importing->images[0];
        int64_t bytes = image_bytes(boot);
        opening->head_length = bytes < DISK_FACTS_BYTES ? (size_t)bytes : DISK_FACTS_BYTES;
        opening->ok =
            image_read(boot, 0, opening->head, opening->head_length, &opening->error);
    }
}

static void stop_opening(void *context)
{
    struct importing *importing = ((struct opening *)context)->importing;
    for (size_t i = 0; i < importing->count; i++) {
        image_stop(importing->images[i]);
    }
}

static bool take_images(struct importing *importing, struct error *error)
{
    const struct invocation *invocation = importing->invocation;
    struct image_options options = {.format = invocation->values[FLAG_IMAGE_FORMAT],
                                    .backing = invocation->given[FLAG_BACKING]};
    importing->count = invocation->argument_count - 1;
    importing->images = ARENA_ARRAY(importing->arena, struct image *, importing->count);
    importing->counts = ARENA_ARRAY(importing->arena, struct import_counts, importing->count);
    for (size_t i = 0; i < importing->count; i++) {
        importing->images[i] = image_create(invocation->arguments[i + 1], &options);
    }
    struct opening opening = {.importing = importing,
                              .head = arena_alloc(importing->arena, DISK_FACTS_BYTES)};
    transfer_work(&importing->transfer, open_images, stop_opening, &opening);
    if (!opening.ok) {
        return error_move(error, &opening.error);
    }
    for (size_t i = 0; i < importing->count; i++) {
        importing->point.disks[i].bytes = image_bytes(importing->images[i]);
    }
    struct disk_facts found = disk_facts(opening.head, opening.head_length);
    import_facts_add_detected(&found, &importing->point, &importing->detected);
    return true;
}

/* ---- the recovery point ---- */

static bool needs(const struct invocation *invocation, enum flag flag, const char *example,
                  struct error *error)
{
    if (invocation->values[flag] && *invocation->values[flag]) {
        return true;
    }
    error_set(error, "drc %s needs --%s", invocation->command->words, flag_infos[flag].name);
    return error_help(error, "%s", example);
}

static bool read_time(struct importing *importing, struct error *error)
{
    const char *text = importing->invocation->values[FLAG_RECOVERY_POINT];
    int64_t now = world_utc_ms(importing->opened.site.world);
    int64_t time = text ? parse_time(text) : now / 1000 * 1000;
    if (time < 0 || (text && time % 1000 != 0)) {
        error_set(error, "--recovery-point wants a time to the second, not \"%.64s\"", text);
        return error_help(error, "the moment that the images are of, such as 2026-11-22T10:00:00Z "
                                 "(RFC 3339)");
    }
    if (time > now + SKEW_MS) {
        char ahead[32], here[32];
        error_set(error, "--recovery-point %s is %s ahead of this host's clock (%s)", text,
                  format_duration(ahead, time - now), format_time(here, now));
        return error_help(error, "a recovery point is of the past; see that the clock is right: timedatectl");
    }
    importing->point.utc_ms = time;
    return true;
}

static void set_time(struct importing *importing)
{
    char text[32];
    importing->point.time =
        arena_strdup(importing->arena, format_time(text, importing->point.utc_ms));
}

/* Told before a whole disk is read for nothing. */
static bool can_be_name(const struct invocation *invocation, enum flag flag, struct error *error)
{
    const char *name = invocation->values[flag];
    if (store_key_is_valid(name) && !strchr(name, '/')) {
        return true;
    }
    error_set(error, "--%s: a repository can hold nothing of the name \"%.64s\"",
              flag_infos[flag].name, name);
    return error_help(error, "letters, digits, '.', '_' and '-' can be in it");
}

static bool fits(const struct repository_point *point, struct error *error)
{
    char key[POINT_KEY_MAX];
    point_key(key, point);
    if (store_key_is_valid(key)) {
        return true;
    }
    error_set(error, "--plan and --vm: together they have %zu letters: too long for a repository",
              strlen(point->plan) + strlen(point->vm));
    return error_help(error, "give the plan or the VM a shorter name");
}

static bool read_point(struct importing *importing, struct error *error)
{
    const struct invocation *invocation = importing->invocation;
    struct repository_point *point = &importing->point;
    if (!needs(invocation, FLAG_PLAN, "the plan's name, as its \"name\" says: --plan shop", error) ||
        !needs(invocation, FLAG_VM, "the VM's name in the plan: --vm db", error) ||
        !can_be_name(invocation, FLAG_PLAN, error) || !can_be_name(invocation, FLAG_VM, error) ||
        !import_facts_from_flags(invocation, invocation->argument_count - 1, point, error) ||
        !read_time(importing, error)) {
        return false;
    }
    point->plan = invocation->values[FLAG_PLAN];
    point->vm = invocation->values[FLAG_VM];
    point->made_by = "drc " DRC_VERSION;
    set_time(importing);
    return fits(point, error);
}

/* What there is of this VM already, and whether the new one has a place there. */
static bool look_at_newest(struct importing *importing, struct error *error)
{
    struct repository *repository = importing->opened.repository;
    struct repository_point *point = &importing->point;
    const struct repository_point *same;
    struct error why = {0};
    importing->newest = repository_newest(repository, importing->arena, point->plan, point->vm,
                                          INT64_MAX, &why);
    if (why.message) {
        return error_move(error, &why);
    }
    bool given = importing->invocation->given[FLAG_RECOVERY_POINT];
    int64_t ahead_ms = importing->newest ? importing->newest->utc_ms - point->utc_ms : -1;
    if (!given && ahead_ms >= 0 && ahead_ms < SAME_MOMENT_MS) {
        point->utc_ms = importing->newest->utc_ms + 1000; /* several in one second */
        set_time(importing);
    }
    same = repository_newest(repository, importing->arena, point->plan, point->vm, point->utc_ms,
                             &why);
    if (why.message) {
        return error_move(error, &why);
    }
    if (same && same->utc_ms == point->utc_ms) {
        error_set(error, "%s has a recovery point of %s/%s at %s already",
                  repository_name(repository), point->plan, point->vm, point->time);
        return error_help(error, "a recovery point is never changed; another time by --recovery-point");
    }
    if (importing->newest && importing->newest->utc_ms > point->utc_ms && !given) {
        char text[160];
        snprintf(text, sizeof text,
                 "the newest recovery point, %s, is later than this host's clock, %s: one of the "
                 "clocks is wrong",
                 importing->newest->time, point->time);
        tell_warning(text);
    }
    return true;
}

/* ---- importing ---- */

static void look(void *context, struct transfer_state *state)
{
    struct importing *importing = context;
    const struct import_counts *counts = import_counts(importing->import);
    int64_t bytes = importing->point.disks[importing->disk].bytes;
    int64_t passed = (int64_t)(counts->passed * BLOCK_BYTES);
    state->what = arena_printf(importing->arena, "disk %zu  %s", importing->disk,
                               base_name(image_name(importing->images[importing->disk])));
    state->total = bytes;
    state->passed = passed < bytes ? passed : bytes;
    state->moved = counts->bytes_read;
}

static void stop_import(void *context)
{
    import_stop(((struct importing *)context)->import);
}

static const struct block_digest *previous_map(const struct importing *importing, size_t disk)
{
    bool whole = importing->invocation->given[FLAG_WHOLE];
    return !whole && importing->newest && disk < importing->newest->disk_count
               ? &importing->newest->disks[disk].map
               : NULL;
}

static bool import_one(struct importing *importing, size_t disk, struct error *error)
{
    struct repository_disk *to = &importing->point.disks[disk];
    struct import_options options = {.repository = importing->opened.repository,
                                     .writer = importing->writer,
                                     .image = importing->images[disk],
                                     .previous = previous_map(importing, disk)};
    importing->disk = disk;
    importing->import = import_create(&options);
    importing->transfer.on_stop = stop_import;
    importing->transfer.stop_context = importing;
    transfer_show(&importing->transfer, look, importing);
    bool ok = import_run(importing->import, &to->map, &to->blocks, error);
    transfer_show(&importing->transfer, NULL, NULL);
    importing->transfer.on_stop = NULL;
    importing->counts[disk] = *import_counts(importing->import);
    const char *failure = import_previous_failure(importing->import);
    if (ok && failure) {
        tell_warning(arena_printf(importing->arena,
                                  "disk %zu: the newest recovery point's map cannot be read, so that "
                                  "every block was put: %s",
                                  disk, failure));
    }
    import_destroy(importing->import);
    importing->import = NULL;
    return ok;
}

static void tell_waiting(void *context, const char *why)
{
    (void)context;
    tell_warning(why);
}

static bool import_all(struct importing *importing, struct error *error)
{
    int64_t began = world_monotonic_ms(importing->transfer.world);
    const char *what = arena_printf(importing->arena, "import of %s/%s", importing->point.plan,
                                    importing->point.vm);
    importing->writer =
        repository_write(importing->opened.repository, what, tell_waiting, NULL, error);
    bool ok = importing->writer != NULL;
    for (size_t i = 0; i < importing->count && ok && !importing->transfer.stopped; i++) {
        ok = import_one(importing, i, error);
    }
    ok = ok && !importing->transfer.stopped &&
         repository_commit(importing->writer, &importing->point, error);
    importing->took_ms = world_monotonic_ms(importing->transfer.world) - began;
    return ok;
}

/* ---- what came of it ---- */

static int64_t rate(const struct importing *importing, int64_t bytes)
{
    return importing->took_ms > 0 ? (int64_t)((double)bytes * 1000 / (double)importing->took_ms)
                                  : bytes;
}

static void put_facts_json(struct json_writer *json, const struct repository_point *point)
{
    if (point->cpus) {
        json_key_int(json, "cpus", point->cpus);
    }
    if (point->memory_mib) {
        json_key_int(json, "memory_mib", point->memory_mib);
    }
    json_key_string(json, "firmware", point->firmware);
    json_key_string(json, "os", point->os);
    json_key_string(json, "arch", point->arch);
    json_key_string(json, "guest_id", point->guest_id);
}

static void put_disk_json(const struct importing *importing, size_t i, struct json_writer *json)
{
    const struct import_counts *counts = &importing->counts[i];
    json_begin_object(json);
    json_key_int(json, "disk", (int64_t)i);
    json_key_string(json, "image", image_name(importing->images[i]));
    json_key_string(json, "format", image_form(importing->images[i]));
    json_key_int(json, "bytes", importing->point.disks[i].bytes);
    json_key_string(json, "controller", importing->point.disks[i].controller);
    json_key_int(json, "blocks", (int64_t)counts->blocks);
    json_key_int(json, "read", (int64_t)counts->read);
    json_key_int(json, "new", (int64_t)counts->fresh);
    json_key_int(json, "known", (int64_t)counts->known);
    json_key_int(json, "zero", (int64_t)counts->zero);
    json_key_int(json, "bytes_read", counts->bytes_read);
    json_key_int(json, "bytes_new", counts->bytes_put);
    json_end_object(json);
}

static void put_json(const struct importing *importing, const struct import_counts *sum,
                     struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json_begin_object(&json);
    json_key_string(&json, "repository", repository_name(importing->opened.repository));
    json_key_string(&json, "plan", importing->point.plan);
    json_key_string(&json, "vm", importing->point.vm);
    json_key_string(&json, "recovery_point", importing->point.time);
    json_key_string(&json, "previous", importing->newest ? importing->newest->time : NULL);
    put_facts_json(&json, &importing->point);
    json_key(&json, "disks");
    json_begin_array(&json);
    for (size_t i = 0; i < importing->count; i++) {
        put_disk_json(importing, i, &json);
    }
    json_end_array(&json);
    json_key_int(&json, "duration_ms", importing->took_ms);
    json_key_int(&json, "bytes_read", sum->bytes_read);
    json_key_int(&json, "bytes_new", sum->bytes_put);
    json_key_int(&json, "bytes_per_second", rate(importing, sum->bytes_read));
    json_end_object(&json);
    buffer_putc(out, '\n');
}

static void put_disk_text(const struct importing *importing, size_t i, int name_width,
                          struct buffer *out)
{
    const struct import_counts *counts = &importing->counts[i];
    const struct image *image = importing->images[i];
    char text[32];
    buffer_printf(out, "  disk %zu  ", i);
    text_pad(out, base_name(image_name(image)), name_width);
    buffer_printf(out, "  %-5s  ", image_form(image));
    text_pad_left(out, format_size(text, importing->point.disks[i].bytes), 9);
    buffer_puts(out, "   blocks: ");
    buffer_printf(out, "%s read, ", count_format(text, counts->read));
    buffer_printf(out, "%s new, ", count_format(text, counts->fresh));
    buffer_printf(out, "%s known, ", count_format(text, counts->known));
    buffer_printf(out, "%s zero\n", count_format(text, counts->zero));
}

static void put_text(const struct importing *importing, const struct import_counts *sum,
                     struct buffer *out)
{
    const struct repository_point *point = &importing->point;
    char text[32];
    int name_width = 0;
    for (size_t i = 0; i < importing->count; i++) {
        int columns = text_columns(base_name(image_name(importing->images[i])));
        name_width = columns > name_width ? columns : name_width;
    }
    buffer_printf(out, "recovery point %s of %s/%s in ", point->time, point->plan, point->vm);
    text_put(out, repository_name(importing->opened.repository));
    buffer_putc(out, '\n');
    for (size_t i = 0; i < importing->count; i++) {
        put_disk_text(importing, i, name_width, out);
    }
    buffer_printf(out, "  read %s", format_size(text, sum->bytes_read));
    buffer_printf(out, ", new %s", format_size(text, sum->bytes_put));
    buffer_printf(out, ", in %s", format_duration(text, importing->took_ms));
    if (importing->took_ms > 0) {
        buffer_printf(out, ", %s/s", format_size(text, rate(importing, sum->bytes_read)));
    }
    buffer_putc(out, '\n');
}

static void tell_detected(const struct importing *importing)
{
    for (size_t i = 0; i < importing->count; i++) {
        const struct image *image = importing->images[i];
        if (image_form_was_guessed(image)) {
            fprintf(stderr, "disk %zu is %s by its first bytes (--format raw takes the file as it is)\n",
                    i, image_form(image));
        }
    }
    fputs(buffer_text(&importing->detected), stderr);
}

static void tell_result(const struct importing *importing)
{
    struct import_counts sum = {0};
    struct buffer out = {0};
    for (size_t i = 0; i < importing->count; i++) {
        sum.bytes_read += importing->counts[i].bytes_read;
        sum.bytes_put += importing->counts[i].bytes_put;
    }
    if (importing->invocation->given[FLAG_JSON]) {
        put_json(importing, &sum, &out);
    } else {
        put_text(importing, &sum, &out);
    }
    fputs(buffer_text(&out), stdout);
    buffer_free(&out);
}

static enum exit_status tell_end(const struct importing *importing, bool ok, struct error *error)
{
    if (importing->transfer.stopped && !ok) {
        fprintf(stderr, "stopped: no recovery point was made. What was put is left for drc repo "
                        "prune; the same command begins again\n");
        error_clear(error);
        return EXIT_RESUMABLE;
    }
    if (!ok) {
        return tell_error(error);
    }
    tell_result(importing);
    return EXIT_DONE;
}

static void close_all(struct importing *importing)
{
    for (size_t i = 0; i < importing->count; i++) {
        image_destroy(importing->images[i]);
    }
    repository_writer_close(importing->writer);
    transfer_end(&importing->transfer);
    opened_repository_close(&importing->opened);
    buffer_free(&importing->detected);
}

enum exit_status command_repo_import(const struct invocation *invocation)
{
    struct error error = {0};
    struct importing importing = {.invocation = invocation, .arena = invocation->arena};
    bool ok = open_repository_world(invocation, &importing.opened, &error);
    if (ok) {
        transfer_begin(&importing.transfer, importing.opened.site.world);
        ok = read_point(&importing, &error) && take_images(&importing, &error) &&
             !importing.transfer.stopped;
    }
    if (ok) {
        tell_detected(&importing);
        ok = open_repository(invocation, invocation->arguments[0], true, &importing.opened,
                             &error) &&
             look_at_newest(&importing, &error) && import_all(&importing, &error);
    }
    enum exit_status status = tell_end(&importing, ok, &error);
    close_all(&importing);
    return status;
}
