/* What the files that tell an action's sentence share. Not for others. */
#ifndef DRC_EMIT_WORDS_PARTS_H
#define DRC_EMIT_WORDS_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler/graph/graph.h"

struct buffer;

/* The parts of a sentence, with commas between. */
struct sentence {
    const struct graph *graph;
    const struct graph_node *node;
    struct buffer *out;
    size_t from; /* where it begins in `out` */
};

/* words.c */
void words_part(struct sentence *to, const char *text);
/* "before VALUE after", left out (and false) when the input is. */
bool words_part_input(struct sentence *to, const char *before, const char *name, const char *after);
void words_part_list(struct sentence *to, const struct value *list, const char *between);

/* words_step.c: what the nodes of steps do: scripts, DNS, target groups, approvals. */
void words_script(struct sentence *to);
void words_check_on_instance(struct sentence *to);
void words_record(struct sentence *to);       /* reads it, or waits for it */
void words_restore_record(struct sentence *to);
void words_change_record(struct sentence *to);
void words_check_dns(struct sentence *to);
void words_target_group(struct sentence *to);
void words_approve(struct sentence *to);

#endif
