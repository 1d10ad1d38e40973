/* transaction_table_test.c: what the table must never say, whatever is added to it. */
#include "consumer/transaction_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct {
    const char *word;
    enum transaction_state from, to;
} wishes[] = {
#define WANT(symbol, word, from, to) {word, TRANSACTION_##from, TRANSACTION_##to},
#include "consumer/transaction.def"
#undef WANT
};

static void mark(bool *seen, enum transaction_state state)
{
    if (seen[state])
        return;
    seen[state] = true;
    for (size_t i = 0; i < ANSWER_COUNT; i++)
        if (transaction_can_get(state, (enum answer)i))
            mark(seen, transaction_after_answer(state, (enum answer)i));
    for (size_t i = 0; i < COUNT(wishes); i++)
        if (wishes[i].from == state)
            mark(seen, wishes[i].to);
}

static void every_state_is_reached_and_none_but_failed_is_an_end(void **state)
{
    bool reached[TRANSACTION_STATE_COUNT] = {false};

    (void)state;
    mark(reached, TRANSACTION_VOID);
    for (size_t i = 0; i < TRANSACTION_STATE_COUNT; i++) {
        bool onward[TRANSACTION_STATE_COUNT] = {false};
        if (!reached[i])
            fail_msg("%s is never reached", transaction_state_words[i]);
        mark(onward, (enum transaction_state)i);
        if (onward[TRANSACTION_CLOSED] == (i == TRANSACTION_FAILED))
            fail_msg("%s: can it be closed?", transaction_state_words[i]);
    }
}

/* Never guess (DESIGN 5): a commit that answered, or offsets that are ours; nothing else. */
static void nothing_else_is_taken_for_a_landing(void **state)
{
    (void)state;
    for (size_t i = 0; i < TRANSACTION_STATE_COUNT; i++)
        for (size_t j = 0; j < ANSWER_COUNT; j++)
            if (transaction_can_get((enum transaction_state)i, (enum answer)j) &&
                transaction_after_answer((enum transaction_state)i, (enum answer)j) ==
                    TRANSACTION_LANDED &&
                (i != TRANSACTION_COMMITTING || j != ANSWER_DONE))
                fail_msg("%s, %s: landed?", transaction_state_words[i], answer_words[j]);
    for (size_t i = 0; i < COUNT(wishes); i++)
        if (wishes[i].to == TRANSACTION_LANDED)
            assert_int_equal(wishes[i].from, TRANSACTION_ASKING);
}

/* What was sent may have arrived: only a new producer and a look at the offsets end the doubt. */
static void what_is_unclear_is_asked_for_behind_a_fence(void **state)
{
    (void)state;
    for (size_t j = 0; j < ANSWER_COUNT; j++) {
        enum transaction_state next = transaction_after_answer(TRANSACTION_UNCLEAR, (enum answer)j);
        if (j == ANSWER_DONE)
            assert_int_equal(next, TRANSACTION_ASKING);
        else if (j == ANSWER_FATAL)
            assert_int_equal(next, TRANSACTION_FAILED);
        else
            assert_int_equal(next, TRANSACTION_UNCLEAR);
    }
    for (size_t i = 0; i < TRANSACTION_STATE_COUNT; i++)
        for (size_t j = 0; j < ANSWER_COUNT; j++)
            if (transaction_can_get((enum transaction_state)i, (enum answer)j) &&
                transaction_after_answer((enum transaction_state)i, (enum answer)j) ==
                    TRANSACTION_ASKING)
                assert_true(i == TRANSACTION_ASKING || i == TRANSACTION_UNCLEAR);
}

/* Once the commit was asked for, only a look at the offsets is certain to see no commit. */
static void what_may_have_been_committed_is_not_just_aborted(void **state)
{
    (void)state;
    assert_int_equal(transaction_after_answer(TRANSACTION_PENDING, ANSWER_ABORTABLE),
                     TRANSACTION_ABORTING);
    assert_int_equal(transaction_after_answer(TRANSACTION_COMMITTING, ANSWER_ABORTABLE),
                     TRANSACTION_UNCLEAR);
}

/* Once offsets were sent, only a new producer behind a fence is certain to see no commit. */
static void a_lost_answer_is_unclear(void **state)
{
    static const enum transaction_state under_way[] = {TRANSACTION_PENDING, TRANSACTION_COMMITTING,
                                                       TRANSACTION_ABORTING};
    static const enum answer lost[] = {ANSWER_TIMED_OUT, ANSWER_FENCED, ANSWER_FATAL};

    (void)state;
    for (size_t i = 0; i < COUNT(under_way); i++) {
        for (size_t j = 0; j < COUNT(lost); j++)
            assert_int_equal(transaction_after_answer(under_way[i], lost[j]), TRANSACTION_UNCLEAR);
        assert_int_equal(transaction_after_answer(under_way[i], ANSWER_RETRIABLE), under_way[i]);
    }
}

static void words_are_all_different(void **state)
{
    (void)state;
    for (size_t i = 0; i < TRANSACTION_STATE_COUNT; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(transaction_state_words[i], transaction_state_words[j]);
    for (size_t i = 0; i < ANSWER_COUNT; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(answer_words[i], answer_words[j]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_reached_and_none_but_failed_is_an_end),
        cmocka_unit_test(nothing_else_is_taken_for_a_landing),
        cmocka_unit_test(what_is_unclear_is_asked_for_behind_a_fence),
        cmocka_unit_test(a_lost_answer_is_unclear),
        cmocka_unit_test(what_may_have_been_committed_is_not_just_aborted),
        cmocka_unit_test(words_are_all_different),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
