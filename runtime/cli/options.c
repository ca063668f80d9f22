/* The command line: words, then getopt_long over the command's own flags. */
#include "runtime/cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/diagnostic.h"
#include "runtime/cli/output.h"

/* How many of the first words of argv the command's words are; 0: not that command. */
static int words_matched(const struct command *command, int argc, char **argv)
{
    const char *words = command->words;
    int matched = 0;
    while (*words) {
        size_t length = strcspn(words, " ");
        if (matched >= argc || strlen(argv[matched]) != length ||
            strncmp(argv[matched], words, length) != 0) {
            return 0;
        }
        matched++;
        words += length + (words[length] == ' ');
    }
    return matched;
}

static const struct command *find_command(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < command_count; i++) {
        *words = words_matched(&commands[i], argc, argv);
        if (*words) {
            return &commands[i];
        }
    }
    return NULL;
}

/* The word in which `argv` leaves the tree of commands: names that could stand there. */
static enum exit_status unknown_command(int argc, char **argv)
{
    bool group = is_group(argv[0]);
    const char *word = group && argc > 1 ? argv[1] : argv[0];
    const char *foreign = foreign_word(word);
    const char *candidates[64];
    size_t count = 0;
    for (size_t i = 0; i < command_count && count < 64; i++) {
        const char *words = commands[i].words;
        size_t group_length = strcspn(words, " ");
        if (!group) {
            candidates[count++] = words;
        } else if (strncmp(words, argv[0], group_length) == 0 && words[group_length]) {
            candidates[count++] = words + group_length + 1;
        }
    }
    const char *near = nearest_name(word, candidates, count);
    struct error error = {0};
    error_set(&error, "there is no command \"%s%s%s\"", group ? argv[0] : "", group ? " " : "",
              word);
    if (foreign) {
        error_help(&error, "%s", foreign);
    } else if (*word == '-') {
        error_set(&error, "drc%s%s has no flag %s", group ? " " : "", group ? argv[0] : "", word);
        error_help(&error, "flags come behind the command: drc COMMAND [FLAGS] [ARGUMENTS]");
    } else if (near) {
        error_help(&error, "did you mean \"drc %s%s%s\"?", group ? argv[0] : "", group ? " " : "",
                   near);
    } else {
        error_help(&error, "drc --help lists all commands");
    }
    return tell_error(&error);
}

static enum exit_status show_command(const struct command *command)
{
    struct buffer text = {0};
    help_command(command, &text);
    fputs(buffer_text(&text), stdout);
    buffer_free(&text);
    return EXIT_DONE;
}

static enum exit_status show_help(const char *group)
{
    struct buffer text = {0};
    if (group) {
        help_group(group, &text);
    } else {
        help_all(&text);
    }
    fputs(buffer_text(&text), stdout);
    buffer_free(&text);
    return EXIT_DONE;
}

/* Long options of the command for getopt_long; the array has FLAG_COUNT + 1 places. */
static void fill_options(const struct command *command, struct option *options, char *shorts)
{
    size_t count = 0;
    *shorts++ = ':';
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        if (!(command->flags >> flag & 1) && flag != FLAG_HELP) {
            continue;
        }
        const struct flag_info *info = &flag_infos[flag];
        static const int has_argument[] = {no_argument, required_argument, optional_argument,
                                           required_argument};
        options[count++] =
            (struct option){info->name, has_argument[info->argument], NULL, 256 + flag};
        if (info->short_name) {
            *shorts++ = (char)info->short_name;
            if (info->argument != FLAG_ARG_NONE) {
                *shorts++ = ':';
            }
        }
    }
    options[count] = (struct option){0};
    *shorts = '\0';
}

static int flag_of(int option)
{
    if (option >= 256) {
        return option - 256;
    }
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        if (flag_infos[flag].short_name == option) {
            return flag;
        }
    }
    return -1;
}

