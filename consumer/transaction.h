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
    /* Told of each record that is in the log now; NULL: nobody wants to know. */
    void (*arrived)(void *context, const rd_kafka_message_t *message);
    void *context;
    enum transaction_state state;
    rd_kafka_t *producer;
    atomic_bool disturbed; /* one of the producer's connections broke: it may have sent twice */
    bool stale;            /* the producer is not to be trusted: the next step makes a new one */
    rd_kafka_resp_err_t call_error; /* of the first call that was refused since the last begin */
    rd_kafka_resp_err_t init_error; /* of the last init_transactions that was refused */
    struct failed_record {          /* the first one, where record_error is set */
        char topic[250];
        int32_t partition;
        size_t bytes;
    } failed;
    atomic_int record_error;         /* of the open transaction's first record that failed */
    int64_t since_ms;                /* monotonic: when this state was entered */
    int pause_ms;                    /* before the next new producer */
    bool told;                       /* why it failed is in the log */
    int64_t fenced_ms[FENCED_TIMES]; /* monotonic: when it was fenced last, the newest first */
    rd_kafka_topic_partition_list_t *offsets; /* of the transaction that is to be committed */
    const rd_kafka_consumer_group_metadata_t *generation;
    struct transaction_counts *counts;
    int64_t patience_ms; /* with one state: longer than transaction.timeout.ms */
};

/* Makes the id; no producer yet: the first steps, in the state void, bring one. Borrows all. */
void transaction_init(struct transaction *transaction, const struct config *config, int worker,
                      const char *random, int64_t batch_bytes, const atomic_bool *stop,
                      struct transaction_counts *counts);
void transaction_release(struct transaction *transaction);

/* Opens one where it is closed. False: not now; it is void then. */
bool transaction_begin(struct transaction *transaction);

/*
 * Produces into the open transaction. Key and value are copied; headers become the producer's.
 * A NULL value is a tombstone. False where librdkafka refuses the record: the transaction will be
 * aborted.
 */
bool transaction_produce(struct transaction *transaction, rd_kafka_topic_t *topic,
                         int32_t partition, const void *key, size_t key_size, const void *value,
                         size_t value_size, rd_kafka_headers_t *headers);

/* True where a record of the open transaction has failed: it can only be aborted. */
bool transaction_is_broken(const struct transaction *transaction);

/* Why the last one was undone: its record's error, where that says more than its calls'. */
rd_kafka_resp_err_t transaction_why(const struct transaction *transaction);

/*
 * Commits the open one with these offsets (which become the transaction's) under this generation
 * (which must live until it is over), or aborts it where a record has failed. The steps do it.
 */
void transaction_commit(struct transaction *transaction, rd_kafka_topic_partition_list_t *offsets,
                        const rd_kafka_consumer_group_metadata_t *generation);

/* Moves as the worker wishes: abort, and after a look at the offsets or at memory. */
void transaction_wish(struct transaction *transaction, enum wish wish);

/* Moves by an answer to what others asked: the committed offsets, while asking. */
void transaction_answer(struct transaction *transaction, enum answer answer);

/*
 * Makes the call of the state, once, and goes where its answer leads. In void, unclear and aborting
 * with a stale producer: handles of its topics must be gone, for it is destroyed.
 * Not for the states that wait for a wish.
 */
void transaction_step(struct transaction *transaction);

#endif
