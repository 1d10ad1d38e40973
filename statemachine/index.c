/* index.c: extendible hashing over open addressing. See the header for why. */
#include "statemachine/index.h"

#include "statemachine/memory.h"
#include "statemachine/require.h"

#include <string.h>

enum {
    SLOTS = 1024,         /* 8 KiB: splits in microseconds */
    SLOTS_FULL = 13 * 64, /* 13/16: linear probing stays within a cache line or two */
    DEPTH_MAX = 26,       /* 5e10 entries; a seeded hash does not get there by bad luck */
};

/* Side by side, so that a look at both is one cache line. */
struct slot {
    uint32_t tag;
    uint32_t handle; /* 0: free */
};

struct index_segment {
    unsigned depth; /* how many leading bits all its tags share */
    unsigned count;
    struct slot slots[SLOTS];
};

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* Leading bits choose the segment, trailing ones the slot: they never overlap up to depth 22. */
static size_t home_of(uint32_t tag)
{
    return tag % SLOTS;
}

static struct index_segment **place_of(const struct index *index, uint32_t tag)
{
    return &index->directory[index->depth == 0 ? 0 : tag >> (32 - index->depth)];
}

static struct index_segment *segment_new(unsigned depth)
{
    struct index_segment *segment = memory_get(sizeof(*segment));

    segment->depth = depth;
    segment->count = 0;
    memset(segment->slots, 0, sizeof(segment->slots));
    return segment;
}

void index_init(struct index *index)
{
    *index = (struct index){.directory = memory_get(sizeof(*index->directory)), .segments = 1};
    index->directory[0] = segment_new(0);
}

void index_release(struct index *index)
{
    if (index->directory == NULL)
        return;
    for (size_t i = 0; i < (size_t)1 << index->depth;) {
        struct index_segment *segment = index->directory[i];
        i += (size_t)1 << (index->depth - segment->depth); /* all places that share it */
        free(segment);
    }
    free(index->directory);
    *index = (struct index){0};
}

uint32_t index_find(const struct index *index, uint64_t hash, index_match *match,
                    const void *wanted)
{
    uint32_t tag = tag_of(hash);
    const struct index_segment *segment = *place_of(index, tag);

    for (size_t slot = home_of(tag); segment->slots[slot].handle != 0; slot = (slot + 1) % SLOTS)
        if (segment->slots[slot].tag == tag && match(wanted, segment->slots[slot].handle))
            return segment->slots[slot].handle;
    return 0;
}

void index_expect(const struct index *index, uint64_t hash)
{
    uint32_t tag = tag_of(hash);
    const struct index_segment *segment = *place_of(index, tag);

    __builtin_prefetch(&segment->slots[home_of(tag)], 1);
    __builtin_prefetch(segment, 1); /* its count, where it will be inserted */
}

uint32_t index_guess(const struct index *index, uint64_t hash)
{
    uint32_t tag = tag_of(hash);
    const struct index_segment *segment = *place_of(index, tag);

    for (size_t slot = home_of(tag); segment->slots[slot].handle != 0; slot = (slot + 1) % SLOTS)
        if (segment->slots[slot].tag == tag)
            return segment->slots[slot].handle;
    return 0;
}

static void segment_insert(struct index_segment *segment, uint32_t tag, uint32_t handle)
{
    size_t slot = home_of(tag);

    while (segment->slots[slot].handle != 0)
        slot = (slot + 1) % SLOTS;
    segment->slots[slot] = (struct slot){.tag = tag, .handle = handle};
    segment->count++;
}

static void directory_double(struct index *index)
{
    size_t places = (size_t)1 << index->depth;

    require(index->depth < DEPTH_MAX);
    index->directory = memory_resize(index->directory, places * 2, sizeof(*index->directory));
    for (size_t i = places; i-- > 0;) {
        index->directory[2 * i + 1] = index->directory[i];
        index->directory[2 * i] = index->directory[i];
    }
    index->depth++;
}

/* One more leading bit decides: its entries with a 0 stay left, those with a 1 go right. */
static void segment_split(struct index *index, uint32_t tag)
{
    struct index_segment *old = *place_of(index, tag);
    struct index_segment *left, *right;
    size_t first, places;

    if (old->depth == index->depth)
        directory_double(index);
    left = segment_new(old->depth + 1);
    right = segment_new(old->depth + 1);
    for (size_t slot = 0; slot < SLOTS; slot++)
        if (old->slots[slot].handle != 0)
            segment_insert((old->slots[slot].tag >> (31 - old->depth) & 1) != 0 ? right : left,
                           old->slots[slot].tag, old->slots[slot].handle);

    places = (size_t)1 << (index->depth - old->depth);
    first = (tag >> (32 - index->depth)) / places * places;
    for (size_t i = 0; i < places; i++)
        index->directory[first + i] = i < places / 2 ? left : right;
    free(old);
    index->segments++;
}

void index_insert(struct index *index, uint64_t hash, uint32_t handle)
{
    uint32_t tag = tag_of(hash);

    require(handle != 0);
    while ((*place_of(index, tag))->count >= SLOTS_FULL)
        segment_split(index, tag);
    segment_insert(*place_of(index, tag), tag, handle);
    index->count++;
}

static size_t slot_of(const struct index_segment *segment, uint32_t tag, uint32_t handle)
{
    size_t slot = home_of(tag);

    while (segment->slots[slot].handle != handle) {
        require(segment->slots[slot].handle != 0);
        slot = (slot + 1) % SLOTS;
    }
    return slot;
}

void index_replace(struct index *index, uint64_t hash, uint32_t handle, uint32_t by)
{
    struct index_segment *segment = *place_of(index, tag_of(hash));

    require(by != 0);
    segment->slots[slot_of(segment, tag_of(hash), handle)].handle = by;
}

/* Backward shift: whoever sits behind the hole and may sit in it, moves into it. */
void index_remove(struct index *index, uint64_t hash, uint32_t handle)
{
    struct index_segment *segment = *place_of(index, tag_of(hash));
    size_t hole = slot_of(segment, tag_of(hash), handle);

    for (size_t slot = (hole + 1) % SLOTS; segment->slots[slot].handle != 0;
         slot = (slot + 1) % SLOTS) {
        size_t from_home = (slot - home_of(segment->slots[slot].tag)) % SLOTS;
        size_t from_hole = (slot - hole) % SLOTS;
        if (from_home < from_hole)
            continue;
        segment->slots[hole] = segment->slots[slot];
        hole = slot;
    }
    segment->slots[hole].handle = 0;
    segment->count--;
    index->count--;
}

/*
 * A segment holds the hashes between two neighbouring multiples of a power of two, and a split only
 * adds a border between: so where one part of a walk ended, every later part finds a border.
 */
bool index_walk(const struct index *index, uint64_t *from, index_visit *visit, void *context)
{
    uint32_t tag = tag_of(*from);
    const struct index_segment *segment = *place_of(index, tag);
    uint64_t width = UINT64_C(1) << (32 - segment->depth); /* in tags */
    uint64_t end = (tag / width + 1) * width;

    for (size_t slot = 0; slot < SLOTS; slot++)
        if (segment->slots[slot].handle != 0)
            visit(context, segment->slots[slot].handle);
    *from = end << 32; /* of the last one: 0 again */
    return end < UINT64_C(1) << 32;
}

size_t index_memory(const struct index *index)
{
    return index->segments * sizeof(struct index_segment) +
           ((size_t)1 << index->depth) * sizeof(*index->directory);
}
