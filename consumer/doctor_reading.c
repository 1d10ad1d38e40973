/* doctor_reading.c: a few records of many partitions, without a group. */
#include "consumer/doctor_inside.h"

#include "consumer/clock.h"
#include "consumer/kafka.h"

#include <string.h>

enum { PATIENCE_MS = 15000, POLL_MS = 100, BATCH = 500 };

static struct doctor_range *range_of(struct doctor_range *ranges, size_t count,
                                     const rd_kafka_message_t *message)
{
    if (message->rkt == NULL)
        return NULL; /* about the group, or all */
    for (size_t i = 0; i < count; i++)
        if (ranges[i].partition == message->partition &&
            strcmp(ranges[i].topic, rd_kafka_topic_name(message->rkt)) == 0)
            return &ranges[i];
    return NULL;
}

/* True where the record is one of the range's. */
static bool take(struct doctor_range *range, const rd_kafka_message_t *message)
{
    bool wanted = false;

    if (range->done)
        return false;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        range->done = true;
        return false;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        range->error = message->err;
        range->done = true;
        return false;
    }
    wanted = message->offset < range->end;
    range->next = message->offset + 1;
    range->most -= wanted;
    range->done = range->next >= range->end || range->most <= 0;
    return wanted;
}

static size_t count_open(const struct doctor_range *ranges, size_t count)
{
    size_t open = 0;

    for (size_t i = 0; i < count; i++)
        open += !ranges[i].done;
    return open;
}

static void assign(rd_kafka_t *client, const struct doctor_range *ranges, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, ranges[i].topic, ranges[i].partition)->offset =
            ranges[i].next;
    rd_kafka_assign(client, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void doctor_read(const struct config *config, bool committed, struct doctor_range *ranges,
                 size_t count, doctor_reader *reader, void *context)
{
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    rd_kafka_message_t *batch[BATCH];
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;

    if (count == 0)
        return;
    client = kafka_sampler(config, committed);
    if (client == NULL)
        return;
    rd_kafka_poll_set_consumer(client);
    queue = rd_kafka_queue_get_consumer(client);
    assign(client, ranges, count);
    while (count_open(ranges, count) > 0 && clock_monotonic_ms() < deadline_ms) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, POLL_MS, batch, BATCH);
        for (ssize_t i = 0; i < got; i++) {
            struct doctor_range *range = range_of(ranges, count, batch[i]);
            if (range != NULL && take(range, batch[i]))
                reader(context, (size_t)(range - ranges), batch[i]);
            rd_kafka_message_destroy(batch[i]);
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!ranges[i].done)
            ranges[i].error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); /* never of a group */
}
