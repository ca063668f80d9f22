/* Help pages, from command.def and flag.def. */
#include "runtime/cli/command.h"

#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/compile.h"

enum { HELP_WIDTH = 80, COMMAND_COLUMN = 20, FLAG_COLUMN = 32 };

static size_t group_length(const struct command *command)
{
    return strcspn(command->words, " ");
}

bool is_group(const char *word)
{
    for (size_t i = 0; i < command_count; i++) {
        size_t length = group_length(&commands[i]);
        if (commands[i].words[length] && strlen(word) == length &&
            strncmp(commands[i].words, word, length) == 0) {
            return true;
        }
    }
    return false;
}

const char *foreign_word(const char *word)
{
    static const char *const words[][2] = {
        {"validate", "drc says it: drc plan check PLAN"},
        {"plan-validate", "drc says it: drc plan check PLAN"},
        {"apply", "drc says it: drc plan apply PLAN WORKFLOW"},
        {"destroy", "drc says it: drc run cleanup RUN"},
        {"init", "drc says it: drc plan init, or drc sandbox init DIR PLAN"},
        {"output", "drc says it: drc run report RUN"},
        {"refresh", "drc says it: drc plan facts PLAN WORKFLOW"},
        {"force-unlock", "not needed: a lease in a local state directory dies with its process"},
        {"-auto-approve", "drc says it: --yes"},
        {"--auto-approve", "drc says it: --yes"},
        {"-target", "drc says it: --only VM,..."},
        {"--target", "drc says it: --only VM,..."},
        {"-var", "drc says it: --var NAME=VALUE"},
        {"-out", "drc says it: drc plan compile -o FILE"},
        {"-lock", "leases cannot be switched off"},
        {"-parallelism", "not needed: drc keeps AWS's request rates by itself (--limits)"},
        {"--dryrun", "drc says it: --dry-run"},
        {"-v", "drc says it: drc version"},
        {"-version", "drc says it: drc version"},
        {"get", "drc says it: drc run list, drc run show RUN"},
        {"describe", "drc says it: drc run show RUN --explain VM"},
        {"status", "drc says it: drc run show RUN"},
        {"runs", "drc says it: drc run list"},
        {"logs", "drc says it: drc run watch RUN, drc run report RUN"},
        {"undo", "drc says it: drc run rollback RUN"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i][0]) == 0) {
            return words[i][1];
        }
    }
    return NULL;
}

/* Columns that UTF-8 text takes: its code points, as help uses no wide characters. */
static int columns(const char *text, size_t length)
{
    int count = 0;
    for (size_t i = 0; i < length; i++) {
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return count;
}

/* Writes words wrapped at HELP_WIDTH, from column `at` on, further lines indented by `indent`. */
static void wrap(struct buffer *out, const char *text, int at, int indent)
{
    for (bool first = true; *text; first = false) {
        size_t length = strcspn(text, " ");
        int width = columns(text, length);
        if (!first && at + 1 + width > HELP_WIDTH) {
            buffer_printf(out, "\n%*s", indent, "");
            at = indent;
        } else if (!first) {
            buffer_putc(out, ' ');
            at++;
        }
        buffer_append(out, text, length);
        at += width;
        text += length + strspn(text + length, " ");
    }
    buffer_putc(out, '\n');
}

static void entry(struct buffer *out, const char *name, const char *text, int column)
{
    int width = columns(name, strlen(name));
    buffer_printf(out, "  %s", name);
    int at = 2 + width;
    if (at + 1 > column) {
        buffer_putc(out, '\n');
        at = 0;
    }
    buffer_printf(out, "%*s", column - at, "");
    wrap(out, text, column, column);
}

void help_group(const char *group, struct buffer *out)
{
    buffer_printf(out, "drc %s: ", group);
    buffer_puts(out, "COMMAND is one of\n\n");
    for (size_t i = 0; i < command_count; i++) {
        size_t length = group_length(&commands[i]);
        if (commands[i].run && strlen(group) == length && commands[i].words[length] &&
            strncmp(commands[i].words, group, length) == 0) {
            entry(out, commands[i].words + length + 1, commands[i].summary, COMMAND_COLUMN);
        }
    }
    buffer_printf(out, "\ndrc %s COMMAND --help says more.\n", group);
}

void help_all(struct buffer *out)
{
    buffer_printf(out,
                  "%s: disaster-recovery plans, compiled and carried out\n\n"
                  "usage: drc COMMAND [FLAGS] [ARGUMENTS]\n\n",
                  drc_version());
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].run) {
            entry(out, commands[i].words, commands[i].summary, COMMAND_COLUMN);
        }
    }
    buffer_puts(
        out, "\nWORKFLOW is backup, replicate, failover, test or failback; this version carries\n"
             "out replicate and failover. RUN is a unique beginning of a run's id.\n"
             "Exit status: 0 done, 1 an error, 2 done but look, 3 stopped and resumable.\n"
             "drc COMMAND --help says more; man drc has the rest.\n");
}

void help_command(const struct command *command, struct buffer *out)
{
    buffer_printf(out, "drc %s: %s\n\nusage: drc %s [FLAGS]%s%s\n\n", command->words,
                  command->summary, command->words, *command->arguments ? " " : "",
                  command->arguments);
    wrap(out, command->details, 0, 0);
    buffer_putc(out, '\n');
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        if (!(command->flags >> flag & 1)) {
            continue;
        }
        const struct flag_info *info = &flag_infos[flag];
        struct buffer name = {0};
        if (info->short_name) {
            buffer_printf(&name, "-%c, ", info->short_name);
        }
        buffer_printf(&name,
                      info->argument == FLAG_ARG_NONE       ? "--%s%s"
                      : info->argument == FLAG_ARG_OPTIONAL ? "--%s[=%s]"
                                                            : "--%s %s",
                      info->name, info->metavar);
        entry(out, buffer_text(&name), info->help, FLAG_COLUMN);
        buffer_free(&name);
    }
    buffer_puts(out, "\nexamples:\n");
    for (const char *line = command->examples; *line;) {
        size_t length = strcspn(line, "\n");
        buffer_printf(out, "  %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}
