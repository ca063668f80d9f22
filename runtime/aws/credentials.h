/* Credentials: the keys that requests are signed with: found by the recipe, assumed roles on top,
 * refreshed before they expire (15 minutes before: beside the requests; 10 minutes before: the
 * requests wait). */
#ifndef DRC_AWS_CREDENTIALS_H
#define DRC_AWS_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "runtime/aws/profile.h"
#include "runtime/aws/sigv4.h"

struct credentials;

/* With these roles on top (NULL: none), one assumed by the other. Texts are borrowed. */
struct credentials *credentials_create(const struct aws_settings *settings, const char *region,
                                       const char *role_arn, const char *further_role_arn);
/* Waiters are forgotten: they are not called. */
void credentials_destroy(struct credentials *credentials);

/* The key to sign with now; NULL: wait for it. Valid until the loop turns. */
const struct sigv4_key *credentials_key(struct credentials *credentials);

/* Called once, on the loop: then there is a key, or `error` says why not. Embedded in whoever
 * waits; may be withdrawn by credentials_forget. */
struct credentials_waiter {
    void (*ready)(void *context, const struct error *error);
    void *context;
    struct credentials_waiter *prev, *next;
};
void credentials_wait(struct credentials *credentials, struct credentials_waiter *waiter);
void credentials_forget(struct credentials *credentials, struct credentials_waiter *waiter);

/* A service says that the key which began with `key_id` has expired. True when another may be had.
 */
bool credentials_expired(struct credentials *credentials, const char *key_id);

/* "profile dr in /home/x/.aws/credentials"; "" before there are any. */
const char *credentials_source(const struct credentials *credentials);

#endif
