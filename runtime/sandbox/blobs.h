/* Blobs: the bytes of EBS blocks and S3 objects, found by their SHA-256: files below the sandbox's
 * directory (blocks/ab/HEX), or memory. A file is there whole or not at all, whatever gets killed;
 * what it belongs to is told by the state afterwards, so that a crash leaves at most a file too
 * many. A block of zeros needs none. Has a lock of its own: not to be used under that of the
 * sandbox where bytes are many. */
#ifndef DRC_SANDBOX_BLOBS_H
#define DRC_SANDBOX_BLOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/base/sha256.h"

enum { BLOCK_BYTES = 512 << 10 };

struct buffer;
struct blobs;

/* directory NULL: in memory. */
struct blobs *blobs_create(const char *directory);
void blobs_destroy(struct blobs *blobs);

/* Keeps the bytes, whose digest the caller knows. */
bool blobs_put(struct blobs *blobs, const uint8_t digest[SHA256_SIZE], const void *bytes,
               size_t length, struct error *error);
/* The same piece by piece, while the bytes arrive. NULL: they have to be put as a whole (in memory,
 * or there is no place for them: blobs_put says why). Where they are there already nothing is
 * written. */
struct blob_draft;
struct blob_draft *blobs_begin(struct blobs *blobs, const uint8_t digest[SHA256_SIZE]);
void blobs_add(struct blob_draft *draft, const void *bytes, size_t length);
/* Keeps them, or takes them back; the draft is gone. True: they are kept. */
bool blobs_end(struct blob_draft *draft, bool keep, struct error *error);
/* Appends `length` bytes from `offset` on. False when they are not there. */
bool blobs_get(struct blobs *blobs, const uint8_t digest[SHA256_SIZE], int64_t offset,
               size_t length, struct buffer *out);
/* A file of them, to be read and closed by the caller; -1: there is none (memory, zeros). */
int blobs_open(struct blobs *blobs, const uint8_t digest[SHA256_SIZE]);
/* Forgets them, if they were not put within the last minutes: others may be about to name them. */
void blobs_drop(struct blobs *blobs, const uint8_t digest[SHA256_SIZE]);
/* Whether the digest is that of 512 KiB of zeros. */
bool blobs_is_zero_block(const uint8_t digest[SHA256_SIZE]);

/* Everything below a sandbox's directory. */
void blobs_remove(const char *directory);

#endif
