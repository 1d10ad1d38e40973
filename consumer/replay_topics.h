/*
 * replay_topics.h: a range of topics to outcomes, bounded by the ends at its start (DESIGN 7).
 */
#ifndef UPSHOT_CONSUMER_REPLAY_TOPICS_H
#define UPSHOT_CONSUMER_REPLAY_TOPICS_H

#include "consumer/config.h"
#include "consumer/partition_set.h"
#include "consumer/replay_files.h"
#include "consumer/topic_range.h"

enum { REPLAY_PARALLEL_MAX = 64 };

struct replay_topics_options {
    struct replay_range range;
    struct partition_set partitions; /* the others are left alone */
    struct replay_position state_at; /* POSITION_DEFAULT: every message begins anew */
    const char *into;     /* a directory, or */
    const char *to_topic; /* a topic, or, both NULL, the streams of the other options */
    const char *name;     /* with to_topic: that it goes on by */
    uint64_t fingerprint; /* likewise: of all that decides what comes out, but for the offsets */
    int parallel;         /* partitions side by side, with `into`; a thread and a client for each */
};

/*
 * Reads config->input_topics read committed, merges each partition's inputs by timestamp, and
 * writes as replay_files() does; paths and path_count of the options are not used.
 */
int replay_topics(const struct replay_options *options, const struct config *config,
                  const struct replay_topics_options *topics, struct tally *tally,
                  struct remains *remains);

#endif
