/* partitioning.c: librdkafka's own partitioners, held against what is there. */
#include "consumer/partitioning.h"

enum { PERCENT_LEAST = 95 };

const char *const partitioner_words[PARTITIONERS + 1] = {
    [PARTITIONER_AUTO] = "auto",
    [PARTITIONER_MURMUR2] = "murmur2",
    [PARTITIONER_CRC32] = "crc32",
    [PARTITIONER_FNV1A] = "fnv1a",
};

int32_t partition_of(enum partitioner partitioner, const uint8_t *key, size_t size,
                     int32_t partitions)
{
    switch (partitioner) {
    case PARTITIONER_MURMUR2:
        return rd_kafka_msg_partitioner_murmur2(NULL, key, size, partitions, NULL, NULL);
    case PARTITIONER_CRC32:
        return rd_kafka_msg_partitioner_consistent(NULL, key, size, partitions, NULL, NULL);
    case PARTITIONER_FNV1A:
        return rd_kafka_msg_partitioner_fnv1a(NULL, key, size, partitions, NULL, NULL);
    case PARTITIONER_AUTO:
        break;
    }
    return -1;
}

bool partition_is_right(const uint8_t *key, size_t size, void *context)
{
    const struct right_partition *right = context;

    return partition_of(right->partitioner, key, size, right->partitions) == right->partition;
}

void partitioning_sample(struct partitioning *partitioning, const uint8_t *key, size_t size,
                         int32_t partition, int32_t partitions)
{
    if (partitioning->samples >= PARTITIONING_SAMPLES || partitions < 2 || size == 0)
        return;
    partitioning->samples++;
    for (int i = 0; i < PARTITIONERS; i++)
        partitioning->matches[i] +=
            partition_of((enum partitioner)(i + 1), key, size, partitions) == partition;
}

enum partitioner partitioning_verdict(const struct partitioning *partitioning)
{
    int best = 0;
    bool tie = false;

    if (partitioning->samples < PARTITIONING_LEAST)
        return PARTITIONER_AUTO;
    for (int i = 1; i < PARTITIONERS; i++) {
        if (partitioning->matches[i] > partitioning->matches[best]) {
            best = i;
            tie = false;
        } else if (partitioning->matches[i] == partitioning->matches[best]) {
            tie = true;
        }
    }
    /* A few keys over and over can suit two hashes: that tells nothing. */
    if (tie || partitioning->matches[best] * 100 < partitioning->samples * PERCENT_LEAST)
        return PARTITIONER_AUTO;
    return (enum partitioner)(best + 1);
}
