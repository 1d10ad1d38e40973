/*
 * state_stat.h: what a state topic is made of (`upshot state stat`): messages by channel and phase,
 * times, sizes, and how much of the topic nobody needs any more.
 *
 * Bytes are those of keys and values, before Kafka compresses them and adds its own.
 */
#ifndef UPSHOT_CONSUMER_STATE_STAT_H
#define UPSHOT_CONSUMER_STATE_STAT_H

#include "consumer/restore.h"

enum { RANKED_MAX = 10, STAT_PHASES = PHASE_COUNT + 1 /* the last: no status yet */ };

/* Messages with the least values, the least first. */
struct ranking {
    size_t most, count;
    struct ranked {
        int64_t value;
        int32_t partition;
        uint8_t channel;
        uint8_t id_size;
        uint8_t id[MESSAGE_ID_MAX];
    } rows[RANKED_MAX];
};

struct state_stat {
    const struct tables *tables; /* borrowed */
    uint64_t partitions, offsets;
    struct state_sum {
        uint64_t records, bytes;
    } all, live, tombstones, controls; /* controls: the newest of each partition */
    struct {
        uint64_t messages, settled, bytes;
    } groups[CHANNELS_MAX][STAT_PHASES];
    struct ranking oldest, newest, due, largest;
    struct buffer encoded; /* one record at a time */
};

void state_stat_init(struct state_stat *stat, const struct tables *tables);
void state_stat_release(struct state_stat *stat);

/* One partition, whole. */
void state_stat_add(struct state_stat *stat, const struct restore_job *job,
                    const struct lane *lane);

void state_stat_text(struct buffer *out, const char *topic, const struct state_stat *stat);
void state_stat_json(struct buffer *out, const char *topic, const struct state_stat *stat);

#endif
