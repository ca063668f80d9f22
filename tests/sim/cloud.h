/* What the cloud was asked and what it said, read off the wire: requests taken apart into
 * operation, parameters and answer. Knows nothing of drc. */
#ifndef DRC_TESTS_SIM_CLOUD_H
#define DRC_TESTS_SIM_CLOUD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "runtime/aws/xml.h"
#include "runtime/world/world.h"

struct arena;

/* Both are there, and the same. */
bool is(const char *one, const char *other);

struct parameter {
    const char *name, *value;
};

/* Lies in an arena, but for json and answer_json (cloud_forget). */
struct exchange_seen {
    int64_t utc_ms;
    const char *service, *operation; /* "ec2" "RunInstances"; "guest" "GET" */
    const char *host;
    int port;
    struct parameter *parameters; /* of a form */
    size_t parameter_count;
    cJSON *json, *answer_json;
    const struct xml *xml;
    int status;       /* 0: no answer */
    const char *code; /* of an error; NULL */
    bool changes;     /* not a read, not a dry run */
};

struct exchange_seen cloud_read(struct arena *arena, int64_t utc_ms,
                                const struct http_request *request,
                                const struct http_response *response);
void cloud_forget(struct exchange_seen *seen);

/* A form's parameter; NULL. */
const char *cloud_parameter(const struct exchange_seen *seen, const char *name);
/* The n-th (from 0) of "NAME.1", "NAME.2" …; NULL behind the last. */
const char *cloud_nth(const struct exchange_seen *seen, const char *name, int n);
/* A tag that the request gives to what it makes; NULL. */
const char *cloud_tag(const struct exchange_seen *seen, const char *key);
const char *cloud_json_text(const cJSON *object, const char *name);

#endif
