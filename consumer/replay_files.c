/*
 * replay_files.c: heads of files -> the lowest -> its task -> lines out.
 *
 * A head is decoded when it is read, since a bare line's timestamp is within it.
 */
#include "consumer/replay_files.h"

#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/lines.h"
#include "consumer/replay_out.h"
#include "schemas/envelope.h"
#include "statemachine/memory.h"
#include "statemachine/require.h"

#include <errno.h>
#include <string.h>

enum { PROGRESS_EVERY = 16384 };

/* A file and its next record. */
struct input {
    struct lines lines;
    bool has_head;
    int64_t last_timestamp_ms; /* of the line before */
    int32_t partition;
    struct line line;
    struct envelope envelope; /* of a bare line: made to look like one */
    struct buffer store;      /* what the envelope's strings needed */
    struct event_buffer event_buffer;
    struct incoming incoming;
};

struct replay {
    const struct replay_options *options;
    struct pump pump;
    struct input *inputs;
    struct lane **lanes; /* sorted by partition */
    size_t lane_count;
    uint64_t seed;
    uint64_t lines; /* read, blank ones not counted */
    struct replay_out out;
};

static void on_outcome(void *context, const struct lane *lane, const struct happening *happening)
{
    struct replay *replay = context;

    replay_out_outcome(&replay->out, lane, happening);
}

static void on_dead_letter(void *context, const struct lane *lane, const struct incoming *incoming,
                           enum reason reason, const char *detail)
{
    struct replay *replay = context;
    const struct input *input = incoming->origin;
    struct envelope letter = input->envelope;
    size_t cut = input->line.full_size - input->line.size;

    (void)lane;
    replay_out_dead_letter(&replay->out, &letter, reason, detail, letter.value_size + cut);
}

/* ---- in --------------------------------------------------------------------------------- */

static bool blank(struct line line)
{
    for (size_t i = 0; i < line.size; i++)
        if (memchr(" \t\r", line.bytes[i], 3) == NULL)
            return false;
    return true;
}

static void bad_line(struct input *input, enum reason reason, const char *detail)
{
    input->incoming.reason = reason;
    input->incoming.detail = detail;
}

static void decode_event(struct replay *replay, struct input *input, bool bare)
{
    const struct envelope *envelope = &input->envelope;
    struct envelope_facts facts = {
        .key = envelope->key,
        .key_size = envelope->key_size,
        .timestamp_ms = input->incoming.timestamp_ms,
        .topic = {.bytes = envelope->topic, .size = (uint32_t)envelope->topic_size},
        .offset = envelope->offset,
        .key_is_id = bare,
    };

    input->incoming.reason = event_decode(replay->options->tables, envelope->value,
                                          envelope->value_size, replay->options->event_max_bytes,
                                          &facts, &input->event_buffer, &input->incoming.event);
    input->incoming.detail = input->event_buffer.detail;
}

/* A bare line: its `at` is its timestamp, its id its key, file and line its source. */
static void decode_bare(struct replay *replay, struct input *input)
{
    struct incoming *incoming = &input->incoming;

    decode_event(replay, input, true);
    if (incoming->reason == REASON_NONE)
        incoming->timestamp_ms = incoming->event.at_ms;
    else if (event_peek_at(input->line.bytes, input->line.size, &incoming->timestamp_ms))
        ;
    else
        incoming->timestamp_ms = input->last_timestamp_ms;
    incoming->event.timestamp_ms = incoming->timestamp_ms;
    input->envelope.timestamp_ms = incoming->timestamp_ms;
    if (incoming->reason == REASON_NONE || incoming->reason == REASON_UNKNOWN_CHANNEL ||
        incoming->reason == REASON_UNKNOWN_STATUS) { /* found good up to its id */
        input->envelope.key = incoming->event.id.bytes;
        input->envelope.key_size = incoming->event.id.size;
    }
}

/* The line itself as a record's value; nothing else is known of it. */
static void wrap_line(struct input *input)
{
    struct envelope *envelope = &input->envelope;

    envelope->topic = NULL;
    envelope->partition = 0;
    envelope->offset = -1;
    envelope->timestamp_ms = -1;
    envelope->key = NULL;
    envelope->key_size = 0;
    envelope->value = input->line.bytes;
    envelope->value_size = input->line.size;
    envelope->header_count = 0; /* not zeroed as a whole: headers[] is 4 KiB */
}

