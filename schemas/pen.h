/*
 * pen.h: writes where room has been made before, and returns the place behind what it wrote.
 *
 * For the encoders of every event: they ask a buffer once for the most that they may need
 * (buffer_reserve) and for nothing after that. Who is not sure of its bound uses buffer_put_*().
 */
#ifndef UPSHOT_SCHEMAS_PEN_H
#define UPSHOT_SCHEMAS_PEN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    PEN_DECIMAL_MAX = 20, /* a sign and nineteen digits */
    PEN_VARINT_MAX = 10,
    PEN_ESCAPED_MAX = 6, /* of one byte: \u001f */
};

static inline uint8_t *pen_byte(uint8_t *at, uint8_t byte)
{
    *at = byte;
    return at + 1;
}

static inline uint8_t *pen_bytes(uint8_t *at, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(at, bytes, size);
    return at + size;
}

/* Of a literal: its size is known, so it is a few moves. */
#define pen_literal(at, literal) pen_bytes(at, "" literal, sizeof(literal) - 1)

static inline uint8_t *pen_string(uint8_t *at, const char *string)
{
    return pen_bytes(at, string, strlen(string));
}

uint8_t *pen_decimal(uint8_t *at, int64_t value);

/* How many bytes pen_escaped() writes. */
size_t pen_escaped_size(const void *bytes, size_t size);

/*
 * What stands between the quotes of a JSON string. Escapes the two that must be, and control
 * characters (short forms \b \f \n \r \t, else \u00xx); all other bytes as they are.
 */
uint8_t *pen_escaped(uint8_t *at, const void *bytes, size_t size);

/* LEB128, seven bits a byte, least first; and the same of a zigzag. */
static inline uint8_t *pen_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static inline uint8_t *pen_zigzag(uint8_t *at, int64_t value)
{
    uint64_t twice = (uint64_t)value << 1;

    return pen_varint(at, value < 0 ? ~twice : twice);
}

#endif
