/*
 * buffer.h: bytes that grow. An append that finds no memory is remembered; ask once at the end.
 */
#ifndef UPSHOT_SCHEMAS_BUFFER_H
#define UPSHOT_SCHEMAS_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed one is empty and safe to release. */
struct buffer {
    uint8_t *bytes;
    size_t size;
    size_t room;
    bool failed; /* an append found no memory: the content is not whole */
};

void buffer_release(struct buffer *buffer);

/* Empties it, keeps the memory, forgets a failure. */
void buffer_clear(struct buffer *buffer);

/* Room for `size` more bytes, or NULL with failed set. The caller adds what it wrote to size. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);

void buffer_put(struct buffer *buffer, const void *bytes, size_t size);
void buffer_put_byte(struct buffer *buffer, uint8_t byte);
void buffer_put_string(struct buffer *buffer, const char *string);
void buffer_put_decimal(struct buffer *buffer, int64_t value);

/* As printf() would, of any length, without a NUL. */
__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *buffer, const char *format,
                                                         ...);

/*
 * A JSON string with its quotes. Escapes the two that must be, and control characters (short forms
 * \b \f \n \r \t, else \u00xx); all other bytes as they are.
 */
void buffer_put_json_string(struct buffer *buffer, const void *bytes, size_t size);

/* LEB128, seven bits a byte, least first; and the same of a zigzag. */
void buffer_put_varint(struct buffer *buffer, uint64_t value);
void buffer_put_zigzag(struct buffer *buffer, int64_t value);

#endif
