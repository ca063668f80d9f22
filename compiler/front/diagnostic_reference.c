/* The reference page of all diagnostics, from diagnostic.def. */
#include "compiler/base/buffer.h"
#include "compiler/front/diagnostic.h"

static void write_example(struct buffer *out, const char *title, const char *text)
{
    if (*text) {
        buffer_printf(out, "\n%s:\n\n```yaml\n%s\n```\n", title, text);
    }
}

void diagnostic_reference(struct buffer *out)
{
    buffer_puts(out,
                "# Diagnostics\n\n"
                "Everything that drc may have to say about a plan, by code. Errors end a command "
                "with status 1; warnings do so with `--strict` only. `drc explain CODE` shows one "
                "of them in the terminal.\n\n"
                "This page is generated from compiler/front/diagnostic.def.\n");
    for (int code = 0; code < DIAGNOSTIC_CODE_COUNT; code++) {
        const struct diagnostic_info *info = diagnostic_info((enum diagnostic_code)code);
        buffer_printf(out, "\n## %s\n\n**%s: %s.** %s\n", info->code,
                      info->severity == SEVERITY_ERROR ? "Error" : "Warning", info->title,
                      info->explanation);
        write_example(out, "Wrong", info->wrong);
        write_example(out, "Right", info->right);
    }
}
