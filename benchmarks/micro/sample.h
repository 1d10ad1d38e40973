/*
 * sample.h: messages by number, made up as they are in production: ids of 36 bytes, attributes that
 * a campaign shares, a handful of reasons, two or three statuses.
 */
#ifndef UPSHOT_BENCHMARKS_SAMPLE_H
#define UPSHOT_BENCHMARKS_SAMPLE_H

#include "statemachine/task.h"

enum { SAMPLE_ID_SIZE = 36 };

extern struct tables sample_tables;

/* Loads the built-in channels, or ends the process. */
void sample_begin(void);

/* A number that looks like chance, the same for the same one. */
uint64_t sample_mix(uint64_t number);

void sample_id(uint64_t message, uint8_t id[SAMPLE_ID_SIZE]);

/* What a message of SMS goes through, by step: the send, SENT, then the rest of one of these. */
enum sample_life {
    SAMPLE_IN_FLIGHT, /* ENROUTE, and for every second ACCEPTD: the carrier still owes an answer */
    SAMPLE_SETTLED,   /* DELIVRD, for every second ENROUTE before it */
};

unsigned sample_steps(enum sample_life life, uint64_t message);

/* The message's event number `step`; its id lies in `id`, all other texts for ever. */
struct event sample_event(enum sample_life life, uint64_t message, unsigned step,
                          uint8_t id[SAMPLE_ID_SIZE]);

/* The hash that the program gives its stores. */
uint64_t sample_hash(const void *bytes, size_t size, uint64_t seed);

/* What the pump does with an event; nothing ever falls due in these lives. */
void sample_apply(struct task *task, const struct event *event, struct happening *happening);

#endif