static void decode_line(struct replay *replay, struct input *input)
{
    struct envelope *envelope = &input->envelope;
    struct incoming *incoming = &input->incoming;
    const char *why = NULL;
    enum envelope_kind kind;

    buffer_clear(&input->store);
    incoming->event.id = (struct text){0};
    incoming->timestamp_ms = input->last_timestamp_ms;
    kind = envelope_decode(input->line.bytes, input->line.size, &input->store, envelope, &why);
    if (kind != ENVELOPE_GOOD)
        wrap_line(input);
    if (envelope->topic == NULL) {
        envelope->topic = (const uint8_t *)input->lines.path;
        envelope->topic_size = strlen(input->lines.path);
    }
    if (envelope->offset < 0)
        envelope->offset = input->lines.number;
    if (envelope->timestamp_ms < 0)
        envelope->timestamp_ms = input->last_timestamp_ms;
    incoming->timestamp_ms = envelope->timestamp_ms;
    input->partition = envelope->partition;

    if (input->line.full_size > input->line.size)
        bad_line(input, REASON_TOO_LARGE, "the line is longer than any event may be");
    else if (kind == ENVELOPE_BAD)
        bad_line(input, REASON_BAD_FIELD, why);
    else if (kind == ENVELOPE_BARE)
        decode_bare(replay, input);
    else
        decode_event(replay, input, false);
    if (incoming->timestamp_ms <= TIME_MAX_MS)
        input->last_timestamp_ms = incoming->timestamp_ms;
}

static void read_head(struct replay *replay, struct input *input)
{
    do {
        input->has_head = lines_next(&input->lines, &input->line);
        if (!input->has_head)
            return;
    } while (blank(input->line));
    replay->lines++;
    decode_line(replay, input);
}

/* ---- tasks ------------------------------------------------------------------------------ */

/* The lane of a partition, made where it is missing; NULL beyond REPLAY_PARTITIONS_MAX. */
static struct lane *lane_of(struct replay *replay, int32_t partition)
{
    size_t low = 0, high = replay->lane_count;
    struct lane *lane;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (replay->lanes[middle]->partition < partition)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < replay->lane_count && replay->lanes[low]->partition == partition)
        return replay->lanes[low];
    if (replay->lane_count == REPLAY_PARTITIONS_MAX)
        return NULL;

    lane = memory_get(sizeof(*lane));
    lane_init(lane, partition, replay->options->tables, replay->options->path_count, replay->seed);
    for (size_t i = 0; i < replay->options->path_count; i++)
        if (!replay->inputs[i].has_head)
            watermark_rest(&lane->task.watermark, i, true);
    replay->lanes = memory_resize(replay->lanes, replay->lane_count + 1, sizeof(*replay->lanes));
    memmove(replay->lanes + low + 1, replay->lanes + low,
            (replay->lane_count - low) * sizeof(*replay->lanes));
    replay->lanes[low] = lane;
    replay->lane_count++;
    return lane;
}

/* An input that has ended no longer holds any task back. */
static void input_ended(struct replay *replay, size_t input)
{
    for (size_t i = 0; i < replay->lane_count; i++) {
        struct lane *lane = replay->lanes[i];
        watermark_rest(&lane->task.watermark, input, true);
        replay_fire(&replay->pump, lane, watermark_target(&lane->task.watermark));
    }
}

static void take(struct replay *replay, size_t i)
{
    struct input *input = &replay->inputs[i];
    struct lane *lane = lane_of(replay, input->partition);

    if (lane == NULL) {
        bad_line(input, REASON_BAD_FIELD, "partition: more partitions than a replay can have");
        lane = replay->lanes[0];
    }
    input->incoming.input = i;
    input->incoming.origin = input;
    replay_take(&replay->pump, lane, &input->incoming);
}

