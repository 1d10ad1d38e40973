/* growth.h: what an event and a message cost as the store grows, and how long it ever stops. */
#ifndef UPSHOT_BENCHMARKS_GROWTH_H
#define UPSHOT_BENCHMARKS_GROWTH_H

#include "benchmarks/micro/measure.h"

#include <stdint.h>

/* Cost per event with 100 k, 1 M, 5 M and `most` live messages, with and without expecting. */
void growth_cost(const struct ruler *ruler, uint64_t most);

/* Resident bytes per message, in flight and settled: the mean over a doubling up to `most`. */
void growth_bytes(const struct ruler *ruler, uint64_t most);

/* The longest single operation while the store grows to `most` messages. */
void growth_stops(const struct ruler *ruler, uint64_t most);

#endif
