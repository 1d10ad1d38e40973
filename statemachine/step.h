/*
 * step.h: the whole idea. (table, record, event, watermark) -> (record', effects).
 *
 * Pure: no clock, no I/O, no memory but what it is given. Whoever calls carries the effects out
 * (task.h stores, the pump produces). DESIGN 2, 3 and 4 are the source of every rule.
 */
#ifndef UPSHOT_STATEMACHINE_STEP_H
#define UPSHOT_STATEMACHINE_STEP_H

#include "statemachine/record.h"

struct event {
    struct text id;  /* message id, 1 to MESSAGE_ID_MAX bytes */
    uint8_t channel; /* index in the tables */
    uint8_t status;  /* STATUS_NONE: a send that carries none */
    bool is_send;
    int64_t at_ms;        /* payload's time, by the reporter's clock */
    int64_t timestamp_ms; /* record timestamp */
    struct text reason;
    struct text attributes; /* empty but for sends */
    struct text topic;      /* where the event was read */
    int64_t offset;
};

struct effects {
    enum arrival arrival; /* of step_event() only */
    bool emits;           /* an outcome with the record's revision as it is now */
    enum settled_by settled_by;
    int64_t settled_at_ms;
    bool forgets;    /* retention is over: the record goes, with a tombstone */
    int64_t wake_ms; /* next deadline: to settle, to correct or to forget */
};

/* A record as the first event of a message finds it. */
void record_open(struct record *record, const struct event *event);

/*
 * Applies one event. `fresh` says that record_open() has just made the record. The watermark is
 * the task's after this event's timestamp has moved it, TIME_NONE where there is none yet.
 */
void step_event(const struct table *table, struct record *record, bool fresh,
                const struct event *event, int64_t watermark_ms, struct effects *effects);

/* The watermark has reached the record's deadline. */
void step_deadline(const struct table *table, struct record *record, int64_t watermark_ms,
                   struct effects *effects);

/* When a record wants to be woken next: a function of its facts alone, so never stored. */
int64_t step_wake_ms(const struct table *table, const struct record *record);

#endif
