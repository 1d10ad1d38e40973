/* partition_set.c: numbers, spans, commas. */
#include "consumer/partition_set.h"

#include <ctype.h>
#include <stdlib.h>

/* Reads digits off; false where there are none, or too many. */
static bool take_number(const char **at, int32_t *number)
{
    char *end;
    long value;

    if (!isdigit((unsigned char)**at))
        return false;
    value = strtol(*at, &end, 10);
    if (value > INT32_MAX)
        return false;
    *number = (int32_t)value;
    *at = end;
    return true;
}

bool partition_set_parse(const char *text, struct partition_set *set)
{
    const char *at = text;

    set->count = 0;
    do {
        int32_t first, last;
        if (set->count == PARTITION_SPANS_MAX || !take_number(&at, &first))
            return false;
        last = first;
        if (*at == '-') {
            at++;
            if (!take_number(&at, &last) || last < first)
                return false;
        }
        set->spans[set->count].first = first;
        set->spans[set->count++].last = last;
    } while (*at++ == ',');
    return at[-1] == 0;
}

bool partition_set_has(const struct partition_set *set, int32_t partition)
{
    for (size_t i = 0; i < set->count; i++)
        if (partition >= set->spans[i].first && partition <= set->spans[i].last)
            return true;
    return set->count == 0;
}

int32_t partition_set_highest(const struct partition_set *set)
{
    int32_t highest = -1;

    for (size_t i = 0; i < set->count; i++)
        if (set->spans[i].last > highest)
            highest = set->spans[i].last;
    return highest;
}
