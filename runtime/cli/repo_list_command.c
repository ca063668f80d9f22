/* drc repo list: the recovery points of a repository, by VM or one by one. */
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/cli/open_repository.h"
#include "runtime/cli/output.h"
#include "runtime/cli/repo_text.h"
#include "runtime/world/world.h"

struct totals {
    int64_t bytes, data_bytes;
};

static struct totals totals_of(const struct repository_point *point)
{
    struct totals totals = {0};
    for (size_t i = 0; i < point->disk_count; i++) {
        totals.bytes += point->disks[i].bytes;
        totals.data_bytes += (int64_t)point->disks[i].blocks * BLOCK_BYTES;
    }
    return totals;
}

/* How many of the points from `first` on are of its VM. */
static size_t points_of_vm(const struct repository_points *points, size_t first)
{
    const struct repository_point *one = &points->items[first];
    size_t end = first + 1;
    while (end < points->count && strcmp(points->items[end].plan, one->plan) == 0 &&
           strcmp(points->items[end].vm, one->vm) == 0) {
        end++;
    }
    return end - first;
}

/* --- as text --- */

static void put_size(struct buffer *out, int64_t bytes)
{
    char text[32];
    text_pad_left(out, format_size(text, bytes), 9);
    buffer_puts(out, "  ");
}

static void put_point(struct buffer *out, const struct repository_point *point, int64_t now_utc_ms)
{
    char age[32];
    struct totals totals = totals_of(point);
    text_pad(out, point->time, 22);
    text_pad_left(
        out, format_duration(age, now_utc_ms > point->utc_ms ? now_utc_ms - point->utc_ms : 0), 10);
    buffer_printf(out, "  %5zu  ", point->disk_count);
    put_size(out, totals.bytes);
    put_size(out, totals.data_bytes);
}

static void end_line(struct buffer *out)
{
    while (out->length > 0 && out->data[out->length - 1] == ' ') {
        out->data[--out->length] = '\0';
    }
    buffer_putc(out, '\n');
}

/* Columns of the names: as wide as the widest. */
struct names {
    int plan, vm;
};

static void widen(int *columns, const char *text)
{
    int wanted = text_columns(text) + 2;
    *columns = wanted > *columns ? wanted : *columns;
}

static struct names widths_of(const struct repository_points *points)
{
    struct names names = {12, 14};
    for (size_t i = 0; i < points->count; i++) {
        widen(&names.plan, points->items[i].plan);
        widen(&names.vm, points->items[i].vm);
    }
    return names;
}

static void put_names(struct buffer *out, const struct names *names, const char *plan,
                      const char *vm)
{
    text_pad(out, plan, names->plan);
    text_pad(out, vm, names->vm);
}

static void put_vms(const struct repository_points *points, int64_t now_utc_ms, struct buffer *out)
{
    struct names names = widths_of(points);
    put_names(out, &names, "plan", "VM");
    buffer_puts(out, "points  newest                       age  disks       size       data\n");
    for (size_t i = 0, count; i < points->count; i += count) {
        count = points_of_vm(points, i);
        const struct repository_point *newest = &points->items[i + count - 1];
        put_names(out, &names, newest->plan, newest->vm);
        buffer_printf(out, "%6zu  ", count);
        put_point(out, newest, now_utc_ms);
        end_line(out);
    }
}

static void put_points(const struct repository_points *points, int64_t now_utc_ms,
                       struct buffer *out)
{
    struct names names = widths_of(points);
    put_names(out, &names, "plan", "VM");
    buffer_puts(out, "recovery point               age  disks       size       data  made by\n");
    for (size_t i = 0; i < points->count; i++) {
        const struct repository_point *point = &points->items[i];
        put_names(out, &names, point->plan, point->vm);
        put_point(out, point, now_utc_ms);
        text_put(out, point->made_by ? point->made_by : "");
        end_line(out);
    }
}

/* --- as JSON --- */

static void json_disks(struct json_writer *json, const struct repository_point *point)
{
    json_key(json, "disks");
    json_begin_array(json);
    for (size_t i = 0; i < point->disk_count; i++) {
        const struct repository_disk *disk = &point->disks[i];
        char hex[65];
        block_digest_hex(&disk->map, hex);
        json_begin_object(json);
        json_key_int(json, "bytes", disk->bytes);
        json_key_int(json, "data_bytes", (int64_t)disk->blocks * BLOCK_BYTES);
        json_key_string(json, "controller", disk->controller);
        json_key_string(json, "map", hex);
        json_end_object(json);
    }
    json_end_array(json);
}

static void json_facts(struct json_writer *json, const struct repository_point *point)
{
    json_key_string(json, "firmware", point->firmware);
    json_key_string(json, "os", point->os);
    json_key_string(json, "arch", point->arch);
    json_key_string(json, "guest_id", point->guest_id);
    if (point->cpus > 0) {
        json_key_int(json, "cpus", point->cpus);
    }
    if (point->memory_mib > 0) {
        json_key_int(json, "memory_mib", point->memory_mib);
    }
    json_key_bool(json, "quiesced", point->quiesced);
    json_key_string(json, "made_by", point->made_by);
}

static void put_json(const struct repository *repository, const struct repository_points *points,
                     int64_t now_utc_ms, struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json_begin_object(&json);
    json_key_string(&json, "repository", repository_name(repository));
    json_key_string(&json, "id", repository_id(repository));
    json_key(&json, "points");
    json_begin_array(&json);
    for (size_t i = 0; i < points->count; i++) {
        const struct repository_point *point = &points->items[i];
        json_begin_object(&json);
        json_key_string(&json, "plan", point->plan);
        json_key_string(&json, "vm", point->vm);
        json_key_string(&json, "time", point->time);
        json_key_int(&json, "age_seconds", (now_utc_ms - point->utc_ms) / 1000);
        json_facts(&json, point);
        json_disks(&json, point);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_key(&json, "damaged");
    json_begin_array(&json);
    for (size_t i = 0; i < points->damaged_count; i++) {
        json_string(&json, points->damaged[i]);
    }
    json_end_array(&json);
    json_end_object(&json);
}

static enum exit_status tell(const struct invocation *invocation, struct repository *repository,
                             const struct repository_points *points)
{
    struct buffer out = {0};
    int64_t now_utc_ms = world_utc_ms(repository_world(repository));
    if (invocation->given[FLAG_JSON]) {
        put_json(repository, points, now_utc_ms, &out);
    } else if (points->count == 0) {
        fprintf(stderr, "%s: no recovery points\n", repository_name(repository));
    } else if (invocation->given[FLAG_VM]) {
        put_points(points, now_utc_ms, &out);
    } else {
        put_vms(points, now_utc_ms, &out);
    }
    fputs(buffer_text(&out), stdout);
    buffer_free(&out);
    for (size_t i = 0; i < points->damaged_count; i++) {
        tell_warning(points->damaged[i]);
    }
    return points->damaged_count ? EXIT_ERROR : EXIT_DONE;
}

enum exit_status command_repo_list(const struct invocation *invocation)
{
    struct error error = {0};
    struct opened_repository opened = {0};
    struct repository_points points;
    enum exit_status status;
    if (open_repository(invocation, invocation->arguments[0], false, &opened, &error) &&
        repository_list(opened.repository, invocation->arena, invocation->values[FLAG_PLAN],
                        invocation->values[FLAG_VM], &points, &error)) {
        status = tell(invocation, opened.repository, &points);
    } else {
        status = tell_error(&error);
    }
    opened_repository_close(&opened);
    return status;
}
