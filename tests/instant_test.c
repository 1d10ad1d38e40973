/* instant_test.c: points in time, RFC 3339 in and out, and durations. */
#include "schemas/instant.h"

#include "statemachine/bounds.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void times_of_rfc_3339_read_as_milliseconds(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
        const char *why;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, "the epoch"},
        {"2026-11-23T10:00:00.000Z", 1795428000000, "the form that we write"},
        {"2026-11-23t10:00:00.000z", 1795428000000, "lower case"},
        {"2026-11-23T10:00:00Z", 1795428000000, "no fraction"},
        {"2026-11-23T11:30:00+01:30", 1795428000000, "east of Greenwich"},
        {"2026-11-23T02:00:00-08:00", 1795428000000, "west of Greenwich"},
        {"2026-11-23T10:00:00+00:00", 1795428000000, "an offset of nothing"},
        {"2026-11-23T10:00:00-00:00", 1795428000000, "an unknown local offset (RFC 3339 4.3)"},
        {"2026-11-24T09:59:00+23:59", 1795428000000, "the largest offset"},
        {"2026-11-23T10:00:00.1Z", 1795428000100, "one digit"},
        {"2026-11-23T10:00:00.12Z", 1795428000120, "two digits"},
        {"2026-11-23T10:00:00.001Z", 1795428000001, "three digits"},
        {"2026-11-23T10:00:00.0019Z", 1795428000001, "the fourth digit is cut, not rounded"},
        {"2026-11-23T10:00:00.999999999Z", 1795428000999, "nanoseconds"},
        {"2026-11-23T10:00:00.123456789012345678901234567890Z", 1795428000123, "thirty digits"},
        {"2026-11-23T12:00:00.5+02:00", 1795428000500, "a fraction and an offset"},
        {"1969-12-31T23:59:59.999Z", -1, "before 1970"},
        {"1969-12-31T23:59:59.9999Z", -1, "a cut before 1970 goes towards the past"},
        {"1969-12-31T23:59:59.0001Z", -1000, "a cut before 1970 goes towards the past"},
        {"2024-02-29T00:00:00Z", 1709164800000, "a leap year"},
        {"2000-02-29T00:00:00Z", 951782400000, "a century that is a leap year"},
        {"2016-12-31T23:59:60Z", 1483228800000, "a leap second reads as the second after"},
        {"2016-12-31T23:59:60.5Z", 1483228800500, "in the middle of a leap second"},
        {"2017-01-01T00:59:60+01:00", 1483228800000, "a leap second with an offset"},
        {"2016-12-31T15:59:60-08:00", 1483228800000, "the leap second in California"},
        {"1990-02-28T23:59:60Z", 636249600000, "the last day of any month can have one"},
        {"0000-01-01T00:00:00.000Z", TIME_MIN_MS, "the first instant"},
        {"9999-12-31T23:59:59.999Z", TIME_MAX_MS, "the last instant"},
        {"0000-01-01T01:00:00+01:00", TIME_MIN_MS, "just inside by its offset"},
        {"9999-12-31T22:59:59.999-01:00", TIME_MAX_MS, "just inside by its offset"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = 42;
        if (!instant_parse(cases[i].text, strlen(cases[i].text), &ms) || ms != cases[i].ms)
            fail_msg("%s gave %" PRId64 " instead of %" PRId64 ": %s", cases[i].text, ms,
                     cases[i].ms, cases[i].why);
    }
}

static void what_is_no_time_is_refused_and_leaves_the_result_alone(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "nothing"},
        {"2026-11-23", "no time of day"},
        {"2026-11-23T10:00:00", "no offset"},
        {"2026-11-23T10:00Z", "no seconds"},
        {"2026-11-23 10:00:00Z", "a space instead of T"},
        {"2026-11-23T10:00:00.Z", "a point without digits"},
        {"2026-11-23T10:00:00,5Z", "a comma"},
        {"2026-11-23T10:00:00.5", "a fraction without an offset"},
        {"2026-11-23T10:00:00.0000000000", "digits to the end"},
        {"2026-11-23T10:00:00Z ", "something behind it"},
        {"2026-11-23T10:00:00ZZ", "something behind it"},
        {" 2026-11-23T10:00:00Z", "something before it"},
        {"2026-11-23T10:00:00+0100", "an offset without its colon"},
        {"2026-11-23T10:00:00+01", "half an offset"},
        {"2026-11-23T10:00:00+24:00", "an offset of a day"},
        {"2026-11-23T10:00:00+01:60", "an offset with sixty minutes"},
        {"2026-11-23T10:00:00 01:00", "an offset without a sign"},
        {"2026-11-23T10:00:00+1:000", "an offset with its colon elsewhere"},
        {"2026-00-23T10:00:00Z", "month 0"},
        {"2026-13-23T10:00:00Z", "month 13"},
        {"2026-11-00T10:00:00Z", "day 0"},
        {"2026-11-31T10:00:00Z", "November has thirty days"},
        {"2026-02-29T10:00:00Z", "no leap year"},
        {"1900-02-29T10:00:00Z", "a century that is no leap year"},
        {"2026-11-23T24:00:00Z", "hour 24"},
        {"2026-11-23T10:60:00Z", "minute 60"},
        {"2026-11-23T10:00:61Z", "second 61"},
        {"2026-11-23T12:00:60Z", "a leap second at noon"},
        {"2016-12-30T23:59:60Z", "a leap second on a day that is not the month's last"},
        {"2016-12-31T23:59:60+01:00", "a leap second by local time only"},
        {"2016-12-31T23:58:60Z", "a leap second a minute early"},
        {"9999-12-31T23:59:60Z", "a leap second that ends in year 10000"},
        {"9999-12-31T23:59:59-00:01", "its offset leads into year 10000"},
        {"0000-01-01T00:00:00+00:01", "its offset leads before year 0"},
        {"2O26-11-23T10:00:00Z", "a letter in the year"},
        {"2026-1a-23T10:00:00Z", "a letter in the month"},
        {"2026/11/23T10:00:00Z", "slashes"},
        {"2026-11-23T10-00-00Z", "dashes in the time"},
        {"20261123T100000Z0000", "the basic form of ISO 8601"},
        {"+2026-11-23T10:00:00Z", "a sign"},
        {"2026-11-23T-1:00:00Z", "a negative hour"},
        {"12026-11-23T10:00:00Z", "a year of five digits"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = 42;
        if (instant_parse(cases[i].text, strlen(cases[i].text), &ms) || ms != 42)
            fail_msg("accepted %s: %s", cases[i].text, cases[i].why);
    }
}

