/* Buffer: bytes that grow, on the heap. Always NUL-terminated once something was appended. */
#ifndef DRC_BASE_BUFFER_H
#define DRC_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

/* Zero-initialise ({0}); release with buffer_free. `data` may be NULL while length is 0. */
struct buffer {
    char *data;
    size_t length, capacity;
};

void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_puts(struct buffer *buffer, const char *text);
void buffer_putc(struct buffer *buffer, char c);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *buffer, const char *format, va_list args);

/* Room for `length` more bytes, which the caller fills in; they count as appended already. Valid until
 * the next call on the buffer. */
char *buffer_extend(struct buffer *buffer, size_t length);

/* The text so far, "" when empty; valid until the next call on the buffer. */
const char *buffer_text(const struct buffer *buffer);

/* Hands the bytes over to the caller, who frees them with free(); the buffer is empty again.
 * Never NULL. */
char *buffer_steal(struct buffer *buffer);

/* Empties without giving the memory back / gives it back. */
void buffer_clear(struct buffer *buffer);
void buffer_free(struct buffer *buffer);
/* Overwrites what was in it, and gives the memory back. */
void buffer_wipe(struct buffer *buffer);

#endif
