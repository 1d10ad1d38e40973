/*
 * wall_clock.c: a wall clock that can be set while a process runs, for that process alone.
 *
 * To be preloaded (behind the sanitizers' libraries, where the program has any). WALL_CLOCK names a
 * file of eight bytes: how many milliseconds the clock is ahead of the real one, read at each look.
 *
 * The monotonic clock is left alone. Waiting until a time of the wall clock is what the kernel does
 * with it: whoever waits for 10:00 and has the clock set back from 9:59 to 9:00 waits an hour. That
 * is looked at in slices.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { SLICE_NS = 50000000 };
static const int64_t second_ns = 1000000000;

static const volatile int64_t *ahead_ms;

__attribute__((constructor)) static void open_clock(void)
{
    const char *path = getenv("WALL_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *memory = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        abort(); /* a test would believe that it has set a clock */
    ahead_ms = memory;
    close(fd);
}

static int64_t read_ns(clockid_t id)
{
    struct timespec now;

    /* The system call itself: nobody's clock_gettime, this one included. */
    syscall(SYS_clock_gettime, id, &now);
    return (int64_t)now.tv_sec * second_ns + now.tv_nsec;
}

static int64_t wall_ns(clockid_t id)
{
    return read_ns(id) + (ahead_ms == NULL ? 0 : *ahead_ms * 1000000);
}

static struct timespec as_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / second_ns, .tv_nsec = ns % second_ns};
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, id, now);
    *now = as_timespec(wall_ns(id));
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int64_t ns = wall_ns(CLOCK_REALTIME);

    (void)zone;
    now->tv_sec = ns / second_ns;
    now->tv_usec = ns % second_ns / 1000;
    return 0;
}

time_t time(time_t *out)
{
    time_t now = wall_ns(CLOCK_REALTIME) / second_ns;

    if (out != NULL)
        *out = now;
    return now;
}

int timespec_get(struct timespec *now, int base)
{
    *now = as_timespec(wall_ns(CLOCK_REALTIME));
    return base;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    int64_t until_ns = (int64_t)until->tv_sec * second_ns + until->tv_nsec;

    for (;;) {
        int64_t left_ns = until_ns - wall_ns(CLOCK_REALTIME);
        struct timespec slice;
        int result;
        if (left_ns <= 0)
            return ETIMEDOUT;
        slice = as_timespec(read_ns(CLOCK_MONOTONIC) + (left_ns < SLICE_NS ? left_ns : SLICE_NS));
        result = pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &slice);
        if (result != ETIMEDOUT)
            return result;
    }
}

/* glibc's cnd_t and mtx_t are pthreads' own. */
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "one stands for the other");

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
                  const struct timespec *restrict until)
{
    int result = pthread_cond_timedwait((pthread_cond_t *)(void *)condition,
                                        (pthread_mutex_t *)(void *)mutex, until);

    return result == 0 ? thrd_success : result == ETIMEDOUT ? thrd_timedout : thrd_error;
}
