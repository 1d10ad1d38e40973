/* merge_test.c: which input is taken next, as a table. */
#include "consumer/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define HEAD(ms) {MERGE_HEAD, ms, false}
#define AT_END {MERGE_END, 0, false}
#define MORE {MERGE_UNKNOWN, 0, false}
#define MORE_WAITED {MERGE_UNKNOWN, 0, true}

static void the_lowest_head_is_taken_once_no_other_input_can_be_lower(void **state)
{
    static const struct {
        size_t count;
        struct merge_input inputs[4];
        int choice;
        const char *why;
    } cases[] = {
        {1, {HEAD(5)}, 0, "the only one"},
        {1, {AT_END}, MERGE_NOTHING, "nothing more to come for now"},
        {1, {MORE}, MERGE_WAIT, "there is more to read"},
        {1, {MORE_WAITED}, MERGE_WAIT, "waited out, but there is nothing else to take"},
        {2, {HEAD(5), HEAD(3)}, 1, "lowest timestamp first"},
        {2, {HEAD(3), HEAD(5)}, 0, "lowest timestamp first, the other way round"},
        {2, {HEAD(3), HEAD(3)}, 0, "equal ones: the first input, always"},
        {3, {HEAD(9), HEAD(3), HEAD(3)}, 1, "equal ones among three"},
        {2, {HEAD(0), HEAD(-7)}, 1, "before 1970"},
        {2, {HEAD(INT64_MAX), HEAD(INT64_MIN)}, 1, "as far apart as can be"},
        {2, {HEAD(INT64_MAX), AT_END}, 0, "however high, when it is alone"},
        {2, {AT_END, HEAD(5)}, 1, "one at its end does not hold back"},
        {2, {AT_END, AT_END}, MERGE_NOTHING, "all at their end"},
        {2, {HEAD(5), MORE}, MERGE_WAIT, "the other may hold something lower"},
        {2, {MORE, HEAD(5)}, MERGE_WAIT, "the other, in the other order"},
        {2, {HEAD(5), MORE_WAITED}, 0, "waited long enough: on without it"},
        {2, {MORE_WAITED, HEAD(5)}, 1, "waited long enough, in the other order"},
        {3, {HEAD(5), MORE_WAITED, MORE}, MERGE_WAIT, "one waited out, another not"},
        {3, {HEAD(5), MORE_WAITED, HEAD(4)}, 2, "the lowest of those that are here"},
        {3, {AT_END, MORE_WAITED, AT_END}, MERGE_WAIT, "more to come: not nothing"},
        {4, {AT_END, MORE_WAITED, HEAD(7), HEAD(6)}, 3, "all kinds at once"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int choice = merge_choose(cases[i].inputs, cases[i].count);
        if (choice != cases[i].choice)
            fail_msg("%s: expected %d, got %d", cases[i].why, cases[i].choice, choice);
    }
}

/* A full drain of sorted inputs is one sorted sequence. */
static void sorted_inputs_are_taken_in_one_sorted_sequence(void **state)
{
    static const int64_t records[3][4] = {{1, 4, 4, 9}, {2, 3, 4, 10}, {0, 4, 11, 12}};
    size_t next[3] = {0};
    int64_t last_ms = INT64_MIN;
    int choice;

    (void)state;
    for (size_t taken = 0; taken < 12; taken++) {
        struct merge_input inputs[3];
        for (size_t i = 0; i < 3; i++)
            inputs[i] = next[i] == 4 ? (struct merge_input)AT_END
                                     : (struct merge_input)HEAD(records[i][next[i]]);
        choice = merge_choose(inputs, 3);
        assert_in_range(choice, 0, 2);
        assert_true(records[choice][next[choice]] >= last_ms);
        last_ms = records[choice][next[choice]++];
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(next[i], 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_head_is_taken_once_no_other_input_can_be_lower),
        cmocka_unit_test(sorted_inputs_are_taken_in_one_sorted_sequence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
