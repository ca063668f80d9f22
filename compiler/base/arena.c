#include "compiler/base/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum {
    BLOCK_MIN = 1024, /* a request has an arena, and hundreds are under way at once */
    BLOCK_MAX = 8 << 20,
    HUGE_PAGE = 2 << 20,
    LARGE_ARENA = 8 << 20, /* from here on blocks are made of huge pages */
};

struct block {
    struct block *next;
    size_t used, size;
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *head;
    size_t next_size, bytes;
    bool wipe;
};

void base_out_of_memory(void)
{
    static const char text[] = "drc: out of memory; a run that was under way can be resumed\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
        /* Nothing more can be done about it. */
    }
    _exit(1);
}

void base_printf_failed(void)
{
    if (errno == ENOMEM) {
        base_out_of_memory();
    }
    abort(); /* A format that printf refuses is a bug in the caller. */
}

void base_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void *base_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory) {
        base_out_of_memory();
    }
    return memory;
}

void *base_calloc(size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) {
        base_out_of_memory();
    }
    return base_alloc(count * size);
}

void *base_realloc(void *memory, size_t size)
{
    void *grown = realloc(memory, size ? size : 1);
    if (!grown) {
        base_out_of_memory();
    }
    return grown;
}

char *base_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(base_alloc(size), text, size);
}

struct arena *arena_create(void)
{
    struct arena *arena = base_alloc(sizeof *arena);
    arena->next_size = BLOCK_MIN;
    return arena;
}

void arena_destroy(struct arena *arena)
{
    if (!arena) {
        return;
    }
    for (struct block *block = arena->head; block;) {
        struct block *next = block->next;
        if (arena->wipe) {
            explicit_bzero(block->data, block->used);
        }
        free(block);
        block = next;
    }
    free(arena);
}

void arena_wipe_at_end(struct arena *arena)
{
    arena->wipe = true;
}

/* The blocks of a large arena are made of huge pages where the system has them: a plan of 10,000
 * VMs would otherwise spend a tenth of its time on page faults. A small one would only waste memory
 * on pages that it does not fill. *room may become larger. */
static struct block *allocate_block(const struct arena *arena, size_t *room)
{
    size_t size = sizeof(struct block) + *room;
    struct block *block;
    if (arena->bytes >= LARGE_ARENA && size >= HUGE_PAGE && size <= SIZE_MAX - HUGE_PAGE) {
        size = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        block = aligned_alloc(HUGE_PAGE, size);
        if (block) {
            (void)madvise(block, size, MADV_HUGEPAGE); /* a hint: it may fail */
            *room = size - sizeof *block;
        }
    } else {
        block = malloc(size);
    }
    if (!block) {
        base_out_of_memory();
    }
    return block;
}

/* A block for at least `size` bytes. A large one goes behind the head, so that the head's
 * remaining room is not lost. */
static struct block *add_block(struct arena *arena, size_t size)
{
    size_t room = size > arena->next_size ? size : arena->next_size;
    if (room > SIZE_MAX - sizeof(struct block)) {
        base_out_of_memory();
    }
    struct block *block = allocate_block(arena, &room);
    block->used = 0;
    block->size = room;
    if (arena->head && size > arena->next_size / 2) {
        block->next = arena->head->next;
        arena->head->next = block;
    } else {
        block->next = arena->head;
        arena->head = block;
        if (arena->next_size < BLOCK_MAX) {
            arena->next_size *= 2;
        }
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align) {
        base_out_of_memory();
    }
    size = (size + align - 1) / align * align;
    struct block *block = arena->head;
    if (!block || block->size - block->used < size) {
        block = add_block(arena, size);
    }
    void *memory = block->data + block->used;
    block->used += size;
    arena->bytes += size;
    return memory;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    length = strnlen(text, length);
    char *copy = arena_alloc(arena, length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, SIZE_MAX);
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char first[256]; /* most texts fit: then formatting once is enough */
    int length = vsnprintf(first, sizeof first, format, args);
    va_end(args);
    if (length < 0) {
        base_printf_failed();
    }
    char *text = arena_alloc(arena, (size_t)length + 1);
    if ((size_t)length < sizeof first) {
        memcpy(text, first, (size_t)length + 1);
    } else {
        vsnprintf(text, (size_t)length + 1, format, again);
    }
    va_end(again);
    return text;
}

void *arena_grow(struct arena *arena, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return items;
    }
    size_t wanted = *capacity ? *capacity * 2 : 4;
    if (wanted > SIZE_MAX / size) {
        base_out_of_memory();
    }
    void *grown = arena_alloc(arena, wanted * size);
    if (count) {
        memcpy(grown, items, count * size);
    }
    *capacity = wanted;
    return grown;
}

size_t arena_bytes(const struct arena *arena)
{
    return arena->bytes;
}
