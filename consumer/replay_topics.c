/*
 * replay_topics.c: the same pump, fed from a range of topics.
 *
 * Every partition is read on its own, from beginning to end, one after the other: that is the
 * order in which a task sees its records, so no clock is needed and memory holds one task. No
 * group is joined and nothing is committed.
 */
#include "consumer/replay_topics.h"

#include "consumer/command.h"
#include "consumer/hash.h"
#include "consumer/kafka.h"
#include "consumer/replay_out.h"
#include "statemachine/memory.h"

#include <string.h>

enum { PROGRESS_EVERY = 16384 };

struct replay {
    const struct replay_options *options;
    const struct config *config;
    struct topic_reader reader;
    struct pump pump;
    size_t input_count;
    struct topic_range *ranges; /* of one partition, by input */
    uint64_t done, total;       /* offsets, for the progress bar */
    struct replay_out out;
};

static void on_outcome(void *context, const struct lane *lane, const struct happening *happening)
{
    struct replay *replay = context;

    replay_out_outcome(&replay->out, lane, happening);
}

static void copy_headers(const rd_kafka_message_t *message, struct envelope *letter)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (size_t i = 0;
         letter->header_count < HEADERS_MAX &&
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
        letter->headers[letter->header_count++] =
            (struct header){(const uint8_t *)name, strlen(name), value, size};
}

static void on_dead_letter(void *context, const struct lane *lane, const struct incoming *incoming,
                           enum reason reason, const char *detail)
{
    struct replay *replay = context;
    const rd_kafka_message_t *message = incoming->origin;
    const char *topic = rd_kafka_topic_name(message->rkt);
    struct envelope letter = {
        .topic = (const uint8_t *)topic,
        .topic_size = strlen(topic),
        .partition = lane->partition,
        .offset = message->offset,
        .timestamp_ms = incoming->timestamp_ms,
        .key = message->key,
        .key_size = message->key_len,
        .value = message->payload,
        .value_size = message->len,
    };

    copy_headers(message, &letter);
    replay_out_dead_letter(&replay->out, &letter, reason, detail, message->len);
}

/* ---- the range -------------------------------------------------------------------------- */

static bool find_range(struct replay *replay, const struct replay_range *wanted, int32_t partition,
                       struct topic_range *range)
{
    int64_t low, high;

    if (!topic_find_ends(&replay->reader, range->topic, partition, &low, &high))
        return false;
    range->next = low;
    range->end = high;
    return topic_find_offset(&replay->reader, range->topic, partition, &wanted->from, low, high,
                             &range->next) &&
           topic_find_offset(&replay->reader, range->topic, partition, &wanted->to, low, high,
                             &range->end);
}

/* ---- reading ---------------------------------------------------------------------------- */

static void take(struct replay *replay, struct lane *lane, size_t input,
                 rd_kafka_message_t *message, int64_t timestamp_ms)
{
    struct envelope_facts facts = {
        .key = message->key,
        .key_size = message->key_len,
        .timestamp_ms = timestamp_ms,
        .topic = text_of(replay->ranges[input].topic),
        .offset = message->offset,
    };
    struct event_buffer buffer;
    struct incoming incoming = {
        .input = input, .timestamp_ms = timestamp_ms, .origin = message, .detail = buffer.detail};

    incoming.reason =
        event_decode(replay->options->tables, message->payload, message->len,
                     replay->options->event_max_bytes, &facts, &buffer, &incoming.event);
    replay_take(&replay->pump, lane, &incoming);
}

static void pump_partition(struct replay *replay, struct lane *lane)
{
    while (replay->reader.error == EXIT_WELL && replay->out.error == 0) {
        int64_t timestamp_ms = 0, before;
        size_t lowest = topic_ranges_lowest(&replay->reader, replay->ranges, replay->input_count,
                                            &lane->task.watermark, NULL, NULL, &timestamp_ms);
        rd_kafka_message_t *message;
        replay_fire(&replay->pump, lane,
                    watermark_target(&lane->task.watermark)); /* an input may have ended */
        if (lowest == replay->input_count)
            break;
        before = replay->ranges[lowest].next;
        message = topic_range_take(&replay->ranges[lowest]);
        take(replay, lane, lowest, message, timestamp_ms);
        replay->done += (uint64_t)(message->offset + 1 - before);
        rd_kafka_message_destroy(message);
        if (replay->options->progress != NULL && replay->pump.tally.records % PROGRESS_EVERY == 0)
            replay->options->progress(replay->done, replay->total, replay->pump.tally.records);
    }
    if (replay->options->to_end_of_time && replay->reader.error == EXIT_WELL)
        replay_fire(&replay->pump, lane, INT64_MAX);
}

static void replay_partition(struct replay *replay, const struct replay_range *wanted,
                             int32_t partition, uint64_t *live)
{
    struct lane lane;

    for (size_t i = 0; i < replay->input_count; i++) {
        struct topic_range *range = &replay->ranges[i];
        if (!find_range(replay, wanted, partition, range))
            return;
        replay->total += (uint64_t)(range->end > range->next ? range->end - range->next : 0);
    }
    lane_init(&lane, partition, replay->options->tables, replay->input_count, hash_seed());
    if (topic_ranges_open(&replay->reader, replay->ranges, replay->input_count, partition))
        pump_partition(replay, &lane);
    topic_ranges_close(&replay->reader, replay->ranges, replay->input_count);
    lane_require_whole(&lane);
    *live += store_measure(lane.task.store).records;
    lane_release(&lane);
}

int replay_topics(const struct replay_options *options, const struct config *config,
                  const struct replay_range *range, struct tally *tally, uint64_t *live)
{
    struct replay replay = {
        .options = options,
        .config = config,
        .input_count = config->input_topics.count,
        .reader = {.command = "replay", .config = config, .client = kafka_restorer(config)},
        .out = {.outcomes = options->outcomes, .dead_letters = options->dead_letters},
    };
    int32_t partitions;

    if (replay.reader.client == NULL)
        return EXIT_USAGE;
    replay.pump.sink = (struct sink){on_outcome, on_dead_letter, &replay};
    replay.pump.latest_ms = options->latest_ms;
    replay.ranges = memory_get_clean(replay.input_count * sizeof(*replay.ranges));
    for (size_t i = 0; i < replay.input_count; i++)
        replay.ranges[i].topic = config->input_topics.items[i];
    partitions = topic_count_input_partitions(&replay.reader);
    *live = 0;
    for (int32_t p = 0; p < partitions && replay.reader.error == EXIT_WELL; p++)
        replay_partition(&replay, range, p, live);
    if (replay.out.error != 0) {
        fprintf(stderr, "upshot replay: cannot write: %s\n", strerror(replay.out.error));
        replay.reader.error = EXIT_WORLD;
    }
    *tally = replay.pump.tally;
    free(replay.ranges);
    rd_kafka_destroy(replay.reader.client);
    replay_out_release(&replay.out);
    return replay.reader.error;
}
