/* pace_test.c: events leave when they are due, and who is late catches up: nothing drifts. */
#include "consumer/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START_MS 1795428000000

static void words_are_read(void **state)
{
    static const struct {
        const char *text;
        bool good;
        double per_second;
    } cases[] = {
        {"real", true, 0}, {"5000", true, 5000}, {"0.5", true, 0.5}, {"0", false, 0},
        {"-3", false, 0},  {"inf", false, 0},    {"nan", false, 0},  {"", false, 0},
        {"10x", false, 0}, {"Real", false, 0},   {"1e-300", false, 0},
    };
    struct pace pace;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool good = pace_parse(cases[i].text, &pace);
        if (good != cases[i].good || (good && pace.per_second != cases[i].per_second))
            fail_msg("\"%s\": %d, %f a second", cases[i].text, good, pace.per_second);
    }
}

/* Each wait takes up to 15 ms longer than it should, and each event some time of its own. */
static void however_long_waits_take_the_rate_is_kept(void **state)
{
    static const double rates[] = {3, 70, 999, 40000};

    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        struct pace pace = {.per_second = rates[i]};
        int64_t now_ms = 5000, wait_ms;
        uint64_t events = (uint64_t)(rates[i] * 600), chance = i + 1;
        for (uint64_t event = 0; event < events; event++) {
            while ((wait_ms = pace_wait_ms(&pace, now_ms, START_MS)) > 0) {
                chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407;
                now_ms += wait_ms + (int64_t)(chance >> 60);
            }
            pace_take(&pace);
        }
        if (now_ms < 5000 + 600000 - 1000 || now_ms > 5000 + 600000 + 50)
            fail_msg("%f a second: ten minutes took %lld ms", rates[i], (long long)now_ms - 5000);
    }
}

static void real_is_as_timestamps_go(void **state)
{
    static const struct {
        int64_t now_ms, after_ms, wait_ms;
    } cases[] = {
        {7000, 0, 0},      {7000, 0, 0},     {7000, 250, 250}, {7200, 250, 50},
        {9000, 300, -1700}, /* held up: what is due goes at once */
        {9000, 4000, 2000}, /* and the next ones at their times */
    };
    struct pace pace;

    (void)state;
    assert_true(pace_parse("real", &pace));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(pace_wait_ms(&pace, cases[i].now_ms, START_MS + cases[i].after_ms),
                         cases[i].wait_ms);
        if (cases[i].wait_ms <= 0)
            pace_take(&pace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_read),
        cmocka_unit_test(however_long_waits_take_the_rate_is_kept),
        cmocka_unit_test(real_is_as_timestamps_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
