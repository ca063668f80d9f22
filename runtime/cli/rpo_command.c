/* drc rpo: finds what the judgement of report/rpo needs: DR copies, recovery points, the state. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/session.h"
#include "runtime/mover/repository.h"
#include "runtime/report/rpo.h"
#include "runtime/state/production.h"
#include "runtime/state/tests.h"
#include "runtime/world/world.h"

/* One plan being looked at. */
struct look {
    struct session session;
    struct rpo_plan *rpo;
};

static struct rpo_vm *vm_of(const struct rpo_plan *rpo, const char *name)
{
    for (size_t i = 0; i < rpo->vm_count; i++) {
        if (strcmp(rpo->vms[i].name, name) == 0) {
            return &rpo->vms[i];
        }
    }
    return NULL;
}

static void add_stranger(struct arena *arena, struct rpo_plan *rpo, const char *name)
{
    for (size_t i = 0; i < rpo->stranger_count; i++) {
        if (strcmp(rpo->strangers[i], name) == 0) {
            return;
        }
    }
    const char **grown = ARENA_ARRAY(arena, const char *, rpo->stranger_count + 1);
    if (rpo->stranger_count) {
        memcpy(grown, rpo->strangers, rpo->stranger_count * sizeof *grown);
    }
    grown[rpo->stranger_count++] = name;
    rpo->strangers = grown;
}

/* The newest usable one of each VM; of those that are newer, the first flaw. */
static void note_copy(struct arena *arena, struct rpo_plan *rpo, const struct aws_copy *copy)
{
    struct rpo_vm *vm = vm_of(rpo, copy->vm);
    if (!vm) {
        add_stranger(arena, rpo, copy->vm);
    } else if (vm->copy_point_utc_ms >= 0) {
        return;
    } else if (!copy->flaw) {
        vm->copy_point_utc_ms = copy->recovery_point_utc_ms;
        vm->copied_utc_ms = copy->copied_utc_ms > 0 ? copy->copied_utc_ms : -1;
        vm->disks = copy->disks;
    } else if (!vm->flaw) {
        vm->flaw = copy->flaw;
        vm->flawed_point_utc_ms = copy->recovery_point_utc_ms;
    }
}

static bool find_copies(struct look *look, struct error *error)
{
    struct session *session = &look->session;
    struct arena *arena = session->invocation->arena;
    const struct plan *plan = session->plan;
    struct aws_copy *copies = NULL;
    size_t count = 0;
    if (!aws_list_copies(session->site.aws, arena, plan->name,
                         plan->aws.inject && plan->replication.prepare, &copies, &count, error)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        note_copy(arena, look->rpo, &copies[i]);
    }
    return true;
}

/* --- the state: where VMs run, the last replicate run --- */

static void note_runs(struct look *look, const struct run_info *runs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(runs[i].workflow, workflow_name(WORKFLOW_REPLICATE)) == 0 && !runs[i].problem) {
            look->rpo->run = runs[i].id;
            look->rpo->run_status = lookup_status_word(&runs[i]);
            look->rpo->run_alive = runs[i].alive;
            look->rpo->run_started_utc_ms = runs[i].started_utc_ms;
            look->rpo->run_ended_utc_ms = runs[i].ended_utc_ms;
            return;
        }
    }
}

