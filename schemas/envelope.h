/*
 * envelope.h: a Kafka record as one line of JSON, as `kcat -J` writes it: into a replay, and out
 * of it as a dead letter (DESIGN 7).
 *
 *   {"topic":"t","partition":0,"offset":7,"tstype":"create","ts":1795428000000,"broker":1,
 *    "headers":["name","value",...],"key":"m-1","payload":"{...}"}
 *
 * key_b64, payload_b64 and headers_b64 (names plain, values in base64) stand in where bytes are
 * no UTF-8. null is an absent key, value or header value.
 */
#ifndef UPSHOT_SCHEMAS_ENVELOPE_H
#define UPSHOT_SCHEMAS_ENVELOPE_H

#include "schemas/buffer.h"
#include "schemas/reason.h"

/* Kafka knows no bound; nobody has seen a record with more. Some room is left for our own. */
enum { HEADERS_MAX = 128, HEADERS_ROOM = HEADERS_MAX + 4 };

struct header {
    const uint8_t *name;
    size_t name_size;
    const uint8_t *value; /* NULL: null */
    size_t value_size;
};

struct envelope {
    const uint8_t *topic; /* NULL: not given */
    size_t topic_size;
    int32_t partition;    /* 0 when not given */
    int64_t offset;       /* -1 when not given */
    int64_t timestamp_ms; /* -1 when not given */
    const uint8_t *key;   /* NULL: none */
    size_t key_size;
    const uint8_t *value; /* NULL: tombstone */
    size_t value_size;
    struct header headers[HEADERS_ROOM];
    size_t header_count;
};

enum envelope_kind {
    ENVELOPE_BARE, /* not an envelope: the line is the event itself, or no JSON at all */
    ENVELOPE_GOOD,
    ENVELOPE_BAD, /* an envelope with an ill-typed member: *why says which */
};

/*
 * A line is an envelope when it is an object with a member `payload` or `payload_b64` and none
 * called `type`. Decoded strings are appended to `store`, and the envelope borrows from it and
 * from the line: both must live as long. A payload that is no string (kcat with a decoder) is
 * taken as its raw bytes.
 */
enum envelope_kind envelope_decode(const uint8_t *line, size_t size, struct buffer *store,
                                   struct envelope *envelope, const char **why);

/* Appends one line without its newline. What was not given (-1, NULL topic) is left out. */
void envelope_encode(struct buffer *out, const struct envelope *envelope);

#endif