/* NAME=VALUE of a flag that may be given again and again, appended to its list. */
static bool add_pair(struct arena *arena, enum flag flag, const char *text, struct variable **items,
                     size_t *count, struct error *error)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) {
        error_set(error, "--%s wants NAME=VALUE, not \"%s\"", flag_infos[flag].name, text);
        return error_help(error, "for instance %s",
                          flag == FLAG_VAR ? "--var domain=shop.example" : "--fault error=0.01");
    }
    struct variable *grown = ARENA_ARRAY(arena, struct variable, *count + 1);
    if (*count) {
        memcpy(grown, *items, *count * sizeof *grown);
    }
    grown[*count].name = arena_strndup(arena, text, (size_t)(equals - text));
    grown[*count].value = equals + 1;
    *items = grown;
    ++*count;
    return true;
}

static bool add_repeated(struct invocation *invocation, int flag, const char *text,
                         struct error *error)
{
    switch (flag) {
    case FLAG_VAR:
        return add_pair(invocation->arena, FLAG_VAR, text, &invocation->variables,
                        &invocation->variable_count, error);
    case FLAG_FAULT:
        return add_pair(invocation->arena, FLAG_FAULT, text, &invocation->faults,
                        &invocation->fault_count, error);
    default:
        return true;
    }
}

static bool bad_flag(const struct command *command, const char *word, int option,
                     struct error *error)
{
    if (option == ':') {
        error_set(error, "%s needs a value", word);
        return error_help(error, "drc %s --help shows it", command->words);
    }
    error_set(error, "drc %s has no flag %s", command->words, word);
    const char *candidates[FLAG_COUNT];
    size_t count = 0;
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        if (command->flags >> flag & 1) {
            candidates[count++] = flag_infos[flag].name;
        }
    }
    const char *near = nearest_name(word + strspn(word, "-"), candidates, count);
    if (near) {
        return error_help(error, "did you mean --%s?", near);
    }
    return error_help(error, "drc %s --help lists its flags", command->words);
}

/* Whether `word` is a flag of the command but for its second dash. */
static bool lacks_a_dash(const struct command *command, const char *word)
{
    if (word[1] == '-' || strlen(word) < 3) {
        return false;
    }
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        if ((command->flags >> flag & 1) && strcmp(flag_infos[flag].name, word + 1) == 0) {
            return true;
        }
    }
    return false;
}

/* Flags as users of other tools write them, before getopt takes -target for -t -a -r…. */
static bool refuse_foreign(const struct command *command, int argc, char **argv,
                           struct error *error)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        char word[32];
        size_t length = strcspn(argv[i], "=");
        if (argv[i][0] != '-' || length >= sizeof word) {
            continue;
        }
        memcpy(word, argv[i], length);
        word[length] = '\0';
        const char *foreign = foreign_word(word);
        if (foreign) {
            error_set(error, "drc %s has no flag %s", command->words, word);
            return error_help(error, "%s", foreign);
        }
        if (lacks_a_dash(command, word)) {
            error_set(error, "drc %s has no flag %s", command->words, word);
            return error_help(error, "it has two dashes: -%s", word);
        }
    }
    return true;
}

static bool parse_flags(struct invocation *invocation, int argc, char **argv, struct error *error)
{
    if (!refuse_foreign(invocation->command, argc, argv, error)) {
        return false;
    }
    struct option options[FLAG_COUNT + 1];
    char shorts[2 * FLAG_COUNT + 2];
    fill_options(invocation->command, options, shorts);
    opterr = 0;
    optind = 0; /* glibc, musl: all that is left of a line before is forgotten */
    for (;;) {
        int option = getopt_long(argc, argv, shorts, options, NULL);
        if (option == -1) {
            break;
        }
        if (option == '?' || option == ':') {
            char short_flag[] = {'-', (char)optopt, '\0'};
            bool is_long = optopt == 0 || optopt >= 256;
            return bad_flag(invocation->command, is_long ? argv[optind - 1] : short_flag, option,
                            error);
        }
        int flag = flag_of(option);
        invocation->given[flag] = true;
        invocation->values[flag] = optarg;
        if (!add_repeated(invocation, flag, optarg, error)) {
            return false;
        }
    }
    invocation->arguments = (const char **)argv + optind;
    invocation->argument_count = (size_t)(argc - optind);
    return true;
}

