/*
 * partitioning.h: which hash put a topic's keys where they are (DESIGN 5).
 *
 * Two topics keyed by different hashes never meet: a message's send would be in one task and its
 * receipts in another. So the keys of each input are sampled, and held against the three hashes
 * that producers use.
 */
#ifndef UPSHOT_CONSUMER_PARTITIONING_H
#define UPSHOT_CONSUMER_PARTITIONING_H

#include "consumer/config.h"

enum { PARTITIONERS = 3, PARTITIONING_SAMPLES = 1000, PARTITIONING_LEAST = 100 };

/* What one input's keys say. */
struct partitioning {
    uint32_t samples;
    uint32_t matches[PARTITIONERS]; /* murmur2, crc32, fnv1a */
};

extern const char *const partitioner_words[PARTITIONERS + 1]; /* by enum partitioner */

/* The partition that a partitioner, not AUTO, gives a key. */
int32_t partition_of(enum partitioner partitioner, const uint8_t *key, size_t size,
                     int32_t partitions);

/* As event_decode() asks it (schemas/event.h); context is a struct right_partition. */
struct right_partition {
    enum partitioner partitioner;
    int32_t partition, partitions;
};
bool partition_is_right(const uint8_t *key, size_t size, void *context);

/* Counts one record's key; does nothing after PARTITIONING_SAMPLES, or with one partition. */
void partitioning_sample(struct partitioning *partitioning, const uint8_t *key, size_t size,
                         int32_t partition, int32_t partitions);

/*
 * The partitioner that explains at least 95 of 100 of the samples and more than any other;
 * AUTO while there are fewer than 100 or none does.
 */
enum partitioner partitioning_verdict(const struct partitioning *partitioning);

#endif
