/* Record form: one record of a shared journal as bytes, and back (records.h tells what it is). */
#ifndef DRC_STATE_RECORD_FORM_H
#define DRC_STATE_RECORD_FORM_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "compiler/base/buffer.h"
#include "compiler/base/error.h"
#include "compiler/base/sha256.h"
#include "runtime/state/journal_state.h"

/* Where a log is: after the record that it names. */
struct record_chain {
    int64_t number, epoch;
    char writer[33];
    char digest[SHA256_HEX_SIZE]; /* "" before the first */
};

struct record_source {
    const char *of;
    const char *blobs; /* the object {NAME:[DIGEST,…]}; "" when there are none */
};

/* `chain`: number, epoch and writer of this record, the digest of the one before. */
void record_form_write(const struct record_source *source, const struct record_chain *chain,
                       const struct journal_write *write, struct buffer *out);

/* A record that was read. Texts point into `header` and into the bytes that it was read from. */
struct record_form {
    cJSON *header;
    struct record_chain chain; /* as in the header; `digest` is this record's own */
    const char *host;
    int64_t pid;
    struct journal_write write; /* without chain; lines: record_form_lines */
    struct journal_line *lines;
    const cJSON *blobs; /* NULL: none */
};

/* False, and `error` says what is wrong with it, when it is no sound record number
 * after->number + 1 of `of` that follows `after`. Clear it in either case. */
bool record_form_read(const char *bytes, size_t length, const char *of,
                      const struct record_chain *after, struct record_form *form,
                      struct error *error);
void record_form_clear(struct record_form *form);

#endif
