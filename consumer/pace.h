/*
 * pace.h: when the next event is due by the clock of whoever sends it.
 *
 * Each event has its place on a scale that begins with the first one, whatever became of those
 * before it: who was held up sends faster until the scale is reached again, so nothing drifts.
 */
#ifndef UPSHOT_CONSUMER_PACE_H
#define UPSHOT_CONSUMER_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    double per_second; /* events; 0: as record time goes, a second in a second */
    int64_t started_ms, first_ms;
    uint64_t taken;
};

/*
 * A number a second, and nothing behind it. Not so few that the time from one to the next, or to
 * the ten-millionth, would not be a number of milliseconds any more.
 */
bool pace_parse_rate(const char *text, double *per_second);

/* "real", or such a number of events. */
bool pace_parse(const char *text, struct pace *pace);

/*
 * How long to wait for the next event, which is dated timestamp_ms; 0 or less: it is due. The first
 * one always is. now_ms is monotonic.
 */
int64_t pace_wait_ms(struct pace *pace, int64_t now_ms, int64_t timestamp_ms);

/* The event that was waited for is on its way. */
void pace_take(struct pace *pace);

#endif
