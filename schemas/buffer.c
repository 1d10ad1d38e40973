/* buffer.c: bytes that grow by doubling. Not a string: nothing here ends in a NUL. */
#include "schemas/buffer.h"

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
    uint8_t digits[20]; /* a sign and nineteen digits */
    size_t at = sizeof(digits);
    /* Of the unsigned twin, for the least value has no positive one. */
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (uint8_t)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        digits[--at] = '-';
    buffer_put(buffer, digits + at, sizeof(digits) - at);
}

/* The letter behind the backslash; 'u' for those that have no short form, 0 for all the rest. */
/* clang-format off */
static const uint8_t escapes[256] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n', 'u', 'f', 'r', 'u', 'u',
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u',
    ['"'] = '"', ['\\'] = '\\',
};
/* clang-format on */

void buffer_put_json_string(struct buffer *buffer, const void *text, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *bytes = text;
    size_t from = 0;

    buffer_put_byte(buffer, '"');
    for (size_t i = 0; i < size; i++) {
        uint8_t escape = escapes[bytes[i]];

        if (escape == 0)
            continue;
        buffer_put(buffer, bytes + from, i - from);
        from = i + 1;
        buffer_put_byte(buffer, '\\');
        buffer_put_byte(buffer, escape);
        if (escape == 'u') {
            buffer_put_string(buffer, "00");
            buffer_put_byte(buffer, (uint8_t)hex[bytes[i] >> 4]);
            buffer_put_byte(buffer, (uint8_t)hex[bytes[i] & 15]);
        }
    }
    if (from < size)
        buffer_put(buffer, bytes + from, size - from);
    buffer_put_byte(buffer, '"');
}

void buffer_put_varint(struct buffer *buffer, uint64_t value)
{
    uint8_t *out = buffer_reserve(buffer, 10);
    size_t size = 0;

    if (out == NULL)
        return;
    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    buffer->size += size;
}

void buffer_put_zigzag(struct buffer *buffer, int64_t value)
{
    uint64_t twice = (uint64_t)value << 1;

    buffer_put_varint(buffer, value < 0 ? ~twice : twice);
}
