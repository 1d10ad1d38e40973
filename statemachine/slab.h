/*
 * slab.h: blocks of 48 bytes to 2 KiB, named by 32-bit handles.
 *
 * Half the size of a pointer, and the reason why 50 million records fit. Chunks of 16 KiB serve one
 * size each; a chunk whose last block was freed serves any size again. A handle stays good until
 * its block is freed; a block never moves.
 */
#ifndef UPSHOT_STATEMACHINE_SLAB_H
#define UPSHOT_STATEMACHINE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SLAB_CHUNK = 16384,
    SLAB_GRANULE = 8,
    SLAB_BLOCK_MAX = 2048,
    SLAB_CLASSES = 56,
};

struct slab_chunk;

struct slab {
    struct slab_chunk **chunks; /* by number, from 1; NULL: returned to malloc */
    uint32_t chunk_count;
    uint32_t chunk_room;
    uint32_t *spare; /* numbers to use again */
    uint32_t spare_count;
    uint32_t live_chunks;
    uint32_t open[SLAB_CLASSES]; /* per size: first of the chunks that have a free block */
};

void slab_init(struct slab *slab);
void slab_release(struct slab *slab);

/* A block of at least `size` bytes, at most SLAB_BLOCK_MAX; content undefined. Never 0. */
uint32_t slab_get(struct slab *slab, size_t size);
void slab_free(struct slab *slab, uint32_t handle);

/* True where a block of this size would not be a smaller or a larger one. */
bool slab_fits(const struct slab *slab, uint32_t handle, size_t size);

/* Address of a block; good until it is freed. */
uint8_t *slab_block(const struct slab *slab, uint32_t handle);

size_t slab_memory(const struct slab *slab);

#endif
