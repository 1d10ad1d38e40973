/* digits.h: two decimal digits at a time. */
#ifndef UPSHOT_SCHEMAS_DIGITS_H
#define UPSHOT_SCHEMAS_DIGITS_H

#include <stdint.h>
#include <string.h>

/* Writes a number up to 99 as two digits. */
static inline void digits_two(void *out, unsigned number)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";

    memcpy(out, pairs + (size_t)2 * number, 2);
}

#endif
