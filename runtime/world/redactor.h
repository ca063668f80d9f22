/* Redactor: knows the secrets in use and takes them out of texts that come from outside before
 * these become anybody's detail: a service, a proxy or a process may echo what it was sent. Each
 * world has one (world_redactor); whoever gets hold of a secret adds it.
 *
 * Found are a secret's plain form, base64 (also in the middle of something that was encoded),
 * base64url, percent-encoding, hex, JSON's escaped slashes; and the beginning of any of these, since
 * texts get cut. Known by their form alone: signatures, "Bearer" and "Basic" tokens, user and password
 * of a URL. */
#ifndef DRC_WORLD_REDACTOR_H
#define DRC_WORLD_REDACTOR_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct buffer;
struct redactor;

/* What stands in a secret's place. */
#define REDACTED "[redacted]"

/* A shorter secret is not looked for: it would be found in honest words. */
enum { REDACTOR_SECRET_MIN = 8 };

struct redactor *redactor_create(void);
/* Wipes what it knows. */
void redactor_destroy(struct redactor *redactor);

/* Copies `secret`; NULL, short and known ones are ignored. It keeps the newest hundred or so. */
void redactor_add(struct redactor *redactor, const char *secret);
/* The password of "scheme://user:password@host" (also as it is percent-encoded); NULL, or a URL
 * without one: nothing. */
void redactor_add_url(struct redactor *redactor, const char *url);

/* The text without secrets: itself when there is none in it, else a copy in the arena. A NUL stands
 * behind the result; *length (bytes of text, then of the result) may be NULL for a whole string. The
 * redactor may be NULL: then only what is known by its form is taken out. NULL for NULL. */
const char *redactor_text(const struct redactor *redactor, struct arena *arena, const char *text,
                          size_t *length);
/* Appends it to a buffer. */
void redactor_write(const struct redactor *redactor, const char *text, size_t length,
                    struct buffer *out);
/* Whether there is anything to take out. */
bool redactor_finds(const struct redactor *redactor, const char *text, size_t length);

#endif