static bool is_known(const struct run_info *runs, size_t count, const char *id)
{
    for (size_t i = 0; id && i < count; i++) {
        if (strcmp(runs[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* Where VMs run: by the state, and by the tags of a run that this state does not know (another
 * runner's). */
static bool find_places(struct look *look, const struct production *production,
                        const struct run_info *runs, size_t run_count, struct error *error)
{
    struct session *session = &look->session;
    struct aws_resource *resources = NULL;
    size_t count = 0;
    if (!aws_list_resources(session->site.aws, session->invocation->arena, session->plan->name,
                            NULL, &resources, &count, error)) {
        return false;
    }
    for (size_t i = 0; i < look->rpo->vm_count; i++) {
        struct rpo_vm *vm = &look->rpo->vms[i];
        const struct aws_resource *instance = session_instance_of(resources, count, vm->name);
        if (production) {
            struct production_vm known = production_of(production, vm->name);
            vm->place = known.place;
            vm->place_run = known.run;
        }
        if (vm->place == PRODUCTION_PRIMARY && instance &&
            (instance->committed || !is_known(runs, run_count, instance->run))) {
            vm->place = PRODUCTION_RECOVERY;
            vm->place_run = instance->run;
        }
    }
    return true;
}

static void note_tests(struct look *look, struct error *error)
{
    const struct session *session = &look->session;
    const struct tests *tests =
        tests_read(session->invocation->arena, session->state, session->plan->name, error);
    const struct test_record *last = tests ? tests_last(tests) : NULL;
    const struct test_record *passed = tests ? tests_last_passed(tests) : NULL;
    if (last) {
        look->rpo->test = (struct last_test){last->at_utc_ms, last->digest, last->passed};
        look->rpo->test_run = last->run;
    }
    look->rpo->passed_utc_ms = passed ? passed->at_utc_ms : -1;
}

static bool find_state(struct look *look, struct error *error)
{
    struct session *session = &look->session;
    struct arena *arena = session->invocation->arena;
    struct error unread = {0};
    const struct production *production = NULL;
    struct run_info *runs = NULL;
    size_t count = 0;
    session->state = lookup_state_of_plan(session->invocation, session->plan, &unread);
    if (session->state) {
        production = production_read(arena, session->state, session->plan->name, &unread);
        run_list(arena, session->state, session->plan->name, &runs, &count,
                 unread.message ? NULL : &unread);
        note_tests(look, unread.message ? NULL : &unread);
    }
    if (unread.message) {
        look->rpo->state_problem = arena_strdup(arena, unread.message);
        error_clear(&unread);
    }
    note_runs(look, runs, count);
    return find_places(look, production, runs, count, error);
}

/* --- the repository: what does not answer is told, and is no error --- */

static void find_point(struct look *look, struct repository *repository, struct rpo_vm *vm)
{
    struct arena *arena = look->session.invocation->arena;
    struct error error = {0};
    const struct repository_point *point =
        repository_newest(repository, arena, look->session.plan->name, vm->name, INT64_MAX, &error);
    if (point) {
        vm->point_utc_ms = point->utc_ms;
    } else if (error.message) {
        vm->point_damaged = arena_strdup(arena, error.message);
    }
    error_clear(&error);
}

static void find_points(struct look *look)
{
    struct error error = {0};
    if (!look->rpo->repository) {
        return;
    }
    struct repository *repository = session_open_repository(&look->session, &error);
    for (size_t i = 0; repository && i < look->rpo->vm_count; i++) {
        find_point(look, repository, &look->rpo->vms[i]);
    }
    if (!repository) {
        look->rpo->repository_problem =
            arena_strdup(look->session.invocation->arena, error.message);
        look->rpo->repository_help =
            error.help ? arena_strdup(look->session.invocation->arena, error.help) : NULL;
        error_clear(&error);
    }
    repository_close(repository);
}

/* --- one plan --- */

static void begin(struct look *look, const char *file)
{
    const struct plan *plan = look->session.plan;
    struct arena *arena = look->session.invocation->arena;
    *look->rpo = (struct rpo_plan){
        .name = plan->name,
        .file = file,
        .region = plan->aws.region.value,
        .account = plan->aws.account.value,
        .objective_ms = plan->objectives.rpo.ms,
        .vms = ARENA_ARRAY(arena, struct rpo_vm, plan->vm_count + 1),
        .vm_count = plan->vm_count,
        .repository = plan->backup.repository.value,
        .backup.every_ms = plan->backup.given ? plan->backup.every.ms : 0,
        .digest = plan->digest,
        .test_every_ms = plan->objectives.test_every.given ? plan->objectives.test_every.ms : 0,
        .test.at_utc_ms = -1,
        .passed_utc_ms = -1,
        .replicate.every_ms = plan->replication.given ? plan->replication.every.ms : 0,
    };
    for (size_t i = 0; i < plan->vm_count; i++) {
        look->rpo->vms[i] = (struct rpo_vm){
            .name = plan->vms[i].name,
            .point_utc_ms = -1,
            .copy_point_utc_ms = -1,
            .copied_utc_ms = -1,
            .flawed_point_utc_ms = -1,
        };
    }
}

/* False: AWS did not answer as it has to. */
static bool look_at(struct look *look, struct rpo_report *report, struct error *error)
{
    struct session *session = &look->session;
    struct arena *arena = session->invocation->arena;
    bool ok = options_from(session->invocation, session->plan, WORKFLOW_REPLICATE,
                           &session->options, error) &&
              session_open_site(session, error) &&
              aws_identify(session->site.aws, arena, &session->identity, error) &&
              find_copies(look, error) && find_state(look, error);
    if (ok) {
        find_points(look);
    }
    if (session->site.aws) {
        report->now_utc_ms = aws_utc_ms(session->site.aws);
        report->clock_ms = world_utc_ms(session->site.world) - report->now_utc_ms;
    }
    return ok;
}

static bool judge(const struct invocation *invocation, struct plan *const *plans,
                  struct rpo_report *report)
{
    bool ok = true;
    for (size_t i = 0; i < report->plan_count; i++) {
        struct look look = {.session = {.invocation = invocation, .plan = plans[i]},
                            .rpo = &report->plans[i]};
        struct error error = {0};
        begin(&look, invocation->arguments[i]);
        if (!look_at(&look, report, &error)) {
            look.rpo->problem = arena_strdup(invocation->arena, error.message);
            error_prefix(&error, "%s", plans[i]->name);
            tell_error(&error);
            ok = false;
        }
        session_close(&look.session);
    }
    rpo_judge(report);
    return ok;
}

/* --- the command --- */

enum rpo_format { RPO_TEXT, RPO_JSON, RPO_PROMETHEUS };

static bool format_of(const struct invocation *invocation, enum rpo_format *format,
                      struct error *error)
{
    static const char *const names[] = {"text", "json", "prometheus"};
    const char *word = invocation->values[FLAG_FORMAT];
    *format = RPO_TEXT;
    for (int i = 0; word && i < 3; i++) {
        if (strcmp(word, names[i]) == 0) {
            *format = (enum rpo_format)i;
            return true;
        }
    }
    if (!word) {
        return true;
    }
    error_set(error, "drc rpo has no format \"%s\"", word);
    return error_help(error, "text, json and prometheus are known");
}

/* All are loaded before the first is asked for, so that one's mistake does not come late. */
static bool load_all(const struct invocation *invocation, struct plan **plans, struct error *error)
{
    bool ok = true;
    for (size_t i = 0; i < invocation->argument_count; i++) {
        ok = load_plan(invocation, invocation->arguments[i], &plans[i]) && ok;
    }
    for (size_t i = 0; ok && i < invocation->argument_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(plans[i]->name, plans[k]->name) == 0) {
                error_set(error, "%s and %s are both the plan \"%s\"", invocation->arguments[k],
                          invocation->arguments[i], plans[i]->name);
                return error_help(error, "name each plan once");
            }
        }
    }
    return ok;
}

static bool write_report(const struct invocation *invocation, const struct rpo_report *report,
                         enum rpo_format format, struct error *error)
{
    struct buffer text = {0};
    switch (format) {
    case RPO_TEXT:
        rpo_write_text(report, output_width(stdout),
                       !invocation->values[FLAG_OUTPUT] && wants_colour(stdout), &text);
        break;
    case RPO_JSON:
        rpo_write_json(report, &text);
        break;
    case RPO_PROMETHEUS:
        rpo_write_prometheus(report, &text);
        break;
    }
    bool ok = write_result(invocation, &text, error);
    buffer_free(&text);
    return ok;
}

enum exit_status command_rpo(const struct invocation *invocation)
{
    struct error error = {0};
    enum rpo_format format;
    size_t count = invocation->argument_count;
    struct plan **plans = ARENA_ARRAY(invocation->arena, struct plan *, count + 1);
    if (!format_of(invocation, &format, &error) || !load_all(invocation, plans, &error)) {
        return error.message ? tell_error(&error) : EXIT_ERROR;
    }
    struct rpo_report report = {
        .plans = ARENA_ARRAY(invocation->arena, struct rpo_plan, count + 1),
        .plan_count = count,
    };
    bool known = judge(invocation, plans, &report);
    if (count == 1 && !known && format == RPO_TEXT) {
        return EXIT_ERROR; /* all that there is to say is said */
    }
    if (!write_report(invocation, &report, format, &error)) {
        return tell_error(&error);
    }
    return !known ? EXIT_ERROR : rpo_is_bad(report.state) ? EXIT_LOOK : EXIT_DONE;
}
