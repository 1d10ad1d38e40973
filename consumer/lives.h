/*
 * lives.h: believable messages' lives as events, by seed: for `gen`, the demo and the tests.
 *
 * Sends come at a rate; receipts follow along ways that carriers and mail servers really take,
 * and some come late, twice, out of order, contradict each other, or never. Events come out in
 * the order of their timestamps.
 */
#ifndef UPSHOT_CONSUMER_LIVES_H
#define UPSHOT_CONSUMER_LIVES_H

#include "consumer/ways.h"

/* What may happen to an event, each by itself. */
enum lives_chance {
#define CHANCE(symbol, option, usual, meaning) CHANCE_##symbol,
#include "consumer/lives_chance.def"
#undef CHANCE
    CHANCE_COUNT
};

struct lives_world {
    struct ways_weights weights;
    unsigned per_mille[CHANCE_COUNT];
    int64_t late_by_ms; /* a late receipt is, at most; 0: twice the stretch */
};

struct lives_options {
    uint64_t seed;
    uint64_t count;         /* messages in all; 0: without end */
    int64_t start_ms;       /* timestamp of the first send */
    double per_second;      /* sends a second of record time */
    int64_t stretch_ms;     /* typical time from a send to its last receipt */
    unsigned bad_per_mille; /* events that cannot be read */
    const struct lives_world *world; /* copied; NULL: the usual one */
};

struct life_event {
    bool is_send;
    int64_t timestamp_ms;
    char key[64];
    size_t key_size;
    char value[768];
    size_t value_size;
};

struct lives;

void lives_usual_world(struct lives_world *world);

struct lives *lives_new(const struct lives_options *options);
void lives_free(struct lives **lives);

/* The next event; false after the last one. */
bool lives_next(struct lives *lives, struct life_event *event);

/* Timestamp of the next event, INT64_MAX after the last one. */
int64_t lives_next_ms(struct lives *lives);

#endif
