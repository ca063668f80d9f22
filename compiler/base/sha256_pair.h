/* SHA-256 of two messages of one length at once: the processor's instructions for it (SHA-NI) wait for
 * each other in one message, and there is room for a second one between them. */
#ifndef DRC_BASE_SHA256_PAIR_H
#define DRC_BASE_SHA256_PAIR_H

#include "compiler/base/sha256.h"

typedef void (*sha256_pair)(const void *a, const void *b, size_t length, uint8_t out_a[SHA256_SIZE],
                            uint8_t out_b[SHA256_SIZE]);

/* How this machine does two faster than one after the other; any thread. NULL: it does not. Ask once and
 * keep it: a virtual machine takes tens of microseconds to say what its processor can. */
sha256_pair sha256_pair_here(void);

#endif
