/* partition_set.h: which partitions a command is about (--partitions 0,4-7). */
#ifndef UPSHOT_CONSUMER_PARTITION_SET_H
#define UPSHOT_CONSUMER_PARTITION_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PARTITION_SPANS_MAX = 64 };

struct partition_set {
    size_t count; /* 0: all */
    struct {
        int32_t first, last;
    } spans[PARTITION_SPANS_MAX];
};

/* Numbers and spans of them, with commas between; false where it is none, or has too many. */
bool partition_set_parse(const char *text, struct partition_set *set);

bool partition_set_has(const struct partition_set *set, int32_t partition);

/* The highest that is named; -1: none is. */
int32_t partition_set_highest(const struct partition_set *set);

#endif
