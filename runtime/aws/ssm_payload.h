/* SSM payload: the script that an instance's agent is sent, around what it is to do: files that travel in it
 * compressed and are held against their digests before anything of them runs, words that stay data. */
#ifndef DRC_AWS_SSM_PAYLOAD_H
#define DRC_AWS_SSM_PAYLOAD_H

#include <stdbool.h>

#include "compiler/base/buffer.h"
#include "compiler/base/error.h"
#include "runtime/world/provider.h"

/* AWS-RunShellScript or AWS-RunPowerShellScript. */
const char *payload_document(const struct call *call);
bool payload_is_windows(const struct call *call);

enum { PAYLOAD_MAX = 60 << 10 }; /* bytes of all of it; SSM takes 64 KiB with what is around it */

/* A folder of its own, "$d", gone when all has ended, on a file system where programs may be executed. */
void payload_begin(struct buffer *out, bool windows);
/* The file "$d/NAME", executable, with these bytes, whose SHA-256 is `digest`. */
void payload_file(struct buffer *out, bool windows, const char *name, const struct buffer *bytes,
                  const char *digest);
/* Variables of the environment: a MAP of texts, or NULL. */
void payload_environment(struct buffer *out, bool windows, const struct value *env);
/* " 'one' 'two'": a LIST of texts, or NULL. */
void payload_arguments(struct buffer *out, bool windows, const struct value *args);
/* A blank and one word, whatever is in it. */
void payload_word(struct buffer *out, bool windows, const char *word);
/* False: it is larger than SSM takes. */
bool payload_fits(const struct buffer *payload, const char *what, struct error *error);

#endif
