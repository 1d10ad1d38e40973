/*
 * replay_files.c: heads of files -> the lowest -> its task -> lines out.
 *
 * A head is decoded when it is read, since a bare line's timestamp is within it. As many as have
 * been read already are decoded at once, so that the memory that they will look at comes while the
 * first of them are taken (task_expect).
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

enum { PROGRESS_EVERY = 16384, HEADS = 32 };

/* One record of a file. */
struct head {
    int32_t partition;
    struct line line;
    struct envelope envelope; /* of a bare line: made to look like one */
    struct buffer store;      /* what the envelope's strings needed */
    struct event_buffer event_buffer;
    struct incoming incoming;
};

/* A file and its next records; when there are none left, it has ended. */
struct input {
    struct lines lines;
    int64_t last_timestamp_ms; /* of the line before */
    struct head heads[HEADS];
    size_t at, count;
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
    const struct head *head = incoming->origin;
    struct envelope letter = head->envelope;
    size_t cut = head->line.full_size - head->line.size;

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

static void bad_line(struct head *head, enum reason reason, const char *detail)
{
    head->incoming.reason = reason;
    head->incoming.detail = detail;
}

static void decode_event(struct replay *replay, struct head *head, bool bare)
{
    const struct envelope *envelope = &head->envelope;
    struct envelope_facts facts = {
        .key = envelope->key,
        .key_size = envelope->key_size,
        .timestamp_ms = head->incoming.timestamp_ms,
        .topic = {.bytes = envelope->topic, .size = (uint32_t)envelope->topic_size},
        .offset = envelope->offset,
        .key_is_id = bare,
    };

    head->incoming.reason = event_decode(replay->options->tables, envelope->value,
                                         envelope->value_size, replay->options->event_max_bytes,
                                         &facts, &head->event_buffer, &head->incoming.event);
    head->incoming.detail = head->event_buffer.detail;
}

/* A bare line: its `at` is its timestamp, its id its key, file and line its source. */
static void decode_bare(struct replay *replay, const struct input *input, struct head *head)
{
    struct incoming *incoming = &head->incoming;

    decode_event(replay, head, true);
    if (incoming->reason == REASON_NONE)
        incoming->timestamp_ms = incoming->event.at_ms;
    else if (event_peek_at(head->line.bytes, head->line.size, &incoming->timestamp_ms))
        ;
    else
        incoming->timestamp_ms = input->last_timestamp_ms;
    incoming->event.timestamp_ms = incoming->timestamp_ms;
    head->envelope.timestamp_ms = incoming->timestamp_ms;
    if (incoming->reason == REASON_NONE || incoming->reason == REASON_UNKNOWN_CHANNEL ||
        incoming->reason == REASON_UNKNOWN_STATUS) { /* found good up to its id */
        head->envelope.key = incoming->event.id.bytes;
        head->envelope.key_size = incoming->event.id.size;
    }
}

/* The line itself as a record's value; nothing else is known of it. */
static void wrap_line(struct head *head)
{
    struct envelope *envelope = &head->envelope;

    envelope->topic = NULL;
    envelope->partition = 0;
    envelope->offset = -1;
    envelope->timestamp_ms = -1;
    envelope->key = NULL;
    envelope->key_size = 0;
    envelope->value = head->line.bytes;
    envelope->value_size = head->line.size;
    envelope->header_count = 0; /* not zeroed as a whole: headers[] is 4 KiB */
}

static void decode_line(struct replay *replay, struct input *input, struct head *head)
{
    struct envelope *envelope = &head->envelope;
    struct incoming *incoming = &head->incoming;
    const char *why = NULL;
    enum envelope_kind kind;

    buffer_clear(&head->store);
    incoming->event.id = (struct text){0};
    incoming->timestamp_ms = input->last_timestamp_ms;
    kind = envelope_decode(head->line.bytes, head->line.size, &head->store, envelope, &why);
    if (kind != ENVELOPE_GOOD)
        wrap_line(head);
    if (envelope->topic == NULL) {
        envelope->topic = (const uint8_t *)input->lines.path;
        envelope->topic_size = strlen(input->lines.path);
    }
    if (envelope->offset < 0)
        envelope->offset = input->lines.number;
    if (envelope->timestamp_ms < 0)
        envelope->timestamp_ms = input->last_timestamp_ms;
    incoming->timestamp_ms = envelope->timestamp_ms;
    head->partition = envelope->partition;

    if (head->line.full_size > head->line.size)
        bad_line(head, REASON_TOO_LARGE, "the line is longer than any event may be");
    else if (kind == ENVELOPE_BAD)
        bad_line(head, REASON_BAD_FIELD, why);
    else if (kind == ENVELOPE_BARE)
        decode_bare(replay, input, head);
    else
        decode_event(replay, head, false);
    if (incoming->timestamp_ms <= TIME_MAX_MS)
        input->last_timestamp_ms = incoming->timestamp_ms;
}

/* ---- tasks ------------------------------------------------------------------------------ */

/* How many lanes are of lower partitions. */
static size_t lanes_below(const struct replay *replay, int32_t partition)
{
    size_t low = 0, high = replay->lane_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (replay->lanes[middle]->partition < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_head(const struct input *input)
{
    return input->at < input->count;
}

/* The lane of a partition, made where it is missing; NULL beyond REPLAY_PARTITIONS_MAX. */
static struct lane *lane_of(struct replay *replay, int32_t partition)
{
    size_t low = lanes_below(replay, partition);
    struct lane *lane;

    if (low < replay->lane_count && replay->lanes[low]->partition == partition)
        return replay->lanes[low];
    if (replay->lane_count == REPLAY_PARTITIONS_MAX)
        return NULL;

    lane = memory_get(sizeof(*lane));
    lane_init(lane, partition, replay->options->tables, replay->options->path_count, replay->seed);
    for (size_t i = 0; i < replay->options->path_count; i++)
        if (!has_head(&replay->inputs[i]))
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

/* Asks for what the records of one partition that stand behind each other will look at. */
static size_t expect_run(const struct replay *replay, const struct input *input, size_t at)
{
    int32_t partition = input->heads[at].partition;
    size_t low = lanes_below(replay, partition), count = 0;
    struct message_key keys[HEADS];

    for (; at < input->count && input->heads[at].partition == partition; at++) {
        const struct incoming *incoming = &input->heads[at].incoming;
        if (incoming->reason == REASON_NONE)
            keys[count++] = (struct message_key){incoming->event.id, incoming->event.channel};
    }
    if (low < replay->lane_count && replay->lanes[low]->partition == partition)
        task_expect(&replay->lanes[low]->task, keys, count);
    return at;
}

/* Waits for one record where there is none, and takes with it what has been read anyway. */
static void read_heads(struct replay *replay, struct input *input)
{
    struct line line;

    input->at = input->count = 0;
    while (input->count < HEADS && (input->count == 0 ? lines_next(&input->lines, &line)
                                                      : lines_next_at_hand(&input->lines, &line))) {
        if (blank(line))
            continue;
        input->heads[input->count].line = line;
        decode_line(replay, input, &input->heads[input->count++]);
        replay->lines++;
    }
    for (size_t at = 0; at < input->count;)
        at = expect_run(replay, input, at);
}

static void take(struct replay *replay, size_t i)
{
    struct input *input = &replay->inputs[i];
    struct head *head = &input->heads[input->at];
    struct lane *lane = lane_of(replay, head->partition);

    if (lane == NULL) {
        bad_line(head, REASON_BAD_FIELD, "partition: more partitions than a replay can have");
        lane = replay->lanes[0];
    }
    head->incoming.input = i;
    head->incoming.origin = head;
    replay_take(&replay->pump, lane, &head->incoming);
    if (++input->at == input->count)
        read_heads(replay, input);
    if (!has_head(input))
        input_ended(replay, i);
}

/* The input whose head has the lowest timestamp, or path_count when all have ended. */
static size_t lowest_head(const struct replay *replay)
{
    size_t lowest = replay->options->path_count;
    int64_t lowest_ms = INT64_MAX;

    for (size_t i = 0; i < replay->options->path_count; i++) {
        const struct input *input = &replay->inputs[i];
        if (!has_head(input))
            continue;
        if (lowest == replay->options->path_count ||
            input->heads[input->at].incoming.timestamp_ms < lowest_ms) {
            lowest = i;
            lowest_ms = input->heads[input->at].incoming.timestamp_ms;
        }
    }
    return lowest;
}

static void report_progress(const struct replay *replay)
{
    struct replay_progress progress = {.records = replay->pump.tally.records,
                                       .watermark_ms = TIME_NONE};
    bool known = true;

    for (size_t i = 0; i < replay->options->path_count; i++) {
        progress.done += replay->inputs[i].lines.bytes_read;
        progress.total += replay->inputs[i].lines.bytes_total;
        known = known && replay->inputs[i].lines.bytes_total > 0;
    }
    if (!known)
        progress.total = 0;
    replay->options->progress(&progress);
}

static void pump_all(struct replay *replay)
{
    for (size_t i = 0; i < replay->options->path_count; i++)
        read_heads(replay, &replay->inputs[i]);
    for (;;) {
        size_t i = lowest_head(replay);
        if (i == replay->options->path_count || replay->out.error != 0)
            break;
        take(replay, i);
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

int replay_files(const struct replay_options *options, struct tally *tally, struct remains *remains)
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
    *remains = (struct remains){0};
    if (open_all(&replay)) {
        pump_all(&replay);
        for (size_t i = 0; i < replay.lane_count; i++) {
            lane_require_whole(replay.lanes[i]);
            remains_add(remains, replay.lanes[i]);
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
        for (size_t head = 0; head < HEADS; head++)
            buffer_release(&replay.inputs[i].heads[head].store);
    }
    free(replay.inputs);
    replay_out_release(&replay.out);
    return code;
}
