/* topic_range.c: ask for the ends, assign, and read until they are reached. */
#include "consumer/topic_range.h"

#include "consumer/command.h"
#include "consumer/kafka.h"
#include "schemas/instant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASK_MS = 10000,
    POLL_MS = 10,
    SILENT_MAX_S = 60,
    NUDGE_RECORDS = 5000, /* a quarter of what kafka_range_reader() lets wait, */
    NUDGE_BYTES = 2097152 /* whichever of its bounds is met first */
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

bool topic_reader_fail(struct topic_reader *reader, const char *topic, const char *what,
                       const char *why)
{
    fprintf(stderr, "upshot %s: %s %s: %s (brokers: %s)\n", reader->command, topic, what, why,
            kafka_brokers(reader->config));
    reader->error = EXIT_WORLD;
    return false;
}

int32_t topic_count_partitions(struct topic_reader *reader, const char *topic)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(reader->client, topic, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t error = rd_kafka_metadata(reader->client, 0, handle, &metadata, ASK_MS);
    int32_t count = 0;

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
        error = metadata->topics[0].err;
        count = metadata->topics[0].partition_cnt;
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        topic_reader_fail(reader, topic, "metadata", rd_kafka_err2str(error));
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return count;
}

int32_t topic_count_input_partitions(struct topic_reader *reader)
{
    const struct config_list *topics = &reader->config->input_topics;
    int32_t partitions = 0;

    for (size_t i = 0; i < topics->count && reader->error == EXIT_WELL; i++) {
        int32_t count = topic_count_partitions(reader, topics->items[i]);
        if (i > 0 && count != partitions && reader->error == EXIT_WELL) {
            fprintf(stderr,
                    "upshot %s: %s has %d partitions, %s has %d: a message's events "
                    "would not meet\n",
                    reader->command, topics->items[i], count, topics->items[0], partitions);
            reader->error = EXIT_USAGE;
        }
        partitions = count;
    }
    return reader->error == EXIT_WELL ? partitions : 0;
}

bool topic_find_ends(struct topic_reader *reader, const char *topic, int32_t partition,
                     int64_t *low, int64_t *high)
{
    rd_kafka_resp_err_t error =
        kafka_ask_ends(reader->client, topic, partition, low, high, ASK_MS);

    return error == RD_KAFKA_RESP_ERR_NO_ERROR ||
           topic_reader_fail(reader, topic, "first and last offset", rd_kafka_err2str(error));
}

bool topic_find_offset(struct topic_reader *reader, const char *topic, int32_t partition,
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
        error = rd_kafka_offsets_for_times(reader->client, list, ASK_MS);
        *offset = list->elems[0].offset < 0 ? high : list->elems[0].offset;
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            error = list->elems[0].err;
        rd_kafka_topic_partition_list_destroy(list);
        break;
    }
    *offset = *offset < low ? low : *offset > high ? high : *offset;
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ||
           topic_reader_fail(reader, topic, "offsets for a time", rd_kafka_err2str(error));
}

bool topic_ranges_open(struct topic_reader *reader, struct topic_range *ranges, size_t count,
                       int32_t partition)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    rd_kafka_resp_err_t error;

    for (size_t i = 0; i < count; i++) {
        struct topic_range *range = &ranges[i];
        range->partition = partition;
        range->queue = rd_kafka_queue_get_partition(reader->client, range->topic, partition);
        rd_kafka_queue_forward(range->queue, NULL);
        rd_kafka_topic_partition_list_add(list, range->topic, partition)->offset = range->next;
    }
    error = rd_kafka_assign(reader->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ||
           topic_reader_fail(reader, ranges[0].topic, "assign", rd_kafka_err2str(error));
}

void topic_ranges_close(struct topic_reader *reader, struct topic_range *ranges, size_t count)
{
    rd_kafka_assign(reader->client, NULL);
    for (size_t i = 0; i < count; i++) {
        struct topic_range *range = &ranges[i];
        for (; range->at < range->count; range->at++)
            rd_kafka_message_destroy(range->batch[range->at]);
        range->at = range->count = 0;
        if (range->queue != NULL)
            rd_kafka_queue_destroy(range->queue);
        range->queue = NULL;
    }
}

/* No record, but news: where the partition ends, or why it cannot be read. */
static void take_notice(struct topic_reader *reader, struct topic_range *range,
                        const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        topic_reader_fail(reader, range->topic, "cannot be read to its end",
                          "records were deleted before they were read: begin later");
    else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        topic_reader_fail(reader, range->topic, "cannot be read", rd_kafka_message_errstr(message));
    else if (message->offset > range->next)
        range->next = message->offset; /* markers and aborted records */
}

/* Who takes what was fetched, asks for more before it is all gone. */
static void keep_fetching(struct topic_reader *reader, struct topic_range *range)
{
    if (range->taken_records < NUDGE_RECORDS && range->taken_bytes < NUDGE_BYTES)
        return;
    range->taken_records = range->taken_bytes = 0;
    kafka_nudge(reader->client, range->topic, range->partition);
}

static void take_batch(struct topic_reader *reader, struct topic_range *range)
{
    ssize_t count = rd_kafka_consume_batch_queue(range->queue, POLL_MS, range->batch, RANGE_BATCH);

    range->at = 0;
    range->count = count > 0 ? (size_t)count : 0;
    range->taken_records += range->count;
    for (size_t i = 0; i < range->count; i++)
        range->taken_bytes += range->batch[i]->len;
    keep_fetching(reader, range);
}

const rd_kafka_message_t *topic_range_head(struct topic_reader *reader, struct topic_range *range)
{
    int silent = 0;

    while (range->next < range->end && reader->error == EXIT_WELL) {
        rd_kafka_message_t *message;
        if (range->at == range->count) {
            take_batch(reader, range);
            if (range->count == 0 && ++silent > SILENT_MAX_S * 1000 / POLL_MS)
                topic_reader_fail(reader, range->topic, "is silent", "no record for a minute");
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
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            take_notice(reader, range, message);
        rd_kafka_message_destroy(message);
        range->at++;
    }
    return NULL;
}

rd_kafka_message_t *topic_range_take(struct topic_range *range)
{
    rd_kafka_message_t *message = range->batch[range->at++];

    range->next = message->offset + 1;
    return message;
}

size_t topic_ranges_lowest(struct topic_reader *reader, struct topic_range *ranges, size_t count,
                           struct watermark *watermark, range_skewed *skewed, void *context,
                           int64_t *timestamp_ms)
{
    size_t lowest = count;
    int64_t lowest_ms = 0;

    for (size_t i = 0; i < count; i++) {
        const rd_kafka_message_t *found = topic_range_head(reader, &ranges[i]);
        int64_t head_ms, place_ms;
        if (found == NULL) {
            watermark_rest(watermark, i, true);
            continue;
        }
        head_ms = kafka_timestamp(found, watermark, i);
        place_ms = skewed != NULL && skewed(context, i, found, head_ms) ? TIME_NONE : head_ms;
        if (lowest == count || place_ms < lowest_ms) {
            lowest = i;
            lowest_ms = place_ms;
            *timestamp_ms = head_ms;
        }
    }
    return lowest;
}
