/* committer.c: a thread with a mailbox for one. */
#include "consumer/committer.h"

#include "consumer/clock.h"
#include "statemachine/memory.h"
#include "statemachine/require.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum errand { ERRAND_NONE, ERRAND_GIVEN, ERRAND_DONE, ERRAND_LEAVE };

struct committer {
    struct transaction *transaction;
    struct outbox *outbox;
    bool away; /* the worker's own */
    int wake_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t given;
    enum errand errand; /* under the lock, as is the hand-over of all that it is about */
    atomic_llong alive_ms;
};

static enum errand wait_for_errand(struct committer *committer)
{
    enum errand errand;

    pthread_mutex_lock(&committer->lock);
    while (committer->errand == ERRAND_NONE || committer->errand == ERRAND_DONE)
        pthread_cond_wait(&committer->given, &committer->lock);
    errand = committer->errand;
    pthread_mutex_unlock(&committer->lock);
    return errand;
}

static void *committer_main(void *argument)
{
    struct committer *committer = argument;

    while (wait_for_errand(committer) == ERRAND_GIVEN) {
        bool more = true;
        while (more) {
            atomic_store(&committer->alive_ms, clock_monotonic_ms());
            more = transaction_carry(committer->transaction, committer->outbox);
        }
        pthread_mutex_lock(&committer->lock);
        committer->errand = ERRAND_DONE;
        pthread_mutex_unlock(&committer->lock);
        while (write(committer->wake_fd, "", 1) < 0 && errno == EINTR)
            ; /* a full pipe wakes, too */
    }
    return NULL;
}

struct committer *committer_new(struct transaction *transaction, const int wake[2])
{
    struct committer *committer = memory_get(sizeof(*committer));

    *committer = (struct committer){.transaction = transaction, .wake_fd = wake[1]};
    require(pthread_mutex_init(&committer->lock, NULL) == 0);
    require(pthread_cond_init(&committer->given, NULL) == 0);
    require(pthread_create(&committer->thread, NULL, committer_main, committer) == 0);
    return committer;
}

static void set(struct committer *committer, enum errand errand)
{
    pthread_mutex_lock(&committer->lock);
    committer->errand = errand;
    pthread_cond_signal(&committer->given);
    pthread_mutex_unlock(&committer->lock);
}

void committer_free(struct committer **committer)
{
    if (*committer == NULL)
        return;
    require(!(*committer)->away);
    set(*committer, ERRAND_LEAVE);
    pthread_join((*committer)->thread, NULL);
    pthread_cond_destroy(&(*committer)->given);
    pthread_mutex_destroy(&(*committer)->lock);
    free(*committer);
    *committer = NULL;
}

void committer_send(struct committer *committer, struct outbox *outbox)
{
    require(!committer->away);
    committer->away = true;
    committer->outbox = outbox;
    atomic_store(&committer->alive_ms, clock_monotonic_ms());
    set(committer, ERRAND_GIVEN);
}

bool committer_is_away(const struct committer *committer)
{
    return committer->away;
}

bool committer_take_back(struct committer *committer)
{
    bool done;

    pthread_mutex_lock(&committer->lock);
    done = committer->errand == ERRAND_DONE;
    if (done)
        committer->errand = ERRAND_NONE;
    pthread_mutex_unlock(&committer->lock);
    if (done)
        committer->away = false;
    return done;
}

int64_t committer_alive_ms(const struct committer *committer)
{
    return atomic_load(&committer->alive_ms);
}
