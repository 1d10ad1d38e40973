/*
 * pump.h: carries records into a task and effects out of it.
 *
 * The same for files and for Kafka. Who calls has decided which record comes next (merge.h) and
 * has decoded it; the pump moves the watermark, fires what is due, applies the event, counts, and
 * hands every outcome and dead letter to the sink. It knows no topic and no transaction, but it
 * has a budget, so that a transaction has a bound: firing stops when that is used up, and the
 * record that caused it is then not yet taken (DESIGN 3).
 */
#ifndef UPSHOT_CONSUMER_PUMP_H
#define UPSHOT_CONSUMER_PUMP_H

#include "schemas/event.h"
#include "statemachine/task.h"

/* How long messages took to settle, in seconds: the bounds of a histogram's buckets. */
#define SETTLE_BOUNDS_S                                               \
    {                                                                 \
        0.1, 0.5, 1, 5, 15, 60, 300, 1800, 3600, 21600, 86400, 259200 \
    }
enum { SETTLE_BOUNDS = 12 };

/* What a process or a task has seen; sums, so that they can be added and compared. */
struct tally {
    uint64_t records;
    uint64_t dead_letters[REASON_COUNT];
    struct channel_tally {
        uint64_t arrivals[ARRIVAL_COUNT];
        uint64_t outcomes[OUTCOME_COUNT][SETTLED_BY_COUNT];
        uint64_t corrections;
        uint64_t forgotten;
        uint64_t forgotten_unsent;          /* of those: their send was never seen */
        uint64_t entered[STATUSES_MAX + 1]; /* moves into state s - 1; 0: opened without one */
        /* First outcomes: from the first record about a message to settled_at. Not cumulative. */
        uint64_t settled_within[SETTLE_BOUNDS + 1];
        uint64_t settle_ms; /* their sum */
    } channels[CHANNELS_MAX];
};

/* One partition: the task, and what is counted with it. */
struct lane {
    int32_t partition;
    struct task task;
    /* Of all records that were accounted for, those before a restore included. */
    struct lane_counts {
        uint64_t records; /* whatever became of them */
        uint64_t dead_letters[REASON_COUNT];
    } counts, sealed, landed;
};

/* One record, decoded, on its way in. */
struct incoming {
    size_t input; /* which of the task's inputs */
    int64_t timestamp_ms;
    enum reason reason; /* REASON_NONE: event is good */
    struct event event;
    const char *detail; /* for a dead letter */
    const void *origin; /* the sink's own: where key, value and headers are */
};

struct sink {
    void (*outcome)(void *context, const struct lane *lane, const struct happening *happening);
    void (*dead_letter)(void *context, const struct lane *lane, const struct incoming *incoming,
                        enum reason reason, const char *detail);
    void *context;
};

struct pump {
    struct sink sink;
    int64_t latest_ms; /* a record timestamp beyond it is skewed (skew.max) */
    int64_t budget;    /* steps until the caller should land; may go below 0 by one record */
    struct tally tally;
};

void lane_init(struct lane *lane, int32_t partition, const struct tables *tables,
               size_t input_count, uint64_t seed);
void lane_release(struct lane *lane);
/* As task_seal(), task_land() and task_undo(). */
void lane_seal(struct lane *lane);
void lane_land(struct lane *lane);
void lane_undo(struct lane *lane);

/* Arrivals and dead letters: what the counts that the control record keeps add up to. */
uint64_t lane_accounted(const struct lane *lane);

/* Messages that it holds, and whose send it has not seen. */
uint64_t lane_unsent(const struct lane *lane);

/* Each of its records is in one class or a dead letter (promise 2), or the process stops. */
void lane_require_whole(const struct lane *lane);

/* Dated too far ahead to be believed: a dead letter that moves nothing (DESIGN 3). */
bool incoming_is_skewed(const struct pump *pump, const struct incoming *incoming);

/* True: taken and accounted for. False: the budget ran out first; land, then call again. */
bool pump_take(struct pump *pump, struct lane *lane, const struct incoming *incoming);

/* Fires all deadlines up to until_ms. False: the budget ran out first. */
bool pump_fire(struct pump *pump, struct lane *lane, int64_t until_ms);

/* True where the watermark allows a deadline to fire: there is something to do without a record. */
bool lane_is_due(const struct lane *lane, int64_t until_ms);

#endif
