/* timers.c: a 4-ary heap in chunks. Places count from 1. */
#include "statemachine/timers.h"

#include "statemachine/memory.h"
#include "statemachine/require.h"

enum { CHUNK_ENTRIES = 4096, ARITY = 4 };

struct timers_chunk {
    int64_t deadlines[CHUNK_ENTRIES];
    uint32_t handles[CHUNK_ENTRIES];
};

struct entry {
    int64_t deadline_ms;
    uint32_t handle;
};

static struct entry entry_at(const struct timers *timers, uint32_t place)
{
    const struct timers_chunk *chunk = timers->chunks[(place - 1) / CHUNK_ENTRIES];
    uint32_t i = (place - 1) % CHUNK_ENTRIES;

    return (struct entry){.deadline_ms = chunk->deadlines[i], .handle = chunk->handles[i]};
}

static void entry_set(struct timers *timers, uint32_t place, struct entry entry)
{
    struct timers_chunk *chunk = timers->chunks[(place - 1) / CHUNK_ENTRIES];
    uint32_t i = (place - 1) % CHUNK_ENTRIES;

    chunk->deadlines[i] = entry.deadline_ms;
    chunk->handles[i] = entry.handle;
    timers->moved(timers->owner, entry.handle, place);
}

static bool before(const struct timers *timers, struct entry a, struct entry b)
{
    if (a.deadline_ms != b.deadline_ms)
        return a.deadline_ms < b.deadline_ms;
    return timers->order(timers->owner, a.handle, b.handle) < 0;
}

void timers_init(struct timers *timers, void *owner,
                 void (*moved)(void *owner, uint32_t handle, uint32_t place),
                 int (*order)(void *owner, uint32_t a, uint32_t b))
{
    *timers = (struct timers){.moved = moved, .order = order, .owner = owner};
}

void timers_release(struct timers *timers)
{
    for (size_t i = 0; i < timers->chunk_count; i++)
        free(timers->chunks[i]);
    free(timers->chunks);
    *timers = (struct timers){0};
}

static void sift_up(struct timers *timers, uint32_t place, struct entry entry)
{
    while (place > 1) {
        uint32_t parent = (place - 2) / ARITY + 1;
        struct entry above = entry_at(timers, parent);
        if (!before(timers, entry, above))
            break;
        entry_set(timers, place, above);
        place = parent;
    }
    entry_set(timers, place, entry);
}

static void sift_down(struct timers *timers, uint32_t place, struct entry entry)
{
    for (;;) {
        uint64_t child = ((uint64_t)place - 1) * ARITY + 2;
        uint64_t last = child + ARITY - 1;
        uint32_t first = 0;
        struct entry least = entry;
        if (last > timers->count)
            last = timers->count;
        for (; child <= last; child++) {
            struct entry below = entry_at(timers, (uint32_t)child);
            if (before(timers, below, least)) {
                least = below;
                first = (uint32_t)child;
            }
        }
        if (first == 0)
            break;
        entry_set(timers, place, least);
        place = first;
    }
    entry_set(timers, place, entry);
}

static void sift(struct timers *timers, uint32_t place, struct entry entry)
{
    if (place > 1 && before(timers, entry, entry_at(timers, (place - 2) / ARITY + 1)))
        sift_up(timers, place, entry);
    else
        sift_down(timers, place, entry);
}

void timers_add(struct timers *timers, int64_t deadline_ms, uint32_t handle)
{
    require(timers->count < UINT32_MAX);
    if (timers->count == timers->chunk_count * CHUNK_ENTRIES) {
        if (timers->chunk_count == timers->chunk_room) {
            timers->chunk_room = timers->chunk_room == 0 ? 16 : timers->chunk_room * 2;
            timers->chunks =
                memory_resize(timers->chunks, timers->chunk_room, sizeof(*timers->chunks));
        }
        timers->chunks[timers->chunk_count++] = memory_get(sizeof(struct timers_chunk));
    }
    timers->count++;
    sift_up(timers, timers->count, (struct entry){.deadline_ms = deadline_ms, .handle = handle});
}

void timers_move(struct timers *timers, uint32_t place, int64_t deadline_ms)
{
    struct entry entry;

    require(place >= 1 && place <= timers->count);
    entry = entry_at(timers, place);
    if (entry.deadline_ms == deadline_ms)
        return;
    entry.deadline_ms = deadline_ms;
    sift(timers, place, entry);
}

void timers_cancel(struct timers *timers, uint32_t place)
{
    struct entry last;

    require(place >= 1 && place <= timers->count);
    timers->moved(timers->owner, entry_at(timers, place).handle, 0);
    last = entry_at(timers, timers->count--);
    if (place <= timers->count)
        sift(timers, place, last);
    /* One empty chunk is kept, so that the border between two does not thrash. */
    if (timers->count + 2 * CHUNK_ENTRIES <= timers->chunk_count * CHUNK_ENTRIES)
        free(timers->chunks[--timers->chunk_count]);
}

void timers_hand_over(struct timers *timers, uint32_t place, uint32_t handle, int64_t deadline_ms)
{
    require(place >= 1 && place <= timers->count);
    sift(timers, place, (struct entry){.deadline_ms = deadline_ms, .handle = handle});
}

uint32_t timers_handle(const struct timers *timers, uint32_t place)
{
    require(place >= 1 && place <= timers->count);
    return entry_at(timers, place).handle;
}

int64_t timers_deadline(const struct timers *timers, uint32_t place)
{
    require(place >= 1 && place <= timers->count);
    return entry_at(timers, place).deadline_ms;
}

static void expect_entry(const struct timers *timers, uint64_t place)
{
    const struct timers_chunk *chunk = timers->chunks[(place - 1) / CHUNK_ENTRIES];
    uint64_t i = (place - 1) % CHUNK_ENTRIES;

    __builtin_prefetch(&chunk->deadlines[i], 1);
    __builtin_prefetch(&chunk->handles[i], 1);
}

void timers_expect(const struct timers *timers, uint32_t place)
{
    uint64_t child = ((uint64_t)place - 1) * ARITY + 2;

    expect_entry(timers, place);
    if (child <= timers->count)
        expect_entry(timers, child);
}

bool timers_first(const struct timers *timers, int64_t *deadline_ms, uint32_t *handle)
{
    struct entry entry;

    if (timers->count == 0)
        return false;
    entry = entry_at(timers, 1);
    *deadline_ms = entry.deadline_ms;
    *handle = entry.handle;
    return true;
}

/* What comes after an entry lies below it: next may come only the children of those taken. */
size_t timers_soon(const struct timers *timers, uint32_t *places, size_t most)
{
    uint32_t open[TIMERS_SOON_MAX * ARITY + 1];
    size_t open_count = 0, count = 0;

    require(most <= TIMERS_SOON_MAX);
    if (timers->count > 0)
        open[open_count++] = 1;
    while (count < most && open_count > 0) {
        size_t first = 0;
        uint64_t child;
        for (size_t i = 1; i < open_count; i++)
            if (before(timers, entry_at(timers, open[i]), entry_at(timers, open[first])))
                first = i;
        child = ((uint64_t)open[first] - 1) * ARITY + 2;
        places[count++] = open[first];
        open[first] = open[--open_count];
        for (uint64_t last = child + ARITY; child < last && child <= timers->count; child++)
            open[open_count++] = (uint32_t)child;
    }
    return count;
}

size_t timers_memory(const struct timers *timers)
{
    return timers->chunk_count * sizeof(struct timers_chunk) +
           timers->chunk_room * sizeof(*timers->chunks);
}
