/*
 * index.h: from a hash to a 32-bit handle, for tens of millions of them.
 *
 * Extendible hashing: a directory of small open-addressing segments. A full segment splits in two
 * on its own, so growth comes in steps of some microseconds, never as one long stop; a removal
 * shifts its neighbours back, so no tombstone is ever left behind. Eight bytes a slot: the handle
 * and the upper half of the hash, which also says to which half of a split an entry goes; what the
 * handle stands for is compared by the caller, and only where those 32 bits agree.
 */
#ifndef UPSHOT_STATEMACHINE_INDEX_H
#define UPSHOT_STATEMACHINE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_segment;

struct index {
    struct index_segment **directory; /* 1 << depth of them; neighbours may share a segment */
    unsigned depth;
    size_t count;
    size_t segments;
};

/* Is this handle the one looked for? */
typedef bool index_match(const void *wanted, uint32_t handle);

void index_init(struct index *index);
void index_release(struct index *index);

/* The matching handle, or 0. */
uint32_t index_find(const struct index *index, uint64_t hash, index_match *match,
                    const void *wanted);

/* Asks the memory for what index_find() of this hash will look at, and waits for nothing. */
void index_expect(const struct index *index, uint64_t hash);

/*
 * What index_find() of this hash will most likely give, without asking anybody: the first handle
 * whose 32 bits agree, or 0.
 */
uint32_t index_guess(const struct index *index, uint64_t hash);

/* Adds a handle, not 0, that is not there yet. */
void index_insert(struct index *index, uint64_t hash, uint32_t handle);

/* Puts another handle in the place of one that is there. */
void index_replace(struct index *index, uint64_t hash, uint32_t handle, uint32_t by);

/* Removes a handle that is there. */
void index_remove(struct index *index, uint64_t hash, uint32_t handle);

/*
 * Visits all handles whose hashes share their leading bits with *from, as far as one segment goes,
 * and moves *from behind them; start with 0, go on until it says false: that was the last part.
 * Inserts, removals, replacements and splits in between are allowed. Whatever was there from the
 * first call to the last is visited once; what came or went in between, once or not at all.
 * `visit` must not change the index.
 */
typedef void index_visit(void *context, uint32_t handle);
bool index_walk(const struct index *index, uint64_t *from, index_visit *visit, void *context);

/* Bytes of memory held. */
size_t index_memory(const struct index *index);

#endif
