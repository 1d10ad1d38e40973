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
#include "schemas/instant.h"
#include "statemachine/memory.h"

#include <errno.h>
#include <string.h>

enum { ASK_MS = 10000, POLL_MS = 1000, SILENT_MAX = 60, BATCH = 2000, PROGRESS_EVERY = 16384 };

struct range {
    const char *topic;
    int64_t next, end;
    rd_kafka_queue_t *queue;
    rd_kafka_message_t *batch[BATCH];
    size_t at, count;
};

struct replay {
    const struct replay_options *options;
    const struct config *config;
    rd_kafka_t *client;
    struct pump pump;
    size_t input_count;
    struct range *ranges; /* of one partition, by input */
    uint64_t done, total; /* offsets, for the progress bar */
    struct replay_out out;
    int error;
};

bool replay_position_parse(const char *text, int64_t now_ms, struct replay_position *position)
{
    const char *why;
    int64_t ms;
    char *end;

    position->kind = POSITION_TIME;
    if (instant_parse(text, strlen(text), &position->value))
        return true;
    if (text[0] == '-' && duration_parse(text + 1, &ms, &why)) {
        position->value = now_ms - ms;
        return true;
    }
    errno = 0;
    position->value = strtoll(text, &end, 10);
    if (end == text || *end != 0 || errno != 0 || position->value < 0)
        return false;
    if (position->value < 100000000000) /* less would be seconds (DESIGN 4) */
        position->kind = POSITION_OFFSET;
    return true;
}

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

static bool world(struct replay *replay, const char *what, const char *topic, const char *why)
{
    fprintf(stderr, "upshot replay: %s %s: %s (brokers: %s)\n", topic, what, why,
            kafka_brokers(replay->config));
    replay->error = EXIT_WORLD;
    return false;
}

static int32_t count_partitions(struct replay *replay, const char *topic)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(replay->client, topic, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t error = rd_kafka_metadata(replay->client, 0, handle, &metadata, ASK_MS);
    int32_t count = 0;

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
        error = metadata->topics[0].err;
        count = metadata->topics[0].partition_cnt;
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        world(replay, "metadata", topic, rd_kafka_err2str(error));
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return count;
}

/* An offset within [low, high]: as given, or the first record at or after a time. */
static bool resolve(struct replay *replay, const char *topic, int32_t partition,
                    const struct replay_position *position, int64_t low, int64_t high,
                    int64_t *offset)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;

    switch (position->kind) {
    case POSITION_DEFAULT:
        return true;
    case POSITION_OFFSET:
        *offset = position->value;
        break;
    case POSITION_TIME:
        list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, topic, partition)->offset = position->value;
        error = rd_kafka_offsets_for_times(replay->client, list, ASK_MS);
        *offset = list->elems[0].offset < 0 ? high : list->elems[0].offset;
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            error = list->elems[0].err;
        rd_kafka_topic_partition_list_destroy(list);
        break;
    }
    *offset = *offset < low ? low : *offset > high ? high : *offset;
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ||
           world(replay, "offsets for a time", topic, rd_kafka_err2str(error));
}

static bool find_range(struct replay *replay, const struct replay_range *wanted, int32_t partition,
                       struct range *range)
{
    int64_t low, high;
    rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(replay->client, range->topic,
                                                                 partition, &low, &high, ASK_MS);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return world(replay, "watermarks", range->topic, rd_kafka_err2str(error));
    range->next = low;
    range->end = high; /* of a read_committed handle: the last stable offset */
    return resolve(replay, range->topic, partition, &wanted->from, low, high, &range->next) &&
           resolve(replay, range->topic, partition, &wanted->to, low, high, &range->end);
}

/* ---- reading ---------------------------------------------------------------------------- */

