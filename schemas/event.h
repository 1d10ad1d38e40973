/*
 * event.h: one input record's bytes to one event, or to the reason why not (DESIGN 4).
 */
#ifndef UPSHOT_SCHEMAS_EVENT_H
#define UPSHOT_SCHEMAS_EVENT_H

#include "schemas/json.h"
#include "schemas/reason.h"
#include "statemachine/step.h"

enum { DETAIL_MAX = 160 };

/* What a source knows of a record beside its value. */
struct envelope_facts {
    const uint8_t *key; /* NULL: no key */
    size_t key_size;
    int64_t timestamp_ms;
    struct text topic;
    int64_t offset;
    bool key_is_id; /* a bare line of a replay: its key is its id, so it cannot mismatch */
    /* Asked about the key after it was found to be the message id; NULL: any partition is right. */
    bool (*partition_is_right)(const uint8_t *key, size_t key_size, void *context);
    void *context;
};

/* The texts of a decoded event that are not spans of its value live here. */
struct event_buffer {
    uint8_t id[MESSAGE_ID_MAX];
    uint8_t reason[REASON_MAX];
    char detail[DETAIL_MAX]; /* for upshot-detail: names the field, never quotes the payload */
};

/*
 * Decodes a value. Returns REASON_NONE with *event filled, or the first reason of DESIGN 4 that
 * fits from `no_value` on, with buffer->detail. value NULL is a tombstone. `event` borrows from
 * the value, the facts and the buffer. Every event that comes back has its channel and status
 * proven to be in the tables.
 *
 * The same seven members are read in every event, each held to the same rules whatever the type:
 * type, message_id, channel, status, at, reason, attributes. A receipt's attributes, and the
 * reason of a send without status, are dropped after that.
 */
enum reason event_decode(const struct tables *tables, const uint8_t *value, size_t size,
                         size_t max_size, const struct envelope_facts *facts,
                         struct event_buffer *buffer, struct event *event);

/* The `at` of a value that may otherwise be bad: a bare line's timestamp. False: it has none. */
bool event_peek_at(const uint8_t *value, size_t size, int64_t *at_ms);

#endif
