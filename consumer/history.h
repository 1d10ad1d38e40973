/*
 * history.h: the last minute, second by second, from counts that only grow.
 */
#ifndef UPSHOT_CONSUMER_HISTORY_H
#define UPSHOT_CONSUMER_HISTORY_H

#include "consumer/pump.h"

enum { HISTORY_STEPS = 60, HISTORY_STEP_MS = 1000 };

/* What had been counted by one moment. */
struct history_sample {
    uint64_t records, corrections, dead_letters;
    uint64_t outcomes[OUTCOME_COUNT];
};

/* A zeroed one is empty. Not safe for two threads: who shares it, locks. */
struct history {
    struct history_sample samples[HISTORY_STEPS + 1]; /* a ring */
    uint64_t *entered; /* for each sample: channels times (STATUSES_MAX + 1) */
    size_t channel_count;
    uint64_t count;  /* samples taken since the start */
    int64_t last_ms; /* when the last one was taken: the caller's clock */
};

void history_init(struct history *history, size_t channel_count);
void history_release(struct history *history);

/* One more second is over. */
void history_add(struct history *history, const struct tally *tally, int64_t now_ms);

/* How many steps it can tell of: at most HISTORY_STEPS. */
size_t history_steps(const struct history *history);

/* What came in step i, the oldest first. */
struct history_sample history_step(const struct history *history, size_t i);

/* Moves into a state within all steps; row: status + 1, 0 for messages opened without one. */
uint64_t history_entered(const struct history *history, size_t channel, size_t row);

#endif
