#include "compiler/plan/bind.h"

#include <string.h>

#include "compiler/base/arena.h"

static const char *directory_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    return !slash ? "." : slash == path ? "/" : arena_strndup(arena, path, (size_t)(slash - path));
}

static struct plan *make_plan(struct arena *arena, const struct source *source)
{
    struct plan *plan = ARENA_NEW(arena, struct plan);
    plan->arena = arena;
    plan->source = source;
    plan->directory = directory_of(arena, source->path);
    plan->vars.arena = arena;
    plan->vm_by_name.arena = arena;
    plan->file_digests.arena = arena;
    plan->failback.port_groups.arena = arena;
    return plan;
}

static struct binder make_binder(struct plan *plan, struct diagnostics *diagnostics)
{
    struct binder binder = {
        .arena = plan->arena,
        .plan = plan,
        .diagnostics = diagnostics,
        .zones.arena = plan->arena,
        .files.arena = plan->arena,
        .comparisons_left = BIND_COMPARISONS_MAX,
    };
    for (int n = 0; n < NETWORK_COUNT; n++) {
        binder.subnets[n].arena = binder.groups[n].arena = plan->arena;
    }
    return binder;
}

struct plan *plan_bind(struct arena *arena, const struct source *source, const struct tree *tree,
                       const struct variable *variables, size_t variable_count,
                       struct diagnostics *diagnostics)
{
    size_t errors_before = diagnostics->error_count;
    struct plan *plan = make_plan(arena, source);
    struct binder binder = make_binder(plan, diagnostics);
    const struct tree *sites = tree_get(tree, "sites");
    bind_vars(&binder, tree_get(tree, "vars"), variables, variable_count);
    bind_header(&binder, tree);
    bind_schedules(&binder, tree);
    bind_sites(&binder, sites);
    bind_networks(&binder, tree_get(tree, "networks"));
    bind_zones(&binder, tree_get(tree, "dns"));
    plan->failback =
        bind_failback(&binder, tree_get(tree_get(sites, "primary"), "failback"), &plan->failback);
    bind_vms(&binder, tree_get(tree, "vms"), tree_get(tree, "defaults"));
    plan->before = bind_steps(&binder, tree_get(tree, "before"), &plan->before_count);
    plan->after = bind_steps(&binder, tree_get(tree, "after"), &plan->after_count);
    return diagnostics->error_count == errors_before ? plan : NULL;
}
