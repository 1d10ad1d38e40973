/*
 * replay_target.h: a replay's outcomes into a topic, each once, however often it is killed.
 *
 * A replay of given bounds gives the same outcomes in the same order each time. So to go on it need
 * only know how many of each partition are there. That count is the offset which the group
 * APP.ID.replay.NAME commits for the partition, in the transaction of the outcomes; its metadata is
 * the plan: a fingerprint of what was asked for, and the bounds. Who goes on computes all from the
 * beginning, within the same bounds, and leaves out what is there.
 *
 * One process at a time: each transaction fences whoever else has the name (errand.h), and then
 * sees that the counts are still its own. What goes wrong is in the log, once.
 */
#ifndef UPSHOT_CONSUMER_REPLAY_TARGET_H
#define UPSHOT_CONSUMER_REPLAY_TARGET_H

#include "consumer/errand.h"
#include "consumer/pump.h"
#include "consumer/topic_range.h"
#include "schemas/buffer.h"

struct replay_target_row;

struct replay_target {
    const struct config *config;
    struct config own; /* borrowed, but for the group */
    const char *topic;
    char group[512];
    uint64_t fingerprint;
    int32_t partitions;
    struct replay_target_row *rows; /* by partition */
    bool planned;                   /* an earlier run of this name has begun */
    rd_kafka_t *client;
    rd_kafka_consumer_group_metadata_t *generation; /* of no member: the id alone fences */
    struct errand errand;
    int64_t batch_records;
    size_t batch_bytes;
    int64_t batch_began_ms; /* by the monotonic clock */
    struct buffer value;
    uint64_t landed, found; /* outcomes: put there now, and left out for they were there */
    int error;              /* exit code of what went wrong */
};

/*
 * Refuses a topic that the stage reads or writes, one with another number of partitions than
 * `partitions`, and a name under which something else was replayed. False: see error.
 * replay_target_close() is due either way.
 */
bool replay_target_open(struct replay_target *target, const struct config *config,
                        const char *topic, const char *name, uint64_t fingerprint,
                        int32_t partitions);

/* The bounds of a partition's inputs, as an earlier run has planned them. */
bool replay_target_recall(struct replay_target *target, int32_t partition,
                          struct topic_bounds *bounds, size_t input_count);

/* Where there is no plan yet: this is it, of all partitions, one after the other. Commits it. */
bool replay_target_plan(struct replay_target *target, const struct topic_bounds *bounds,
                        size_t input_count);

/* The next outcome of its lane's partition. Does nothing once something has gone wrong. */
void replay_target_put(struct replay_target *target, const struct lane *lane,
                       const struct happening *happening);

/* Now and then: commits what has been open for long, or the broker would abort it. */
void replay_target_serve(struct replay_target *target);

/* All have been put: commits the last of them. */
bool replay_target_finish(struct replay_target *target);

void replay_target_close(struct replay_target *target);

#endif
