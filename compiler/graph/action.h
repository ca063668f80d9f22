/* Actions: the instruction set that plans are compiled to, from action.def and bucket.def. */
#ifndef DRC_GRAPH_ACTION_H
#define DRC_GRAPH_ACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

/* Each enum has a member NONE first where that makes sense; rows follow. */
enum action {
    ACTION_NONE,
#define ACTION(NAME, ...) ACTION_##NAME,
#include "compiler/graph/action.def"
#undef ACTION
    ACTION_COUNT
};

enum bucket {
#define BUCKET(NAME, ...) BUCKET_##NAME,
#include "compiler/graph/bucket.def"
#undef BUCKET
    BUCKET_COUNT
};

enum action_provider {
    PROVIDER_ENGINE,
    PROVIDER_AWS,
    PROVIDER_HOST,
    PROVIDER_MOVER,
    PROVIDER_DNS,
    PROVIDER_COUNT
};
enum action_effect {
    EFFECT_READ,
    EFFECT_CREATE,
    EFFECT_CHANGE,
    EFFECT_DELETE,
    EFFECT_WAIT,
    EFFECT_LOCAL
};
enum action_resend { RESEND_TOKEN, RESEND_NAME, RESEND_NATURAL, RESEND_LOOKUP, RESEND_NEVER };
/* What waits share their questions with: POLL_NONE, each its own, or all of one kind of object. */
enum poll_kind {
    POLL_NONE,
    POLL_EACH,
    POLL_INSTANCES,
    POLL_INSTANCE_STATUS,
    POLL_VOLUMES,
    POLL_IMAGES,
    POLL_SNAPSHOTS,
    POLL_COMMANDS,
    POLL_AGENTS,
    POLL_TARGETS,
    POLL_RECORD_SETS,
    POLL_COUNT
};
enum value_type { TYPE_TEXT, TYPE_INT, TYPE_BOOL, TYPE_LIST, TYPE_MAP };

enum { ACTION_PORTS_MAX = 16 };

struct action_port { /* an input or an output */
    const char *name;
    enum value_type type;
    bool optional;
};

struct action_info {
    const char *name;
    enum action_provider provider;
    enum action_effect effect;
    /* Behind the last one stands one without a name. */
    struct action_port inputs[ACTION_PORTS_MAX], outputs[ACTION_PORTS_MAX];
    size_t input_count, output_count;
    enum action undo;
    enum action_resend resend;
    enum bucket bucket, resource;
    int batch_max;
    enum poll_kind poll;
    int64_t expected_ms, deadline_ms;
    const char *permission, *documentation;
};

/* Never NULL for a valid kind. The table is constant data. */
const struct action_info *action_info(enum action action);
/* ACTION_NONE when there is none of that name. */
enum action action_by_name(const char *name);
/* The input or output of that name; NULL when the action has none. */
const struct action_port *action_input(enum action action, const char *name);
const struct action_port *action_output(enum action action, const char *name);

/* The words that people and files use: "aws", "create", "token", "text". */
const char *action_provider_name(enum action_provider provider);
const char *action_effect_name(enum action_effect effect);
const char *action_resend_name(enum action_resend resend);
const char *poll_name(enum poll_kind poll); /* "instances" */
const char *value_type_name(enum value_type type);

/* What is done when an answer is lost, for a person: "looked up by its tags, then …". */
const char *action_resend_sentence(enum action_resend resend);

/* The reference page of all actions (docs/reference/actions.md), as Markdown. */
void action_reference(struct buffer *out);

struct bucket_info {
    const char *name;              /* "EC2_DESCRIBE" */
    const char *api;               /* "DescribeVolumes"; "": several share it */
    double capacity, refill_per_s; /* 0: no limit */
};
const struct bucket_info *bucket_info(enum bucket bucket);
/* The bucket of an API of its own; `otherwise` when it has none. */
enum bucket bucket_of_api(const char *api, enum bucket otherwise);

#endif
