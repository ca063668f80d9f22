/* drc sandbox show. */
#include "runtime/cli/command.h"

#include <inttypes.h>
#include <stdio.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/cli/output.h"
#include "runtime/site/site.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/world/world.h"

static const char *const kind_names[SANDBOX_KIND_COUNT] = {"instances", "volumes", "snapshots",
                                                           "images", "buckets", "records",
                                                           "targets"};

static void show_json(enum sandbox_kind kind, const struct sandbox_item *items, size_t count,
                      struct json_writer *json)
{
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        const struct sandbox_item *item = &items[i];
        json_begin_object(json);
        json_key_string(json, "id", item->id);
        json_key_string(json, "state", item->state);
        json_key_string(json, "plan", item->plan);
        json_key_string(json, "vm", item->vm);
        json_key_string(json, "run", item->run);
        json_key_string(json, "role", item->role);
        json_key_string(json, "detail", item->detail);
        json_key_string(json, "attached_to", item->attached_to);
        json_key_string(json, "snapshot", item->snapshot);
        if (item->size_gib) {
            json_key_int(json, "size_gib", item->size_gib);
        }
        if (kind == SANDBOX_SNAPSHOT) {
            json_key_int(json, "blocks", item->parts);
        }
        if (kind == SANDBOX_RECORD) {
            json_key_int(json, "ttl", item->ttl_s);
        }
        if (kind == SANDBOX_BUCKET) {
            json_key_int(json, "objects", item->parts);
            json_key_int(json, "bytes", item->bytes);
        }
        json_end_object(json);
    }
    json_end_array(json);
}

static const char *or_dash(const char *text)
{
    return text ? text : "-";
}

static void show_buckets(const struct sandbox_item *items, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "  %-22s %" PRId64 " object%s, %" PRId64 " bytes\n", items[i].id,
                      items[i].parts, items[i].parts == 1 ? "" : "s", items[i].bytes);
    }
}

static void show_records(const struct sandbox_item *items, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "  %-32s %6" PRId64 "  %-5s %s\n", items[i].id, items[i].ttl_s, items[i].state,
                      items[i].detail);
    }
}

static void show_targets(const struct sandbox_item *items, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "  %-22s %-11s of %s%s%s\n", items[i].id, items[i].state,
                      items[i].attached_to, items[i].detail ? ": " : "",
                      items[i].detail ? items[i].detail : "");
    }
}

static void show_text(enum sandbox_kind kind, const struct sandbox_item *items, size_t count,
                      struct buffer *out)
{
    buffer_printf(out, "%zu %s\n", count, kind_names[kind]);
    if (kind == SANDBOX_BUCKET) {
        show_buckets(items, count, out);
        return;
    }
    if (kind == SANDBOX_RECORD || kind == SANDBOX_TARGET) {
        (kind == SANDBOX_RECORD ? show_records : show_targets)(items, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct sandbox_item *item = &items[i];
        buffer_printf(out, "  %-22s %-11s vm %-12s run %-9s %s", item->id, item->state,
                      or_dash(item->vm), or_dash(item->run), item->detail ? item->detail : "");
        if (item->size_gib) {
            buffer_printf(out, " %lld GiB", (long long)item->size_gib);
        }
        if (item->parts) {
            buffer_printf(out, ", %" PRId64 " block%s", item->parts, item->parts == 1 ? "" : "s");
        }
        if (item->attached_to) {
            buffer_printf(out, " at %s", item->attached_to);
        }
        buffer_putc(out, '\n');
    }
}

enum exit_status command_sandbox_show(const struct invocation *invocation)
{
    struct error error = {0};
    struct site site = {0};
    if (!site_open_world(&site, invocation->arguments[0], &error)) {
        site_close(&site);
        return tell_error(&error);
    }
    struct buffer out = {0};
    struct json_writer json = json_writer(&out, 2);
    bool as_json = invocation->given[FLAG_JSON];
    if (as_json) {
        json_begin_object(&json);
    }
    for (int kind = 0; kind < SANDBOX_KIND_COUNT; kind++) {
        struct sandbox_item *items = NULL;
        size_t count = sandbox_list(site.sandbox, invocation->arena, world_utc_ms(site.world),
                                    (enum sandbox_kind)kind, &items);
        if (as_json) {
            json_key(&json, kind_names[kind]);
            show_json((enum sandbox_kind)kind, items, count, &json);
        } else {
            show_text((enum sandbox_kind)kind, items, count, &out);
        }
    }
    if (as_json) {
        json_end_object(&json);
    }
    site_close(&site);
    fputs(buffer_text(&out), stdout);
    buffer_free(&out);
    return EXIT_DONE;
}
