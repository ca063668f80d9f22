/* An HTTP server on a free loopback port that misbehaves as the path says, for tests of clients.
 *   /ok           200 "hello", the connection is kept       /none         204
 *   /echo         200, the request's bytes as they came     /big/N        N bytes of body
 *   /status/N     that status, body "status N"              /redirect     302 to /ok
 *   /silent       never answers                             /close        reads it, then closes
 *   /truncate     fewer bytes than Content-Length           /garbage      no HTTP at all
 *   /endless      a chunked body without an end             /headers      headers without an end
 *   /interim      100 Continue without an end               /gzip         says its body is gzip
 *   /once         200; closes instead of answering the next request on that connection
 *   /half         200, the header and then silence */
#ifndef DRC_TEST_RUDE_SERVER_H
#define DRC_TEST_RUDE_SERVER_H

struct rude_server;

struct rude_server *rude_server_start(void);
int rude_server_port(const struct rude_server *server);
/* Requests that came in whole, and connections accepted. */
int rude_server_requests(struct rude_server *server);
int rude_server_connections(struct rude_server *server);
void rude_server_stop(struct rude_server *server);

/* A port on which nobody listens (bound, so that nobody else takes it; close the descriptor). */
int refusing_port(int *descriptor);
/* A port that takes connections into its backlog and never answers. */
int deaf_port(int *descriptor);

#endif
