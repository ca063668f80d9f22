/* What the files that lower steps share. Not for others. */
#ifndef DRC_LOWER_STEP_PARTS_H
#define DRC_LOWER_STEP_PARTS_H

#include "compiler/lower/lowering.h"

/* A step, or a readiness check, while its nodes are made: one after the other, the first of them after
 * what the chain says. Each has the step's retries, and may fail if the step may. */
struct step_nodes {
    struct vm_lowering *v; /* NULL: of the whole plan */
    const char *prefix;    /* of the nodes' ids */
    const char *name;      /* for people */
    const char *rule;      /* of checks: why they are made */
    struct span at;
    int retries;
    bool may_fail;
    const struct chain *chain;
    int64_t last; /* the node made last; NO_NODE */
};

/* step.c */
/* Adds the step's next node; its inputs follow by the calls of builder.h. */
uint32_t step_node(struct lowering *l, struct step_nodes *nodes, enum action action,
                   const char *rule);
/* How long a node that waits for something may take: `timeout_ms` with some room, so that what is
 * waited for tells first that it took too long. */
void step_time(struct lowering *l, int64_t timeout_ms, int64_t expected_ms);

/* step_value.c */
/* A text with its references filled in: what is known now as text, what a run yields as the output of
 * the node that yields it. */
struct value step_template(struct lowering *l, const struct template *template);
struct value step_templates(struct lowering *l, const struct template *templates, size_t count);
/* DRC_* of the plan, of the step and of its VM, and what the step adds (NULL: nothing). */
struct value step_environment(struct lowering *l, const struct step_nodes *nodes,
                              const struct step *step);

/* step_script.c */
void step_script(struct lowering *l, struct step_nodes *nodes, const struct step *step);
/* Inputs `script` and `digest` of the node at hand. */
void step_input_script(struct lowering *l, const char *path);
/* Waits once for each VM until its agent takes commands; nothing where no step needs it. */
void lower_agent(struct lowering *l, struct vm_lowering *v);
/* Inputs of what is sent to an instance, up to `os`; it comes after the agent. */
void step_input_instance(struct lowering *l, const struct step_nodes *nodes);
/* Waits for what the node made last sent to the instance. */
void step_wait_sent(struct lowering *l, struct step_nodes *nodes, int64_t timeout_ms,
                    int64_t expected_ms);

/* step_check.c */
void step_check(struct lowering *l, struct step_nodes *nodes, const struct check *check);

/* step_dns.c */
/* For each change of DNS of the VM a node that takes it back, where the VM is not recovered after all. */
void lower_restores(struct lowering *l, struct vm_lowering *v);
void step_dns(struct lowering *l, struct step_nodes *nodes, const struct step *step);

#endif
