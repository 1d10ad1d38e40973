/*
 * timers.h: every record's next deadline, first come first served by (deadline, key).
 *
 * A 4-ary heap of 12 bytes an entry in chunks, so that growing copies nothing. Adding, moving and
 * cancelling take O(log n); most adds are the latest deadline yet and take O(1). Whoever owns the
 * entries keeps their places, told by `moved`, and breaks ties of equal deadlines by `order`.
 */
#ifndef UPSHOT_STATEMACHINE_TIMERS_H
#define UPSHOT_STATEMACHINE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timers_chunk;

struct timers {
    struct timers_chunk **chunks;
    size_t chunk_count;
    size_t chunk_room;
    uint32_t count;
    void (*moved)(void *owner, uint32_t handle, uint32_t place); /* place 0: it has left */
    int (*order)(void *owner, uint32_t a, uint32_t b);
    void *owner;
};

void timers_init(struct timers *timers, void *owner,
                 void (*moved)(void *owner, uint32_t handle, uint32_t place),
                 int (*order)(void *owner, uint32_t a, uint32_t b));
void timers_release(struct timers *timers);

void timers_add(struct timers *timers, int64_t deadline_ms, uint32_t handle);
void timers_move(struct timers *timers, uint32_t place, int64_t deadline_ms);
void timers_cancel(struct timers *timers, uint32_t place);

/* Another handle takes over the entry, with another deadline; of the one before nothing is told. */
void timers_hand_over(struct timers *timers, uint32_t place, uint32_t handle, int64_t deadline_ms);

uint32_t timers_handle(const struct timers *timers, uint32_t place);
int64_t timers_deadline(const struct timers *timers, uint32_t place);

/* Asks the memory for what moving or cancelling this entry will look at, and waits for nothing. */
void timers_expect(const struct timers *timers, uint32_t place);

/* The first to fire; false when there is none. It stays until it is moved or cancelled. */
bool timers_first(const struct timers *timers, int64_t *deadline_ms, uint32_t *handle);

/* The places of the earliest entries, in their order, `most` at most (TIMERS_SOON_MAX). */
enum { TIMERS_SOON_MAX = 16 };
size_t timers_soon(const struct timers *timers, uint32_t *places, size_t most);

size_t timers_memory(const struct timers *timers);

#endif
