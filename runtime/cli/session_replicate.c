/* Replicate in a session: its facts, its preflight, and how it ends. */
#include "runtime/cli/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/lower/lower.h"
#include "compiler/plan/select.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/report/throughput.h"
#include "runtime/state/production.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

/* An account's pending snapshots in a region ("Amazon EBS endpoints and quotas"). */
enum { PENDING_MAX = 100 };

bool session_is_replicate(const struct session *session)
{
    return session->options.workflow == WORKFLOW_REPLICATE;
}

/* ---- facts ---- */

/* Looking at what is not there must not make it. */
static bool is_there(const char *url, struct error *error)
{
    struct stat info;
    const char *path = strncmp(url, "dir:", 4) == 0 ? url + 4 : NULL;
    if (!path || (stat(path, &info) == 0 && S_ISDIR(info.st_mode))) {
        return true;
    }
    error_set(error, "the backup repository %s cannot be opened: %s", url,
              errno == ENOENT ? "there is no such directory" : strerror(errno ? errno : ENOTDIR));
    return error_help(error, "see backup.repository of the plan; drc repo import makes a repository");
}

struct repository *session_open_repository(struct session *session, struct error *error)
{
    const char *url = replicate_repository_url(session->invocation->arena, session->plan);
    struct store *store =
        is_there(url, error) ? store_open(session->site.world, url, true, error) : NULL;
    return store ? repository_open(store, session->site.world, url, false, error) : NULL;
}

static int64_t until_of(const struct session *session)
{
    const char *point = session->options.recovery_point;
    return point && strcmp(point, "latest") != 0 ? parse_time(point) : INT64_MAX;
}

/* What is predicted of the copies rests on how fast earlier ones were. */
static void measure(struct session *session, struct facts *facts)
{
    struct error ignored = {0};
    const char *state = session->state;
    if (!state) {
        state = lookup_state_of_plan(session->invocation, session->plan, &ignored);
    }
    if (state) {
        struct throughput throughput =
            throughput_of_runs(state, session->plan->name, session->site.world);
        facts->throughput.copy_bytes_per_s = throughput_bytes_per_s(&throughput);
    }
    error_clear(&ignored);
}

struct facts *session_replicate_facts(struct session *session, bool brief, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    struct replicate_wanted wanted = {.until_utc_ms = until_of(session), .brief = brief};
    if (!aws_look_at_replication(session->site.aws, arena, session->plan, &session->replication,
                                 error)) {
        return NULL;
    }
    struct repository *repository = session_open_repository(session, error);
    struct facts *facts = repository ? replicate_facts(repository, arena, session->plan,
                                                       &session->replication, &wanted,
                                                       &session->notes, error)
                                     : NULL;
    repository_close(repository);
    if (facts && !brief) {
        measure(session, facts);
        facts->copy_limit_bytes_per_s = session->options.bandwidth;
    }
    return facts;
}

/* ---- preflight ---- */

static void find(struct session *session, enum finding_severity severity, const char *subject,
                 const char *help, const char *text)
{
    findings_add(&session->findings, session->invocation->arena, severity, subject, help, "%s", text);
}

static void find_key(struct session *session)
{
    const struct aws_replication *seen = &session->replication;
    struct arena *arena = session->invocation->arena;
    bool enabled = seen->key_state && strcmp(seen->key_state, "Enabled") == 0;
    if (!seen->key_arn) {
        enum finding_severity severity = seen->encrypts_unknown ? FINDING_UNKNOWN : FINDING_PASSED;
        find(session, severity, "encryption", NULL,
             seen->encrypts_unknown      ? "whether the account encrypts new snapshots cannot be read"
             : seen->encrypts_by_default ? "by the account's default key"
                                         : "none: the account does not encrypt by default, and the "
                                           "plan names no kms_key");
    } else if (!seen->key_state) {
        find(session, FINDING_UNKNOWN, "KMS key", "allow kms:DescribeKey",
             arena_printf(arena, "the state of %s cannot be read", seen->key_arn));
    } else {
        find(session, enabled ? FINDING_PASSED : FINDING_FATAL, "KMS key",
             enabled ? NULL : "enable it, or name another one in sites.recovery.aws.kms_key",
             arena_printf(arena, "%s is %s", seen->key_arn, seen->key_state));
    }
}

