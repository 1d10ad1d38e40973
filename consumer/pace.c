/* pace.c: a scale, and a place on it. */
#include "consumer/pace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_A_SECOND 1e-5 /* one in a day or so */

bool pace_parse_rate(const char *text, double *per_second)
{
    char *end;

    *per_second = strtod(text, &end);
    return end != text && *end == 0 && isfinite(*per_second) && *per_second >= LEAST_A_SECOND;
}

bool pace_parse(const char *text, struct pace *pace)
{
    *pace = (struct pace){0};
    if (strcmp(text, "real") == 0)
        return true;
    return pace_parse_rate(text, &pace->per_second);
}

int64_t pace_wait_ms(struct pace *pace, int64_t now_ms, int64_t timestamp_ms)
{
    int64_t place_ms;

    if (pace->taken == 0) {
        pace->started_ms = now_ms;
        pace->first_ms = timestamp_ms;
    }
    place_ms = pace->per_second > 0 ? (int64_t)((double)pace->taken * 1000 / pace->per_second)
                                    : timestamp_ms - pace->first_ms;
    return pace->started_ms + place_ms - now_ms;
}

void pace_take(struct pace *pace)
{
    pace->taken++;
}
