/* watermark_test.c: how far time has come, as tables of what was taken from which input. */
#include "statemachine/watermark.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define NONE TIME_NONE

enum act {
    END,
    TAKE,  /* a record with timestamp `ms` from `input` */
    REST,  /* `input` rests */
    WAKE,  /* `input` rests no more */
    REACH, /* deadlines up to `ms` have fired */
};

struct move {
    enum act act;
    size_t input;
    int64_t ms;
};

static void make(struct watermark *watermark, const struct move *move)
{
    switch (move->act) {
    case TAKE:
        watermark_take(watermark, move->input, move->ms);
        break;
    case REST:
        watermark_rest(watermark, move->input, true);
        break;
    case WAKE:
        watermark_rest(watermark, move->input, false);
        break;
    case REACH:
        watermark_reach(watermark, move->ms);
        break;
    case END:
        break;
    }
}

static void the_target_is_the_least_of_the_greatest_and_never_goes_back(void **state)
{
    static const struct {
        size_t inputs;
        struct move moves[8];
        int64_t target_ms;
        bool all_rest;
        const char *why;
    } cases[] = {
        {1, {{0}}, NONE, false, "nothing was said"},
        {1, {{TAKE, 0, 5}}, 5, false, "one input: its greatest"},
        {1, {{TAKE, 0, 5}, {TAKE, 0, 3}}, 5, false, "a lower timestamp moves nothing"},
        {1, {{TAKE, 0, -5}}, -5, false, "before 1970, too"},
        {1, {{TAKE, 0, TIME_MIN_MS}}, TIME_MIN_MS, false, "the least time there is"},
        {2, {{TAKE, 0, 5}}, NONE, false, "the other one has said nothing yet"},
        {2, {{TAKE, 0, 5}, {TAKE, 1, 9}}, 5, false, "the least of the two"},
        {2, {{TAKE, 0, 5}, {TAKE, 1, 9}, {TAKE, 0, 20}}, 9, false, "now the other is the least"},
        {2, {{TAKE, 0, 5}, {REST, 1, 0}}, 5, false, "a resting one that said nothing"},
        {2, {{TAKE, 0, 5}, {TAKE, 1, 2}, {REST, 1, 0}}, 5, false, "a resting one behind"},
        {2, {{TAKE, 0, 5}, {TAKE, 1, 9}, {REST, 1, 0}}, 5, false, "a resting one ahead"},
        {2, {{REST, 1, 0}, {TAKE, 0, 5}, {REACH, 0, 5}, {TAKE, 1, 2}}, 5, false,
         "it wakes up behind what was reached"},
        {2, {{REST, 1, 0}, {TAKE, 0, 5}, {REACH, 0, 5}, {TAKE, 1, 2}, {TAKE, 0, 9}}, 5, false,
         "and holds it back until it has come as far"},
        {2, {{REST, 1, 0}, {TAKE, 0, 5}, {TAKE, 1, 2}}, 2, false, "not reached, so not kept"},
        {2, {{TAKE, 0, 5}, {REST, 0, 0}, {REST, 1, 0}}, NONE, true, "all rest: nothing to follow"},
        {2, {{TAKE, 0, 5}, {REACH, 0, 4}, {REST, 0, 0}, {REST, 1, 0}}, 4, true,
         "all rest: where it was"},
        {2, {{TAKE, 0, 5}, {TAKE, 1, 5}, {REST, 0, 0}, {REST, 1, 0}, {REACH, 0, 90}, {TAKE, 0, 7}},
         90, false, "the wall clock went on while all rested"},
        {2, {{REST, 0, 0}, {REST, 1, 0}, {TAKE, 1, 7}}, 7, false, "taking from it wakes it"},
        {2, {{TAKE, 1, 7}, {REST, 0, 0}, {WAKE, 0, 0}}, NONE, false, "awake, nothing said"},
        {1, {{TAKE, 0, 5}, {REACH, 0, 5}, {REACH, 0, 3}}, 5, false, "reaching back is ignored"},
        {1, {{REACH, 0, NONE}, {TAKE, 0, 5}}, 5, false, "reaching nothing is nothing"},
        {3, {{TAKE, 0, 5}, {TAKE, 1, 9}, {TAKE, 2, 7}, {REST, 0, 0}}, 7, false, "of three, two"},
        {INPUTS_MAX, {{TAKE, 0, 5}, {TAKE, INPUTS_MAX - 1, 5}}, NONE, false, "62 say nothing"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct watermark watermark;
        watermark_init(&watermark, cases[i].inputs);
        for (size_t j = 0; j < COUNT(cases[i].moves); j++)
            make(&watermark, &cases[i].moves[j]);
        if (watermark_target(&watermark) != cases[i].target_ms)
            fail_msg("%s: got %" PRId64, cases[i].why, watermark_target(&watermark));
        if (watermark_all_rest(&watermark) != cases[i].all_rest)
            fail_msg("%s: all rest is wrong", cases[i].why);
    }
}

static void a_prospect_is_the_target_after_taking_and_changes_nothing(void **state)
{
    static const struct {
        struct move moves[4];
        size_t input;
        int64_t ms, prospect_ms;
        const char *why;
    } cases[] = {
        {{{0}}, 0, 5, NONE, "the other one has said nothing"},
        {{{REST, 1, 0}}, 0, 5, 5, "the other one rests"},
        {{{TAKE, 0, 5}, {TAKE, 1, 9}}, 0, 7, 7, "the least moves up"},
        {{{TAKE, 0, 5}, {TAKE, 1, 9}}, 0, 20, 9, "no further than the other"},
        {{{TAKE, 0, 5}, {TAKE, 1, 9}}, 0, 3, 5, "a lower timestamp moves nothing"},
        {{{TAKE, 0, 5}, {TAKE, 1, 9}}, 1, 99, 5, "the other one is the least"},
        {{{TAKE, 0, 5}, {REST, 1, 0}}, 1, 3, 3, "a resting one would rest no more"},
        {{{TAKE, 0, 5}, {REST, 1, 0}, {REACH, 0, 5}}, 1, 3, 5, "never below what was reached"},
        {{{REST, 0, 0}, {REST, 1, 0}}, 0, 3, 3, "all rest but the one that it comes from"},
        {{{TAKE, 0, 8}, {REST, 0, 0}, {REST, 1, 0}}, 0, 3, 8, "its greatest is not forgotten"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct watermark watermark;
        int64_t before_ms;
        watermark_init(&watermark, 2);
        for (size_t j = 0; j < COUNT(cases[i].moves); j++)
            make(&watermark, &cases[i].moves[j]);
        before_ms = watermark_target(&watermark);
        if (watermark_prospect(&watermark, cases[i].input, cases[i].ms) != cases[i].prospect_ms)
            fail_msg("%s: got %" PRId64, cases[i].why,
                     watermark_prospect(&watermark, cases[i].input, cases[i].ms));
        assert_true(watermark_target(&watermark) == before_ms);
        watermark_take(&watermark, cases[i].input, cases[i].ms);
        if (watermark_target(&watermark) != cases[i].prospect_ms)
            fail_msg("%s: taking it gives another", cases[i].why);
    }
}

static void what_was_reached_only_grows(void **state)
{
    struct watermark watermark;

    (void)state;
    watermark_init(&watermark, 1);
    assert_true(watermark.reached_ms == TIME_NONE);
    watermark_reach(&watermark, TIME_MIN_MS);
    assert_true(watermark.reached_ms == TIME_MIN_MS);
    watermark_reach(&watermark, 5);
    watermark_reach(&watermark, TIME_NONE);
    watermark_reach(&watermark, 4);
    assert_true(watermark.reached_ms == 5);
    watermark_take(&watermark, 0, 90); /* taken is not reached */
    assert_true(watermark.reached_ms == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_is_the_least_of_the_greatest_and_never_goes_back),
        cmocka_unit_test(a_prospect_is_the_target_after_taking_and_changes_nothing),
        cmocka_unit_test(what_was_reached_only_grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
