/* drc run commit: the recovery site is production for good. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/cli/ask_run.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/state/journal.h"
#include "runtime/state/production.h"
#include "runtime/world/world.h"

/* The VMs that run at the recovery site since this run. */
static size_t find_over(const struct session *session, const struct production *production,
                        const char **names)
{
    size_t count = 0;
    for (size_t i = 0; i < production->count; i++) {
        const struct production_vm *vm = &production->vms[i];
        if (vm->place == PRODUCTION_RECOVERY && vm->run &&
            strcmp(vm->run, session->run.id) == 0) {
            names[count++] = vm->name;
        }
    }
    return count;
}

static bool may_commit(const struct session *session, size_t count, struct error *error)
{
    const struct run_info *run = &session->run;
    if (run->alive) {
        error_set(error, "run %s is under way", run->id);
        return error_help(error, "wait for its end: drc run watch %s", run->id);
    }
    if (count == 0) {
        error_set(error, "run %s (%s) brought nothing over that runs at the recovery site",
                  run->id, lookup_status_word(run));
        return error_help(error, "drc run list shows the runs");
    }
    return true;
}

static bool approved(const struct session *session, const char **names, size_t count,
                     struct error *error)
{
    fprintf(stderr, "%s · run %s · these VMs stay at the recovery site for good:", session->run.plan,
            session->run.id);
    for (size_t i = 0; i < count; i++) {
        fprintf(stderr, " %s", names[i]);
    }
    fputs("\nthey cannot be rolled back or cleaned up any more\n", stderr);
    if (session->invocation->given[FLAG_YES] || (isatty(STDIN_FILENO) && ask_yes())) {
        return true;
    }
    error_set(error, "not approved: nothing was committed");
    return error_help(error, "answer yes on a terminal, or give --yes");
}

static bool is_one_of(const char *name, const char **names, size_t count)
{
    for (size_t i = 0; name && i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The tags say it too, for the day on which the state is lost. */
static bool tag_committed(struct session *session, const char **names, size_t count,
                          struct error *error)
{
    struct arena *arena = session->invocation->arena;
    struct aws_resource *resources = NULL;
    size_t resource_count = 0, tagged = 0, held_count = 0;
    char now[32];
    if (!aws_list_resources(session->site.aws, arena, session->run.plan, session->run.id,
                            &resources, &resource_count, error)) {
        return false;
    }
    const char **ids = ARENA_ARRAY(arena, const char *, resource_count + 1);
    const char **held = ARENA_ARRAY(arena, const char *, resource_count + 1);
    for (size_t i = 0; i < resource_count; i++) {
        bool machine = resources[i].kind != AWS_SNAPSHOT && resources[i].kind != AWS_HOLD;
        if (resources[i].kind == AWS_HOLD) {
            held[held_count++] = resources[i].id; /* its volumes stay, and need the copies no more */
        } else if (machine && is_one_of(resources[i].vm, names, count)) {
            ids[tagged++] = resources[i].id;
        }
    }
    format_time(now, world_utc_ms(session->site.world));
    return (tagged == 0 ||
            aws_tag_resources(session->site.aws, ids, tagged, "drc:committed", now, error)) &&
           (held_count == 0 ||
            aws_untag_resources(session->site.aws, held, held_count,
                                arena_printf(arena, "drc:hold:%s", session->run.id), error));
}

static bool note_committed(struct session *session, struct production *production,
                           const char **names, size_t count, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    for (size_t i = 0; i < count; i++) {
        struct production_vm vm = production_of(production, names[i]);
        vm.committed = true;
        production_set(arena, production, &vm);
    }
    struct decision decision = ask_decision(session, "commit", NULL);
    decision_record(session->journal, &decision, NO_NODE, -1);
    return production_write(production, session->state, session->run.plan, error) &&
           session_share_production(session, error) &&
           run_set_status(session->journal, session->site.world, RUN_COMMITTED, error);
}

static enum exit_status commit(struct session *session)
{
    struct error error = {0};
    struct arena *arena = session->invocation->arena;
    if (!lookup_run(session, LOOKUP_NEWEST, &error)) {
        return tell_error(&error);
    }
    if (session->run.status == RUN_COMMITTED) {
        printf("run %s is committed already\n", session->run.id);
        return EXIT_DONE;
    }
    struct production *production =
        production_read(arena, session->state, session->run.plan, &error);
    if (!production) {
        return tell_error(&error);
    }
    const char **names = ARENA_ARRAY(arena, const char *, production->count + 1);
    size_t count = find_over(session, production, names);
    if (!may_commit(session, count, &error) || !approved(session, names, count, &error) ||
        !lookup_take(session, &error) || !session_open_providers(session, &error) ||
        !aws_identify(session->site.aws, arena, &session->identity, &error) ||
        !tag_committed(session, names, count, &error) ||
        !note_committed(session, production, names, count, &error)) {
        return tell_error(&error);
    }
    printf("run %s is committed: %zu VM%s at the recovery site for good\n", session->run.id, count,
           count == 1 ? " is" : "s are");
    return EXIT_DONE;
}

enum exit_status command_run_commit(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    enum exit_status status = commit(&session);
    session_close(&session);
    return status;
}
