/* Form: the body of a Query request: "Action=…&Version=…&Filter.1.Name=…". */
#ifndef DRC_AWS_FORM_H
#define DRC_AWS_FORM_H

#include <stdint.h>

#include "compiler/base/buffer.h"
#include "runtime/aws/endpoints.h"

/* Zero-initialise; release with buffer_free(&form.body). */
struct form {
    struct buffer body;
};

/* Begins with Action and Version. */
void form_begin(struct form *form, enum aws_service service, const char *operation);

/* Parameters; the name is a format, so that lists read well:
 * form_add(form, id, "VolumeId.%zu", i + 1). A NULL value adds nothing. */
void form_add(struct form *form, const char *value, const char *name, ...)
    __attribute__((format(printf, 3, 4)));
void form_add_int(struct form *form, int64_t value, const char *name, ...)
    __attribute__((format(printf, 3, 4)));

/* "Filter.N.Name=NAME&Filter.N.Value.1=VALUE"; further values of the same filter by form_add. */
void form_filter(struct form *form, int number, const char *name, const char *value);

#endif
