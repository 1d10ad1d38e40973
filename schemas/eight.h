/*
 * eight.h: eight bytes of text looked at in one word, the first one lowest.
 *
 * A mark is a byte's highest bit. The subtractions borrow into a byte only from one below that is
 * marked itself, so the lowest mark is always true, and no mark at all means that there is none.
 */
#ifndef UPSHOT_SCHEMAS_EIGHT_H
#define UPSHOT_SCHEMAS_EIGHT_H

#include <stdint.h>

#define EIGHT_OF(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Compilers make one load of it. */
static inline uint64_t eight_load(const uint8_t *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
           (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
           (uint64_t)at[7] << 56;
}

/* Marks bytes beyond ASCII. */
static inline uint64_t eight_marks_beyond(uint64_t eight)
{
    return eight & EIGHT_OF(0x80);
}

/* Marks what a JSON string must escape: control characters, the quote, the backslash. */
static inline uint64_t eight_marks_escaped(uint64_t eight)
{
    uint64_t control = eight - EIGHT_OF(' ');
    uint64_t quote = (eight ^ EIGHT_OF('"')) - EIGHT_OF(1);
    uint64_t backslash = (eight ^ EIGHT_OF('\\')) - EIGHT_OF(1);

    /* Of bytes from 0x80 on these may say anything; they are none of the three. */
    return (control | quote | backslash) & ~eight & EIGHT_OF(0x80);
}

/* How many bytes stand before the lowest mark; there must be one. */
static inline unsigned eight_before_mark(uint64_t marks)
{
    return (unsigned)__builtin_ctzll(marks) / 8;
}

#endif
