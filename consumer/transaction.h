/*
 * transaction.h: one producer's transactions, and what becomes of each.
 *
 * What follows what is a table with a drawing: transaction.def. Here are the calls: each step makes
 * the one that the state stands for, once, for about a second at most, so that whoever drives it
 * can look after other things in between; librdkafka's transaction calls are resumable.
 */
#ifndef UPSHOT_CONSUMER_TRANSACTION_H
#define UPSHOT_CONSUMER_TRANSACTION_H

#include "consumer/config.h"
#include "consumer/outbox.h"
#include "consumer/transaction_table.h"

#include <stdatomic.h>

enum { FENCED_TIMES = 5 };

/* How often each answer was got where; all workers of a process add to one. */
struct transaction_counts {
    atomic_ullong answers[TRANSACTION_STATE_COUNT][ANSWER_COUNT];
};

struct transaction {
    const struct config *config;
    char id[600]; /* transactional.id */
    int64_t batch_bytes;
    const atomic_bool *stop; /* once set, patience is short */
    const char *topics[OUTBOX_TOPICS];
    bool tell_arrivals;                   /* where control records come to lie is wanted */
    enum transaction_state state, before; /* before: the one that led to it */
    rd_kafka_t *producer;
    rd_kafka_topic_t *handles[OUTBOX_TOPICS]; /* of the producer */
    rd_kafka_headers_t *outcome_headers;      /* copied for each */
    atomic_bool disturbed; /* one of the producer's connections broke: it may have sent twice */
    bool stale;            /* the producer is not to be trusted: the next step makes a new one */
    rd_kafka_resp_err_t call_error; /* of the first call that was refused since the last begin */
    rd_kafka_resp_err_t init_error; /* of the last init_transactions that was refused */
    struct failed_record {          /* the first one, where record_error is set */
        char topic[250];
        int32_t partition;
        size_t bytes;
    } failed;
    atomic_int record_error; /* of the open transaction's first record that failed */
    int64_t since_ms;        /* monotonic: when this state was entered */
    int pause_ms;            /* before the next new producer */
    int hurries;             /* short calls left in which it is made anew as soon as that helps */
    bool told;               /* why it failed is in the log */
    int64_t fenced_ms[FENCED_TIMES]; /* monotonic: when it was fenced last, the newest first */
    const struct outbox *outbox;     /* that is being carried */
    struct transaction_counts *counts;
    int64_t patience_ms; /* with one state: longer than transaction.timeout.ms */
};

/*
 * Makes the id; no producer yet: the first steps, in the state void, bring one. Borrows all. The
 * topics are those of enum outbox_topic.
 */
void transaction_init(struct transaction *transaction, const struct config *config, int worker,
                      const char *random, const char *const topics[OUTBOX_TOPICS],
                      int64_t batch_bytes, const atomic_bool *stop,
                      struct transaction_counts *counts);
void transaction_release(struct transaction *transaction);

/*
 * Goes one step on the straight way, from closed to landed: begins and produces the outbox, which
 * must live until the transaction is over; sends its offsets; commits. True where the same call
 * leads on; false where it has landed, or something else is to be done about it.
 */
bool transaction_carry(struct transaction *transaction, struct outbox *outbox);

/* Why the last one was undone: its record's error, where that says more than its calls'. */
rd_kafka_resp_err_t transaction_why(const struct transaction *transaction);

/* Moves as the worker wishes, after a look at the offsets or at memory. */
void transaction_wish(struct transaction *transaction, enum wish wish);

/* Moves by an answer to what others asked: the committed offsets, while asking. */
void transaction_answer(struct transaction *transaction, enum answer answer);

/*
 * Makes the call of the state, once, and goes where its answer leads. Not for the states that wait
 * for a wish.
 */
void transaction_step(struct transaction *transaction);

#endif
