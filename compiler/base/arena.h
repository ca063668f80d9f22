/* Arena: memory that lives exactly as long as one compiled plan (or one other whole). */
#ifndef DRC_BASE_ARENA_H
#define DRC_BASE_ARENA_H

#include <stddef.h>

struct arena;

/* Makes an empty arena; the caller destroys it. Never returns NULL: without memory the process
 * ends with status 1 (base_out_of_memory), and a run resumes from its journal. */
struct arena *arena_create(void);

/* Frees the arena and everything allocated from it. NULL is allowed. */
void arena_destroy(struct arena *arena);

/* From now on it holds secrets: its memory is overwritten before it is freed. */
void arena_wipe_at_end(struct arena *arena);

/* `size` bytes, aligned for any type, uninitialised. */
void *arena_alloc(struct arena *arena, size_t size);

/* The same, filled with zero bytes. */
void *arena_zalloc(struct arena *arena, size_t size);

/* Copies into the arena. arena_strndup copies at most `length` bytes and adds the NUL. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for an array that grows: returns `items` (count used, *capacity allocated, both in items of
 * `size` bytes) or a larger copy of it with room for at least one more. The old array stays in the
 * arena unused. */
void *arena_grow(struct arena *arena, void *items, size_t count, size_t *capacity, size_t size);

/* Bytes handed out so far: for memory budgets. */
size_t arena_bytes(const struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_zalloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_zalloc((arena), sizeof(type) * (count)))

/* Heap allocation with the same promise (never NULL), for what the runtime creates and destroys. */
__attribute__((returns_nonnull)) void *base_alloc(size_t size); /* zeroed */
__attribute__((returns_nonnull)) void *base_calloc(size_t count, size_t size);
__attribute__((returns_nonnull)) void *base_realloc(void *memory, size_t size);
__attribute__((returns_nonnull)) char *base_strdup(const char *text);
_Noreturn void base_out_of_memory(void);
_Noreturn void base_printf_failed(void); /* for want of memory, or a wrong format */

/* Gives freed memory back to the system where the C library can: after a stage that took much. */
void base_trim(void);

#endif
