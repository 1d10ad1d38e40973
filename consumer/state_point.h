/*
 * state_point.h: what an application kept, as it was at a point of its past (replay --state-at).
 *
 * A point is a transaction that has landed: of a partition of the state topic, the last one whose
 * control record lies before an offset; a time stands for the first record that is not older. The
 * records up to there, folded, are the state as that transaction left it, and the control record
 * says from where each input goes on.
 *
 * Unless Kafka has compacted the topic since. A compaction takes, with a record that a later one
 * has replaced, all earlier ones of its key; so a message that was replaced behind the point is not
 * there at all, and the count of messages, which the control record has, tells. For a compaction
 * just while the topic is read, it is read twice: when a point is looked for, before anything is
 * made of it, and when its partition's turn has come.
 *
 * Where the topic no longer has the point, a snapshot in state.dir may: one that `state save` has
 * put aside, or one that a stage wrote while nothing was under way. It must be of the same lineage:
 * what was before a `reset` is another state, whatever its date.
 *
 * Several threads may restore, each its own partitions: names that the tables lack are added to
 * them as ghosts while points are looked for, by one thread, and the second reading has no others.
 */
#ifndef UPSHOT_CONSUMER_STATE_POINT_H
#define UPSHOT_CONSUMER_STATE_POINT_H

#include "consumer/partition_set.h"
#include "consumer/pump.h"
#include "consumer/topic_range.h"
#include "schemas/state_record.h"

struct state_point {
    int32_t partition;
    int64_t low, end;        /* of the state topic: all that it is made of */
    uint64_t records, bytes; /* which were read there */
    char *image;             /* or the file that has it all; NULL: none has to */
    uint64_t gone;           /* messages there with names that the tables lack */
    int64_t written_ms;      /* wall clock */
    struct control control;  /* transaction 0: no state yet, and nothing else is known */
};

struct state_points {
    struct topic_reader *reader; /* complaints, and errors, are its */
    char *topic;
    int32_t partitions;
    struct tables *tables;      /* statuses that they have lost stay, without a vote */
    struct state_point *points; /* by partition */
};

/*
 * Finds the point of each chosen partition; POSITION_DEFAULT: the last one. Where nothing had been
 * taken yet, it is the empty state, and the inputs begin at their beginnings. False: told on
 * stderr, once, and kept in the reader. state_points_close() is due either way.
 */
bool state_points_open(struct state_points *points, struct topic_reader *reader,
                       struct tables *tables, const struct replay_position *wanted,
                       int32_t partitions, const struct partition_set *chosen);
void state_points_close(struct state_points *points);

/* Of an input: the first offset that the state, where there is one, knows nothing of. */
int64_t state_point_next(const struct state_point *point, const char *input);

/* Puts the state of a partition, where there is one, into a lane that is empty. */
bool state_point_restore(const struct state_points *points, struct topic_reader *reader,
                         int32_t partition, struct lane *lane);

#endif
