/* pen.c: decimals by two digits, strings by eight bytes. */
#include "schemas/pen.h"

#include "schemas/digits.h"
#include "schemas/eight.h"

uint8_t *pen_decimal(uint8_t *at, int64_t value)
{
    uint8_t digits[PEN_DECIMAL_MAX];
    size_t first = sizeof(digits);
    /* Of the unsigned twin, for the least value has no positive one. */
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    for (; rest >= 100; rest /= 100) {
        first -= 2;
        digits_two(digits + first, (unsigned)(rest % 100));
    }
    if (rest >= 10) {
        first -= 2;
        digits_two(digits + first, (unsigned)rest);
    } else {
        digits[--first] = (uint8_t)('0' + rest);
    }
    if (value < 0)
        digits[--first] = '-';
    return pen_bytes(at, digits + first, sizeof(digits) - first);
}

/* The letter behind the backslash; 'u' for those that have no short form, 0 for all the rest. */
/* clang-format off */
static const uint8_t escapes[256] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n', 'u', 'f', 'r', 'u', 'u',
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u',
    ['"'] = '"', ['\\'] = '\\',
};
/* clang-format on */

size_t pen_escaped_size(const void *text, size_t size)
{
    const uint8_t *bytes = text;
    size_t escaped = 0;

    for (size_t i = 0; i < size;) {
        if (size - i >= 8 && eight_marks_escaped(eight_load(bytes + i)) == 0) {
            escaped += 8;
            i += 8;
            continue;
        }
        uint8_t escape = escapes[bytes[i++]];
        escaped += escape == 0 ? 1 : escape == 'u' ? PEN_ESCAPED_MAX : 2;
    }
    return escaped;
}

static uint8_t *escape_one(uint8_t *at, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t escape = escapes[byte];

    if (escape == 0)
        return pen_byte(at, byte);
    at = pen_byte(at, '\\');
    at = pen_byte(at, escape);
    if (escape == 'u') {
        at = pen_literal(at, "00");
        at = pen_byte(at, (uint8_t)hex[byte >> 4]);
        at = pen_byte(at, (uint8_t)hex[byte & 15]);
    }
    return at;
}

uint8_t *pen_escaped(uint8_t *at, const void *text, size_t size)
{
    const uint8_t *bytes = text;

    while (size > 0) {
        if (size >= 8 && eight_marks_escaped(eight_load(bytes)) == 0) {
            at = pen_bytes(at, bytes, 8);
            bytes += 8;
            size -= 8;
            continue;
        }
        at = escape_one(at, *bytes++);
        size--;
    }
    return at;
}
