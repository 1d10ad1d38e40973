/* hash.c: XXH3 and getrandom. */
#include "consumer/hash.h"

#include "statemachine/require.h"

#include <sys/random.h>
#define XXH_INLINE_ALL /* short inputs, and many: a call is a third of it */
#include <xxhash.h>

uint64_t hash_bytes(const void *bytes, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size, seed);
}

uint64_t hash_seed(void)
{
    uint64_t seed = 0;

    require(getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed));
    return seed;
}
