/*
 * repartition.h: the state of one application, for another with another number of partitions.
 *
 * A key's partition follows from the count, so a topic that grew has a message's events in two
 * places, and no state could follow them. So nothing is changed where it is: there are new inputs,
 * and a new app.id with a state topic and a group of its own, which this fills, in one transaction,
 * from the old ones, when those have been read to their ends (docs/moving.md). Who finds that it
 * was a mistake starts the old application again.
 *
 * State records are copied as they are, each to where its message id's key now goes. Every new task
 * begins at the least of the old tasks' watermarks: what was due before had been fired by all.
 */
#ifndef UPSHOT_CONSUMER_REPARTITION_H
#define UPSHOT_CONSUMER_REPARTITION_H

#include "consumer/config.h"

/* Returns an exit code. A dry run tells what would be done, and creates nothing. */
int repartition(const struct config *from, const struct config *to, bool dry_run);

#endif
