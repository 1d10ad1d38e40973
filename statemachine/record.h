/*
 * record.h: what is known of one message, unpacked, and the verdict on it.
 *
 * Every fact joins by itself, as a minimum, a maximum or a set, so that order and repetition do
 * not matter (DESIGN 2). The store keeps records packed (pack.h); a step works on this form.
 */
#ifndef UPSHOT_STATEMACHINE_RECORD_H
#define UPSHOT_STATEMACHINE_RECORD_H

#include "statemachine/table.h"
#include "statemachine/text.h"

#include <stdbool.h>
#include <stdint.h>

struct seen {
    int64_t at_ms; /* earliest, by the reporter's clock */
    uint8_t status;
};

/* {outcome, status, send_seen, conflict}: a correction is due when it differs (DESIGN 1, 4). */
struct verdict {
    uint8_t outcome; /* enum outcome */
    uint8_t status;  /* STATUS_NONE: none was seen */
    bool send_seen;
    bool conflict;
};

struct record {
    int64_t life_ms;     /* record timestamp that opened it */
    int64_t first_ts_ms; /* least record timestamp of all its events */
    int64_t state_ts_ms; /* least record timestamp that reported the state */
    int64_t sent_at_ms;  /* earliest send; only with send_seen */
    int64_t attributes_at_ms;
    int64_t reason_at_ms;
    int64_t forget_ms;      /* only with revision > 0: when retention ends */
    struct text attributes; /* of the send with the least (at, bytes) */
    struct text reason;     /* of the state's receipt with the least (at, bytes) */
    struct text topic;      /* source: the record that set the state, or opened the message */
    int64_t offset;
    uint32_t revision;      /* of the last outcome; 0: none yet */
    struct verdict emitted; /* only with revision > 0 */
    bool send_seen;
    bool conflict;
    uint8_t state; /* STATUS_NONE: none yet */
    uint8_t seen_count;
    struct seen seen[SEEN_MAX]; /* sorted by status, which is by strength */
};

/* Where a message stands on its way to its first outcome. */
enum standing {
    STANDING_UNSENT, /* no outcome yet, and no send seen: held, or past its hold */
    STANDING_WAITING,
    STANDING_SETTLED, /* it has one, and is kept for what comes late */
    STANDING_COUNT
};

/* The set of statuses seen that have a vote, as bits. */
uint64_t record_seen_mask(const struct table *table, const struct record *record);

/* Index in seen[], or -1. */
int record_find_seen(const struct record *record, uint8_t status);

struct verdict record_verdict(const struct table *table, const struct record *record);
bool verdict_equal(struct verdict a, struct verdict b);

/* State, and conflict, anew from the statuses seen: after the table has changed (DESIGN 5). */
void record_recompute(const struct table *table, struct record *record);

#endif
