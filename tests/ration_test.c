/* ration_test.c: the same thing is told once in ten seconds, and what was kept back is counted. */
#include "consumer/ration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_same_is_said_once_in_ten_seconds_and_then_counted(void **state)
{
    struct ration ration = {0};
    unsigned unsaid = 7;

    (void)state;
    assert_true(ration_take(&ration, 1, 1000, &unsaid));
    assert_int_equal(unsaid, 0);
    for (int64_t ms = 1000; ms < 1000 + RATION_MS; ms += 100)
        assert_false(ration_take(&ration, 1, ms, &unsaid));
    assert_true(ration_take(&ration, 1, 1000 + RATION_MS, &unsaid));
    assert_int_equal(unsaid, 100);
    assert_true(ration_take(&ration, 1, 1000 + 2 * RATION_MS, &unsaid));
    assert_int_equal(unsaid, 0);
}

static void another_thing_is_another_thing(void **state)
{
    struct ration ration = {0};
    unsigned unsaid;

    (void)state;
    assert_true(ration_take(&ration, 0, 1, &unsaid)); /* a hash may be 0 */
    assert_true(ration_take(&ration, 5, 1, &unsaid));
    assert_false(ration_take(&ration, 0, 2, &unsaid));
    assert_false(ration_take(&ration, 5, 2, &unsaid));
}

static void where_the_table_is_full_the_oldest_is_forgotten(void **state)
{
    struct ration ration = {0};
    unsigned unsaid;

    (void)state;
    for (uint64_t what = 0; what < RATION_ROWS; what++)
        assert_true(ration_take(&ration, what, 1000 + (int64_t)what, &unsaid));
    assert_true(ration_take(&ration, RATION_ROWS, 2000, &unsaid));
    for (uint64_t what = 1; what <= RATION_ROWS; what++)
        assert_false(ration_take(&ration, what, 2000, &unsaid));
    assert_true(ration_take(&ration, 0, 2000, &unsaid));
    assert_int_equal(unsaid, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_said_once_in_ten_seconds_and_then_counted),
        cmocka_unit_test(another_thing_is_another_thing),
        cmocka_unit_test(where_the_table_is_full_the_oldest_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
