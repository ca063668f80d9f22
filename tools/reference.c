/* reference PAGE: prints a page of docs/reference that is generated: plan, actions, diagnostics or
 * cli. `make docs` writes them. */
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema.h"
#include "compiler/graph/action.h"
#include "runtime/cli/command.h"

static void plan_reference(struct buffer *out)
{
    struct arena *arena = arena_create();
    schema_reference(schema_plan(arena), out);
    arena_destroy(arena);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(struct buffer *out);
    } pages[] = {
        {"plan", plan_reference},
        {"actions", action_reference},
        {"diagnostics", diagnostic_reference},
        {"cli", command_reference},
    };
    for (size_t i = 0; argc == 2 && i < sizeof pages / sizeof *pages; i++) {
        if (strcmp(argv[1], pages[i].name) == 0) {
            struct buffer text = {0};
            pages[i].write(&text);
            int status = fputs(buffer_text(&text), stdout) < 0 || fflush(stdout) != 0;
            buffer_free(&text);
            return status;
        }
    }
    fputs("usage: reference plan|actions|diagnostics|cli\n", stderr);
    return 1;
}
