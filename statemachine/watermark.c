/* watermark.c: the least of the greatest, and never back. */
#include "statemachine/watermark.h"

#include "statemachine/require.h"

void watermark_init(struct watermark *watermark, size_t input_count)
{
    require(input_count >= 1 && input_count <= INPUTS_MAX);
    watermark->reached_ms = TIME_NONE;
    watermark->input_count = input_count;
    for (size_t i = 0; i < input_count; i++) {
        watermark->inputs[i].greatest_ms = TIME_NONE;
        watermark->inputs[i].resting = false;
    }
}

void watermark_take(struct watermark *watermark, size_t input, int64_t timestamp_ms)
{
    require(input < watermark->input_count);
    if (timestamp_ms > watermark->inputs[input].greatest_ms)
        watermark->inputs[input].greatest_ms = timestamp_ms;
    watermark->inputs[input].resting = false;
}

void watermark_rest(struct watermark *watermark, size_t input, bool resting)
{
    require(input < watermark->input_count);
    watermark->inputs[input].resting = resting;
}

bool watermark_all_rest(const struct watermark *watermark)
{
    for (size_t i = 0; i < watermark->input_count; i++)
        if (!watermark->inputs[i].resting)
            return false;
    return true;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The minimum over the inputs that do not rest, with one of them (or none) seen differently. */
static int64_t minimum(const struct watermark *watermark, size_t taken_from, int64_t timestamp_ms)
{
    int64_t target = INT64_MAX;

    for (size_t i = 0; i < watermark->input_count; i++) {
        int64_t greatest_ms = watermark->inputs[i].greatest_ms;
        if (i == taken_from)
            greatest_ms = later(greatest_ms, timestamp_ms);
        else if (watermark->inputs[i].resting)
            continue;
        if (greatest_ms < target)
            target = greatest_ms;
    }
    return target == INT64_MAX ? watermark->reached_ms : later(target, watermark->reached_ms);
}

int64_t watermark_target(const struct watermark *watermark)
{
    return minimum(watermark, INPUTS_MAX, TIME_NONE);
}

int64_t watermark_prospect(const struct watermark *watermark, size_t input, int64_t timestamp_ms)
{
    require(input < watermark->input_count);
    return minimum(watermark, input, timestamp_ms);
}

void watermark_reach(struct watermark *watermark, int64_t to_ms)
{
    if (to_ms > watermark->reached_ms)
        watermark->reached_ms = to_ms;
}
