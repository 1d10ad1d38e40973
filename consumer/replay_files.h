/*
 * replay_files.h: files of events to outcomes, without Kafka and without a clock (DESIGN 3, 7).
 *
 * Each file is one input of every task; an envelope's partition picks the task. The files' heads
 * are taken lowest timestamp first, the file given first among equals. An input that has ended
 * leaves the minimum at once.
 */
#ifndef UPSHOT_CONSUMER_REPLAY_FILES_H
#define UPSHOT_CONSUMER_REPLAY_FILES_H

#include "consumer/summary.h"

#include <stdio.h>

enum { REPLAY_PARTITIONS_MAX = 10000 };

struct replay_progress {
    uint64_t done, total; /* bytes of files, offsets of topics; total 0: not known */
    uint64_t records;
    int64_t watermark_ms; /* the least of the partitions in hand; TIME_NONE: not known */
};

struct replay_options {
    struct tables *tables; /* read only, but for names of an older state (state_point.h) */
    const char *const *paths;
    size_t path_count;
    int64_t latest_ms; /* skew is judged against it; INT64_MAX: not at all */
    size_t event_max_bytes;
    bool to_end_of_time;
    FILE *outcomes;
    FILE *dead_letters; /* NULL: only counted */
    /* Told now and then how far it is. May be NULL. */
    void (*progress)(const struct replay_progress *progress);
};

/* Returns an exit code; *tally and *remains are filled in any case. Complains on stderr. */
int replay_files(const struct replay_options *options, struct tally *tally,
                 struct remains *remains);

#endif
