/* Commands: what the command line is made of, from command.def and flag.def. */
#ifndef DRC_CLI_COMMAND_H
#define DRC_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/plan/plan.h"

struct arena;
struct buffer;

enum exit_status {
    EXIT_DONE = 0,
    EXIT_ERROR = 1,     /* plan invalid, run failed, bad usage */
    EXIT_LOOK = 2,      /* done, and there is something to look at */
    EXIT_RESUMABLE = 3, /* stopped and resumable */
};

enum flag {
#define FLAG(NAME, ...) FLAG_##NAME,
#include "runtime/cli/flag.def"
#undef FLAG
    FLAG_COUNT
};
/* A set of flags: a bit for each. gcc and clang have the type wherever pointers have 64 bits. */
__extension__ typedef unsigned __int128 flag_set;
_Static_assert(FLAG_COUNT <= 128, "a command's flags are the bits of a flag_set");

enum flag_argument { FLAG_ARG_NONE, FLAG_ARG_REQUIRED, FLAG_ARG_OPTIONAL, FLAG_ARG_REPEATED };
struct flag_info {
    const char *name;
    int short_name; /* 0: none */
    enum flag_argument argument;
    const char *metavar, *help;
};
extern const struct flag_info flag_infos[FLAG_COUNT];

/* One command as it was called. Lies in its arena; strings are argv's. */
struct invocation {
    struct arena *arena;
    const struct command *command;
    const char **arguments;
    size_t argument_count;
    bool given[FLAG_COUNT];
    const char *values[FLAG_COUNT]; /* NULL where none was given */
    struct variable *variables; /* --var */
    size_t variable_count;
    struct variable *faults; /* --fault */
    size_t fault_count;
};

struct command {
    const char *words; /* "plan check" */
    enum exit_status (*run)(const struct invocation *invocation);
    int min_arguments, max_arguments;
    const char *arguments;
    flag_set flags; /* 1 << FLAG_… */
    const char *summary, *details, *examples;
};
extern const struct command commands[];
extern const size_t command_count;

/* Parses the words after "drc". False: *status says how the process ends (help was shown, or an
 * error told). */
bool invocation_parse(struct invocation *invocation, int argc, char **argv,
                      enum exit_status *status);

/* The number given with a flag; *value stays as it is without one. False: it is none, or not within
 * the bounds. */
bool flag_number(const struct invocation *invocation, enum flag flag, double smallest,
                 double largest, double *value, struct error *error);

/* Help: of drc, of a group ("plan"), of a command. */
void help_all(struct buffer *out);
void help_group(const char *group, struct buffer *out);
void help_command(const struct command *command, struct buffer *out);
bool is_group(const char *word);
/* The reference page of all commands (docs/reference/cli.md), as Markdown. */
void command_reference(struct buffer *out);
/* The manual page drc-GROUP(1), for scdoc. */
void command_manual(const char *group, struct buffer *out);
/* The word's equivalent where users of other tools might expect it (Terraform's); NULL: none. */
const char *foreign_word(const char *word);

enum exit_status command_plan_check(const struct invocation *invocation);
enum exit_status command_plan_facts(const struct invocation *invocation);
enum exit_status command_plan_compile(const struct invocation *invocation);
enum exit_status command_plan_show(const struct invocation *invocation);
enum exit_status command_plan_graph(const struct invocation *invocation);
enum exit_status command_plan_publish(const struct invocation *invocation);
enum exit_status command_plan_permissions(const struct invocation *invocation);
enum exit_status command_plan_apply(const struct invocation *invocation);
enum exit_status command_run_list(const struct invocation *invocation);
enum exit_status command_run_show(const struct invocation *invocation);
enum exit_status command_run_watch(const struct invocation *invocation);
enum exit_status command_run_resume(const struct invocation *invocation);
enum exit_status command_run_retry(const struct invocation *invocation);
enum exit_status command_run_skip(const struct invocation *invocation);
enum exit_status command_run_approve(const struct invocation *invocation);
enum exit_status command_run_cancel(const struct invocation *invocation);
enum exit_status command_run_rollback(const struct invocation *invocation);
enum exit_status command_run_commit(const struct invocation *invocation);
enum exit_status command_run_orphans(const struct invocation *invocation);
enum exit_status command_run_report(const struct invocation *invocation);
enum exit_status command_run_cleanup(const struct invocation *invocation);
enum exit_status command_repo_list(const struct invocation *invocation);
enum exit_status command_repo_verify(const struct invocation *invocation);
enum exit_status command_repo_prune(const struct invocation *invocation);
enum exit_status command_rpo(const struct invocation *invocation);
enum exit_status command_schedule(const struct invocation *invocation);
enum exit_status command_simulate(const struct invocation *invocation);
enum exit_status command_sandbox_init(const struct invocation *invocation);
enum exit_status command_sandbox_serve(const struct invocation *invocation);
enum exit_status command_sandbox_guests(const struct invocation *invocation);
enum exit_status command_sandbox_show(const struct invocation *invocation);
enum exit_status command_repo_import(const struct invocation *invocation);
enum exit_status command_repo_export(const struct invocation *invocation);
enum exit_status command_explain(const struct invocation *invocation);
enum exit_status command_version(const struct invocation *invocation);
enum exit_status command_completion(const struct invocation *invocation);

#endif
