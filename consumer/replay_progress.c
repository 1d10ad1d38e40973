/* replay_progress.c: one line, drawn over itself. */
#include "consumer/replay_progress.h"

#include "consumer/clock.h"
#include "schemas/instant.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 30, EVERY_MS = 100 };

static int64_t started_ms, shown_ms;

void replay_progress_begin(void)
{
    started_ms = clock_monotonic_ms();
    shown_ms = 0;
}

double replay_progress_seconds(void)
{
    return (double)(clock_monotonic_ms() - started_ms) / 1000;
}

static void show_bar(double part)
{
    char bar[WIDTH + 1];
    int filled = (int)(part * WIDTH);

    memset(bar, '.', WIDTH);
    memset(bar, '#', (size_t)(filled > WIDTH ? WIDTH : filled));
    bar[WIDTH] = 0;
    fprintf(stderr, "[%s] %3.0f%%  ", bar, 100 * part);
}

void replay_progress_show(const struct replay_progress *progress)
{
    double seconds = replay_progress_seconds();
    double part = progress->total == 0 ? 0 : (double)progress->done / (double)progress->total;
    char date[INSTANT_SIZE];

    if (shown_ms != 0 && clock_monotonic_ms() - shown_ms < EVERY_MS)
        return;
    shown_ms = clock_monotonic_ms();
    fputc('\r', stderr);
    if (progress->total > 0)
        show_bar(part);
    fprintf(stderr, "%llu events, %.0f a second", (unsigned long long)progress->records,
            (double)progress->records / (seconds > 0 ? seconds : 1));
    if (part > 0)
        fprintf(stderr, ", %.0f s left", seconds * (1 - part) / part);
    if (progress->watermark_ms != TIME_NONE) {
        instant_format(progress->watermark_ms, date);
        fprintf(stderr, ", at %.19sZ", date);
    }
    fputs(" \033[K", stderr);
}

void replay_progress_clear(void)
{
    if (shown_ms != 0)
        fputs("\r\033[K", stderr);
}
