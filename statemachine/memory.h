/*
 * memory.h: memory for the store, or the end of the process.
 *
 * A stage without memory cannot keep a promise by going on with half a record. What it knows is in
 * Kafka, so to stop is to lose nothing.
 */
#ifndef UPSHOT_STATEMACHINE_MEMORY_H
#define UPSHOT_STATEMACHINE_MEMORY_H

#include "statemachine/require.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static inline void *memory_get(size_t size)
{
    void *memory = malloc(size);

    require(memory != NULL);
    return memory;
}

/* The same, all bytes 0. */
static inline void *memory_get_clean(size_t size)
{
    void *memory = calloc(1, size);

    require(memory != NULL);
    return memory;
}

/* Room for `count` items of `size` bytes where there was less; the content stays. */
static inline void *memory_resize(void *memory, size_t count, size_t size)
{
    require(count <= SIZE_MAX / size);
    memory = realloc(memory, count * size);
    require(memory != NULL);
    return memory;
}

#endif
