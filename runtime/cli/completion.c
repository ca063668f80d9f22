/* Completion scripts, from command.def and flag.def. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "runtime/cli/output.h"

static void list_flags(const struct command *command, const char *before, const char *after,
                       struct buffer *out)
{
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        if (command->flags >> flag & 1) {
            buffer_printf(out, "%s%s%s", before, flag_infos[flag].name, after);
        }
    }
}

/* First words, each once. */
static void list_first_words(struct buffer *out)
{
    const char *last = "";
    size_t last_length = 0;
    for (size_t i = 0; i < command_count; i++) {
        const char *words = commands[i].words;
        size_t length = strcspn(words, " ");
        if (commands[i].run && (length != last_length || strncmp(words, last, length) != 0)) {
            buffer_printf(out, "%.*s ", (int)length, words);
            last = words;
            last_length = length;
        }
    }
}

static void bash_cases(struct buffer *out)
{
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].run) {
            buffer_printf(out, "    \"%s\") words=\"", commands[i].words);
            list_flags(&commands[i], "--", " ", out);
            if (strstr(commands[i].arguments, "WORKFLOW")) {
                buffer_puts(out, "backup replicate failover test failback ");
            }
            buffer_puts(out, "\" ;;\n");
        }
    }
    for (size_t i = 0; i < command_count; i++) {
        size_t length = strcspn(commands[i].words, " ");
        bool first = i == 0 || strncmp(commands[i].words, commands[i - 1].words, length + 1) != 0;
        if (commands[i].words[length] && first) {
            buffer_printf(out, "    \"%.*s\") words=\"", (int)length, commands[i].words);
            for (size_t k = i; k < command_count &&
                               strncmp(commands[k].words, commands[i].words, length + 1) == 0;
                 k++) {
                if (commands[k].run) {
                    buffer_printf(out, "%s ", commands[k].words + length + 1);
                }
            }
            buffer_puts(out, "\" ;;\n");
        }
    }
}

static void complete_bash(struct buffer *out)
{
    buffer_puts(out, "_drc() {\n"
                     "    local words= cur=${COMP_WORDS[COMP_CWORD]} path=\n"
                     "    case $COMP_CWORD in\n"
                     "    1) ;;\n"
                     "    2) path=${COMP_WORDS[1]} ;;\n"
                     "    *) path=\"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" ;;\n"
                     "    esac\n"
                     "    case $path in\n"
                     "    \"\") words=\"");
    list_first_words(out);
    buffer_puts(out, "\" ;;\n");
    bash_cases(out);
    buffer_puts(out, "    esac\n"
                     "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                     "}\n"
                     "complete -o default -o bashdefault -F _drc drc\n");
}

static void complete_fish(struct buffer *out)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        size_t length = strcspn(command->words, " ");
        if (!command->run) {
            continue;
        }
        if (command->words[length]) {
            buffer_printf(out, "complete -c drc -n __fish_use_subcommand -a %.*s\n", (int)length,
                          command->words);
            buffer_printf(
                out, "complete -c drc -n '__fish_seen_subcommand_from %.*s' -a %s -d '%s'\n",
                (int)length, command->words, command->words + length + 1, command->summary);
        } else {
            buffer_printf(out, "complete -c drc -n __fish_use_subcommand -a %s -d '%s'\n",
                          command->words, command->summary);
        }
        const char *last = command->words[length] ? command->words + length + 1 : command->words;
        for (int flag = 0; flag < FLAG_COUNT; flag++) {
            if (command->flags >> flag & 1) {
                buffer_printf(out, "complete -c drc -n '__fish_seen_subcommand_from %s' -l %s%s\n",
                              last, flag_infos[flag].name,
                              flag_infos[flag].argument == FLAG_ARG_NONE ? "" : " -r");
            }
        }
    }
}

enum exit_status command_completion(const struct invocation *invocation)
{
    const char *shell = invocation->arguments[0];
    struct buffer out = {0};
    if (strcmp(shell, "bash") == 0) {
        complete_bash(&out);
    } else if (strcmp(shell, "zsh") == 0) {
        /* zsh reads bash's completions through its own compatibility layer. */
        buffer_puts(&out, "#compdef drc\nautoload -U +X bashcompinit && bashcompinit\n");
        complete_bash(&out);
    } else if (strcmp(shell, "fish") == 0) {
        complete_fish(&out);
    } else {
        struct error error = {0};
        error_set(&error, "no completion for \"%s\"", shell);
        error_help(&error, "bash, zsh and fish are known");
        return tell_error(&error);
    }
    fputs(buffer_text(&out), stdout);
    buffer_free(&out);
    return EXIT_DONE;
}
