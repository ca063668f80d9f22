/* Driver injection by SSM: "drc inject" sent to the conversion instance. */
#include "compiler/base/arena.h"
#include "runtime/aws/ssm_command.h"

enum { DELIVERY_S = 120 };

static void append_option(struct buffer *line, const char *option, const char *value)
{
    if (value) {
        buffer_printf(line, " %s", option);
        ssm_put_quoted(line, value);
    }
}

static const char *command_line(struct operation *op)
{
    const struct call *call = op->calls[0];
    const char *volume = call_text(call, "volume_id");
    struct buffer line = {0};
    buffer_puts(&line, "drc inject");
    ssm_put_quoted(&line, arena_printf(op->arena, "ebs:%s", volume ? volume : ""));
    append_option(&line, "--device", call_text(call, "device"));
    append_option(&line, "--os", call_text(call, "os"));
    append_option(&line, "--firmware", call_text(call, "firmware"));
    append_option(&line, "--arch", call_text(call, "arch"));
    append_option(&line, "--ssm-agent", call_text(call, "ssm_agent"));
    const char *text = arena_strdup(op->arena, buffer_text(&line));
    buffer_free(&line);
    return text;
}

static void inject(struct operation *op)
{
    const char *line = command_line(op);
    ssm_send(op, "AWS-RunShellScript", &line, 1, DELIVERY_S,
             call_int(op->calls[0], "timeout_ms", 900000) / 1000);
}

const struct aws_action inject_action = {.start = inject, .lookup = ssm_find};
const struct aws_action wait_injected_action = {.poll = ssm_poll,
                                                .together = ssm_same_question};
