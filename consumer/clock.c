/* clock.c: wall and monotonic time in milliseconds, and sleep. */
#include "consumer/clock.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

enum { CLOCKS_DISAGREE_MS = 60000 };

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void clock_sleep_ms(int64_t ms)
{
    poll(NULL, 0, (int)ms);
}

void clock_wait(int pipe_fd, int64_t at_most_ms)
{
    struct pollfd wake = {.fd = pipe_fd, .events = POLLIN};
    char drained[256];

    if (poll(&wake, 1, (int)at_most_ms) > 0)
        while (read(pipe_fd, drained, sizeof(drained)) == (ssize_t)sizeof(drained))
            ;
}

bool clock_jumped(int64_t *told_ahead_ms, int64_t ahead_ms)
{
    int64_t news_ms = ahead_ms - *told_ahead_ms;

    if (news_ms <= CLOCKS_DISAGREE_MS && news_ms >= -CLOCKS_DISAGREE_MS)
        return false;
    *told_ahead_ms = ahead_ms;
    return true;
}
