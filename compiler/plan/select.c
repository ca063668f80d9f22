#include "compiler/plan/select.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/diagnostic.h"

/* --- choosing --- */

static bool unknown(const struct plan *plan, const char *name, struct error *error)
{
    const char **names = base_alloc((plan->vm_count + 1) * sizeof *names);
    for (size_t i = 0; i < plan->vm_count; i++) {
        names[i] = plan->vms[i].name;
    }
    const char *near = nearest_name(name, names, plan->vm_count);
    error_set(error, "--only: %s has no VM \"%s\"%s%s%s", plan->name, name,
              near ? ": did you mean " : "", near ? near : "", near ? "?" : "");
    free(names);
    return error_help(error, "names are separated by commas: --only db,app");
}

static bool choose_named(struct arena *arena, const struct plan *plan, const char *names,
                         const bool *there, struct selection *selection, struct error *error)
{
    char *text = arena_strdup(arena, names), *rest = NULL;
    const char *name = strtok_r(text, ", ", &rest);
    if (!name) {
        error_set(error, "--only: no VM is named");
        return error_help(error, "names are separated by commas: --only db,app");
    }
    for (; name; name = strtok_r(NULL, ", ", &rest)) {
        const struct plan_vm *vm = plan_vm_by_name(plan, name);
        if (!vm) {
            return unknown(plan, name, error);
        }
        if (there && there[vm->index]) {
            selection->over[selection->over_count++] = vm->name;
        } else {
            selection->count += !selection->chosen[vm->index];
            selection->chosen[vm->index] = true;
        }
    }
    return true;
}

/* A walk without recursion, because chains can be long. */
static void add_needs(struct arena *arena, const struct plan *plan, const bool *there,
                      struct selection *selection)
{
    size_t *stack = ARENA_ARRAY(arena, size_t, plan->vm_count + 1), depth = 0;
    for (size_t i = plan->vm_count; i-- > 0;) {
        if (selection->chosen[i]) {
            stack[depth++] = i;
        }
    }
    while (depth > 0) {
        const struct plan_vm *vm = &plan->vms[stack[--depth]];
        for (size_t i = 0; i < vm->dependency_count; i++) {
            size_t needed = vm->dependencies[i].vm->index;
            if (selection->chosen[needed] || (there && there[needed])) {
                continue;
            }
            selection->chosen[needed] = true;
            selection->count++;
            selection->added[selection->added_count] = plan->vms[needed].name;
            selection->added_by[selection->added_count++] = vm->name;
            stack[depth++] = needed;
        }
    }
}

bool plan_choose(struct arena *arena, const struct plan *plan, const char *names,
                 const bool *there, struct selection *selection, struct error *error)
{
    size_t count = plan->vm_count + strlen(names) + 1; /* a name may come twice */
    *selection = (struct selection){
        .chosen = ARENA_ARRAY(arena, bool, plan->vm_count + 1),
        .added = ARENA_ARRAY(arena, const char *, plan->vm_count + 1),
        .added_by = ARENA_ARRAY(arena, const char *, plan->vm_count + 1),
        .over = ARENA_ARRAY(arena, const char *, count),
    };
    if (!choose_named(arena, plan, names, there, selection, error)) {
        return false;
    }
    add_needs(arena, plan, there, selection);
    return true;
}

/* --- restricting --- */

struct restriction {
    struct arena *arena;
    struct plan_vm **moved; /* by VM of `from`; NULL: it is not chosen */
    const char *user;       /* whose values are looked at */
    struct error *error;
    bool ok;
};

static void restrict_template(struct restriction *r, struct template *template)
{
    struct reference_part *parts =
        ARENA_ARRAY(r->arena, struct reference_part, template->part_count + 1);
    for (size_t i = 0; i < template->part_count; i++) {
        const struct plan_vm *vm = template->parts[i].vm;
        parts[i] = template->parts[i];
        if (parts[i].kind != REFERENCE_VM || !vm) {
            continue;
        }
        parts[i].vm = r->moved[vm->index];
        if (!parts[i].vm && r->ok) {
            r->ok = false;
            error_set(r->error, "--only: %s uses a value of %s, which is not selected: %s", r->user,
                      vm->name, template->raw);
            error_help(r->error, "name %s too", vm->name);
        }
    }
    template->parts = parts;
}

