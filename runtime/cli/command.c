#include "runtime/cli/command.h"

const struct flag_info flag_infos[FLAG_COUNT] = {
#define FLAG(NAME, name, short_name, argument, metavar, help)                                      \
    [FLAG_##NAME] = {name, short_name, FLAG_ARG_##argument, metavar, help},
#include "runtime/cli/flag.def"
#undef FLAG
};

const struct command commands[] = {
#define COMMAND(words, run, min, max, arguments, flags, summary, details, examples)                \
    {words, run, min, max, arguments, flags, summary, details, examples},
#include "runtime/cli/command.def"
#undef COMMAND
};

const size_t command_count = sizeof commands / sizeof *commands;
