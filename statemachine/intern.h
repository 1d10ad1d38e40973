/*
 * intern.h: texts that many records share, stored once and counted.
 *
 * Ten million messages of one campaign have the same attributes; carriers know a few hundred
 * reasons; a task has a handful of topics.
 */
#ifndef UPSHOT_STATEMACHINE_INTERN_H
#define UPSHOT_STATEMACHINE_INTERN_H

#include "statemachine/index.h"
#include "statemachine/text.h"

/* A seeded hash, given by whoever starts the process: the core has no randomness of its own. */
typedef uint64_t hash_fn(const void *bytes, size_t size, uint64_t seed);

struct interned;

enum { INTERN_RECENT_BITS = 10 }; /* 4 KiB: more campaigns than send at one time */

struct intern {
    struct index index;
    struct interned **rows; /* by ref, from 1 */
    uint32_t row_count;
    uint32_t row_room;
    uint32_t spare; /* ref of the first unused row, linked through; 0: none */
    hash_fn *hash;
    uint64_t seed;
    size_t bytes;
    /* Refs: what was looked up is most often looked up again. */
    uint32_t recent[1 << INTERN_RECENT_BITS];
};

void intern_init(struct intern *intern, hash_fn *hash, uint64_t seed);
void intern_release(struct intern *intern);

/*
 * The same text, interned, with one more use. A text that has a ref already is only counted. The
 * bytes of what comes back live until the last use is dropped. Empty stays empty.
 */
struct text intern_hold(struct intern *intern, struct text text);

/* One use less; the last one forgets the text. Ref 0 is ignored. */
void intern_drop(struct intern *intern, uint32_t ref);

/* The text of a ref that is held; of 0, the empty text. */
struct text intern_text(const struct intern *intern, uint32_t ref);

size_t intern_count(const struct intern *intern);
size_t intern_memory(const struct intern *intern);

#endif