static struct template *restrict_templates(struct restriction *r, const struct template *from,
                                           size_t count)
{
    struct template *to = ARENA_ARRAY(r->arena, struct template, count + 1);
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        restrict_template(r, &to[i]);
    }
    return to;
}

static struct step *restrict_steps(struct restriction *r, const struct step *from, size_t count)
{
    struct step *to = ARENA_ARRAY(r->arena, struct step, count + 1);
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].args = restrict_templates(r, from[i].args, from[i].arg_count);
        to[i].values = restrict_templates(r, from[i].values, from[i].value_count);
        to[i].env = ARENA_ARRAY(r->arena, struct env_entry, from[i].env_count + 1);
        for (size_t k = 0; k < from[i].env_count; k++) {
            to[i].env[k] = from[i].env[k];
            restrict_template(r, &to[i].env[k].value);
        }
        restrict_template(r, &to[i].check.value);
    }
    return to;
}

static void restrict_vm(struct restriction *r, struct plan_vm *vm)
{
    struct dependency *dependencies =
        ARENA_ARRAY(r->arena, struct dependency, vm->dependency_count + 1);
    struct check *ready = ARENA_ARRAY(r->arena, struct check, vm->ready_count + 1);
    size_t kept = 0;
    r->user = vm->name;
    for (size_t i = 0; i < vm->dependency_count; i++) {
        struct plan_vm *needed = r->moved[vm->dependencies[i].vm->index];
        if (needed) {
            dependencies[kept] = vm->dependencies[i];
            dependencies[kept++].vm = needed;
        }
    }
    vm->dependencies = dependencies;
    vm->dependency_count = kept;
    for (size_t i = 0; i < vm->ready_count; i++) {
        ready[i] = vm->ready[i];
        restrict_template(r, &ready[i].value);
    }
    vm->ready = ready;
    vm->post_boot = restrict_steps(r, vm->post_boot, vm->post_boot_count);
}

struct plan *plan_restrict(struct arena *arena, const struct plan *plan, const bool *chosen,
                           struct error *error)
{
    struct plan *to = ARENA_NEW(arena, struct plan);
    *to = *plan;
    to->vms = ARENA_ARRAY(arena, struct plan_vm, plan->vm_count + 1);
    to->vm_count = 0;
    to->vm_by_name = (struct map){.arena = arena};
    struct restriction r = {
        .arena = arena,
        .moved = ARENA_ARRAY(arena, struct plan_vm *, plan->vm_count + 1),
        .user = plan->name,
        .error = error,
        .ok = true,
    };
    for (size_t i = 0; i < plan->vm_count; i++) {
        if (chosen[i]) {
            struct plan_vm *vm = &to->vms[to->vm_count];
            *vm = plan->vms[i];
            vm->index = to->vm_count++;
            r.moved[i] = vm;
            map_put(&to->vm_by_name, vm->name, vm);
        }
    }
    to->before = restrict_steps(&r, plan->before, plan->before_count);
    to->after = restrict_steps(&r, plan->after, plan->after_count);
    for (size_t i = 0; i < to->vm_count; i++) {
        restrict_vm(&r, &to->vms[i]);
    }
    return r.ok ? to : NULL;
}

struct plan *plan_restrict_to(struct arena *arena, const struct plan *plan, const char *names,
                              struct error *error)
{
    struct selection selection = {
        .chosen = ARENA_ARRAY(arena, bool, plan->vm_count + 1),
        .over = ARENA_ARRAY(arena, const char *, plan->vm_count + 1),
    };
    return choose_named(arena, plan, names, NULL, &selection, error)
               ? plan_restrict(arena, plan, selection.chosen, error)
               : NULL;
}

const char *plan_vm_names(struct arena *arena, const struct plan *plan)
{
    struct buffer text = {0};
    for (size_t i = 0; i < plan->vm_count; i++) {
        buffer_printf(&text, "%s%s", i ? "," : "", plan->vms[i].name);
    }
    const char *names = arena_strdup(arena, buffer_text(&text));
    buffer_free(&text);
    return names;
}
