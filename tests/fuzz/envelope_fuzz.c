/*
 * envelope_fuzz.c: any bytes as a line, and any bytes as what a line carries.
 *
 * What is read and written and read again is the same; a written line is one line of valid JSON,
 * whatever bytes Kafka had (promise 8).
 */
#include "schemas/envelope.h"
#include "schemas/json.h"
#include "statemachine/bounds.h"
#include "statemachine/require.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    return (a == NULL) == (b == NULL) && a_size == b_size &&
           (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static void check_same(const struct envelope *a, const struct envelope *b)
{
    require(same(a->topic, a->topic_size, b->topic, b->topic_size));
    require(a->partition == b->partition);
    require(a->offset == b->offset);
    require(a->timestamp_ms == b->timestamp_ms);
    require(same(a->key, a->key_size, b->key, b->key_size));
    require(same(a->value, a->value_size, b->value, b->value_size));
    require(a->header_count == b->header_count);
    for (size_t i = 0; i < a->header_count; i++) {
        const struct header *left = &a->headers[i], *right = &b->headers[i];
        require(same(left->name, left->name_size, right->name, right->name_size));
        require(same(left->value, left->value_size, right->value, right->value_size));
    }
}

static void check_bounds(const struct envelope *envelope)
{
    require(envelope->partition >= 0);
    require(envelope->offset >= -1);
    require(envelope->timestamp_ms >= -1);
    require(envelope->topic == NULL ||
            (envelope->topic_size > 0 && envelope->topic_size <= TOPIC_MAX &&
             utf8_valid(envelope->topic, envelope->topic_size)));
    require(envelope->header_count <= HEADERS_MAX);
}

static void check_line(const struct buffer *out)
{
    struct json_object object;
    struct json_member member;

    require(!out->failed);
    require(memchr(out->bytes, '\n', out->size) == NULL);
    for (json_begin(&object, out->bytes, out->size); json_next(&object, &member);)
        continue;
    require(object.error == NULL);
}

/* Writes it and reads it back into `back`, which borrows from both buffers. */
static void round_trip(const struct envelope *envelope, struct buffer *out, struct buffer *store,
                       struct envelope *back)
{
    const char *why = NULL;

    envelope_encode(out, envelope);
    check_line(out);
    require(envelope_decode(out->bytes, out->size, store, back, &why) == ENVELOPE_GOOD);
}

static void check_as_line(const uint8_t *data, size_t size)
{
    struct buffer store = {0}, out = {0}, back_store = {0};
    struct envelope envelope, back;
    const char *why = NULL;

    switch (envelope_decode(data, size, &store, &envelope, &why)) {
    case ENVELOPE_BARE:
        require(why == NULL);
        break;
    case ENVELOPE_BAD:
        require(why != NULL && why[0] != '\0');
        break;
    case ENVELOPE_GOOD:
        check_bounds(&envelope);
        round_trip(&envelope, &out, &back_store, &back);
        check_same(&envelope, &back);
        break;
    }
    buffer_release(&store);
    buffer_release(&out);
    buffer_release(&back_store);
}

/* The input cut into pieces: key, header's value, payload, header's name, topic. */
static void check_as_content(const uint8_t *data, size_t size)
{
    struct buffer out = {0}, store = {0};
    const uint8_t *pieces[5];
    size_t sizes[5];
    struct envelope back;

    for (size_t i = 0; i < 5; i++) {
        size_t wanted = size > 0 ? data[0] : 0;

        if (size > 0) {
            data++;
            size--;
        }
        /* A quarter is absent. Only a key, a value or a header's value can be that. */
        pieces[i] = (wanted & 3) == 3 && i < 3 ? NULL : data;
        sizes[i] = pieces[i] == NULL ? 0 : wanted / 4 < size ? wanted / 4 : size;
        data += sizes[i];
        size -= sizes[i];
    }

    struct envelope envelope = {
        .topic = sizes[4] > 0 ? pieces[4] : NULL,
        .topic_size = sizes[4],
        .partition = (int32_t)sizes[0],
        .offset = (int64_t)sizes[1] - 1,
        .timestamp_ms = (int64_t)sizes[2] - 1,
        .key = pieces[0],
        .key_size = sizes[0],
        .value = pieces[2],
        .value_size = sizes[2],
        .headers = {{pieces[3], sizes[3], pieces[1], sizes[1]}},
        .header_count = 1,
    };
    /* Names that decode would refuse are still written as JSON, and then are other names. */
    bool same_names = utf8_valid(pieces[3], sizes[3]) &&
                      (sizes[3] == 0 || memchr(pieces[3], '\0', sizes[3]) == NULL) &&
                      utf8_valid(pieces[4], sizes[4]) &&
                      (sizes[4] == 0 || memchr(pieces[4], '\0', sizes[4]) == NULL);

    if (same_names) {
        round_trip(&envelope, &out, &store, &back);
        check_same(&envelope, &back);
    } else {
        envelope_encode(&out, &envelope);
        check_line(&out);
    }
    buffer_release(&out);
    buffer_release(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_as_line(data, size);
    check_as_content(data, size);
    return 0;
}
