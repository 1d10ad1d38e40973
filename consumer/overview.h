/*
 * overview.h: what all workers' boards show, taken together: what /metrics and the views are of.
 *
 * A copy, so that whoever prints it holds no lock. Counts are this process's, since it started, of
 * what has landed.
 */
#ifndef UPSHOT_CONSUMER_OVERVIEW_H
#define UPSHOT_CONSUMER_OVERVIEW_H

#include "consumer/worker.h"

struct overview_task {
    int worker;
    struct board_task task; /* its inputs: of the overview */
};

struct overview_worker {
    int64_t at_ms; /* wall clock: of its page; 0: none yet */
    bool joined;   /* the group has told it its share */
    size_t tasks;
    long long restoring, records, bytes, percent, eta_s; /* percent 0 to 100; eta_s -1: unknown */
};

struct overview {
    int64_t at_ms;
    bool ready; /* every worker has its share, and all of that is restored and consuming */
    struct overview_worker *workers;
    size_t worker_count;
    struct overview_task *tasks; /* by partition */
    size_t task_count;
    struct board_input *inputs;
    size_t inputs_each;
    struct tally tally;
    uint64_t census[CHANNELS_MAX][STATUSES_MAX + 1][STANDING_COUNT]; /* row 0: no status yet */
    struct store_size size;
    size_t outboxes_bytes;
    struct restore_sum restores;
    struct board_upcoming upcoming[BOARD_UPCOMING];
    size_t upcoming_count;
    uint64_t ahead[BOARD_AHEAD + 1];
    bool ahead_exact;
    struct board_letter letters[BOARD_LETTERS]; /* the newest first */
    size_t letter_count;
    uint64_t took[BOARD_TOOK + 1], took_ms;
    uint64_t landed, undone, resolved;
};

/* Reads every board; *overview was zeroed, or used before. */
void overview_take(struct overview *overview, const struct stage *stage, struct worker *workers,
                   size_t count);
void overview_release(struct overview *overview);

/* What only sums up, for a history: read in passing, without the rest. */
void overview_tally(struct tally *tally, struct worker *workers, size_t count);

/* Messages of a channel in a state (row: its index + 1, 0 for none yet); and how many stand so. */
uint64_t overview_messages(const struct overview *overview, size_t channel, size_t row);
uint64_t overview_standing(const struct overview *overview, size_t channel, enum standing standing);

/* Now less the watermark, where the task has any; -1 where not. */
int64_t overview_watermark_age_ms(const struct overview *overview, const struct board_task *task);

/* Records between an input's place and its end; -1 where the end is not known. */
int64_t overview_lag(const struct board_input *input);

#endif
