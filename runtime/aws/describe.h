/* Describe: coalesced polls: one question about all ids at once (batch_max of action.def in a
 * request), paged, with ids that are not there taken out and told ABSENT. */
#ifndef DRC_AWS_DESCRIBE_H
#define DRC_AWS_DESCRIBE_H

#include "runtime/aws/operation.h"

struct describe {
    const char *api;          /* DescribeVolumes */
    const char *id_parameter; /* VolumeId */
    const char *extra;        /* more of the form, encoded; NULL: none */
    const char *input;        /* of the calls: volume_id */
    const char *set;          /* volumeSet; of instances, below each reservation */
    bool reservations;
    const char *id_element; /* volumeId */
    const char *absent_code; /* of the answer that an id is not there, where error_code.def takes it for
                                something else; NULL */
    /* Instead of what the calls' actions have (operation.h): for lookups. */
    void (*see)(struct operation *op, size_t i, const struct xml *object);
};

void describe_poll(struct operation *op, const struct describe *describe);

/* Calls `each` for the objects of an answer, through the reservations of instances too. */
void describe_each(const struct xml *root, const char *set, bool reservations,
                   void (*each)(void *context, const struct xml *object), void *context);

#endif
