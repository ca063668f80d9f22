/* Secret: what a plan refers to with env:NAME, file:PATH or command:PATH, got at the last moment.
 * Whoever gets one never has to think of hiding it: the world's redactor knows it from then on.
 *
 * env: the variable NAME of drc's environment. file: its contents; others than its owner must not
 * be able to read it (mode 0600). command: what the program prints, run without a shell or
 * arguments, within a minute. Of files and programs a newline at the end is left out; paths that
 * are not absolute begin where the plan is. */
#ifndef DRC_WORLD_SECRET_H
#define DRC_WORLD_SECRET_H

#include "compiler/base/error.h"
#include "runtime/world/world.h"

struct secret_lookup;

/* value NULL: there is none, `error` says why (and never what it would have been). Both are valid
 * during the callback only. */
typedef void (*secret_callback)(void *context, const char *value, const struct error *error);

/* Calls back once, from the loop. plan_file: where the plan is; NULL: in the working directory. */
struct secret_lookup *secret_look_up(struct world *world, const char *reference,
                                     const char *plan_file, secret_callback callback,
                                     void *context);
/* It never calls back then. NULL is allowed. */
void secret_cancel(struct secret_lookup *lookup);

#endif