/* The input whose head has the lowest timestamp, or path_count when all have ended. */
static size_t lowest_head(const struct replay *replay)
{
    size_t lowest = replay->options->path_count;

    for (size_t i = 0; i < replay->options->path_count; i++) {
        const struct input *input = &replay->inputs[i];
        if (input->has_head &&
            (lowest == replay->options->path_count ||
             input->incoming.timestamp_ms < replay->inputs[lowest].incoming.timestamp_ms))
            lowest = i;
    }
    return lowest;
}

static void report_progress(const struct replay *replay)
{
    uint64_t read = 0, total = 0;
    bool known = true;

    for (size_t i = 0; i < replay->options->path_count; i++) {
        read += replay->inputs[i].lines.bytes_read;
        total += replay->inputs[i].lines.bytes_total;
        known = known && replay->inputs[i].lines.bytes_total > 0;
    }
    replay->options->progress(read, known ? total : 0, replay->pump.tally.records);
}

static void pump_all(struct replay *replay)
{
    for (size_t i = 0; i < replay->options->path_count; i++)
        read_head(replay, &replay->inputs[i]);
    for (;;) {
        size_t i = lowest_head(replay);
        if (i == replay->options->path_count || replay->out.error != 0)
            break;
        take(replay, i);
        read_head(replay, &replay->inputs[i]);
        if (!replay->inputs[i].has_head)
            input_ended(replay, i);
        if (replay->options->progress != NULL && replay->pump.tally.records % PROGRESS_EVERY == 0)
            report_progress(replay);
    }
    if (replay->options->to_end_of_time)
        for (size_t i = 0; i < replay->lane_count; i++)
            replay_fire(&replay->pump, replay->lanes[i], INT64_MAX);
}

static bool open_all(struct replay *replay)
{
    for (size_t i = 0; i < replay->options->path_count; i++)
        if (!lines_open(&replay->inputs[i].lines, replay->options->paths[i])) {
            fprintf(stderr, "upshot replay: %s: %s\n", replay->options->paths[i], strerror(errno));
            return false;
        }
    return true;
}

static bool read_well(const struct replay *replay)
{
    bool well = true;

    for (size_t i = 0; i < replay->options->path_count; i++)
        if (replay->inputs[i].lines.error != 0) {
            fprintf(stderr, "upshot replay: %s: line %lld: %s\n", replay->options->paths[i],
                    (long long)replay->inputs[i].lines.number + 1,
                    strerror(replay->inputs[i].lines.error));
            well = false;
        }
    return well;
}

int replay_files(const struct replay_options *options, struct tally *tally, uint64_t *live)
{
    struct replay replay = {
        .options = options,
        .inputs = memory_get(options->path_count * sizeof(*replay.inputs)),
        .out = {.outcomes = options->outcomes, .dead_letters = options->dead_letters},
        .seed = hash_seed(),
    };
    int code = EXIT_WORLD;

    memset(replay.inputs, 0, options->path_count * sizeof(*replay.inputs));
    for (size_t i = 0; i < options->path_count; i++)
        replay.inputs[i].lines.fd = -1;
    replay.pump.sink = (struct sink){on_outcome, on_dead_letter, &replay};
    replay.pump.latest_ms = options->latest_ms;
    *live = 0;
    if (open_all(&replay)) {
        pump_all(&replay);
        for (size_t i = 0; i < replay.lane_count; i++) {
            lane_require_whole(replay.lanes[i]);
            *live += store_measure(replay.lanes[i]->task.store).records;
        }
        require(replay.out.error != 0 || replay.lines == replay.pump.tally.records);
        if (read_well(&replay) && replay.out.error == 0)
            code = EXIT_WELL;
        if (replay.out.error != 0)
            fprintf(stderr, "upshot replay: cannot write: %s\n", strerror(replay.out.error));
    }
    *tally = replay.pump.tally;
    for (size_t i = 0; i < replay.lane_count; i++) {
        lane_release(replay.lanes[i]);
        free(replay.lanes[i]);
    }
    free(replay.lanes);
    for (size_t i = 0; i < options->path_count; i++) {
        lines_close(&replay.inputs[i].lines);
        buffer_release(&replay.inputs[i].store);
    }
    free(replay.inputs);
    replay_out_release(&replay.out);
    return code;
}
