/*
 * state_topic.h: the state topic of an application, read from outside while a stage may be writing
 * to it (`upshot state`).
 *
 * It is read as it was when it was opened, up to the last stable offset of each partition then: an
 * open transaction is neither waited for nor seen in part. No group is joined, nothing is written.
 */
#ifndef UPSHOT_CONSUMER_STATE_TOPIC_H
#define UPSHOT_CONSUMER_STATE_TOPIC_H

#include "consumer/restore.h"

struct state_topic {
    const struct config *config; /* borrowed, as the tables are */
    struct tables *tables;
    char *name;
    rd_kafka_t *client;
    int32_t partitions;
    struct state_range {
        int64_t low, high;
    } *ranges;
};

/* Looks at the topic and asks for its ends; complains in the log. Returns an exit code. */
int state_topic_open(struct state_topic *topic, const struct config *config,
                     struct tables *tables);
void state_topic_close(struct state_topic *topic);

/*
 * Until a job (restore_add_range) is whole, waiting for it; false where it cannot be, which is in
 * the log then.
 */
bool state_topic_await(struct restore *restore, const struct restore_job *job);

/* One partition, restored: the lane has its messages, the job what else is known. False: enough. */
typedef bool state_topic_visit(void *context, const struct restore_job *job,
                               const struct lane *lane);

/*
 * Visits each partition, or only the one that is asked for (-1: all). One is in memory at a time.
 * Names that the tables have lost stay in the timelines. Returns an exit code; EXIT_FOUND where a
 * partition does not hold as many messages as its control record says.
 */
int state_topic_walk(struct state_topic *topic, int32_t only, state_topic_visit *visit,
                     void *context);

#endif
