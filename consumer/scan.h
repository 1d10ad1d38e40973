/*
 * scan.h: a topic from given offsets to its ends as they were at the start, read committed.
 *
 * For commands that read something whole and end: dead letters, a state topic. No group is joined;
 * whoever keeps a position keeps it with a transaction of its own (errand.h).
 */
#ifndef UPSHOT_CONSUMER_SCAN_H
#define UPSHOT_CONSUMER_SCAN_H

#include "consumer/config.h"

enum scan_end {
    SCAN_STABLE, /* where the first open transaction begins: what that writes is not waited for */
    SCAN_WHOLE,  /* behind all there is: open transactions are waited for, until they have ended */
};

/* One partition: what is left to read is from next to end. */
struct scan_range {
    int64_t low, next, end;
    bool done;
};

struct scan {
    const struct config *config;
    const char *topic;
    rd_kafka_t *reader;
    struct scan_range *ranges; /* by partition */
    int32_t partitions, left;  /* left: not done */
    bool failed;               /* why is in the log */
};

/*
 * Asks for partitions and ends; each range is all that there is. False where that fails, logged;
 * scan_close() is due either way. Borrows all.
 */
bool scan_open(struct scan *scan, const struct config *config, const char *topic,
               enum scan_end end);

/* Moves a range's beginning to what the reader's group has committed, where that is further. */
bool scan_skip_committed(struct scan *scan);

/*
 * Has the reader's group committed nothing beyond what was read? False, told: somebody else has.
 * Only an answer for good where nobody but the caller can commit.
 */
bool scan_is_furthest(struct scan *scan);

/* What the reader's group has committed, when no transaction with it is open: waits for its end. */
rd_kafka_resp_err_t scan_ask_committed(rd_kafka_t *reader, rd_kafka_topic_partition_list_t *list);

/* Begins to read each range from its `next`. */
bool scan_begin(struct scan *scan);

/*
 * The next record, the caller's; those of one partition in their order. NULL at the end of all, or
 * where it failed. A range's `next` is then behind what came, markers included.
 */
rd_kafka_message_t *scan_next(struct scan *scan);

/* Offsets that are left to read: at most so many records. */
int64_t scan_left(const struct scan *scan);

void scan_close(struct scan *scan);

#endif
