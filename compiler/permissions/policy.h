/* Policy: the least-privilege IAM policy of a workflow, as documents that AWS takes. */
#ifndef DRC_PERMISSIONS_POLICY_H
#define DRC_PERMISSIONS_POLICY_H

#include <stddef.h>

#include "compiler/base/workflow.h"

struct arena;
struct buffer;
struct graph;
struct plan;

/* Characters of a managed policy, white space apart (IAM User Guide, "IAM and AWS STS quotas"). */
enum { POLICY_CHARACTERS_MAX = 6144 };

struct policy_condition {
    const char *comparison, *key;
    const char **values;
    size_t value_count;
};

enum { POLICY_CONDITIONS_MAX = 4 };

struct policy_statement {
    const char *sid, *about;
    const char **actions, **resources; /* sorted, each once */
    size_t action_count, resource_count;
    struct policy_condition conditions[POLICY_CONDITIONS_MAX]; /* by comparison, then key */
    size_t condition_count;
};

struct policy_document {
    const char *role; /* whose: the ARN of a role; NULL: the runner's */
    const struct policy_statement *statements;
    size_t count;
    size_t characters; /* without white space: at most POLICY_CHARACTERS_MAX */
};

struct policy {
    const char *plan_name;
    enum workflow workflow;
    struct policy_document *documents; /* the runner's first; none: nothing in AWS is needed */
    size_t count;
    const char **notes; /* what the policy cannot know, one sentence each */
    size_t note_count;
};

/* Of the workflow with what cleanup, rollback and commit of its runs need. graph: NULL for backup,
 * which has none. state: where runs are kept; NULL: not in AWS. All in the arena; pointers into
 * plan and graph are kept. */
struct policy *policy_make(struct arena *arena, const struct plan *plan, enum workflow workflow,
                           const struct graph *graph, const char *state);

/* The document as IAM takes it; indent 0: on one line. */
void policy_write_json(const struct policy_document *document, int indent, struct buffer *out);

/* For people: what each statement is for, document by document, with the notes. */
void policy_write_markdown(const struct policy *policy, struct buffer *out);

#endif
