/*
 * clock.h: the only clocks of the program, and the only ways to let time pass. Nothing below
 * consumer/ may see them; tests/sim puts a time of its own in their place.
 */
#ifndef UPSHOT_CONSUMER_CLOCK_H
#define UPSHOT_CONSUMER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_monotonic_ms(void);

void clock_sleep_ms(int64_t ms);

/* Sleeps until something is in the pipe, at most so long; what is in it is drained. */
void clock_wait(int pipe_fd, int64_t at_most_ms);

/*
 * The wall clock leads the stage's own (DESIGN 3) by ahead_ms. True where that is news: it differs
 * by more than a minute from what was told last, 0 at first. Then it counts as told. A clock that
 * was set back again is news, too; one that stays wrong is not told over and over.
 */
bool clock_jumped(int64_t *told_ahead_ms, int64_t ahead_ms);

#endif
