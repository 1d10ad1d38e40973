/*
 * committer.h: carries one batch through its transaction while the worker makes the next.
 *
 * A thread of its own, for librdkafka's transaction calls wait: some 20 to 40 ms for each, in which
 * the worker decodes, steps and encodes what comes after. It has the transaction and the outbox
 * from committer_send() until they are taken back, and nobody else may touch either meanwhile. It
 * only goes the straight way (transaction_carry); whatever else may happen is the worker's to
 * settle, when it has them back.
 */
#ifndef UPSHOT_CONSUMER_COMMITTER_H
#define UPSHOT_CONSUMER_COMMITTER_H

#include "consumer/transaction.h"

struct committer;

/* Borrows the transaction; a byte is written to the pipe when something can be taken back. */
struct committer *committer_new(struct transaction *transaction, const int wake[2]);
/* Waits for its thread, so nothing may be away. */
void committer_free(struct committer **committer);

/* Gives the transaction, which is closed, and the outbox away. */
void committer_send(struct committer *committer, struct outbox *outbox);

/* True while they are with the committer, or wait to be taken back. */
bool committer_is_away(const struct committer *committer);

/* Takes them back; false: not yet. */
bool committer_take_back(struct committer *committer);

/* Monotonic: when it last began a call, or was given something to do. */
int64_t committer_alive_ms(const struct committer *committer);

#endif
