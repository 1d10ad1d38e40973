/*
 * task.h: one partition's machine: its records, its watermark, its counts.
 *
 * What run, replay, the scenarios and the simulation all drive, and nothing else decides. Time
 * comes in as timestamps and `until`; effects go out as happenings, for the caller to carry out.
 * Everything done since the last task_land() can be undone.
 */
#ifndef UPSHOT_STATEMACHINE_TASK_H
#define UPSHOT_STATEMACHINE_TASK_H

#include "statemachine/step.h"
#include "statemachine/store.h"
#include "statemachine/watermark.h"

/* What one step did to one message: enough to write the outcome and the log line. */
struct happening {
    const struct table *table;
    struct text id;      /* points into id_bytes */
    int64_t deadline_ms; /* of task_fire() only: the deadline that fired */
    struct effects effects;
    uint8_t state_before; /* STATUS_NONE: it had none, or it is new */
    struct record record; /* afterwards; texts good until the next call, none if forgotten */
    uint8_t id_bytes[MESSAGE_ID_MAX];
};

/* Exact over restarts: kept in the control record, landed with the transaction (DESIGN 2). */
struct task_counts {
    uint64_t arrivals[ARRIVAL_COUNT];
};

struct task {
    const struct tables *tables;
    struct store *store;
    struct watermark watermark;
    struct task_counts counts;
    struct task_point {
        struct watermark watermark;
        struct task_counts counts;
    } sealed, landed; /* sealed: as it was at task_seal(), until that lands */
    bool is_sealed;
};

/* Borrows the tables; makes a store of its own, freed by task_release(). */
void task_init(struct task *task, const struct tables *tables, size_t input_count, hash_fn *hash,
               uint64_t seed);
void task_release(struct task *task);

/*
 * Fires the first deadline at or before until_ms, moving the watermark to it. False when there is
 * none left; the watermark is then at until_ms. Stopping in between is safe: the watermark stays
 * at the last deadline fired. TIME_NONE does nothing.
 */
bool task_fire(struct task *task, int64_t until_ms, struct happening *happening);

/*
 * Applies an event. Its record must have been taken (watermark_take) and the deadlines that this
 * reached must have fired before.
 */
void task_apply(struct task *task, const struct event *event, struct happening *happening);

/*
 * These messages' events come next: fetches what applying them will look at. Changes nothing, so a
 * key too many or too few costs only time. Some hundreds at a time (store_expect_all).
 */
void task_expect(const struct task *task, const struct message_key *keys, size_t count);

/*
 * A message that is one of the next to be restored; the id is borrowed until it is. Thousands of
 * them cost little more than waiting for the memory that each looks at, so it is asked for early,
 * in two steps: first for the message's place, some records later for what is there.
 */
struct task_restoring {
    const struct table *table;
    struct text id;
    uint64_t hash; /* by task_restore_expect() */
};
void task_restore_expect(const struct task *task, struct task_restoring *one);
void task_restore_expect_more(const struct task *task, const struct task_restoring *one);
/* Puts a record as it was kept elsewhere (restore); lands at once. */
void task_restore(struct task *task, const struct task_restoring *one, const struct record *record);
/* Forgets a record that was restored, if it is there: a tombstone in the state topic. */
void task_restore_gone(struct task *task, const struct task_restoring *one);
/* Before anything else: the messages come in the order of a walk over a store with this seed. */
void task_restore_ordered(struct task *task, uint64_t seed);
/* Forgets all that was restored: to begin again, from elsewhere. */
void task_restore_again(struct task *task);

/*
 * What was done so far goes with a transaction, and what comes on top waits for the next: lands
 * after it, and is undone with it (store.h). Without a seal, all of it lands.
 */
void task_seal(struct task *task);
void task_land(struct task *task);
void task_undo(struct task *task);

#endif
