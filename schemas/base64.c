/* base64.c: RFC 4648 4. Strict on the way in: one text for the same bytes, no white space. */
#include "schemas/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buffer *out, const uint8_t *bytes, size_t size)
{
    uint8_t *text;

    /* No record is near it; a buffer this large would not be had either. */
    if (size > PTRDIFF_MAX / 2) {
        out->failed = true;
        return;
    }
    text = buffer_reserve(out, (size + 2) / 3 * 4);
    if (text == NULL)
        return;
    for (size_t at = 0; at < size; at += 3) {
        size_t left = size - at;
        uint32_t three = (uint32_t)bytes[at] << 16;

        if (left > 1)
            three |= (uint32_t)bytes[at + 1] << 8;
        if (left > 2)
            three |= bytes[at + 2];
        *text++ = (uint8_t)alphabet[three >> 18];
        *text++ = (uint8_t)alphabet[three >> 12 & 63];
        *text++ = left > 1 ? (uint8_t)alphabet[three >> 6 & 63] : '=';
        *text++ = left > 2 ? (uint8_t)alphabet[three & 63] : '=';
    }
    out->size += (size + 2) / 3 * 4;
}

/* The value of a letter, 64 or more where it is none. */
static uint32_t letter_value(uint8_t letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return (uint32_t)(letter - 'A');
    if (letter >= 'a' && letter <= 'z')
        return (uint32_t)(letter - 'a' + 26);
    if (letter >= '0' && letter <= '9')
        return (uint32_t)(letter - '0' + 52);
    if (letter == '+')
        return 62;
    return letter == '/' ? 63 : 64;
}

bool base64_decode(struct buffer *out, const uint8_t *text, size_t size)
{
    size_t padding = 0, written = 0;
    uint8_t *bytes;

    if (size % 4 != 0)
        return false;
    if (size > 0 && text[size - 1] == '=')
        padding = text[size - 2] == '=' ? 2 : 1;
    bytes = buffer_reserve(out, size / 4 * 3);
    if (bytes == NULL)
        return false;
    for (size_t at = 0; at < size; at += 4) {
        size_t letters = at + 4 == size ? 4 - padding : 4;
        uint32_t three = 0, wrong = 0;

        for (size_t i = 0; i < 4; i++) {
            uint32_t value = i < letters ? letter_value(text[at + i]) : 0;
            wrong |= value & 64;
            three = three << 6 | value;
        }
        /* Bits that no byte takes must be zero, or two texts would mean the same bytes. */
        if (wrong != 0 || (letters == 3 && (three & 0xff) != 0) ||
            (letters == 2 && (three & 0xffff) != 0))
            return false;
        bytes[written++] = (uint8_t)(three >> 16);
        if (letters > 2)
            bytes[written++] = (uint8_t)(three >> 8 & 0xff);
        if (letters > 3)
            bytes[written++] = (uint8_t)(three & 0xff);
    }
    out->size += written;
    return true;
}
