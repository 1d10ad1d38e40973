/* hash.h: the seeded hash that the core is given (XXH3), and the process's seed. */
#ifndef UPSHOT_CONSUMER_HASH_H
#define UPSHOT_CONSUMER_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *bytes, size_t size, uint64_t seed);

/*
 * Drawn anew by every process, so that nobody can choose ids that collide. No output depends on
 * it: nothing is ever listed in the order of a hash.
 */
uint64_t hash_seed(void);

#endif
