/*
 * ways.h: the ways that messages take through their channels (ways.def), and how often each.
 *
 * Shares of channels and of outcomes are both kept where that is possible: the weights are then
 * those nearest to the usual ones that have these sums.
 */
#ifndef UPSHOT_CONSUMER_WAYS_H
#define UPSHOT_CONSUMER_WAYS_H

#include "schemas/buffer.h"
#include "statemachine/table.h"

struct way {
    const char *channel;
    unsigned weight;
    enum outcome outcome;
    const char *statuses; /* in the order of time, a space between two */
};

enum {
#define WAY(channel, weight, outcome, statuses) +1
    WAYS = 0
#include "consumer/ways.def"
#undef WAY
};

extern const struct way ways[WAYS];

struct ways_weights {
    uint64_t of[WAYS];
    uint64_t total;
};

void ways_usual(struct ways_weights *weights);

/*
 * Weights by shares such as "sms=60,email=40" and "delivered=90,failed=8.5": any sum, and who is
 * not named has none. NULL: as usual, as far as the other one lets it. False, with a complaint that
 * names the option, where a share cannot be read or had.
 */
bool ways_weigh(const char *channels, const char *outcomes, struct ways_weights *weights,
                struct buffer *complaint);

#endif
