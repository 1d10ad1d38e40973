/*
 * sole.h: the only member of the stage's group, for a command that changes what that stands on.
 *
 * That nobody is in the group is asked first, for a member that is at work must not be disturbed.
 * But it is only an answer of just now. So the command joins, and commits under its generation:
 * where a stage starts meanwhile, the group has another generation, and the commit is refused.
 *
 * With group.protocol=consumer (KIP-848), too: a group of such members is in the list of all
 * groups, whatever librdkafka this is. One of them that starts meanwhile gets no partition before
 * this member has given it back, or is taken for gone, and then the commit is refused.
 */
#ifndef UPSHOT_CONSUMER_SOLE_H
#define UPSHOT_CONSUMER_SOLE_H

#include "consumer/config.h"

struct sole {
    struct config config; /* borrowed, but for the name of a process, which this is not */
    rd_kafka_t *member;
    rd_kafka_consumer_group_metadata_t *generation; /* NULL: not joined yet */
    int assigned;                                   /* partitions of inputs */
    bool lost;                                      /* somebody else came */
};

/* Has the group no members? Returns an exit code: EXIT_FOUND where it has, told. */
int sole_look(const struct config *config);

/* Joins, and waits for all the partitions of all inputs. Returns an exit code. */
int sole_join(struct sole *sole, const struct config *config, int32_t partitions);

/* To be called every few seconds. False: it is not the only one any more, told. */
bool sole_serve(struct sole *sole);

void sole_leave(struct sole *sole);

#endif
