#include "compiler/base/buffer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

static void grow(struct buffer *buffer, size_t more)
{
    if (more > SIZE_MAX - buffer->length - 1) {
        base_out_of_memory();
    }
    size_t needed = buffer->length + more + 1;
    size_t capacity = buffer->capacity ? buffer->capacity : 64;
    while (capacity < needed) {
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    }
    buffer->data = base_realloc(buffer->data, capacity);
    buffer->capacity = capacity;
}

/* Room for `more` bytes and the NUL behind them. */
static inline void reserve(struct buffer *buffer, size_t more)
{
    if (buffer->capacity - buffer->length <= more) {
        grow(buffer, more);
    }
}

char *buffer_extend(struct buffer *buffer, size_t length)
{
    reserve(buffer, length);
    char *room = buffer->data + buffer->length;
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return room;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    reserve(buffer, length);
    if (length) {
        memcpy(buffer->data + buffer->length, bytes, length);
    }
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

void buffer_puts(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_putc(struct buffer *buffer, char c)
{
    buffer_append(buffer, &c, 1);
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    reserve(buffer, 1);
    size_t room = buffer->capacity - buffer->length; /* it fits more often than not */
    int length = vsnprintf(buffer->data + buffer->length, room, format, args);
    if (length < 0) {
        base_printf_failed();
    }
    if ((size_t)length >= room) {
        reserve(buffer, (size_t)length);
        vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
    }
    va_end(again);
    buffer->length += (size_t)length;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buffer_vprintf(buffer, format, args);
    va_end(args);
}

const char *buffer_text(const struct buffer *buffer)
{
    return buffer->data ? buffer->data : "";
}

char *buffer_steal(struct buffer *buffer)
{
    if (!buffer->data) {
        return base_strdup("");
    }
    char *data = buffer->data;
    *buffer = (struct buffer){0};
    return data;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    if (buffer->data) {
        buffer->data[0] = '\0';
    }
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_wipe(struct buffer *buffer)
{
    if (buffer->data) {
        explicit_bzero(buffer->data, buffer->capacity);
    }
    buffer_free(buffer);
}
