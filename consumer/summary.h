/* summary.h: what a run came to, for people and as JSON. */
#ifndef UPSHOT_CONSUMER_SUMMARY_H
#define UPSHOT_CONSUMER_SUMMARY_H

#include "consumer/pump.h"
#include "schemas/buffer.h"

/* Adds what `from` counted to `to`. */
void tally_add(struct tally *to, const struct tally *from);

uint64_t tally_arrivals(const struct tally *tally, enum arrival arrival);
uint64_t tally_corrections(const struct tally *tally);
uint64_t tally_forgotten(const struct tally *tally);
uint64_t tally_forgotten_unsent(const struct tally *tally);
uint64_t tally_outcomes(const struct tally *tally);
uint64_t channel_outcomes(const struct channel_tally *tally, enum outcome outcome);
uint64_t tally_dead_letters(const struct tally *tally);

/*
 * Every record is in exactly one class or a dead letter (promise 2); a broken promise stops the
 * process.
 */
void tally_require_whole(const struct tally *tally);

/* What is still in the stores at the end. */
struct remains {
    uint64_t live;   /* messages that wait or are kept */
    uint64_t unsent; /* of those: their send has not been seen */
};

/* Adds what a lane holds. */
void remains_add(struct remains *remains, const struct lane *lane);

/* One JSON object without a newline. */
void summary_json(struct buffer *out, const struct tables *tables, const struct tally *tally,
                  const struct remains *remains, double seconds);

/* Some lines for people. */
void summary_text(struct buffer *out, const struct tables *tables, const struct tally *tally,
                  const struct remains *remains, double seconds);

#endif
