/*
 * watermark.h: how far time has come for one task (DESIGN 3).
 *
 * The least, over the task's inputs, of the greatest record timestamp taken from each. It never
 * goes back. An input that is resting (idle, or exhausted in a replay) does not hold it back.
 * Who judges that an input rests has a clock; nothing here does.
 */
#ifndef UPSHOT_STATEMACHINE_WATERMARK_H
#define UPSHOT_STATEMACHINE_WATERMARK_H

#include "statemachine/bounds.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watermark {
    int64_t reached_ms; /* deadlines up to here have fired; TIME_NONE at first */
    size_t input_count;
    struct {
        int64_t greatest_ms; /* TIME_NONE: has said nothing yet */
        bool resting;
    } inputs[INPUTS_MAX];
};

void watermark_init(struct watermark *watermark, size_t input_count);

/* A record with this timestamp was taken from the input, which therefore rests no more. */
void watermark_take(struct watermark *watermark, size_t input, int64_t timestamp_ms);

void watermark_rest(struct watermark *watermark, size_t input, bool resting);
bool watermark_all_rest(const struct watermark *watermark);

/*
 * Where the watermark may go now: TIME_NONE while an input that is not resting has said nothing,
 * or when all rest; never less than reached_ms.
 */
int64_t watermark_target(const struct watermark *watermark);

/* Where it may go once a record with this timestamp will have been taken from the input. */
int64_t watermark_prospect(const struct watermark *watermark, size_t input, int64_t timestamp_ms);

/* Deadlines up to `to_ms` have fired. Going back is ignored. */
void watermark_reach(struct watermark *watermark, int64_t to_ms);

#endif
