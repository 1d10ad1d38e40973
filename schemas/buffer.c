/* buffer.c: bytes that grow by doubling. Not a string: nothing here ends in a NUL. */
#include "schemas/buffer.h"

#include "schemas/pen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_AT_FIRST = 256 };

void buffer_release(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
}

/* Out of line, so that the common case of buffer_reserve() stays a comparison. */
static __attribute__((noinline)) uint8_t *grow(struct buffer *buffer, size_t size)
{
    size_t room = buffer->room > 0 ? buffer->room : ROOM_AT_FIRST;
    uint8_t *bytes;

    if (size > PTRDIFF_MAX - buffer->size) {
        buffer->failed = true;
        return NULL;
    }
    while (room < buffer->size + size)
        room = room <= PTRDIFF_MAX / 2 ? room * 2 : PTRDIFF_MAX;
    bytes = realloc(buffer->bytes, room);
    if (bytes == NULL) {
        buffer->failed = true;
        return NULL;
    }
    buffer->bytes = bytes;
    buffer->room = room;
    return bytes + buffer->size;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size)
{
    /* After a failure nothing more is added: a hole in the middle would look like a whole. */
    if (buffer->failed)
        return NULL;
    if (buffer->bytes != NULL && size <= buffer->room - buffer->size)
        return buffer->bytes + buffer->size;
    return grow(buffer, size);
}

void buffer_put(struct buffer *buffer, const void *bytes, size_t size)
{
    uint8_t *out = buffer_reserve(buffer, size);

    if (out == NULL || size == 0)
        return;
    memcpy(out, bytes, size);
    buffer->size += size;
}

void buffer_put_byte(struct buffer *buffer, uint8_t byte)
{
    uint8_t *out = buffer_reserve(buffer, 1);

    if (out == NULL)
        return;
    *out = byte;
    buffer->size++;
}

void buffer_put_string(struct buffer *buffer, const char *string)
{
    buffer_put(buffer, string, strlen(string));
}

void buffer_put_decimal(struct buffer *buffer, int64_t value)
{
    uint8_t *out = buffer_reserve(buffer, PEN_DECIMAL_MAX);

    if (out != NULL)
        buffer->size += (size_t)(pen_decimal(out, value) - out);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args, again;
    int size;
    uint8_t *out;

    va_start(args, format);
    va_copy(again, args);
    size = vsnprintf(NULL, 0, format, args);
    out = size < 0 ? NULL : buffer_reserve(buffer, (size_t)size + 1);
    if (out != NULL) {
        vsnprintf((char *)out, (size_t)size + 1, format, again);
        buffer->size += (size_t)size;
    } else {
        buffer->failed = true;
    }
    va_end(again);
    va_end(args);
}

void buffer_put_json_string(struct buffer *buffer, const void *bytes, size_t size)
{
    uint8_t *out = buffer_reserve(buffer, pen_escaped_size(bytes, size) + 2), *at = out;

    if (out == NULL)
        return;
    at = pen_byte(at, '"');
    at = pen_escaped(at, bytes, size);
    at = pen_byte(at, '"');
    buffer->size += (size_t)(at - out);
}

void buffer_put_varint(struct buffer *buffer, uint64_t value)
{
    uint8_t *out = buffer_reserve(buffer, PEN_VARINT_MAX);

    if (out != NULL)
        buffer->size += (size_t)(pen_varint(out, value) - out);
}

void buffer_put_zigzag(struct buffer *buffer, int64_t value)
{
    uint8_t *out = buffer_reserve(buffer, PEN_VARINT_MAX);

    if (out != NULL)
        buffer->size += (size_t)(pen_zigzag(out, value) - out);
}
