/* measure.c: clock, median, line. */
#include "benchmarks/micro/measure.h"

#include "statemachine/require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t measure_cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

size_t measure_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size, resident;

    require(file != NULL && fscanf(file, "%lu %lu", &size, &resident) == 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

void samples_add(struct samples *samples, double ns)
{
    require(samples->count < REPEATS_MAX);
    samples->ns[samples->count++] = ns;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

double samples_median(const struct samples *samples)
{
    double sorted[REPEATS_MAX];

    if (samples->count == 0)
        return 0;
    memcpy(sorted, samples->ns, samples->count * sizeof(*sorted));
    qsort(sorted, samples->count, sizeof(*sorted), by_size);
    return sorted[samples->count / 2];
}

struct samples measure_each(const struct ruler *ruler, size_t count, measure_one *one,
                            void (*before)(void))
{
    struct samples samples = {0};

    for (unsigned repeat = 0; repeat < ruler->repeats; repeat++) {
        int64_t start_ns;

        if (before != NULL)
            before();
        start_ns = measure_cpu_ns();
        for (size_t i = 0; i < count; i++)
            one(i);
        samples_add(&samples, (double)(measure_cpu_ns() - start_ns) / (double)count);
    }
    return samples;
}

void measure_head(const struct ruler *ruler)
{
    if (ruler->tsv)
        printf("name\tns\tbytes\tfloor\tfloor_ns\tratio\n");
    else
        printf("%-36s %10s %8s   %-34s %8s %7s\n", "operation", "ns", "bytes", "floor", "ns",
               "ratio");
}

void measure_print(const struct ruler *ruler, const struct figure *figure)
{
    double ns = samples_median(&figure->ns), floor_ns = samples_median(&figure->floor_ns);
    const char *floor = figure->floor == NULL ? "" : figure->floor;

    printf(ruler->tsv ? "%s\t%.2f\t%.1f\t%s\t%.2f\t%.2f\n"
                      : "%-36s %10.1f %8.1f   %-34s %8.1f %7.2f\n",
           figure->name, ns, figure->bytes, floor, floor_ns, floor_ns > 0 ? ns / floor_ns : 0);
    fflush(stdout);
}
