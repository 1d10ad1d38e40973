/* dead_letter.c: why, what and where from, as headers. The letter itself travels untouched. */
#include "schemas/dead_letter.h"

#include <string.h>

/* Room for the numbers of a source and a cut, slashes included. */
enum { NUMBERS_MAX = 64 };

static struct header header_of(const char *name, const uint8_t *value, size_t size)
{
    return (struct header){(const uint8_t *)name, strlen(name), value, size};
}

/* What was appended since `from`. The buffer does not move any more, its room was made before. */
static struct header header_since(const char *name, const struct buffer *store, size_t from)
{
    return header_of(name, store->bytes + from, store->size - from);
}

size_t dead_letter_headers(struct header out[4], struct buffer *store, enum reason reason,
                           const char *detail, const uint8_t *topic, size_t topic_size,
                           int32_t partition, int64_t offset, size_t full_size, size_t kept_size)
{
    size_t detail_size = detail != NULL ? strlen(detail) : 0;
    size_t count = 0, from;

    out[count++] = header_of(HEADER_REASON, (const uint8_t *)reason_words[reason],
                             strlen(reason_words[reason]));
    /* Without memory the reason alone is told; the store remembers that it failed. */
    if (buffer_reserve(store, detail_size + topic_size + NUMBERS_MAX) == NULL)
        return count;

    if (detail_size > 0) {
        from = store->size;
        buffer_put(store, detail, detail_size);
        out[count++] = header_since(HEADER_DETAIL, store, from);
    }

    from = store->size;
    buffer_put(store, topic, topic_size);
    buffer_put_byte(store, '/');
    buffer_put_decimal(store, partition);
    buffer_put_byte(store, '/');
    buffer_put_decimal(store, offset);
    out[count++] = header_since(HEADER_SOURCE, store, from);

    if (full_size > kept_size) {
        from = store->size;
        buffer_put_decimal(store, (int64_t)full_size);
        out[count++] = header_since(HEADER_CUT, store, from);
    }
    return count;
}
