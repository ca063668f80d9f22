/* Answer: what a service said, made of an HTTP response: an outcome, the parsed body, or why not.
 */
#ifndef DRC_AWS_ANSWER_H
#define DRC_AWS_ANSWER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/aws/endpoints.h"
#include "runtime/aws/xml.h"
#include "runtime/world/provider.h"
#include "runtime/world/world.h"

struct arena;

/* Release with aws_answer_clear; texts and XML are in the arena; body and response are valid during the
 * callback only. */
struct aws_answer {
    enum outcome outcome; /* OK: the body below is there */
    struct call_error error;
    const struct xml *xml; /* the root element; QUERY, REST_XML (NULL: the body was empty) */
    cJSON *json;           /* JSON, REST_JSON (NULL: the body was empty) */
    const void *body;      /* as it came, a NUL behind its length: for raw questions */
    size_t body_length;
    const struct http_response *response; /* for its headers, freed of secrets; NULL: none came */
    const char *reason;        /* EBS direct's word for what is wrong: "INVALID_BLOCK"; NULL */
    const char *bucket_region; /* S3: the bucket is not where it was looked for, but here; NULL */
    enum http_failure failure;
    int64_t retry_after_ms; /* 0: as usual */
    int64_t server_utc_ms;  /* its clock; 0: not told */
    int requests;           /* how many were sent for it */
};

/* What was asked. */
struct aws_question {
    enum aws_service service;
    const char *operation;
    bool changes; /* something, so that an answer that got lost leaves it UNKNOWN; a lost answer to a
                     question is RETRY */
    bool raw;     /* a 2xx answer's body is bytes: not parsed */
};
void aws_answer_read(struct arena *arena, const struct aws_question *question,
                     const struct http_response *response, struct aws_answer *answer);
void aws_answer_clear(struct aws_answer *answer);

/* Moves what the answer says to an error: "ec2 RunInstances: …". Returns false. */
bool aws_answer_error(const struct aws_answer *answer, struct error *error);

/* Text of a member of a JSON object; NULL unless it is a non-empty string. */
const char *json_text(const cJSON *object, const char *name);

/* cJSON_Delete for what has keys or tokens in it: its texts are overwritten first. */
void json_wipe(cJSON *json);

/* Foreign text as one printable line of valid UTF-8 of at most `max` bytes, in the arena. */
const char *one_line(struct arena *arena, const char *text, size_t length, size_t max);

#endif
