/* history.c: samples of sums; a step is the difference of two. */
#include "consumer/history.h"

#include "consumer/summary.h"
#include "statemachine/memory.h"

#include <stdlib.h>

enum { ROWS = STATUSES_MAX + 1, SAMPLES = HISTORY_STEPS + 1 };

void history_init(struct history *history, size_t channel_count)
{
    *history = (struct history){.channel_count = channel_count};
    history->entered =
        memory_get_clean((SAMPLES * channel_count * ROWS + 1) * sizeof(*history->entered));
}

void history_release(struct history *history)
{
    free(history->entered);
    *history = (struct history){0};
}

static uint64_t *entered_at(const struct history *history, uint64_t sample, size_t channel)
{
    return history->entered + (sample % SAMPLES * history->channel_count + channel) * ROWS;
}

void history_add(struct history *history, const struct tally *tally, int64_t now_ms)
{
    struct history_sample *sample = &history->samples[history->count % SAMPLES];

    *sample = (struct history_sample){
        .records = tally->records,
        .corrections = tally_corrections(tally),
        .dead_letters = tally_dead_letters(tally),
    };
    for (size_t channel = 0; channel < history->channel_count; channel++) {
        const struct channel_tally *one = &tally->channels[channel];
        uint64_t *entered = entered_at(history, history->count, channel);
        for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
            sample->outcomes[outcome] += channel_outcomes(one, (enum outcome)outcome);
        for (int row = 0; row < ROWS; row++)
            entered[row] = one->entered[row];
    }
    history->count++;
    history->last_ms = now_ms;
}

size_t history_steps(const struct history *history)
{
    if (history->count == 0)
        return 0;
    return history->count - 1 < HISTORY_STEPS ? (size_t)history->count - 1 : HISTORY_STEPS;
}

struct history_sample history_step(const struct history *history, size_t i)
{
    uint64_t first = history->count - 1 - history_steps(history) + i;
    const struct history_sample *before = &history->samples[first % SAMPLES];
    struct history_sample step = history->samples[(first + 1) % SAMPLES];

    step.records -= before->records;
    step.corrections -= before->corrections;
    step.dead_letters -= before->dead_letters;
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        step.outcomes[outcome] -= before->outcomes[outcome];
    return step;
}

uint64_t history_entered(const struct history *history, size_t channel, size_t row)
{
    uint64_t last = history->count - 1;

    if (history->count == 0)
        return 0;
    return entered_at(history, last, channel)[row] -
           entered_at(history, last - history_steps(history), channel)[row];
}
