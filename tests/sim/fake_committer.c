/*
 * fake_committer.c: the committer as a fiber beside its worker's: what a transaction's calls and
 * the next batch do to each other is then drawn from the seed, too.
 */
#include "consumer/committer.h"

#include "consumer/clock.h"
#include "statemachine/memory.h"
#include "statemachine/require.h"
#include "tests/sim/world.h"

#include <stdlib.h>

struct committer {
    struct transaction *transaction;
    struct outbox *outbox;
    struct fiber *fiber;
    int pipe_fd;
    bool away, given, done, leave, left;
};

static void body(void *argument)
{
    struct committer *committer = argument;

    while (!committer->leave) {
        if (!committer->given) {
            fiber_wait(world.now_us + 3600 * (int64_t)SECOND);
            continue;
        }
        while (transaction_carry(committer->transaction, committer->outbox))
            ;
        committer->given = false;
        committer->done = true;
        world_signal(committer->pipe_fd);
    }
    committer->left = true;
}

struct committer *committer_new(struct transaction *transaction, const int wake[2])
{
    struct committer *committer = memory_get(sizeof(*committer));

    *committer = (struct committer){.transaction = transaction, .pipe_fd = wake[0]};
    committer->fiber = fiber_start(body, committer);
    return committer;
}

void committer_free(struct committer **committer)
{
    if (*committer == NULL)
        return;
    require(!(*committer)->away);
    (*committer)->leave = true;
    while (!(*committer)->left) {
        fiber_wake((*committer)->fiber);
        fiber_wait(world.now_us + MS);
    }
    free(*committer);
    *committer = NULL;
}

void committer_send(struct committer *committer, struct outbox *outbox)
{
    require(!committer->away);
    committer->away = committer->given = true;
    committer->outbox = outbox;
    fiber_wake(committer->fiber);
}

bool committer_is_away(const struct committer *committer)
{
    return committer->away;
}

bool committer_take_back(struct committer *committer)
{
    bool done = committer->done;

    if (done)
        committer->away = committer->done = false;
    return done;
}

int64_t committer_alive_ms(const struct committer *committer)
{
    (void)committer;
    return clock_monotonic_ms();
}
