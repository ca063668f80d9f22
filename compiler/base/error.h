/* Error: why something failed, for a person. The one error convention outside of the plan's own
 * diagnostics (compiler/front/diagnostic.h): a function that can fail returns bool (or a pointer,
 * NULL for failure) and takes a `struct error *` as its last parameter, which it fills on failure
 * and leaves alone on success. */
#ifndef DRC_BASE_ERROR_H
#define DRC_BASE_ERROR_H

#include <stdbool.h>

/* Zero-initialise; release with error_clear. Both texts are heap-owned by the error. */
struct error {
    char *message; /* what happened and where, one line, no full stop; NULL: no error */
    char *help;    /* what to do next; NULL: nothing to say */
    bool passing;  /* the same may well go through later, with nothing done about it (a throttle, a
                      service's 5xx, a timeout): set by who knows, and goes along with prefix, move and
                      copy */
};

/* Sets the message (replacing one that is there). Always returns false, so that
 * `return error_set(error, …);` reads well. `error` may be NULL: nobody wants to know. The new one is
 * not a passing one. */
bool error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds what to do next. Returns false. */
bool error_help(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the message. Returns false. */
bool error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Moves `from` into `to` (which is cleared first). Returns false. */
bool error_move(struct error *to, struct error *from);

/* `to` (which is cleared first) becomes equal to `from`; NULL, or one that says nothing, reads
 * "failed". Returns false. */
bool error_copy(struct error *to, const struct error *from);

void error_clear(struct error *error);

#endif
