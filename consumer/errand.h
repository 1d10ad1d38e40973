/*
 * errand.h: one transaction of a command that ends: a producer made for it, and thrown away.
 *
 * The stage goes on whatever becomes of a transaction (transaction.h). A command need not: where an
 * answer is lost it says so and ends, and who runs it again begins where the offsets say that the
 * last one landed, for they were in it. The id is the same each time, so the next producer fences
 * the one before, and what that left open is aborted before anything else is done; and since none
 * has two transactions, no late request can end the next one (transaction.def).
 */
#ifndef UPSHOT_CONSUMER_ERRAND_H
#define UPSHOT_CONSUMER_ERRAND_H

#include "consumer/config.h"

#include <stdatomic.h>

struct errand {
    const struct config *config;
    const char *id;
    rd_kafka_t *producer;
    bool open;      /* a transaction that has begun, and of which no end is known */
    bool overtaken; /* the commit was refused for its generation: there is another member */
    atomic_int record_error; /* of the first record that failed */
    char failed_topic[256];  /* its topic, read when record_error is set */
};

/*
 * A configuration, borrowed, but for the time that a transaction of so many records has: as a
 * command reads them all, and writes each, before it commits.
 */
struct errand_time {
    struct config config;
    char text[32];
};

/* The user's own transaction.timeout.ms counts. To be released; a zeroed one may be. */
void errand_time_set(struct errand_time *time, const struct config *config, int64_t records);
void errand_time_release(struct errand_time *time);

/* A record to be put. Key and value are copied; NULL is null. */
struct errand_record {
    const char *topic;
    int32_t partition;
    const void *key, *value;
    size_t key_size, value_size;
    int64_t timestamp_ms;        /* 0: now */
    rd_kafka_headers_t *headers; /* the errand's from here on; NULL: none */
};

/*
 * All of these log why and return false where it came to nothing; errand_end() is due either way.
 * What is borrowed must outlive the errand.
 */
bool errand_begin(struct errand *errand, const struct config *config, const char *transactional_id);
bool errand_put(struct errand *errand, const struct errand_record *record);

/* The offsets are committed in the transaction, under this generation of their group. */
bool errand_commit(struct errand *errand, const rd_kafka_topic_partition_list_t *offsets,
                   const rd_kafka_consumer_group_metadata_t *generation);

/*
 * Without a commit, what was put is as if it had never been: aborted here, so that nobody waits for
 * its end; where the broker does not answer, or the process was killed, by the next, or by time.
 */
void errand_end(struct errand *errand);

#endif
