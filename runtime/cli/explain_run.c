#include "runtime/cli/explain_run.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/diagnostic.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/session.h"
#include "runtime/cli/show_why.h"
#include "runtime/report/report.h"
#include "runtime/state/journal.h"
#include "runtime/state/run_source.h"
#include "runtime/world/world.h"

struct target {
    int32_t node, vm; /* one of them; both NO_…: nothing of that name */
};

static struct target find_target(const struct graph *graph, const char *name)
{
    const struct graph_node *node = graph_node_by_id(graph, name);
    struct target target = {.node = node ? (int32_t)node->index : NO_NODE, .vm = NO_VM};
    for (size_t i = 0; i < graph->vm_count && !node; i++) {
        if (!strcmp(graph->vms[i].name, name)) {
            target.vm = (int32_t)i;
        }
    }
    return target;
}

static bool unknown(struct arena *arena, const struct graph *graph, const char *name,
                    struct error *error)
{
    size_t count = 0;
    const char **names = ARENA_ARRAY(arena, const char *, graph->vm_count + graph->node_count + 1);
    for (size_t i = 0; i < graph->vm_count; i++) {
        names[count++] = graph->vms[i].name;
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        names[count++] = graph->nodes[i].id;
    }
    const char *near = nearest_name(name, names, count);
    error_set(error, "the run has neither a VM nor an action \"%s\"", name);
    return near ? error_help(error, "did you mean %s?", near)
                : error_help(error, "drc run show --all lists its actions");
}

static bool read_page(struct session *session, struct why_page *page, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    struct report_known known = {0};
    struct run_source *source = run_source_journal(NULL, session->state, &session->run, error);
    bool ok = source && report_known_read(arena, source, &known, error);
    if (source && !ok && !error->message) {
        error_set(error, "run %s has no actions yet: its plan is not compiled", session->run.id);
    }
    struct history *history = ok ? history_create(arena, known.graph, false) : NULL;
    ok = ok && source->read(source, 0, history_take, history, error);
    if (ok && history->damaged) {
        error_set(error, "reading the journal: group %lld does not fit its graph",
                  (long long)history->damaged);
        ok = journal_help_damaged(error);
    }
    if (ok) {
        page->history = history;
        page->facts = known.facts;
        page->schedule = known.schedule;
        page->alive = source->is_alive(source) && !history_is_over(history);
        page->now_ms = page->alive ? history_moment(history, world_utc_ms(session->site.world))
                                   : history->elapsed_ms;
    }
    run_source_close(source);
    return ok;
}

static bool write_page(const struct invocation *invocation, const struct why_page *page,
                       struct buffer *out, struct error *error)
{
    const char *name = invocation->values[FLAG_EXPLAIN];
    const struct graph *graph = page->history->graph;
    struct target target = find_target(graph, name);
    if (target.node == NO_NODE && target.vm == NO_VM) {
        return unknown(invocation->arena, graph, name, error);
    }
    if (invocation->given[FLAG_JSON]) {
        uint32_t one = (uint32_t)target.node, *nodes = &one;
        size_t count = target.vm == NO_VM
                           ? 1
                           : why_frontier(page->arena, page->history, target.vm, &nodes);
        show_why_json(page, nodes, count, target.vm, out);
    } else if (target.vm != NO_VM) {
        show_why_vm(page, target.vm, out);
    } else {
        show_why_node(page, (uint32_t)target.node, out);
    }
    return true;
}

enum exit_status explain_run(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    struct why_page page = {
        .arena = invocation->arena, .run = &session.run, .width = output_width(stdout)};
    struct buffer out = {0};
    struct error error = {0};
    bool ok = lookup_run(&session, LOOKUP_NEWEST, &error) && lookup_open_clock(&session, &error) &&
              read_page(&session, &page, &error) && write_page(invocation, &page, &out, &error);
    if (ok) {
        fputs(buffer_text(&out), stdout);
    }
    buffer_free(&out);
    session_close(&session);
    return ok ? EXIT_DONE : tell_error(&error);
}
