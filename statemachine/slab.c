/* slab.c: chunks, size classes, free lists within a chunk. */
#include "statemachine/slab.h"

#include "statemachine/memory.h"
#include "statemachine/require.h"

#include <string.h>

enum {
    SMALLEST = 48,
    FINE_MAX = 256, /* up to here in steps of 8 */
    FINE_STEP = 8,
    COARSE_STEP = 64, /* from here on: few records are that large */
    FINE_CLASSES = (FINE_MAX - SMALLEST) / FINE_STEP + 1,
    GRANULE_BITS = 11, /* granules of 8 bytes in a chunk of 16 KiB */
    CHUNKS_MAX = 1 << (32 - GRANULE_BITS),
};

struct slab_chunk {
    _Alignas(SLAB_GRANULE) uint32_t number;
    uint32_t next, previous; /* in the list of its size's open chunks; 0: none */
    uint16_t free;           /* granule of the first freed block; 0: none */
    uint16_t fresh;          /* granule from which on nothing was ever handed out */
    uint16_t live;
    uint8_t class;
    uint8_t open;
};

_Static_assert(sizeof(struct slab_chunk) % SLAB_GRANULE == 0, "blocks begin on a granule");
_Static_assert(FINE_CLASSES + (SLAB_BLOCK_MAX - FINE_MAX) / COARSE_STEP <= SLAB_CLASSES, "classes");
_Static_assert(SLAB_CHUNK / SLAB_GRANULE == 1 << GRANULE_BITS, "granules");

static int class_of(size_t size)
{
    if (size <= SMALLEST)
        return 0;
    if (size <= FINE_MAX)
        return (int)((size - SMALLEST + FINE_STEP - 1) / FINE_STEP);
    return FINE_CLASSES + (int)((size - FINE_MAX + COARSE_STEP - 1) / COARSE_STEP) - 1;
}

static uint16_t class_granules(int class)
{
    int size = class < FINE_CLASSES ? SMALLEST + class * FINE_STEP
                                    : FINE_MAX + (class - FINE_CLASSES + 1) * COARSE_STEP;
    return (uint16_t)(size / SLAB_GRANULE);
}

static uint8_t *granule_at(struct slab_chunk *chunk, uint32_t granule)
{
    return (uint8_t *)chunk + (size_t)granule * SLAB_GRANULE;
}

void slab_init(struct slab *slab)
{
    *slab = (struct slab){.chunk_count = 1}; /* number 0 is nobody's, so no handle is 0 */
}

void slab_release(struct slab *slab)
{
    for (uint32_t i = 1; i < slab->chunk_count; i++)
        free(slab->chunks[i]);
    free(slab->chunks);
    free(slab->spare);
    *slab = (struct slab){0};
}

static void list_add(struct slab *slab, struct slab_chunk *chunk)
{
    uint32_t *head = &slab->open[chunk->class];

    chunk->previous = 0;
    chunk->next = *head;
    if (*head != 0)
        slab->chunks[*head]->previous = chunk->number;
    *head = chunk->number;
    chunk->open = 1;
}

static void list_remove(struct slab *slab, struct slab_chunk *chunk)
{
    if (chunk->next != 0)
        slab->chunks[chunk->next]->previous = chunk->previous;
    if (chunk->previous != 0)
        slab->chunks[chunk->previous]->next = chunk->next;
    else
        slab->open[chunk->class] = chunk->next;
    chunk->open = 0;
}

static struct slab_chunk *chunk_new(struct slab *slab, int class)
{
    struct slab_chunk *chunk = memory_get(SLAB_CHUNK);
    uint32_t number;

    if (slab->spare_count > 0) {
        number = slab->spare[--slab->spare_count];
    } else {
        require(slab->chunk_count < CHUNKS_MAX);
        if (slab->chunk_count >= slab->chunk_room) {
            slab->chunk_room = slab->chunk_room == 0 ? 64 : slab->chunk_room * 2;
            slab->chunks = memory_resize(slab->chunks, slab->chunk_room, sizeof(*slab->chunks));
            slab->spare = memory_resize(slab->spare, slab->chunk_room, sizeof(*slab->spare));
            slab->chunks[0] = NULL;
        }
        number = slab->chunk_count++;
    }
    *chunk = (struct slab_chunk){
        .number = number,
        .fresh = sizeof(*chunk) / SLAB_GRANULE,
        .class = (uint8_t) class,
    };
    slab->chunks[number] = chunk;
    slab->live_chunks++;
    list_add(slab, chunk);
    return chunk;
}

uint32_t slab_get(struct slab *slab, size_t size)
{
    int class = class_of(size);
    uint16_t granules = class_granules(class);
    struct slab_chunk *chunk;
    uint16_t granule;

    require(size <= SLAB_BLOCK_MAX);
    chunk = slab->open[class] != 0 ? slab->chunks[slab->open[class]] : chunk_new(slab, class);
    granule = chunk->free;
    if (granule != 0) {
        memcpy(&chunk->free, granule_at(chunk, granule), sizeof(chunk->free));
    } else {
        granule = chunk->fresh;
        chunk->fresh = (uint16_t)(chunk->fresh + granules);
    }
    chunk->live++;
    if (chunk->free == 0 && chunk->fresh + granules > SLAB_CHUNK / SLAB_GRANULE)
        list_remove(slab, chunk);
    return chunk->number << GRANULE_BITS | granule;
}

void slab_free(struct slab *slab, uint32_t handle)
{
    struct slab_chunk *chunk = slab->chunks[handle >> GRANULE_BITS];
    uint16_t granule = (uint16_t)(handle & ((1 << GRANULE_BITS) - 1));

    memcpy(granule_at(chunk, granule), &chunk->free, sizeof(chunk->free));
    chunk->free = granule;
    chunk->live--;
    if (!chunk->open)
        list_add(slab, chunk);
    if (chunk->live == 0 && (chunk->next != 0 || chunk->previous != 0)) {
        /* Empty, and not the last one of its size: no thrashing at the border. */
        list_remove(slab, chunk);
        slab->chunks[chunk->number] = NULL;
        slab->spare[slab->spare_count++] = chunk->number;
        slab->live_chunks--;
        free(chunk);
    }
}

bool slab_fits(const struct slab *slab, uint32_t handle, size_t size)
{
    return slab->chunks[handle >> GRANULE_BITS]->class == class_of(size);
}

uint8_t *slab_block(const struct slab *slab, uint32_t handle)
{
    return granule_at(slab->chunks[handle >> GRANULE_BITS], handle & ((1 << GRANULE_BITS) - 1));
}

size_t slab_memory(const struct slab *slab)
{
    return (size_t)slab->live_chunks * SLAB_CHUNK +
           (size_t)slab->chunk_room * (sizeof(*slab->chunks) + sizeof(*slab->spare));
}
