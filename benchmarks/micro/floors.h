/* floors.h: the least that an operation of a kind costs on this machine, now. */
#ifndef UPSHOT_BENCHMARKS_FLOORS_H
#define UPSHOT_BENCHMARKS_FLOORS_H

#include "benchmarks/micro/measure.h"

/* One load whose address the one before gave, somewhere in a table of so many bytes. */
struct samples floor_miss(const struct ruler *ruler, size_t table_bytes);

/* A copy of so many bytes that lie in the cache. */
struct samples floor_copy(const struct ruler *ruler, size_t bytes);

/* The store's hash of so many bytes. */
struct samples floor_hash(const struct ruler *ruler, size_t bytes);

#endif
