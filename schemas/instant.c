/*
 * instant.c: RFC 3339 and durations, by hand.
 *
 * Not strptime() and timegm(): they ask the locale and the time zone, allow what RFC 3339 does
 * not, and are ten times slower than an event can afford.
 */
#include "schemas/instant.h"

#include "schemas/digits.h"
#include "statemachine/bounds.h"

#include <string.h>

enum {
    DAYS_TO_1970 = 719528, /* from 0000-01-01, of the Gregorian calendar carried backwards */
    DAYS_IN_400_YEARS = 146097,
    MINUTES_A_DAY = 24 * 60,
};

#define DAY_MS (24LL * 60 * 60 * 1000)

/* Days of the year before the first of a month, month 1 to 12 and the year's end. */
static const uint16_t days_before_month[2][14] = {
    {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
    {0, 0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
};

static bool is_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 0000-01-01 to the first of January, years 0 to 10000. */
static int32_t days_before_year(int32_t year)
{
    return 365 * year + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

struct date {
    int32_t year, month, day;
};

/* The date that is so many days after 0000-01-01. */
static struct date date_of(int32_t days)
{
    const uint16_t *before;
    struct date date;
    int32_t day_of_year;

    date.year = (int32_t)((int64_t)days * 400 / DAYS_IN_400_YEARS);
    if (days < days_before_year(date.year))
        date.year--;
    else if (days >= days_before_year(date.year + 1))
        date.year++;
    before = days_before_month[is_leap(date.year)];
    day_of_year = days - days_before_year(date.year);
    /* No month is longer than 31 days: the guess is right or one too low. */
    date.month = day_of_year / 31 + 1;
    if (day_of_year >= before[date.month + 1])
        date.month++;
    date.day = day_of_year - before[date.month] + 1;
    return date;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* The number that two digits write; 100 or more where they are no digits. */
static unsigned two_digits(const char *text)
{
    unsigned tens = (unsigned)(unsigned char)text[0] - '0';
    unsigned ones = (unsigned)(unsigned char)text[1] - '0';

    return tens > 9 || ones > 9 ? 100 : tens * 10 + ones;
}

static bool parse_date(const char *text, int32_t *days)
{
    unsigned century = two_digits(text);
    unsigned year_of_century = two_digits(text + 2);
    unsigned month = two_digits(text + 5);
    unsigned day = two_digits(text + 8);
    const uint16_t *before;
    int32_t year;

    if (text[4] != '-' || text[7] != '-')
        return false;
    if (century > 99 || year_of_century > 99 || month - 1 > 11)
        return false;
    year = (int32_t)(century * 100 + year_of_century);
    before = days_before_month[is_leap(year)];
    if (day - 1 >= (unsigned)(before[month + 1] - before[month]))
        return false;
    *days = days_before_year(year) + before[month] + (int32_t)day - 1;
    return true;
}

/* Reads ".5", ".000123": at least one digit; what is beyond milliseconds is cut. */
static bool parse_fraction(const char *text, size_t size, size_t *at, int32_t *ms)
{
    int32_t weight = 100;
    size_t start = ++*at;

    for (; *at < size && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
        *ms += (text[*at] - '0') * weight;
        weight /= 10;
    }
    return *at > start;
}

/* Reads "Z" or "+01:30", which must be the end of the text. */
static bool parse_offset(const char *text, size_t size, int32_t *minutes)
{
    unsigned hours, rest;

    *minutes = 0;
    if (size == 1)
        return text[0] == 'Z' || text[0] == 'z';
    if (size != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return false;
    hours = two_digits(text + 1);
    rest = two_digits(text + 4);
    if (hours > 23 || rest > 59)
        return false;
    *minutes = (int32_t)(hours * 60 + rest);
    if (text[0] == '-')
        *minutes = -*minutes;
    return true;
}

/* A leap second is the last one of a month in UTC, whatever the offset it is written with. */
static bool can_be_leap_second(int64_t minute)
{
    int64_t next = minute + 1; /* since 0000-01-01; of the minute after */

    return next % MINUTES_A_DAY == 0 && date_of((int32_t)(next / MINUTES_A_DAY)).day == 1;
}

bool instant_parse(const char *text, size_t size, int64_t *ms)
{
    unsigned hour, minute, second;
    int32_t days, offset = 0, fraction = 0;
    int64_t minutes, result;
    size_t at = 19;

    if (size < 20 || text[13] != ':' || text[16] != ':' || (text[10] != 'T' && text[10] != 't'))
        return false;
    hour = two_digits(text + 11);
    minute = two_digits(text + 14);
    second = two_digits(text + 17);
    if (hour > 23 || minute > 59 || second > 60 || !parse_date(text, &days))
        return false;

    if (text[at] == '.' && !parse_fraction(text, size, &at, &fraction))
        return false;
    if (at == size || !parse_offset(text + at, size - at, &offset))
        return false;

    minutes = (int64_t)days * MINUTES_A_DAY + (int64_t)(hour * 60 + minute) - offset;
    if (minutes < 0 || (second == 60 && !can_be_leap_second(minutes)))
        return false;
    result = (minutes * 60 + (int64_t)second) * 1000 + fraction - DAYS_TO_1970 * DAY_MS;
    if (result > TIME_MAX_MS)
        return false;
    *ms = result;
    return true;
}

/* ---- writing ------------------------------------------------------------------------------ */

void instant_format(int64_t ms, char out[INSTANT_SIZE])
{
    struct date date;
    unsigned of_day;

    if (ms < TIME_MIN_MS)
        ms = TIME_MIN_MS;
    if (ms > TIME_MAX_MS)
        ms = TIME_MAX_MS;
    ms += DAYS_TO_1970 * DAY_MS; /* from 0000-01-01, hence never negative */
    date = date_of((int32_t)(ms / DAY_MS));
    of_day = (unsigned)(ms % DAY_MS);

    memcpy(out, "0000-00-00T00:00:00.000Z", INSTANT_SIZE);
    digits_two(out, (unsigned)date.year / 100);
    digits_two(out + 2, (unsigned)date.year % 100);
    digits_two(out + 5, (unsigned)date.month);
    digits_two(out + 8, (unsigned)date.day);
    digits_two(out + 11, of_day / 3600000);
    digits_two(out + 14, of_day / 60000 % 60);
    digits_two(out + 17, of_day / 1000 % 60);
    digits_two(out + 20, of_day % 1000 / 10);
    out[22] = (char)('0' + of_day % 10);
}

/* ---- durations ---------------------------------------------------------------------------- */

static const struct {
    const char *word;
    int64_t ms;
} units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"d", DAY_MS},
};

static int64_t unit_ms(const char *word)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(units[i].word, word) == 0)
            return units[i].ms;
    return 0;
}

bool duration_parse(const char *text, int64_t *ms, const char **why)
{
    const char *at = text;
    int64_t number = 0, unit;

    for (; *at >= '0' && *at <= '9'; at++)
        if (number <= DURATION_MAX_MS) /* beyond it, more digits make it no better */
            number = number * 10 + (*at - '0');
    if (at == text) {
        *why = *text == '-' ? "a duration is never negative"
                            : "a duration begins with a whole number, as in \"72h\"";
        return false;
    }
    unit = unit_ms(at);
    if (unit == 0) {
        *why = *at == '\0' ? "the unit is missing: one of ms, s, m, h, d"
                           : "the unit must be one of ms, s, m, h, d, right behind a whole number";
        return false;
    }
    if (number > DURATION_MAX_MS / unit) {
        *why = "a duration is at most ten years (3650d)";
        return false;
    }
    *ms = number * unit;
    return true;
}
