/* history_test.c: seconds told from sums, as far back as a minute. */
#include "consumer/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_step_is_what_came_within_it(void **state)
{
    struct history history;
    struct tally tally = {0};

    (void)state;
    history_init(&history, 2);
    assert_int_equal(history_steps(&history), 0);
    assert_int_equal(history_entered(&history, 0, 1), 0);
    history_add(&history, &tally, 1000);
    assert_int_equal(history_steps(&history), 0);
    for (uint64_t second = 1; second <= 200; second++) {
        size_t steps = second < HISTORY_STEPS ? second : HISTORY_STEPS;
        tally.records += second;
        tally.channels[1].outcomes[1][0] += 2 * second;
        tally.channels[0].outcomes[1][1] += second;
        tally.channels[1].corrections += 3;
        tally.dead_letters[0]++;
        tally.channels[1].entered[5] += second;
        history_add(&history, &tally, 1000 * (int64_t)(second + 1));
        assert_int_equal(history_steps(&history), steps);
        for (size_t i = 0; i < steps; i++) {
            uint64_t then = second - steps + 1 + i;
            struct history_sample step = history_step(&history, i);
            assert_int_equal(step.records, then);
            assert_int_equal(step.outcomes[1], 3 * then);
            assert_int_equal(step.outcomes[0], 0);
            assert_int_equal(step.corrections, 3);
            assert_int_equal(step.dead_letters, 1);
        }
        assert_int_equal(history_entered(&history, 1, 5),
                         steps * (second - steps + 1 + second) / 2);
        assert_int_equal(history_entered(&history, 0, 5), 0);
    }
    assert_int_equal(history.last_ms, 201000);
    history_release(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_what_came_within_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
