/* The reference page of all actions, from action.def. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/graph/action.h"

static void write_ports(struct buffer *out, const char *title, const struct action_port *ports,
                        size_t count)
{
    if (count == 0) {
        return;
    }
    buffer_printf(out, "- %s: ", title);
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "%s`%s` (%s%s)", i ? ", " : "", ports[i].name,
                      value_type_name(ports[i].type), ports[i].optional ? ", may be absent" : "");
    }
    buffer_puts(out, "\n");
}

static void write_duration(struct buffer *out, int64_t ms)
{
    if (ms % 3600000 == 0 && ms > 0) {
        buffer_printf(out, "%" PRId64 " h", ms / 3600000);
    } else if (ms % 60000 == 0 && ms > 0) {
        buffer_printf(out, "%" PRId64 " min", ms / 60000);
    } else {
        buffer_printf(out, "%" PRId64 " s", ms / 1000);
    }
}

const char *action_resend_sentence(enum action_resend resend)
{
    switch (resend) {
    case RESEND_TOKEN:
        return "looked up by its tags, then sent again with the same idempotency token";
    case RESEND_NAME:
        return "looked up by its name, which is unique, then sent again";
    case RESEND_NATURAL:
        return "sent again: doing it twice is doing it once";
    case RESEND_LOOKUP:
        return "looked up before it is sent again";
    case RESEND_NEVER:
        break;
    }
    return "nothing is sent that changes anything, so it is asked again";
}

static void write_limits(struct buffer *out, const struct action_info *info)
{
    const struct bucket_info *bucket = bucket_info(info->bucket);
    if (info->bucket != BUCKET_NONE) {
        buffer_printf(out, "- Rate limit: %s, %g at once and %g a second\n", bucket->name,
                      bucket->capacity, bucket->refill_per_s);
    }
    if (info->resource != BUCKET_NONE) {
        const struct bucket_info *resource = bucket_info(info->resource);
        buffer_printf(out, "- Rate limit by instances: %s, %g at once and %g a second\n",
                      resource->name, resource->capacity, resource->refill_per_s);
    }
    if (info->poll > POLL_EACH) {
        buffer_printf(out, "- One question serves up to %d waits about %s\n", info->batch_max,
                      poll_name(info->poll));
    } else if (info->batch_max > 1) {
        buffer_printf(out, "- One request serves up to %d nodes\n", info->batch_max);
    }
}

static void write_action(struct buffer *out, const struct action_info *info)
{
    buffer_printf(out, "\n## %s\n\n%s\n\n- Carried out by: %s; effect: %s\n", info->name,
                  info->documentation, action_provider_name(info->provider),
                  action_effect_name(info->effect));
    write_ports(out, "Inputs", info->inputs, info->input_count);
    write_ports(out, "Outputs", info->outputs, info->output_count);
    if (info->undo != ACTION_NONE) {
        buffer_printf(out, "- Taken back by: [%s](#%s)\n", action_info(info->undo)->name,
                      action_info(info->undo)->name);
    }
    if (info->provider != PROVIDER_ENGINE) {
        buffer_printf(out, "- When an answer is lost: %s\n", action_resend_sentence(info->resend));
    }
    write_limits(out, info);
    buffer_puts(out, "- Expected to take: ");
    if (strcmp(info->name, action_info(ACTION_DELAY)->name) == 0) {
        buffer_puts(out, "what the plan says");
    } else {
        write_duration(out, info->expected_ms);
    }
    buffer_puts(out, "; given up after: ");
    write_duration(out, info->deadline_ms);
    buffer_puts(out, "\n");
    if (info->permission[0]) {
        buffer_printf(out, "- Permission: `%s`\n", info->permission);
    }
}

void action_reference(struct buffer *out)
{
    buffer_puts(out,
                "# Actions\n\n"
                "The instruction set that plans are compiled to. Each node of a graph is one of "
                "these actions on one object; its id ends with the action's name. Durations are "
                "what `drc plan show` predicts with until earlier runs were measured; deadlines "
                "are those where the plan's `timeouts` say nothing.\n\n"
                "This page is generated from compiler/graph/action.def.\n");
    for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
        write_action(out, action_info((enum action)action));
    }
}
