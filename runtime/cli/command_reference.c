/* The reference page of the command line, from command.def and flag.def. */
#include <string.h>

#include "compiler/base/buffer.h"
#include "runtime/cli/command.h"

static void write_flag(struct buffer *out, const struct flag_info *info)
{
    buffer_puts(out, "- `");
    if (info->short_name) {
        buffer_printf(out, "-%c`, `", info->short_name);
    }
    const char *form = info->argument == FLAG_ARG_NONE       ? "--%s%s`"
                       : info->argument == FLAG_ARG_OPTIONAL ? "--%s[=%s]`"
                                                             : "--%s %s`";
    buffer_printf(out, form, info->name, info->metavar);
    buffer_printf(out, ": %s\n", info->help);
}

static void write_command(struct buffer *out, const struct command *command)
{
    buffer_printf(
        out, "\n## drc %s\n\n%c%s.\n\n    drc %s [FLAGS]%s%s\n\n", command->words,
        command->summary[0] >= 'a' && command->summary[0] <= 'z' ? command->summary[0] - 'a' + 'A'
                                                                 : command->summary[0],
        command->summary + 1, command->words, *command->arguments ? " " : "", command->arguments);
    buffer_printf(out, "%s\n\n", command->details);
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        if (command->flags >> flag & 1) {
            write_flag(out, &flag_infos[flag]);
        }
    }
    if (*command->examples) {
        buffer_printf(out, "\n```sh\n%s\n```\n", command->examples);
    }
}

static const char before[] =
    "# The command line\n\n"
    "`drc COMMAND --help` says the same in the terminal. This page is generated from "
    "runtime/cli/command.def and flag.def.\n\n"
    "PLAN is a plan file, or a folder with a `plan.yaml` in it. GRAPH is a file that `drc plan "
    "compile` wrote. WORKFLOW is backup, replicate, failover, test or failback; this version "
    "carries out replicate and failover. RUN is a unique beginning of a run's id; without one, the "
    "newest run is meant.\n\n"
    "Results go to standard output, diagnostics and progress to standard error.\n\n"
    "## Exit status\n\n"
    "| status | meaning |\n|---|---|\n"
    "| 0 | done |\n"
    "| 1 | an error: the plan is invalid, the run failed, the command was used wrongly |\n"
    "| 2 | done, and there is something to look at (`--dry-run=live`) |\n"
    "| 3 | stopped and resumable: `drc run resume` goes on |\n";

static void write_not_yet(struct buffer *out)
{
    buffer_puts(out, "\n## Not in this version\n\n"
                     "These commands are known and answer so, with status 1:");
    const char *between = " ";
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].run) {
            buffer_printf(out, "%s`drc %s`", between, commands[i].words);
            between = ", ";
        }
    }
    buffer_puts(out, ".\n");
}

void command_reference(struct buffer *out)
{
    buffer_puts(out, before);
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].run) {
            write_command(out, &commands[i]);
        }
    }
    write_not_yet(out);
}
