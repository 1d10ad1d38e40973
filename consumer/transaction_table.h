/*
 * transaction_table.h: the states of a transaction and what leads from one to the next.
 *
 * Pure: the drawing and the table are in transaction.def; the calls are in transaction.c.
 */
#ifndef UPSHOT_CONSUMER_TRANSACTION_TABLE_H
#define UPSHOT_CONSUMER_TRANSACTION_TABLE_H

#include <stdbool.h>

enum transaction_state {
#define ON(state, word, done, retriable, timed_out, abortable, fenced, fatal) TRANSACTION_##state,
#include "consumer/transaction.def"
#undef ON
    TRANSACTION_STATE_COUNT
};

enum answer {
#define ANSWER(symbol, word) ANSWER_##symbol,
#include "consumer/transaction.def"
#undef ANSWER
    ANSWER_COUNT
};

enum wish {
#define WANT(symbol, word, from, to) WISH_##symbol,
#include "consumer/transaction.def"
#undef WANT
    WISH_COUNT
};

extern const char *const transaction_state_words[TRANSACTION_STATE_COUNT];
extern const char *const answer_words[ANSWER_COUNT];

/* Where a state goes with an answer of librdkafka's. One that it cannot get stops the process. */
enum transaction_state transaction_after_answer(enum transaction_state state, enum answer answer);

/* True where an answer means something in this state. */
bool transaction_can_get(enum transaction_state state, enum answer answer);

/* Where a wish leads. One that does not begin in this state stops the process. */
enum transaction_state transaction_after_wish(enum transaction_state state, enum wish wish);

#endif
