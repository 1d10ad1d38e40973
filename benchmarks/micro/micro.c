/*
 * micro.c: what each part of the core costs, beside a floor that was measured in the same run.
 *
 *   micro [--tsv] [--repeats N] [--most MESSAGES] [WHAT...]
 *
 * ns are CPU time of the thread, the median of the repeats. Made for ratios within one run.
 */
#include "benchmarks/micro/growth.h"
#include "benchmarks/micro/parts.h"
#include "benchmarks/micro/sample.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *word;
    void (*run)(const struct ruler *ruler, uint64_t most);
    uint64_t most;
    const char *meaning;
} parts[] = {
    {"decode", parts_decode, 1, "an event from JSON"},
    {"encode", parts_encode, 1, "outcome, state record, packed record, and back"},
    {"step", parts_step, 1, "one event against one record"},
    {"store", parts_store, 1000000, "hit, miss, change, insert, forget, grow, at 1 M messages"},
    {"timers", parts_timers, 1000000, "add, move, fire, at 1 M timers"},
    {"intern", parts_intern, 1, "texts that are shared"},
    {"growth", growth_cost, 20000000, "cost per event, 100 k to 20 M live messages"},
    {"bytes", growth_bytes, 4000000, "resident bytes per message"},
    {"stops", growth_stops, 20000000, "longest stop while the store grows from 1 M to 20 M"},
};

enum { PARTS = sizeof(parts) / sizeof(*parts), QUICK = PARTS - 3 };

static int usage(void)
{
    fprintf(stderr, "usage: micro [--tsv] [--repeats N] [--most N] [WHAT...]\n"
                    "  without WHAT: all but the last three, which take minutes and gigabytes\n");
    for (int i = 0; i < PARTS; i++)
        fprintf(stderr, "  %-10s %s\n", parts[i].word, parts[i].meaning);
    return 2;
}

static bool number_of(const char *text, uint64_t most, uint64_t *number)
{
    char *end;

    *number = strtoull(text, &end, 10);
    return end != text && *end == 0 && *number > 0 && *number <= most;
}

int main(int argc, char **argv)
{
    struct ruler ruler = {.repeats = 7};
    uint64_t number, most = 0;
    int at = 1;

    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--tsv") == 0)
            ruler.tsv = true;
        else if (strcmp(argv[at], "--repeats") == 0 && at + 1 < argc &&
                 number_of(argv[++at], REPEATS_MAX, &number))
            ruler.repeats = (unsigned)number;
        else if (strcmp(argv[at], "--most") == 0 && at + 1 < argc &&
                 number_of(argv[++at], UINT64_MAX, &most))
            ;
        else
            return usage();
    }
    sample_begin();
    measure_head(&ruler);
    for (int part = 0; at == argc && part < QUICK; part++)
        parts[part].run(&ruler, most != 0 ? most : parts[part].most);
    for (; at < argc; at++) {
        int part = 0;
        while (part < PARTS && strcmp(parts[part].word, argv[at]) != 0)
            part++;
        if (part == PARTS)
            return usage();
        parts[part].run(&ruler, most != 0 ? most : parts[part].most);
    }
    tables_release(&sample_tables);
    return 0;
}
