/* floors.c: chase, copy, hash. */
#include "benchmarks/micro/floors.h"

#include "benchmarks/micro/sample.h"
#include "consumer/hash.h"
#include "statemachine/memory.h"

enum { TIMES = 200000, LINE = 64 };

static uint8_t from[8192], to[8192];
static size_t size;
static uint64_t sum;

static struct {
    char bytes[LINE];
} * lines;
static uint32_t here;

static uint32_t *link_of(uint32_t line)
{
    return (uint32_t *)(void *)lines[line].bytes;
}

static void chase(size_t i)
{
    (void)i;
    here = *link_of(here);
}

struct samples floor_miss(const struct ruler *ruler, size_t table_bytes)
{
    uint32_t count = (uint32_t)(table_bytes / LINE + 2),
             *order = memory_get(count * sizeof(*order));
    struct samples samples;

    lines = memory_get((size_t)count * LINE);
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count - 1; i > 0; i--) { /* one ring through all of them */
        uint32_t other = (uint32_t)(sample_mix(i) % (i + 1)), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (uint32_t i = 0; i < count; i++)
        *link_of(order[i]) = order[(i + 1) % count];
    free(order);
    here = 0;
    samples = measure_each(ruler, TIMES, chase, NULL);
    free(lines);
    return samples;
}

static void copy(size_t i)
{
    (void)i;
    memcpy(to, from, size);
    measure_use(to);
}

struct samples floor_copy(const struct ruler *ruler, size_t bytes)
{
    size = bytes < sizeof(to) ? bytes : sizeof(to);
    return measure_each(ruler, TIMES, copy, NULL);
}

static void hash(size_t i)
{
    from[0] = (uint8_t)i;
    sum += hash_bytes(from, size, 7);
    measure_use(&sum);
}

struct samples floor_hash(const struct ruler *ruler, size_t bytes)
{
    size = bytes < sizeof(from) ? bytes : sizeof(from);
    return measure_each(ruler, TIMES, hash, NULL);
}
