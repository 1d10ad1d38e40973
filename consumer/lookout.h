/*
 * lookout.h: a thread that looks, every ten seconds, whether the inputs are still what they were
 * at start.
 *
 * Partitions that are added to a topic move its keys: from then on a message's events go to another
 * partition than its state. Nobody tells a consumer soon (librdkafka looks every five minutes), so
 * it is asked for, and the stage ends with one line that says how to get out of it.
 */
#ifndef UPSHOT_CONSUMER_LOOKOUT_H
#define UPSHOT_CONSUMER_LOOKOUT_H

#include "consumer/worker.h"

struct lookout {
    struct stage *stage;
    pthread_t thread;
};

/* It ends by itself once stage->stop is set; lookout_end() waits for that, a second at most. */
void lookout_start(struct lookout *lookout, struct stage *stage);
void lookout_end(struct lookout *lookout);

#endif
