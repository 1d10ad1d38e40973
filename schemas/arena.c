/*
 * arena.c: a bump pointer over a few chunks, one arena a thread.
 *
 * Chunks are kept from event to event, so after the first ones nothing is asked of malloc any
 * more; but one giant does not stay for ever (KEEP_MAX).
 */
#include "schemas/arena.h"

#include "statemachine/require.h"

#include <cjson/cJSON.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    CHUNK_SIZE = 64 * 1024,
    KEEP_MAX = 1024 * 1024, /* a chunk larger than this is given back when the arena closes */
};

struct chunk {
    struct chunk *next;
    size_t room;
    size_t used;
    alignas(max_align_t) unsigned char bytes[];
};

static _Thread_local struct {
    struct chunk *first;
    struct chunk *now; /* the one to take from; those before it are full */
    bool open;
} arena;

static bool in_chunk(const struct chunk *chunk, const void *memory)
{
    uintptr_t from = (uintptr_t)chunk->bytes;
    uintptr_t at = (uintptr_t)memory;

    return at >= from && at < from + chunk->room;
}

static void *take(struct chunk *chunk, size_t size)
{
    void *memory = chunk->bytes + chunk->used;

    chunk->used += size;
    return memory;
}

static void *arena_get(size_t size)
{
    struct chunk **link;
    size_t room;

    if (!arena.open)
        return malloc(size);
    if (size > PTRDIFF_MAX - sizeof(struct chunk) - alignof(max_align_t))
        return NULL;
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (size == 0)
        size = alignof(max_align_t); /* every piece has an address of its own */

    for (; arena.now != NULL; arena.now = arena.now->next) {
        if (size <= arena.now->room - arena.now->used)
            return take(arena.now, size);
        if (arena.now->next == NULL)
            break;
    }

    room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
    link = arena.now != NULL ? &arena.now->next : &arena.first;
    *link = malloc(sizeof(struct chunk) + room);
    if (*link == NULL)
        return NULL;
    (*link)->next = NULL;
    (*link)->room = room;
    (*link)->used = 0;
    arena.now = *link;
    return take(arena.now, size);
}

static void arena_drop(void *memory)
{
    if (memory == NULL)
        return;
    for (const struct chunk *chunk = arena.first; chunk != NULL; chunk = chunk->next)
        if (in_chunk(chunk, memory))
            return;
    free(memory);
}

void arena_hook_cjson(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = arena_get, .free_fn = arena_drop});
}

void arena_open(void)
{
    require(!arena.open);
    arena.open = true;
}

void arena_close(void)
{
    require(arena.open);
    for (struct chunk **link = &arena.first; *link != NULL;) {
        struct chunk *chunk = *link;

        chunk->used = 0;
        if (chunk->room > KEEP_MAX) {
            *link = chunk->next;
            free(chunk);
        } else {
            link = &chunk->next;
        }
    }
    arena.now = arena.first;
    arena.open = false;
}

void arena_release(void)
{
    require(!arena.open);
    while (arena.first != NULL) {
        struct chunk *next = arena.first->next;

        free(arena.first);
        arena.first = next;
    }
    arena.now = NULL;
}
