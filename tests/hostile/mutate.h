/*
 * mutate.h: believable lives, spoilt by seed: what a stage may be fed by somebody who does not
 * wish it well, or has a bad day.
 *
 * A third of the records or so stays good, for bad ones are dangerous to what is there already.
 */
#ifndef UPSHOT_TESTS_HOSTILE_MUTATE_H
#define UPSHOT_TESTS_HOSTILE_MUTATE_H

#include "consumer/lives.h"
#include "schemas/buffer.h"
#include "schemas/envelope.h"
#include "tests/random.h"

struct mutator {
    struct random random;
    struct lives *lives;
    struct buffer value, key, line, before; /* before: the value before this one, for splices */
    struct buffer header_store;
    struct envelope envelope; /* of the record: borrows from the buffers */
    uint64_t made;
};

/* Timestamps begin at start_ms and go on for five seconds a message. */
void mutator_init(struct mutator *mutator, uint64_t seed, int64_t start_ms);
void mutator_release(struct mutator *mutator);

/* One record in mutator->envelope: key, value, timestamp, headers; offset: how many came before. */
void mutator_record(struct mutator *mutator);

enum hostile_line {
    HOSTILE_BARE,   /* the value itself, perhaps with line feeds in it: any number of lines */
    HOSTILE_EXACT,  /* an envelope that says exactly what mutator->envelope says */
    HOSTILE_MUTANT, /* an envelope that was spoilt as text */
};

/* One record as text in mutator->line, without the last line feed. */
enum hostile_line mutator_line(struct mutator *mutator);

#endif
