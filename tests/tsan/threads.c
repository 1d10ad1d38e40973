/*
 * threads.c: C11 threads as POSIX threads, for ThreadSanitizer only.
 *
 * librdkafka of Debian 12 calls C11's thrd_create and mtx_lock, which gcc 12's ThreadSanitizer does
 * not know: a thread made behind its back crashes it, a lock it did not see is a race. Linked into
 * the tsan build, these stand in front of the C library's own (cnd_timedwait does in every build:
 * consumer/waiting.c). glibc's mtx_t and cnd_t have the size of their
 * POSIX counterparts.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "one stands for the other");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "one stands for the other");

struct start {
    thrd_start_t body;
    void *argument;
};

static void *begin(void *memory)
{
    struct start start = *(struct start *)memory;

    free(memory);
    return (void *)(intptr_t)start.body(start.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t body, void *argument)
{
    struct start *start = malloc(sizeof(*start));

    if (start == NULL)
        return thrd_nomem;
    *start = (struct start){body, argument};
    if (pthread_create((pthread_t *)thread, NULL, begin, start) == 0)
        return thrd_success;
    free(start);
    return thrd_error;
}

int thrd_join(thrd_t thread, int *result)
{
    void *value;

    if (pthread_join((pthread_t)thread, &value) != 0)
        return thrd_error;
    if (result != NULL)
        *result = (int)(intptr_t)value;
    return thrd_success;
}

int thrd_detach(thrd_t thread)
{
    return pthread_detach((pthread_t)thread) == 0 ? thrd_success : thrd_error;
}

static int verdict(int error)
{
    return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}

int mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attributes;
    int error;

    pthread_mutexattr_init(&attributes);
    if ((type & mtx_recursive) != 0)
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    error = pthread_mutex_init((pthread_mutex_t *)mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return verdict(error);
}

void mtx_destroy(mtx_t *mutex)
{
    pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int mtx_lock(mtx_t *mutex)
{
    return verdict(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
    int error = pthread_mutex_trylock((pthread_mutex_t *)mutex);

    return error == EBUSY ? thrd_busy : verdict(error);
}

int mtx_unlock(mtx_t *mutex)
{
    return verdict(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

int cnd_init(cnd_t *condition)
{
    return verdict(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

void cnd_destroy(cnd_t *condition)
{
    pthread_cond_destroy((pthread_cond_t *)condition);
}

int cnd_signal(cnd_t *condition)
{
    return verdict(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition)
{
    return verdict(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return verdict(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}