static void times_that_no_year_can_write_are_clamped(void **state)
{
    char text[INSTANT_SIZE];

    (void)state;
    instant_format(INT64_MAX, text);
    assert_memory_equal(text, "9999-12-31T23:59:59.999Z", INSTANT_SIZE);
    instant_format(INT64_MIN, text);
    assert_memory_equal(text, "0000-01-01T00:00:00.000Z", INSTANT_SIZE);
}

/* xorshift64*: any will do, as long as the seed says which. */
static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545f4914f6cdd1d;
}

static void a_hundred_thousand_instants_survive_the_round_trip(void **state)
{
    const uint64_t range = (uint64_t)(TIME_MAX_MS - TIME_MIN_MS) + 1;
    uint64_t seed = (uint64_t)time(NULL) | 1;

    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    for (int i = 0; i < 100000; i++) {
        int64_t ms = TIME_MIN_MS + (int64_t)(draw(&seed) % range), back = 0;
        char text[INSTANT_SIZE];

        instant_format(ms, text);
        if (!instant_parse(text, INSTANT_SIZE, &back) || back != ms)
            fail_msg("%" PRId64 " became %.24s and then %" PRId64, ms, text, back);
    }
}

/* Every day there is, against the C library's calendar. */
static void every_day_of_ten_thousand_years_has_its_date(void **state)
{
    (void)state;
    for (int64_t ms = TIME_MIN_MS; ms < TIME_MAX_MS; ms += 24 * 60 * 60 * 1000) {
        time_t seconds = (time_t)(ms / 1000);
        char text[INSTANT_SIZE], expected[64];
        int64_t back = 0;
        struct tm tm;

        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT00:00:00.000Z", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday);
        instant_format(ms, text);
        if (memcmp(text, expected, INSTANT_SIZE) != 0 ||
            !instant_parse(expected, INSTANT_SIZE, &back) || back != ms)
            fail_msg("%" PRId64 " is %s, not %.24s", ms, expected, text);
    }
}

static void durations_are_whole_numbers_with_a_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
        const char *why;
    } cases[] = {
        {"0ms", 0, NULL},
        {"500ms", 500, NULL},
        {"60s", 60000, NULL},
        {"10m", 600000, NULL},
        {"72h", 259200000, NULL},
        {"14d", 1209600000, NULL},
        {"007s", 7000, NULL},
        {"3650d", DURATION_MAX_MS, NULL},
        {"315360000000ms", DURATION_MAX_MS, NULL},
        {"", -1, "a duration begins with"},
        {"h", -1, "a duration begins with"},
        {"-1s", -1, "never negative"},
        {"+1s", -1, "a duration begins with"},
        {" 1s", -1, "a duration begins with"},
        {"72", -1, "the unit is missing"},
        {"0", -1, "the unit is missing"},
        {"1.5h", -1, "the unit must be one of"},
        {"1 h", -1, "the unit must be one of"},
        {"1H", -1, "the unit must be one of"},
        {"1w", -1, "the unit must be one of"},
        {"1h30m", -1, "the unit must be one of"},
        {"3651d", -1, "at most ten years"},
        {"315360000001ms", -1, "at most ten years"},
        {"9223372036854775808ms", -1, "at most ten years"},
        {"99999999999999999999999999d", -1, "at most ten years"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = NULL;
        int64_t ms = -1;
        bool good = duration_parse(cases[i].text, &ms, &why);

        if (good != (cases[i].why == NULL) || ms != cases[i].ms)
            fail_msg("\"%s\" gave %" PRId64 ", not %" PRId64, cases[i].text, ms, cases[i].ms);
        if (!good && (why == NULL || strstr(why, cases[i].why) == NULL))
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].text, why ? why : "nothing",
                     cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_rfc_3339_read_as_milliseconds),
        cmocka_unit_test(what_is_no_time_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(times_that_no_year_can_write_are_clamped),
        cmocka_unit_test(a_hundred_thousand_instants_survive_the_round_trip),
        cmocka_unit_test(every_day_of_ten_thousand_years_has_its_date),
        cmocka_unit_test(durations_are_whole_numbers_with_a_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
