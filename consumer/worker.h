/*
 * worker.h: one thread, one group member, one producer, its tasks; shared nothing (DESIGN 5).
 */
#ifndef UPSHOT_CONSUMER_WORKER_H
#define UPSHOT_CONSUMER_WORKER_H

#include "consumer/board.h"
#include "consumer/config.h"
#include "consumer/pump.h"
#include "consumer/restore.h"
#include "consumer/topics.h"
#include "consumer/transaction.h"

#include <pthread.h>
#include <stdatomic.h>

/* What all workers of a process share, read-only but for the flags. */
struct stage {
    const struct config *config;
    struct topics_facts facts;
    char *state_topic;
    char random[17]; /* names a dynamic member's transactional ids */
    bool allow_table_change;
    int64_t wall_base_ms, monotonic_base_ms; /* one reading of both clocks at start */
    atomic_bool stop;                        /* finish, commit, leave */
    atomic_int code;                         /* worst exit code of a worker */
    atomic_int open_transactions;            /* open, or not known to be over; all workers */
    atomic_bool founded;                     /* a worker has been told its share by the group */
    atomic_llong records_max;                /* of all workers together; 0: no limit */
    atomic_llong memory_max;                 /* bytes that this process may use; 0: unknown */
    atomic_llong live;                       /* records held by all workers */
    atomic_llong partitions;                 /* restored and consuming, all workers */
    atomic_int partitioner_seen;     /* that explains all inputs; AUTO: none does, or not known */
    atomic_bool partitioners_differ; /* the inputs' */
    atomic_llong inputs_waited_out;
    atomic_llong outcomes, corrections, dead_letters, records; /* landed */
    struct transaction_counts transactions;
};

struct worker {
    struct stage *stage;
    int number; /* from 0 */
    struct restore_progress restoring;
    struct board *board; /* NULL: nobody looks */
    pthread_t thread;
    atomic_bool finished;
    atomic_bool consuming;            /* has its share of the partitions, and all of it restored */
    atomic_llong alive_ms;            /* monotonic: when it last came by */
    int64_t seen_alive_ms, silent_ms; /* the watcher's own, see stage.c */
};

/* Wall clock, moved by the monotonic one from one reading at start (DESIGN 3). */
int64_t stage_now_ms(const struct stage *stage);

/* The thread's body; `argument` is a struct worker. */
void *worker_main(void *argument);

#endif
