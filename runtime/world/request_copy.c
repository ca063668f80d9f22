#include "runtime/world/request_copy.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

static const char *text(const char *value)
{
    return value ? base_strdup(value) : NULL;
}

struct http_request *request_copy(const struct http_request *request)
{
    struct http_request *copy = base_alloc(sizeof *copy);
    *copy = *request;
    copy->method = text(request->method);
    copy->url = text(request->url);
    copy->ca_file = text(request->ca_file);
    copy->proxy = text(request->proxy);
    copy->on_body = NULL;
    copy->body_context = NULL;
    struct http_header *headers = base_alloc((request->header_count + 1) * sizeof *headers);
    for (size_t i = 0; i < request->header_count; i++) {
        headers[i].name = base_strdup(request->headers[i].name);
        headers[i].value = base_strdup(request->headers[i].value);
    }
    copy->headers = headers;
    char *body = base_alloc(request->body_length + 1);
    if (request->body_length > 0) {
        memcpy(body, request->body, request->body_length);
    }
    copy->body = body;
    return copy;
}

void request_free(struct http_request *request)
{
    if (!request) {
        return;
    }
    for (size_t i = 0; i < request->header_count; i++) {
        free((char *)request->headers[i].name);
        free((char *)request->headers[i].value);
    }
    free((struct http_header *)request->headers);
    free((char *)request->method);
    free((char *)request->url);
    free((char *)request->ca_file);
    free((char *)request->proxy);
    free((void *)request->body);
    free(request);
}

struct message_request *message_request_copy(const struct message_request *request)
{
    struct message_request *copy = base_alloc(sizeof *copy);
    char *bytes = base_alloc(request->length + 1);
    *copy = *request;
    memcpy(bytes, request->bytes, request->length);
    copy->host = base_strdup(request->host);
    copy->bytes = bytes;
    return copy;
}

void message_request_free(struct message_request *request)
{
    if (request) {
        free((char *)request->host);
        free((void *)request->bytes);
        free(request);
    }
}
