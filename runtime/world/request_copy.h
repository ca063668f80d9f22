/* A copy of a request that outlives the one who made it: for those that arrive late, or twice. */
#ifndef DRC_WORLD_REQUEST_COPY_H
#define DRC_WORLD_REQUEST_COPY_H

#include "runtime/world/world.h"

/* With copies of all of its texts, collected whole: on_body is left out. */
struct http_request *request_copy(const struct http_request *request);
void request_free(struct http_request *request); /* NULL is allowed */

/* The same of a DNS message. */
struct message_request *message_request_copy(const struct message_request *request);
void message_request_free(struct message_request *request);

#endif