static size_t count_disks(const struct graph *graph)
{
    size_t count = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        count += graph->nodes[i].action == ACTION_START_SNAPSHOT;
    }
    return count;
}

static bool find_pending(struct session *session, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    int64_t pending = 0;
    if (!aws_count_pending_snapshots(session->site.aws, arena, &pending, error)) {
        return false;
    }
    int64_t wanted = (int64_t)count_disks(session->graph);
    int64_t at_once = session->graph->pool_count > 0 ? session->graph->pools[0].capacity : 0;
    wanted = wanted < at_once ? wanted : at_once;
    bool fits = pending + wanted <= PENDING_MAX;
    find(session, fits ? FINDING_PASSED : FINDING_WARNING, "pending snapshots",
         fits ? NULL : "delete those that nobody completes (drc run orphans PLAN finds drc's), or ask for "
                       "a higher quota in Service Quotas",
         arena_printf(arena, "%" PRId64 " in the account, %" PRId64 " more at once by this run, of %d",
                      pending, wanted, PENDING_MAX));
    return true;
}

/* The new copy is as old as what it is a copy of. */
static void find_age(struct session *session, const char *vm, const char *time)
{
    struct arena *arena = session->invocation->arena;
    const char *subject = arena_printf(arena, "recovery point of %s", vm);
    int64_t age_ms = aws_utc_ms(session->site.aws) - parse_time(time);
    int64_t rpo_ms = session->plan->objectives.rpo.ms;
    char age[32], rpo[32];
    format_duration(age, age_ms > 0 ? age_ms : 0);
    format_duration(rpo, rpo_ms);
    bool late = rpo_ms > 0 && age_ms > rpo_ms;
    find(session, late ? FINDING_WARNING : FINDING_PASSED, subject,
         late ? "see why no newer one was made" : NULL,
         late ? arena_printf(arena, "%s is %s old: the objective of %s is missed with it, too", time,
                             age, rpo)
              : arena_printf(arena, "%s, %s old", time, age));
}

static void find_points(struct session *session)
{
    struct arena *arena = session->invocation->arena;
    size_t count = map_count(&session->facts->vms);
    find(session, count > 0 ? FINDING_PASSED : FINDING_FATAL, "backup repository",
         count > 0 ? NULL : "drc repo import makes recovery points of disk images",
         arena_printf(arena, "%s has recovery points of %zu of %zu VMs",
                      replicate_repository_url(arena, session->plan), count, session->plan->vm_count));
    for (size_t i = 0; i < session->plan->vm_count; i++) {
        const char *name = session->plan->vms[i].name;
        const struct fact_vm *vm = map_get(&session->facts->vms, name);
        const char *time = map_get(&session->facts->bindings,
                                   arena_printf(arena, "%s/recovery-point", name));
        if (vm && time && !vm->copied) {
            find_age(session, name, time);
        }
    }
}

/* A repository that was brought back from an older copy, or a backup that writes elsewhere now. */
static void find_older(struct session *session)
{
    struct arena *arena = session->invocation->arena;
    for (size_t i = 0; i < session->plan->vm_count; i++) {
        const char *name = session->plan->vms[i].name;
        const struct map *bindings = &session->facts->bindings;
        const char *point = map_get(bindings, arena_printf(arena, "%s/recovery-point", name));
        const char *copy = map_get(bindings, arena_printf(arena, "%s/last-copy", name));
        if (point && copy && parse_time(point) < parse_time(copy)) {
            find(session, FINDING_WARNING, arena_printf(arena, "recovery point of %s", name),
                 "see whether the repository is the right one, and whether backups still come into it",
                 arena_printf(arena, "%s is older than the newest DR copy, of %s, which a failover goes on "
                                     "using", point, copy));
        }
    }
}

