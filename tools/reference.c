/* reference FILE: prints what the generated file of that name in docs/ has to hold, from the
 * program's tables. reference without a name lists the names. `make docs` writes them. */
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

static void plan_manual(struct buffer *out)
{
    command_manual("plan", out);
}

static void run_manual(struct buffer *out)
{
    command_manual("run", out);
}

static void repo_manual(struct buffer *out)
{
    command_manual("repo", out);
}

static void sandbox_manual(struct buffer *out)
{
    command_manual("sandbox", out);
}

static const struct page {
    const char *name;
    void (*write)(struct buffer *out);
} pages[] = {
    {"reference/plan.md", plan_reference},
    {"reference/actions.md", action_reference},
    {"reference/diagnostics.md", diagnostic_reference},
    {"reference/cli.md", command_reference},
    {"man/drc-plan.1.scd", plan_manual},
    {"man/drc-run.1.scd", run_manual},
    {"man/drc-repo.1.scd", repo_manual},
    {"man/drc-sandbox.1.scd", sandbox_manual},
};

int main(int argc, char **argv)
{
    bool found = argc == 1;
    struct buffer text = {0};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (argc == 1) {
            buffer_printf(&text, "%s\n", pages[i].name);
        } else if (strcmp(argv[1], pages[i].name) == 0) {
            pages[i].write(&text);
            found = true;
        }
    }
    bool ok = found && fputs(buffer_text(&text), stdout) >= 0 && fflush(stdout) == 0;
    buffer_free(&text);
    return ok ? 0 : 1;
}
