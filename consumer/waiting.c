/*
 * waiting.c: librdkafka waits by the monotonic clock.
 *
 * C11's cnd_timedwait waits until a time of the wall clock, and that is what librdkafka calls for
 * every timer of its own. Where the clock is set back by an hour, its threads sleep an hour longer:
 * no heartbeat, no fetch, and the group takes the member for dead (test_time saw it with 2.0.2 of
 * Debian; 2.16.1 of Confluent's wheel waits alike, but kept its session up). Linked into the
 * program, this one stands in front of the C library's own; a time that is still to come is turned
 * into how long that is, and the wall clock may then do what it wants.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <threads.h>
#include <time.h>

/* glibc's cnd_t and mtx_t are pthreads' own by another name. */
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "one stands for the other");
_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "one stands for the other");

enum { SECOND_NS = 1000000000 };

static int64_t left_ns(const struct timespec *until)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)(until->tv_sec - now.tv_sec) * SECOND_NS + (until->tv_nsec - now.tv_nsec);
}

__attribute__((used, visibility("default"))) int
cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
              const struct timespec *restrict until)
{
    int64_t wait_ns = left_ns(until);
    struct timespec wake;

    if (wait_ns < 0)
        wait_ns = 0; /* still gives the mutex away for a moment, as waiting does */
    clock_gettime(CLOCK_MONOTONIC, &wake);
    wait_ns += wake.tv_nsec;
    wake.tv_sec += wait_ns / SECOND_NS;
    wake.tv_nsec = wait_ns % SECOND_NS;
    switch (pthread_cond_clockwait((pthread_cond_t *)(void *)condition,
                                   (pthread_mutex_t *)(void *)mutex, CLOCK_MONOTONIC, &wake)) {
    case 0:
        return thrd_success;
    case ETIMEDOUT:
        return thrd_timedout;
    default:
        return thrd_error;
    }
}