static void find_notes(struct session *session)
{
    struct arena *arena = session->invocation->arena;
    const struct replicate_notes *notes = &session->notes;
    for (size_t i = 0; i < notes->damaged_count; i++) {
        find(session, FINDING_WARNING, arena_printf(arena, "recovery point of %s", notes->damaged[i].vm),
             "it is not replicated; drc repo verify says more, and --recovery-point TIME takes an older one",
             notes->damaged[i].what);
    }
    for (size_t i = 0; i < notes->unread_count; i++) {
        find(session, FINDING_WARNING, "records of copies",
             "a copy of which is not known what it holds is not the parent of another; when the record "
             "cannot be brought back, remove it",
             notes->unread[i]);
    }
    for (size_t i = 0; i < notes->held_count; i++) {
        const struct replicate_held *held = &notes->held[i];
        find(session, FINDING_PASSED, held->snapshot_id, NULL,
             arena_printf(arena, "over keep, and stays: run %s holds it", held->run));
    }
}

bool session_replicate_preflight(struct session *session, struct error *error)
{
    find(session, FINDING_PASSED, "account", NULL, session->identity.arn);
    find_points(session);
    find_key(session);
    if (!session->options.recovery_point || strcmp(session->options.recovery_point, "latest") == 0) {
        find_older(session);
    }
    find_notes(session);
    return (find_pending(session, error) &&
            aws_preflight_conversions(session->site.aws, session->invocation->arena, session->plan,
                                      session->graph, session->facts, &session->findings, error)) ||
           error_prefix(error, "preflight");
}

/* ---- where production is ---- */

bool session_replicate_leave_recovered(struct session *session, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    const struct plan *plan = session->plan;
    struct production *production = production_read(arena, session->state, plan->name, error);
    const char *rest = NULL, *over = NULL;
    if (!production) {
        return false;
    }
    for (size_t i = 0; i < plan->vm_count; i++) {
        const char *name = plan->vms[i].name;
        const char **list =
            production_of(production, name).place == PRODUCTION_RECOVERY ? &over : &rest;
        *list = *list ? arena_printf(arena, "%s,%s", *list, name) : name;
    }
    if (!over) {
        return true;
    }
    if (!rest) {
        error_set(error, "%s: all VMs run at the recovery site, so their copies are not overwritten",
                  plan->name);
        return error_help(error, "what is at home is older than what runs there now; after a failback "
                                 "they are replicated again");
    }
    fprintf(stderr, "left out: %s: at the recovery site already\n", over);
    session->plan = plan_restrict_to(arena, plan, rest, error);
    session->options.only = rest;
    return session->plan != NULL;
}

/* ---- whether there is anything to do ---- */

/* There is no recovery point that can be read. */
static bool is_missing(const struct session *session, const struct facts *facts, const char *vm)
{
    (void)session;
    return !map_get(&facts->vms, vm);
}

/* No bootable copy of it can be made. */
static bool is_unprepared(const struct session *session, const struct facts *facts, const char *vm)
{
    const struct fact_vm *known = map_get(&facts->vms, vm);
    const char *why = NULL;
    return known &&
           lower_wants_bootable(session->invocation->arena, session->plan, facts, known, &why) && why;
}

/* The VMs for which `fits` holds; critical ones only, if asked for. NULL: none. */
static const char *vms_that(const struct session *session, const struct facts *facts,
                            bool (*fits)(const struct session *session, const struct facts *facts,
                                         const char *vm),
                            bool critical_only)
{
    const char *names = NULL;
    for (size_t i = 0; i < session->plan->vm_count; i++) {
        const struct plan_vm *vm = &session->plan->vms[i];
        if (fits(session, facts, vm->name) && (vm->critical || !critical_only)) {
            names = names ? arena_printf(session->invocation->arena, "%s, %s", names, vm->name)
                          : vm->name;
        }
    }
    return names;
}

static enum exit_status tell_unprepared(const struct session *session, const struct facts *facts,
                                        enum exit_status status)
{
    const char *critical = vms_that(session, facts, is_unprepared, true);
    const char *all = vms_that(session, facts, is_unprepared, false);
    struct error error = {0};
    if (!all) {
        return status;
    }
    if (!critical) {
        tell_warning(arena_printf(session->invocation->arena, "without a bootable copy: %s", all));
        return status;
    }
    error_set(&error, "copied, but without a bootable copy, which a failover of this plan needs: %s", all);
    error_help(&error, "what it lacks is said above (drc explain D0713); once that is mended, replicate "
                       "makes the bootable copies, without sending the disks again");
    tell_error(&error);
    return status == EXIT_DONE ? EXIT_ERROR : status;
}

