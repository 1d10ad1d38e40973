/*
 * replay_out.h: what a replay writes: outcomes as lines, dead letters as envelopes, and nothing
 * that could differ the next time.
 */
#ifndef UPSHOT_CONSUMER_REPLAY_OUT_H
#define UPSHOT_CONSUMER_REPLAY_OUT_H

#include "consumer/pump.h"
#include "schemas/buffer.h"
#include "schemas/envelope.h"

#include <stdio.h>

struct replay_out {
    FILE *outcomes;
    FILE *dead_letters; /* NULL: only counted */
    struct buffer line, headers;
    int error; /* errno of the first write that failed */
};

void replay_out_outcome(struct replay_out *out, const struct lane *lane,
                        const struct happening *happening);

/* Adds our headers to the letter, whose value was full_size bytes long before it was cut. */
void replay_out_dead_letter(struct replay_out *out, struct envelope *letter, enum reason reason,
                            const char *detail, size_t full_size);

void replay_out_release(struct replay_out *out);

/*
 * pump_take() and pump_fire() where no transaction bounds them: landing whenever the budget is used
 * up, and now and then in between, so that the journal stays small.
 */
void replay_take(struct pump *pump, struct lane *lane, const struct incoming *incoming);
void replay_fire(struct pump *pump, struct lane *lane, int64_t until_ms);

#endif
