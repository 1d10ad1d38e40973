/* parts.h: the parts of the core and of the schemas, each by itself. `most`: live messages. */
#ifndef UPSHOT_BENCHMARKS_PARTS_H
#define UPSHOT_BENCHMARKS_PARTS_H

#include "benchmarks/micro/measure.h"

void parts_decode(const struct ruler *ruler, uint64_t most);
void parts_encode(const struct ruler *ruler, uint64_t most);
void parts_step(const struct ruler *ruler, uint64_t most);
void parts_store(const struct ruler *ruler, uint64_t most);
void parts_timers(const struct ruler *ruler, uint64_t most);
void parts_intern(const struct ruler *ruler, uint64_t most);

#endif
