/*
 * random.h: numbers for the tests that break things by seed. Not a module of the program.
 *
 * The seed is printed with every run, and UPSHOT_SEED=N in the environment brings a run back.
 */
#ifndef UPSHOT_TESTS_RANDOM_H
#define UPSHOT_TESTS_RANDOM_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct random {
    uint64_t seed;
    uint64_t state;
};

static inline uint64_t random_mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

/* Says on stderr which seed it is, so that a failure can be seen twice. */
static inline struct random random_start(const char *test)
{
    const char *given = getenv("UPSHOT_SEED");
    struct timespec now;
    struct random random;

    clock_gettime(CLOCK_REALTIME, &now);
    random.seed = given != NULL ? strtoull(given, NULL, 10)
                                : (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    random.state = random_mix(random.seed + 1);
    fprintf(stderr, "%s: UPSHOT_SEED=%" PRIu64 "\n", test, random.seed);
    return random;
}

static inline uint64_t random_bits(struct random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(random->state);
}

static inline size_t random_below(struct random *random, size_t bound)
{
    return (size_t)(random_bits(random) % bound);
}

static inline int64_t random_between(struct random *random, int64_t least, int64_t most)
{
    uint64_t width = (uint64_t)most - (uint64_t)least + 1;

    return width == 0 ? (int64_t)random_bits(random)
                      : (int64_t)((uint64_t)least + random_bits(random) % width);
}

#endif
