/* Operation: one start, lookup or poll of the provider on its way: its calls, the requests that it
 * sends one after another, and the results that it owes. */
#ifndef DRC_AWS_OPERATION_H
#define DRC_AWS_OPERATION_H

#include "runtime/aws/client.h"
#include "runtime/world/provider.h"
#include "runtime/world/script_source.h"

struct operation;
typedef void (*operation_step)(struct operation *op, const struct aws_answer *answer);

struct operation {
    struct aws_client *client;
    const struct script_source *scripts;
    struct arena *arena; /* goes with the operation */
    struct call **calls; /* own copy of the array */
    size_t n;
    enum aws_service service; /* of the last request, for errors */
    bool *answered;
    size_t open;     /* calls without a result */
    double priority; /* of the most urgent call */
    call_done done;
    void *context;
    void *state; /* of the action, in the arena */
    /* under way */
    struct aws_client_call *sent;
    struct world_task *task; /* NULL: none */
    operation_step next;
    bool gated;          /* the last request passed the gate, which is told of refusals */
    int requests;        /* sent, and not counted in a result yet */
    struct operation **list, *prev, *following;
};

/* What an action does; NULL where it has none of that. Each sends a request or schedules results;
 * results never come from within. */
struct aws_action {
    void (*start)(struct operation *op);
    void (*lookup)(struct operation *op);
    void (*poll)(struct operation *op); /* the same for all actions of one poll kind */
    /* Of a poll: tells the result of call i, whose object this is; and where there is no such object
     * (NULL: ABSENT). */
    void (*see)(struct operation *op, size_t i, const struct xml *object);
    void (*absent)(struct operation *op, size_t i, const struct aws_answer *answer);
    /* Whether b can share a's request, and its question; NULL: all can. */
    bool (*together)(const struct call *a, const struct call *b);
};
/* All NULL for what is not AWS's. */
const struct aws_action *aws_action(enum action action);

/* Makes one and puts it into *list; it goes when its last result is told. */
struct operation *operation_create(struct aws_client *client, struct operation **list,
                                   struct call **calls, size_t n, call_done done, void *context);
/* The results never come. */
void operation_destroy(struct operation *op);

/* Sends; `next` gets the answer. The form is emptied. first: the executor let it through already;
 * all others pass the gate by `bucket`. */
void operation_send(struct operation *op, const char *api, struct form *form, bool changes,
                    enum bucket bucket, operation_step next);
/* The same to another service of forms. */
void operation_send_form(struct operation *op, enum aws_service service, const char *api,
                         struct form *form, bool changes, enum bucket bucket, operation_step next);
void operation_send_json(struct operation *op, enum aws_service service, const char *api,
                         const char *json, bool changes, enum bucket bucket, operation_step next);

/* A REST request; its priority, gate and patience are those of the operation. Its texts are copied. */
void operation_send_rest(struct operation *op, const struct aws_client_request *request,
                         operation_step next);

/* Tells the result of call i; ignored when it has one. */
void operation_result(struct operation *op, size_t i, const struct call_result *result);
/* OK without outputs, for all calls that have no result yet. */
void operation_ok(struct operation *op);
/* The answer's outcome and reason, for one, or all that have no result yet. */
void operation_refused_one(struct operation *op, size_t i, const struct aws_answer *answer);
void operation_refused(struct operation *op, const struct aws_answer *answer);
/* An outcome with its message, for one. */
void operation_tell(struct operation *op, size_t i, enum outcome outcome, const char *help,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same for a wait whose object has come to its end: FATAL, and it has to be made anew. */
void operation_tell_gone(struct operation *op, size_t i, const char *help, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Of a batch that failed: calls whose object (input `name`) the message names get the answer's
 * outcome; the others nothing of it, they are to be sent again. All get it when none is named. */
void operation_refused_named(struct operation *op, const struct aws_answer *answer,
                             const char *name);

/* The resource tags of a call: drc's own and the plan's. `types` are resource types separated by
 * spaces. */
void form_add_tags(struct form *form, const struct call *call, const char *types);
/* Filters that find what a call made: by run and node. */
void form_filter_made_by(struct form *form, const struct call *call);

/* The requests of these actions, for preflight too. */
void form_create_volume(struct form *form, const struct call *call);
void form_run_instance(struct form *form, const struct call *call);

/* The action families: rows for aws_action. */
extern const struct aws_action create_volume_action, wait_volume_available_action,
    attach_volume_action, wait_volume_attached_action, detach_volume_action, delete_volume_action;
extern const struct aws_action run_instance_action, wait_running_action, stop_instance_action,
    wait_stopped_action, set_delete_on_termination_action, start_instance_action,
    associate_address_action, check_instance_status_action, terminate_instance_action,
    wait_terminated_action;
extern const struct aws_action register_image_action, wait_image_available_action,
    deregister_image_action;
extern const struct aws_action start_snapshot_action, complete_snapshot_action;
extern const struct aws_action create_snapshot_action, wait_snapshot_completed_action, tag_copy_action,
    hold_copy_action, release_copy_action, delete_snapshot_action;
extern const struct aws_action get_record_set_action, change_record_set_action,
    restore_record_set_action, wait_record_set_action;
extern const struct aws_action register_target_action, wait_target_healthy_action,
    deregister_target_action;
extern const struct aws_action inject_action, wait_injected_action;
extern const struct aws_action wait_agent_action, send_script_action, send_check_action, wait_script_action;

#endif
