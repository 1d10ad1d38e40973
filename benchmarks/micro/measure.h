/*
 * measure.h: CPU time of this thread, medians of repeats, and a line a figure.
 *
 * Every figure stands beside its floor, which was measured in the same process: what the least that
 * the operation cannot do without costs here (a dependent cache miss, a copy of the same bytes, the
 * hash of the key). Figures of two machines do not compare; the ratios nearly do.
 */
#ifndef UPSHOT_BENCHMARKS_MEASURE_H
#define UPSHOT_BENCHMARKS_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPEATS_MAX = 31 };

struct ruler {
    bool tsv;
    unsigned repeats; /* odd, so that there is a middle one */
};

/* What one operation costs, of each repeat. */
struct samples {
    double ns[REPEATS_MAX];
    unsigned count;
};

/* A figure and what it is held against; floor 0: there is none. */
struct figure {
    const char *name;
    struct samples ns;
    double bytes; /* that one operation reads or writes; 0: not told */
    const char *floor;
    struct samples floor_ns;
};

/* Nanoseconds of CPU that this thread has used: other programs' turns do not count. */
int64_t measure_cpu_ns(void);

/* Bytes of this process that lie in memory. */
size_t measure_resident(void);

void samples_add(struct samples *samples, double ns);
double samples_median(const struct samples *samples);

/*
 * Does `one` for 0, 1, ... count - 1, as often as the ruler says, and gives ns of each; a call
 * through a pointer, some two ns, is in all figures alike. `before` is not timed; NULL: nothing.
 */
typedef void measure_one(size_t i);
struct samples measure_each(const struct ruler *ruler, size_t count, measure_one *one,
                            void (*before)(void));

void measure_head(const struct ruler *ruler);
void measure_print(const struct ruler *ruler, const struct figure *figure);

/* Makes the compiler believe that somebody looks at it. */
static inline void measure_use(const void *memory)
{
    __asm__ volatile("" : : "g"(memory) : "memory");
}

#endif