static enum exit_status tell_missing(const struct session *session, const struct facts *facts,
                                     enum exit_status status)
{
    const char *critical = vms_that(session, facts, is_missing, true);
    const char *all = vms_that(session, facts, is_missing, false);
    struct error error = {0};
    if (!all) {
        return status;
    }
    if (!critical) {
        tell_warning(arena_printf(session->invocation->arena, "not replicated: %s: no recovery point",
                                  all));
        return status;
    }
    const char *place = session->plan->backup.repository.value;
    if (session->notes.damaged_count > 0) {
        error_set(&error, "not replicated, for they have no recovery point in %s that can be read: %s",
                  place, all);
        error_help(&error, "drc repo verify %s says what is damaged; --recovery-point TIME takes an "
                           "older one; drc repo import makes a new one", place);
    } else {
        error_set(&error, "not replicated, for they have no recovery point in %s: %s", place, all);
        error_help(&error, "drc repo list %s says what is there; drc repo import makes one", place);
    }
    tell_error(&error);
    return status == EXIT_DONE ? EXIT_ERROR : status;
}

static bool any_to_copy(const struct session *session, const struct facts *facts)
{
    for (struct map_entry *entry = map_first(&facts->vms); entry; entry = map_next(entry)) {
        const struct fact_vm *vm = entry->value;
        const char *why = NULL;
        bool wanted =
            lower_wants_bootable(session->invocation->arena, session->plan, facts, vm, &why);
        if (!vm->copied || (wanted && !why)) {
            return true;
        }
    }
    return false;
}

/* Nothing is compiled then, which would have said it. */
static void tell_why_unprepared(const struct session *session, const struct facts *facts)
{
    for (struct map_entry *entry = map_first(&facts->vms); entry; entry = map_next(entry)) {
        struct arena *arena = session->invocation->arena;
        const char *why = NULL;
        if (lower_wants_bootable(arena, session->plan, facts, entry->value, &why) && why) {
            tell_warning(arena_printf(arena, "no bootable copy of %s is made: %s", entry->key, why));
        }
    }
}

static void tell_nothing(const struct session *session, const struct facts *facts)
{
    size_t count = map_count(&facts->vms);
    const char *newest = NULL;
    for (struct map_entry *entry = map_first(&facts->vms); entry; entry = map_next(entry)) {
        const char *time = map_get(&facts->bindings,
                                   arena_printf(session->invocation->arena, "%s/recovery-point", entry->key));
        newest = !newest || (time && strcmp(time, newest) > 0) ? time : newest;
    }
    if (count > 0) {
        printf("%s: nothing to do: the newest recovery points of %zu VM%s are DR copies already (%s)\n",
               session->plan->name, count, count == 1 ? "" : "s", newest ? newest : "");
    }
}

bool session_replicate_has_work(struct session *session, enum exit_status *status)
{
    struct error error = {0};
    const struct facts *facts = session_replicate_facts(session, true, &error);
    if (!facts) {
        *status = tell_error(&error);
        return false;
    }
    if (any_to_copy(session, facts)) {
        return true;
    }
    tell_nothing(session, facts);
    for (size_t i = 0; i < session->notes.damaged_count; i++) {
        tell_warning(session->notes.damaged[i].what);
    }
    tell_why_unprepared(session, facts);
    *status = tell_missing(session, facts, tell_unprepared(session, facts, EXIT_DONE));
    return false;
}

/* What the repository knows of copies that are deleted by now. That it could not be forgotten harms
 * nobody: the next run does. */
static void forget_copies(struct session *session)
{
    const struct replicate_notes *notes = &session->notes;
    struct repository *repository =
        notes->gone_count > 0 ? session_open_repository(session, NULL) : NULL;
    bool ok = repository != NULL;
    for (size_t i = 0; i < notes->gone_count && ok; i++) {
        ok = repository_remove_copy(repository, notes->gone[i], NULL);
    }
    repository_close(repository);
}

enum exit_status session_replicate_end(struct session *session, enum exit_status status)
{
    if (!session_is_replicate(session)) {
        return status;
    }
    if (status == EXIT_DONE) {
        forget_copies(session);
    }
    return tell_missing(session, session->facts, tell_unprepared(session, session->facts, status));
}
