/*
 * text.h: bytes that somebody else owns, with the number they have in an intern pool, if any.
 *
 * size 0 means absent: no text that the machine keeps is ever empty. ref 0 means not interned.
 */
#ifndef UPSHOT_STATEMACHINE_TEXT_H
#define UPSHOT_STATEMACHINE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct text {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t ref;
};

/* Order of bytes, a shorter one before what it is the beginning of. */
static inline int text_compare(struct text a, struct text b)
{
    uint32_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter > 0 ? memcmp(a.bytes, b.bytes, shorter) : 0;

    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

static inline bool text_equal(struct text a, struct text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static inline struct text text_of(const char *string)
{
    return (struct text){.bytes = (const uint8_t *)string, .size = (uint32_t)strlen(string)};
}

#endif
