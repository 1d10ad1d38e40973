/*
 * merge.h: which of a task's inputs is taken next (DESIGN 3). Pure: the caller has the clock.
 *
 * The heads are taken lowest timestamp first. An input that has nothing here but is not at its
 * end may hold something lower, so it is waited for, up to a bound.
 */
#ifndef UPSHOT_CONSUMER_MERGE_H
#define UPSHOT_CONSUMER_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum merge_state {
    MERGE_HEAD,    /* a record is here: timestamp_ms */
    MERGE_END,     /* nothing here, and nothing more to come for now */
    MERGE_UNKNOWN, /* nothing here, but there is more to read */
};

struct merge_input {
    enum merge_state state;
    int64_t timestamp_ms;
    bool waited_out; /* it was waited for long enough */
};

enum { MERGE_WAIT = -1, MERGE_NOTHING = -2 };

/* Index of the input to take from, MERGE_WAIT, or MERGE_NOTHING when all are at their end. */
int merge_choose(const struct merge_input *inputs, size_t count);

#endif
