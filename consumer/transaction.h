/*
 * transaction.h: one producer's transactions, and what became of each.
 *
 *          begin            commit: send offsets, flush, EndTxn
 *   closed ------> open -------------------------------------> landed
 *      ^            |                  |            |
 *      |            | abort            | abortable  | timed out, fatal, fenced
 *      |            v                  v            v
 *      +--------- undone <----------- undone      unclear
 *
 * Unclear means: the answer is lost, not the transaction. Then the producer is thrown away, a new
 * one fences the old (init_transactions), and the committed offsets' metadata, which carries the
 * transaction's number, says whether it landed (DESIGN 5). Never guess.
 */
#ifndef UPSHOT_CONSUMER_TRANSACTION_H
#define UPSHOT_CONSUMER_TRANSACTION_H

#include "consumer/config.h"

#include <stdatomic.h>

enum verdict_of_commit {
    COMMIT_LANDED,  /* it is in Kafka */
    COMMIT_UNDONE,  /* it is certainly not */
    COMMIT_UNCLEAR, /* nobody knows yet: transaction_renew(), then read the offsets */
};

struct transaction {
    const struct config *config;
    char id[600]; /* transactional.id */
    int64_t batch_bytes;
    rd_kafka_t *producer;
    bool open;
    atomic_bool delivery_failed; /* of the open transaction */
    const atomic_bool *stop;     /* once set, patience is short */
};

/* Makes the id; no producer yet. */
void transaction_init(struct transaction *transaction, const struct config *config, int worker,
                      const char *random, int64_t batch_bytes, const atomic_bool *stop);
void transaction_release(struct transaction *transaction);

/*
 * A new producer, which fences and aborts whatever the same id left behind. False where that could
 * not be done within the time given; the reason is logged.
 */
bool transaction_renew(struct transaction *transaction, int64_t patience_ms);

/* Opens one where none is open. False: unclear. */
bool transaction_begin(struct transaction *transaction);

/*
 * Produces into the open transaction. Key and value are copied; headers become the producer's.
 * A NULL value is a tombstone. False where librdkafka refuses the record: abort.
 */
bool transaction_produce(struct transaction *transaction, rd_kafka_topic_t *topic,
                         int32_t partition, const void *key, size_t key_size, const void *value,
                         size_t value_size, rd_kafka_headers_t *headers);

/* Commits with these offsets under this generation. What remains open is none. */
enum verdict_of_commit transaction_commit(struct transaction *transaction,
                                          const rd_kafka_topic_partition_list_t *offsets,
                                          const rd_kafka_consumer_group_metadata_t *generation);

/* Aborts the open one, if any: COMMIT_UNDONE or COMMIT_UNCLEAR. */
enum verdict_of_commit transaction_abort(struct transaction *transaction);

#endif
