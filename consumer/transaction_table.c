/* transaction_table.c: transaction.def, compiled. */
#include "consumer/transaction_table.h"

#include "statemachine/require.h"

enum { TRANSACTION_NEVER = -1 };

const char *const transaction_state_words[TRANSACTION_STATE_COUNT] = {
#define ON(state, word, done, retriable, timed_out, abortable, fenced, fatal) \
    [TRANSACTION_##state] = word,
#include "consumer/transaction.def"
#undef ON
};

const char *const answer_words[ANSWER_COUNT] = {
#define ANSWER(symbol, word) [ANSWER_##symbol] = word,
#include "consumer/transaction.def"
#undef ANSWER
};

static const signed char after_answer[TRANSACTION_STATE_COUNT][ANSWER_COUNT] = {
#define ON(state, word, done, retriable, timed_out, abortable, fenced, fatal) \
    [TRANSACTION_##state] =                                                   \
        {                                                                     \
            [ANSWER_DONE] = TRANSACTION_##done,                               \
            [ANSWER_RETRIABLE] = TRANSACTION_##retriable,                     \
            [ANSWER_TIMED_OUT] = TRANSACTION_##timed_out,                     \
            [ANSWER_ABORTABLE] = TRANSACTION_##abortable,                     \
            [ANSWER_FENCED] = TRANSACTION_##fenced,                           \
            [ANSWER_FATAL] = TRANSACTION_##fatal,                             \
    },
#include "consumer/transaction.def"
#undef ON
};

static const struct {
    enum transaction_state from, to;
} wishes[WISH_COUNT] = {
#define WANT(symbol, word, from, to) [WISH_##symbol] = {TRANSACTION_##from, TRANSACTION_##to},
#include "consumer/transaction.def"
#undef WANT
};

bool transaction_can_get(enum transaction_state state, enum answer answer)
{
    return after_answer[state][answer] != TRANSACTION_NEVER;
}

enum transaction_state transaction_after_answer(enum transaction_state state, enum answer answer)
{
    require(transaction_can_get(state, answer));
    return (enum transaction_state)after_answer[state][answer];
}

enum transaction_state transaction_after_wish(enum transaction_state state, enum wish wish)
{
    require(wishes[wish].from == state);
    return wishes[wish].to;
}