/* The next record of a range, waited for; NULL at its end or after an error. */
static const rd_kafka_message_t *head(struct replay *replay, struct range *range)
{
    int silent = 0;

    while (range->next < range->end && replay->error == EXIT_WELL) {
        rd_kafka_message_t *message;
        if (range->at == range->count) {
            ssize_t count =
                rd_kafka_consume_batch_queue(range->queue, POLL_MS / 100, range->batch, BATCH);
            range->at = 0;
            range->count = count > 0 ? (size_t)count : 0;
            if (range->count == 0 && ++silent > SILENT_MAX * 100)
                world(replay, "is silent", range->topic, "no record for a minute");
            continue;
        }
        silent = 0;
        message = range->batch[range->at];
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset >= range->next) {
            if (message->offset < range->end)
                return message;
            range->next = range->end;
            return NULL;
        }
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && message->offset > range->next)
            range->next = message->offset; /* markers and aborted records */
        else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
                 message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            world(replay, "cannot be read", range->topic, rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
        range->at++;
    }
    return NULL;
}

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
    while (replay->error == EXIT_WELL && replay->out.error == 0) {
        rd_kafka_message_t *message;
        struct range *range;
        size_t lowest = replay->input_count;
        int64_t lowest_ms = 0;
        for (size_t i = 0; i < replay->input_count; i++) {
            const rd_kafka_message_t *found = head(replay, &replay->ranges[i]);
            int64_t timestamp_ms;
            if (found == NULL) {
                watermark_rest(&lane->task.watermark, i, true);
                continue;
            }
            timestamp_ms = kafka_timestamp(found, &lane->task.watermark, i);
            if (lowest == replay->input_count || timestamp_ms < lowest_ms) {
                lowest = i;
                lowest_ms = timestamp_ms;
            }
        }
        replay_fire(&replay->pump, lane,
                    watermark_target(&lane->task.watermark)); /* an input may have ended */
        if (lowest == replay->input_count)
            break;
        range = &replay->ranges[lowest];
        message = range->batch[range->at++];
        take(replay, lane, lowest, message, lowest_ms);
        replay->done += (uint64_t)(message->offset + 1 - range->next);
        range->next = message->offset + 1;
        rd_kafka_message_destroy(message);
        if (replay->options->progress != NULL && replay->pump.tally.records % PROGRESS_EVERY == 0)
            replay->options->progress(replay->done, replay->total, replay->pump.tally.records);
    }
    if (replay->options->to_end_of_time && replay->error == EXIT_WELL)
        replay_fire(&replay->pump, lane, INT64_MAX);
}

static bool assign(struct replay *replay, int32_t partition)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)replay->input_count);
    rd_kafka_resp_err_t error;

    for (size_t i = 0; i < replay->input_count; i++) {
        struct range *range = &replay->ranges[i];
        range->queue = rd_kafka_queue_get_partition(replay->client, range->topic, partition);
        rd_kafka_queue_forward(range->queue, NULL);
        rd_kafka_topic_partition_list_add(list, range->topic, partition)->offset = range->next;
        replay->total += (uint64_t)(range->end > range->next ? range->end - range->next : 0);
    }
    error = rd_kafka_assign(replay->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ||
           world(replay, "assign", replay->ranges[0].topic, rd_kafka_err2str(error));
}

static void leave(struct replay *replay)
{
    rd_kafka_assign(replay->client, NULL);
    for (size_t i = 0; i < replay->input_count; i++) {
        struct range *range = &replay->ranges[i];
        for (; range->at < range->count; range->at++)
            rd_kafka_message_destroy(range->batch[range->at]);
        range->at = range->count = 0;
        if (range->queue != NULL)
            rd_kafka_queue_destroy(range->queue);
        range->queue = NULL;
    }
}

static void replay_partition(struct replay *replay, const struct replay_range *wanted,
                             int32_t partition, uint64_t *live)
{
    struct lane lane;

    for (size_t i = 0; i < replay->input_count; i++)
        if (!find_range(replay, wanted, partition, &replay->ranges[i]))
            return;
    lane_init(&lane, partition, replay->options->tables, replay->input_count, hash_seed());
    if (assign(replay, partition))
        pump_partition(replay, &lane);
    leave(replay);
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
        .client = kafka_restorer(config),
        .out = {.outcomes = options->outcomes, .dead_letters = options->dead_letters},
    };
    int32_t partitions = 0;

    if (replay.client == NULL)
        return EXIT_USAGE;
    replay.pump.sink = (struct sink){on_outcome, on_dead_letter, &replay};
    replay.pump.latest_ms = options->latest_ms;
    replay.ranges = memory_get(replay.input_count * sizeof(*replay.ranges));
    memset(replay.ranges, 0, replay.input_count * sizeof(*replay.ranges));
    for (size_t i = 0; i < replay.input_count && replay.error == EXIT_WELL; i++) {
        int32_t count;
        replay.ranges[i].topic = config->input_topics.items[i];
        count = count_partitions(&replay, replay.ranges[i].topic);
        if (i > 0 && count != partitions && replay.error == EXIT_WELL) {
            fprintf(stderr,
                    "upshot replay: %s has %d partitions, %s has %d: a message's events "
                    "would not meet\n",
                    replay.ranges[i].topic, count, replay.ranges[0].topic, partitions);
            replay.error = EXIT_USAGE;
        }
        partitions = count;
    }
    *live = 0;
    for (int32_t p = 0; p < partitions && replay.error == EXIT_WELL; p++)
        replay_partition(&replay, range, p, live);
    if (replay.out.error != 0) {
        fprintf(stderr, "upshot replay: cannot write: %s\n", strerror(replay.out.error));
        replay.error = EXIT_WORLD;
    }
    *tally = replay.pump.tally;
    free(replay.ranges);
    rd_kafka_destroy(replay.client);
    replay_out_release(&replay.out);
    return replay.error;
}
