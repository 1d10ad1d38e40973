/*
 * ration.h: how often the same thing may be said.
 *
 * A broker that is away fails each call of each handle many times a second. One line is news, the
 * next ones are a count: the same condition is told at most once in RATION_MS.
 */
#ifndef UPSHOT_CONSUMER_RATION_H
#define UPSHOT_CONSUMER_RATION_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RATION_MS = 10000,
    RATION_ROWS = 64, /* conditions at the same time; beyond it the oldest is forgotten */
};

struct ration {
    struct ration_row {
        uint64_t what; /* a hash of the condition */
        int64_t said_ms;
        unsigned unsaid; /* since then */
    } rows[RATION_ROWS];
};

/*
 * True where it may be said now; *unsaid is then how often it was not. A zeroed ration has said
 * nothing. now_ms is monotonic and above 0.
 */
bool ration_take(struct ration *ration, uint64_t what, int64_t now_ms, unsigned *unsaid);

#endif
