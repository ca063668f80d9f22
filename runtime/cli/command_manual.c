/* Manual pages of groups of commands (scdoc), from command.def and flag.def. */
#include <ctype.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "runtime/cli/command.h"

/* Text without meaning for scdoc. */
static void put_plain(struct buffer *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (strchr("\\*_`", *c) || (c == text && strchr("#-[|]", *c))) {
            buffer_putc(out, '\\');
        }
        buffer_putc(out, *c);
    }
}

static void put_sentence(struct buffer *out, const char *text)
{
    struct buffer sentence = {0};
    buffer_printf(&sentence, "%c%s", toupper((unsigned char)*text), text + 1);
    put_plain(out, buffer_text(&sentence));
    buffer_free(&sentence);
}

static bool in_group(const struct command *command, const char *group)
{
    size_t length = strlen(group);
    return command->run && strncmp(command->words, group, length) == 0 &&
           command->words[length] == ' ';
}

static void write_flag(struct buffer *out, const struct flag_info *info)
{
    if (info->short_name) {
        buffer_printf(out, "*-%c*, ", info->short_name);
    }
    buffer_printf(out, "*--%s*", info->name);
    if (*info->metavar) {
        buffer_puts(out, info->argument == FLAG_ARG_OPTIONAL ? "[=" : " ");
        put_plain(out, info->metavar);
        buffer_puts(out, info->argument == FLAG_ARG_OPTIONAL ? "]" : "");
    }
    buffer_puts(out, "\n\t");
    put_sentence(out, info->help);
    buffer_puts(out, ".\n\n");
}

static void write_examples(struct buffer *out, const char *lines)
{
    buffer_puts(out, *lines ? "Examples:\n\n```\n" : "");
    buffer_puts(out, lines);
    buffer_puts(out, *lines ? "\n```\n\n" : "");
}

static void write_command(struct buffer *out, const struct command *command)
{
    buffer_printf(out, "## drc %s ", command->words);
    put_plain(out, command->arguments);
    buffer_puts(out, "\n\n");
    put_plain(out, command->details);
    buffer_puts(out, "\n\n");
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        if (command->flags >> flag & 1) {
            write_flag(out, &flag_infos[flag]);
        }
    }
    write_examples(out, command->examples);
}

void command_manual(const char *group, struct buffer *out)
{
    buffer_printf(
        out,
        "drc-%s(1)\n\n; Generated from runtime/cli/command.def: make docs\n\n# NAME\n\ndrc-%s - ",
        group, group);
    buffer_puts(out, strcmp(group, "plan") == 0  ? "check, compile, show and carry out plans"
                     : strcmp(group, "run") == 0 ? "look at runs, resume them, clean up after them"
                     : strcmp(group, "repo") == 0
                         ? "the backup repository: import, export, list, verify, prune"
                                                 : "an AWS in a folder, to try plans on");
    buffer_puts(out, "\n\n# SYNOPSIS\n");
    const char *between = "\n";
    for (size_t i = 0; i < command_count; i++) {
        if (in_group(&commands[i], group)) {
            buffer_printf(out, "%s*drc %s* [FLAGS] ", between, commands[i].words);
            put_plain(out, commands[i].arguments);
            between = "++\n";
        }
    }
    buffer_putc(out, '\n');
    buffer_puts(out, "\n# COMMANDS\n\n");
    for (size_t i = 0; i < command_count; i++) {
        if (in_group(&commands[i], group)) {
            write_command(out, &commands[i]);
        }
    }
    buffer_puts(out, "# EXIT STATUS\n\n0 done; 1 an error; 2 done, and there is something to look "
                     "at; 3 stopped and resumable.\n\n# SEE ALSO\n\n*drc*(1), *drc-plan*(1), "
                     "*drc-run*(1), *drc-repo*(1), *drc-sandbox*(1), *drc-plan*(5)\n");
}
