/* Show why: drc run show RUN --explain NODE|VM, as text and as JSON. */
#ifndef DRC_CLI_SHOW_WHY_H
#define DRC_CLI_SHOW_WHY_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/report/why.h"

struct buffer;
struct run_info;

struct why_page {
    struct arena *arena; /* scratch */
    const struct run_info *run;
    const struct history *history; /* alive time */
    const struct facts *facts;     /* NULL */
    const struct schedule *schedule;
    int64_t now_ms; /* alive time */
    bool alive;
    int width; /* columns */
};

/* About one node, or about a VM: what of it comes next. */
void show_why_node(const struct why_page *page, uint32_t node, struct buffer *out);
void show_why_vm(const struct why_page *page, int32_t vm, struct buffer *out);
void show_why_json(const struct why_page *page, const uint32_t *nodes, size_t count, int32_t vm,
                   struct buffer *out);

#endif
