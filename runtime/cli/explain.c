/* drc explain, version. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/compile.h"
#include "compiler/emit/text.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema.h"
#include "compiler/graph/action.h"
#include "runtime/cli/output.h"

static const char *or_nothing(const char *text)
{
    return *text ? text : "nothing";
}

static void explain_ports(const char *title, const struct action_port *ports, size_t count,
                          struct buffer *out)
{
    int width = 0;
    for (size_t i = 0; i < count; i++) {
        int columns = text_columns(ports[i].name);
        width = columns > width ? columns : width;
    }
    buffer_printf(out, "%s:%s\n", title, count ? "" : " none");
    for (size_t i = 0; i < count; i++) {
        buffer_puts(out, "  ");
        text_pad(out, ports[i].name, width + 2);
        buffer_printf(out, "%s%s\n", value_type_name(ports[i].type),
                      ports[i].optional ? ", may be absent" : "");
    }
}

static bool explain_action(const char *name, struct buffer *out)
{
    enum action action = action_by_name(name);
    if (action == ACTION_NONE) {
        return false;
    }
    const struct action_info *info = action_info(action);
    buffer_printf(out, "action %s: %s\n\n", info->name, info->documentation);
    buffer_printf(out, "effect: %s\npermission: %s\n", action_effect_name(info->effect),
                  or_nothing(info->permission));
    explain_ports("inputs", info->inputs, info->input_count, out);
    explain_ports("outputs", info->outputs, info->output_count, out);
    buffer_printf(out, "when an answer is lost: %s\n", action_resend_sentence(info->resend));
    return true;
}

enum exit_status command_explain(const struct invocation *invocation)
{
    const char *word = invocation->arguments[0];
    struct buffer out = {0};
    const struct diagnostic_info *info = diagnostic_info_by_code(word);
    bool known = true;
    if (info) {
        diagnostic_explain(info, &out);
    } else {
        known = schema_explain(schema_plan(invocation->arena), word, &out) ||
                explain_action(word, &out);
    }
    if (known) {
        fputs(buffer_text(&out), stdout);
    }
    buffer_free(&out);
    if (known) {
        return EXIT_DONE;
    }
    struct error error = {0};
    error_set(&error, "there is no diagnostic, key or action \"%s\"", word);
    error_help(&error,
               "codes look like D0207, keys like vms.ready.tcp, actions like create-volume");
    return tell_error(&error);
}

enum exit_status command_version(const struct invocation *invocation)
{
    if (invocation->given[FLAG_JSON]) {
        struct buffer out = {0};
        struct json_writer json = json_writer(&out, 2);
        json_begin_object(&json);
        json_key_string(&json, "version", drc_version());
        json_key_string(&json, "graph_format", "drc-graph/1");
        json_key_string(&json, "facts_format", "drc-facts/1");
        json_end_object(&json);
        fputs(buffer_text(&out), stdout);
        buffer_free(&out);
    } else {
        puts(drc_version());
    }
    return EXIT_DONE;
}