/* --json and --format json are one: for the command both are given. */
static bool agree_on_format(struct invocation *invocation, struct error *error)
{
    const char **format = &invocation->values[FLAG_FORMAT];
    bool *json = &invocation->given[FLAG_JSON];
    flag_set both = (flag_set)1 << FLAG_JSON | (flag_set)1 << FLAG_FORMAT;
    if ((invocation->command->flags & both) != both) {
        return true;
    }
    if (*json && *format && strcmp(*format, "json") != 0) {
        error_set(error, "--json and --format %s contradict each other", *format);
        return error_help(error, "give one of them");
    }
    if (*json && !*format) {
        *format = "json";
        invocation->given[FLAG_FORMAT] = true;
    }
    *json = *format && strcmp(*format, "json") == 0;
    return true;
}

static bool check_arguments(const struct invocation *invocation, struct error *error)
{
    const struct command *command = invocation->command;
    size_t count = invocation->argument_count;
    if (count < (size_t)command->min_arguments) {
        error_set(error, "drc %s needs %s", command->words, command->arguments);
    } else if (command->max_arguments >= 0 && count > (size_t)command->max_arguments) {
        error_set(error, "drc %s does not know what to do with \"%s\"", command->words,
                  invocation->arguments[command->max_arguments]);
    } else {
        return true;
    }
    return error_help(error, "usage: drc %s %s", command->words, command->arguments);
}

/* drc help [WORDS…]: of a command, a group, or all. */
static enum exit_status help_of(int argc, char **argv)
{
    int words = 0;
    if (argc == 0 || argv[0][0] == '-') {
        return show_help(NULL);
    }
    if (argc == 1 && is_group(argv[0])) {
        return show_help(argv[0]);
    }
    const struct command *command = find_command(argc, argv, &words);
    return command && command->run ? show_command(command) : unknown_command(argc, argv);
}

bool invocation_parse(struct invocation *invocation, int argc, char **argv,
                      enum exit_status *status)
{
    *status = EXIT_DONE;
    if (argc == 0) {
        show_help(NULL);
        *status = EXIT_ERROR;
        return false;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
        strcmp(argv[0], "help") == 0) {
        *status = help_of(argc - 1, argv + 1);
        return false;
    }
    if (strcmp(argv[0], "--version") == 0) {
        argv[0] = "version";
    }
    int words = 0;
    const struct command *command = find_command(argc, argv, &words);
    if (!command) {
        bool group = is_group(argv[0]);
        bool wants_help = argc == 1 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
        *status = group && wants_help ? show_help(argv[0]) : unknown_command(argc, argv);
        return false;
    }
    invocation->command = command;
    struct error error = {0};
    if (!command->run) {
        error_set(&error, "drc %s is not built yet in this version (it will be: %s)",
                  command->words, command->summary);
        *status = tell_error(&error);
        return false;
    }
    /* getopt looks at argv from index 1 on: the command's last word takes the program's place. */
    if (!parse_flags(invocation, argc - words + 1, argv + words - 1, &error)) {
        *status = tell_error(&error);
        return false;
    }
    if (invocation->given[FLAG_HELP]) {
        show_command(command);
        return false;
    }
    if (!agree_on_format(invocation, &error) || !check_arguments(invocation, &error)) {
        *status = tell_error(&error);
        return false;
    }
    return true;
}

bool flag_number(const struct invocation *invocation, enum flag flag, double smallest,
                 double largest, double *value, struct error *error)
{
    const char *text = invocation->values[flag];
    if (!text) {
        return true;
    }
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    if (errno || end == text || *end || !(number >= smallest && number <= largest)) {
        error_set(error, "--%s wants a number from %g to %g, not \"%s\"", flag_infos[flag].name,
                  smallest, largest, text);
        return error_help(error, "drc %s --help", invocation->command->words);
    }
    *value = number;
    return true;
}
