/* Point form: a recovery point, and what a DR copy holds, as objects of the repository. */
#ifndef DRC_MOVER_POINT_FORM_H
#define DRC_MOVER_POINT_FORM_H

#include "compiler/base/buffer.h"
#include "runtime/mover/repository.h"

enum { POINT_KEY_MAX = 600 };

/* Of the key: "20261122T100000Z". The point's time has to be sound. */
const char *point_stamp(char out[32], int64_t utc_ms);
/* "points/PLAN/VM/TIME" */
void point_key(char key[POINT_KEY_MAX], const struct repository_point *point);
/* Names that can be part of a key; bounds of numbers; time and utc_ms agree. */
bool point_check(const struct repository_point *point, struct error *error);
bool point_write(const struct repository_point *point, struct buffer *out, struct error *error);
/* Into the arena. Unknown members are ignored. */
bool point_read(struct arena *arena, const char *text, size_t length,
                struct repository_point *point, struct error *error);

bool copy_write(const struct repository_copy *copy, struct buffer *out, struct error *error);
bool copy_read(struct arena *arena, const char *text, size_t length, struct repository_copy *copy,
               struct error *error);

#endif
