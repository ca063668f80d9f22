/* VM view: a graph with one node for each VM, for `--detail vm`. */
#ifndef DRC_EMIT_VM_VIEW_H
#define DRC_EMIT_VM_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct graph;
struct schedule;

struct vm_view {
    const char *name;
    const char *type;               /* "r6i.xlarge"; NULL: nothing is launched */
    const char *place;              /* "subnet-0a…b · 10.20.2.10"; NULL */
    int64_t start_ms, recovered_ms; /* of its boot or copy; recovered_ms -1: no such milestone */
    const char *goal;               /* "recovered", "copied"; NULL: none */
    bool has_nodes, critical, on_path;
};

struct vm_link {
    uint32_t from, to; /* VMs */
    bool on_path;
    bool limit; /* no dependency: `to` waited for what `from` held */
};

struct vm_views {
    struct vm_view *vms; /* as many as the graph's, in their order */
    struct vm_link *links;
    size_t link_count;
};

/* Links are transitively reduced, in a fixed order. Lies in the arena. */
struct vm_views vm_view(struct arena *arena, const struct graph *graph,
                        const struct schedule *schedule);

#endif
