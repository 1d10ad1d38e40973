/*
 * memory_limit.h: how much memory this process may use, and how many live records fit into that.
 *
 * The kernel's killer gives no reason, and a restore after it runs into it again. So the stage
 * counts its records and stops by itself before that, with figures (DESIGN 9.7).
 */
#ifndef UPSHOT_CONSUMER_MEMORY_LIMIT_H
#define UPSHOT_CONSUMER_MEMORY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The least of the machine's memory and the limits of all cgroups above this process, v2
 * (memory.max) and v1 (memory.limit_in_bytes). 0: nothing could be read. `root` stands before /proc
 * and /sys: empty, but for tests.
 */
int64_t memory_limit(const char *root);

/* What this process occupies now (resident set); 0: unknown. */
int64_t memory_resident(const char *root);

/*
 * What librdkafka may hold beside the records: records fetched and not yet taken of each input's
 * partition, and a transaction's worth of what is produced. Never counted as more than half.
 */
int64_t memory_buffers(int64_t limit, int32_t partitions, int64_t inputs, int64_t workers);

/* How many live records fit into what is left; at least 1000. */
int64_t memory_records(int64_t limit, int64_t buffers);

/*
 * True where it is to be told that records.max is near (four fifths): once, and again only after
 * there was room. *told is the caller's memory of that, false at first.
 */
bool memory_is_short(int64_t live, int64_t records_max, bool *told);

/* True where the kernel is near: a twentieth is left. Where the limit is not known, never. */
bool memory_is_full(int64_t resident, int64_t limit);

#endif
