/*
 * lives.h: believable messages' lives as events, by seed: for `gen`, the demo and the tests.
 *
 * Sends come at a rate; receipts follow along ways that carriers and mail servers really take,
 * and some come late, twice, out of order, contradict each other, or never. Events come out in
 * the order of their timestamps.
 */
#ifndef UPSHOT_CONSUMER_LIVES_H
#define UPSHOT_CONSUMER_LIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lives_options {
    uint64_t seed;
    uint64_t count;         /* messages in all; 0: without end */
    int64_t start_ms;       /* timestamp of the first send */
    double per_second;      /* sends a second of record time */
    int64_t stretch_ms;     /* typical time from a send to its last receipt */
    unsigned bad_per_mille; /* events that cannot be read */
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

struct lives *lives_new(const struct lives_options *options);
void lives_free(struct lives **lives);

/* The next event; false after the last one. */
bool lives_next(struct lives *lives, struct life_event *event);

/* Timestamp of the next event, INT64_MAX after the last one. */
int64_t lives_next_ms(struct lives *lives);

#endif
