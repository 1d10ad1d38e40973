/*
 * replay_topics.h: a range of topics to outcomes, bounded by the ends at its start (DESIGN 7).
 */
#ifndef UPSHOT_CONSUMER_REPLAY_TOPICS_H
#define UPSHOT_CONSUMER_REPLAY_TOPICS_H

#include "consumer/config.h"
#include "consumer/replay_files.h"
#include "consumer/topic_range.h"

/*
 * Reads config->input_topics read committed, merges each partition's inputs by timestamp, and
 * writes as replay_files() does; paths and path_count of the options are not used.
 */
int replay_topics(const struct replay_options *options, const struct config *config,
                  const struct replay_range *range, struct tally *tally, uint64_t *live);

#endif
