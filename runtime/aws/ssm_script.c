/* Scripts on instances, by SSM. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/ssm_command.h"
#include "runtime/aws/ssm_payload.h"

enum {
    DELIVERY_S = 600, /* an agent that was there may be away for a moment; SSM wants 30 at least */
};

static void put_script(struct buffer *out, const struct call *call, const struct buffer *bytes)
{
    bool windows = payload_is_windows(call);
    const char *name = windows ? "script.ps1" : "script";
    payload_begin(out, windows);
    payload_file(out, windows, name, bytes, call_text(call, "digest"));
    payload_environment(out, windows, call_input(call, "env"));
    buffer_puts(out, windows ? "$global:LASTEXITCODE = 0\ntry { & (Join-Path $d 'script.ps1')"
                             : "cd \"$d\" && \"$d/script\"");
    payload_arguments(out, windows, call_input(call, "args"));
    buffer_puts(out, windows ? "; $c = $LASTEXITCODE }\n"
                               "catch { [Console]::Error.WriteLine($_.ToString()); $c = 1 }\n"
                               "finally { Remove-Item -Recurse -Force $d }\nexit $c"
                             : "");
}

static void send_script(struct operation *op)
{
    const struct call *call = op->calls[0];
    const char *script = call_text(call, "script");
    struct buffer bytes = {0}, payload = {0};
    struct error error = {0};
    bool ok = script_read(op->scripts, script ? script : "the script", call_text(call, "digest"), &bytes,
                          &error);
    if (ok) {
        put_script(&payload, call, &bytes);
        ok = payload_fits(&payload, script, &error);
    }
    if (ok) {
        const char *text = buffer_text(&payload);
        ssm_send(op, payload_document(call), &text, 1, DELIVERY_S,
                 call_int(call, "timeout_ms", 300000) / 1000);
    } else {
        ssm_refuse_later(op, &error);
    }
    buffer_free(&bytes);
    buffer_free(&payload);
}

const struct aws_action send_script_action = {.start = send_script, .lookup = ssm_find};
const struct aws_action wait_script_action = {.poll = ssm_poll, .together = ssm_same_question};
