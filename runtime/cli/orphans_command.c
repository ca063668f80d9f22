/* drc run orphans: what carries a plan's tags and belongs to no run that would miss it. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/text.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/session.h"
#include "runtime/site/leftovers.h"
#include "runtime/state/production.h"

struct orphan {
    const struct aws_resource *resource;
    const char *why;
};

struct search {
    struct session *session;
    struct run_info *runs;
    size_t run_count;
    const struct production *production;
    struct orphan *orphans;
    size_t count;
};

static const struct run_info *run_of(const struct search *search, const char *id)
{
    for (size_t i = 0; id && i < search->run_count; i++) {
        if (strcmp(search->runs[i].id, id) == 0) {
            return &search->runs[i];
        }
    }
    return NULL;
}

static bool is_production(const struct search *search, const struct aws_resource *resource)
{
    struct production_vm vm = {.place = PRODUCTION_PRIMARY};
    if (resource->vm) {
        vm = production_of(search->production, resource->vm);
    }
    return resource->committed || (vm.place == PRODUCTION_RECOVERY && vm.run && resource->run &&
                                   strcmp(vm.run, resource->run) == 0);
}

/* Why nobody would miss it; NULL: somebody would. A run that failed or was stopped can go on. */
static const char *why_orphan(const struct search *search, const struct aws_resource *resource)
{
    const struct run_info *run = run_of(search, resource->run);
    if (is_production(search, resource)) {
        return NULL;
    }
    if (!resource->run) {
        return "names no run";
    }
    if (!run) {
        return "of a run that the state does not know";
    }
    if (run->problem) {
        return "of a run whose journal cannot be read";
    }
    switch (run->status) {
    case RUN_CLEANED:
        return "of a run that is cleaned up";
    case RUN_CANCELLED:
        return "of a run that was cancelled";
    case RUN_ROLLED_BACK:
        return "kept by a run that is rolled back";
    case RUN_COMMITTED:
        return "left over by a run that is committed";
    case RUN_SUCCEEDED:
        return resource->kind == AWS_SNAPSHOT ? "never completed by a run that has ended" : NULL;
    default:
        return NULL;
    }
}

/* DR copies are kept and pruned by replicate. */
static bool is_ours(const struct aws_resource *resource)
{
    bool copy = resource->kind == AWS_SNAPSHOT && resource->role && *resource->role;
    return !copy && !leftovers_is_gone(resource);
}

static int compare_orphans(const void *left, const void *right)
{
    const struct aws_resource *a = ((const struct orphan *)left)->resource;
    const struct aws_resource *b = ((const struct orphan *)right)->resource;
    int order = strcmp(a->run ? a->run : "", b->run ? b->run : "");
    if (!order) {
        order = strcmp(a->vm ? a->vm : "~", b->vm ? b->vm : "~");
    }
    if (!order) {
        order = (int)a->kind - (int)b->kind;
    }
    return order ? order : strcmp(a->id, b->id);
}

static bool find_orphans(struct search *search, struct error *error)
{
    struct session *session = search->session;
    struct arena *arena = session->invocation->arena;
    const char *plan = session->plan->name;
    struct aws_resource *resources = NULL;
    size_t count = 0;
    search->production = production_read(arena, session->state, plan, error);
    if (!search->production ||
        !run_list(arena, session->state, plan, &search->runs, &search->run_count, error) ||
        !aws_list_resources(session->site.aws, arena, plan, NULL, &resources, &count, error)) {
        return false;
    }
    search->orphans = ARENA_ARRAY(arena, struct orphan, count + 1);
    for (size_t i = 0; i < count; i++) {
        const char *why = is_ours(&resources[i]) ? why_orphan(search, &resources[i]) : NULL;
        if (why) {
            search->orphans[search->count++] = (struct orphan){&resources[i], why};
        }
    }
    if (search->count > 1) {
        qsort(search->orphans, search->count, sizeof *search->orphans, compare_orphans);
    }
    return true;
}

/* --- telling --- */

static const char *const kind_words[] = {
    [AWS_INSTANCE] = "instance",
    [AWS_VOLUME] = "volume",
    [AWS_SNAPSHOT] = "snapshot",
    [AWS_IMAGE] = "image",
    [AWS_HOLD] = "hold",
};

static void put_json(const struct search *search, struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json_begin_array(&json);
    for (size_t i = 0; i < search->count; i++) {
        const struct aws_resource *resource = search->orphans[i].resource;
        json_begin_object(&json);
        json_key_string(&json, "kind", kind_words[resource->kind]);
        json_key_string(&json, "id", resource->id);
        json_key_string(&json, "vm", resource->vm);
        json_key_string(&json, "run", resource->run);
        json_key_string(&json, "node", resource->node);
        json_key_string(&json, "state", resource->state);
        json_key_string(&json, "why", search->orphans[i].why);
        json_end_object(&json);
    }
    json_end_array(&json);
}

/* How to delete those of one run. */
static void put_command(const struct search *search, const char *run, struct buffer *out)
{
    if (!run) {
        buffer_puts(out, "  delete them by hand, if nobody needs them\n");
        return;
    }
    buffer_puts(out, "  drc run cleanup ");
    text_put(out, run);
    if (!run_of(search, run)) {
        buffer_printf(out, " --plan %s", search->session->plan->source->path);
    }
    buffer_puts(out, "\n");
}

static void put_text(const struct search *search, struct buffer *out)
{
    for (size_t i = 0; i < search->count; i++) {
        const struct aws_resource *resource = search->orphans[i].resource;
        const char *before = i ? search->orphans[i - 1].resource->run : NULL;
        bool same = i && ((!before && !resource->run) ||
                          (before && resource->run && strcmp(before, resource->run) == 0));
        if (!same) {
            buffer_puts(out, i ? "\n" : "");
            buffer_puts(out, "run ");
            text_put(out, resource->run ? resource->run : "?");
            buffer_printf(out, ": %s\n", search->orphans[i].why);
            put_command(search, resource->run, out);
        }
        buffer_printf(out, "  %-8s  ", kind_words[resource->kind]);
        text_pad(out, resource->id, 24); /* snap- and 17 digits, and two blanks */
        text_pad(out, resource->vm ? resource->vm : "", 12);
        text_put(out, resource->state);
        buffer_putc(out, '\n');
    }
}

static enum exit_status orphans(struct session *session)
{
    const struct invocation *invocation = session->invocation;
    struct error error = {0};
    struct search search = {.session = session};
    if (!load_plan(invocation, invocation->arguments[0], &session->plan)) {
        return EXIT_ERROR;
    }
    session->state = lookup_state_of_plan(invocation, session->plan, &error);
    if (!session->state ||
        !options_from(invocation, session->plan, WORKFLOW_FAILOVER, &session->options, &error) ||
        !session_open_site(session, &error) ||
        !aws_identify(session->site.aws, invocation->arena, &session->identity, &error) ||
        !find_orphans(&search, &error)) {
        return tell_error(&error);
    }
    struct buffer out = {0};
    if (invocation->given[FLAG_JSON]) {
        put_json(&search, &out);
    } else if (search.count) {
        put_text(&search, &out);
    } else {
        fprintf(stderr, "%s: nothing is left that belongs to no run\n", session->plan->name);
    }
    fputs(buffer_text(&out), stdout);
    buffer_free(&out);
    return search.count ? EXIT_LOOK : EXIT_DONE;
}

enum exit_status command_run_orphans(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    enum exit_status status = orphans(&session);
    session_close(&session);
    return status;
}
