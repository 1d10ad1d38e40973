/* outbox.c: one buffer, and a list of what lies where in it. */
#include "consumer/outbox.h"

#include "statemachine/memory.h"
#include "statemachine/require.h"

#include <stdlib.h>

static struct outbox_record *last(struct outbox *outbox)
{
    return &outbox->records[outbox->count - 1];
}

void outbox_begin(struct outbox *outbox, enum outbox_topic topic, int32_t partition)
{
    if (outbox->count == outbox->room) {
        outbox->room = outbox->room == 0 ? 1024 : outbox->room * 2;
        outbox->records = memory_resize(outbox->records, outbox->room, sizeof(*outbox->records));
    }
    outbox->records[outbox->count++] = (struct outbox_record){
        .key_at = outbox->bytes.size, .partition = partition, .topic = (uint8_t)topic};
}

void outbox_key(struct outbox *outbox)
{
    last(outbox)->has_key = true;
}

void outbox_value(struct outbox *outbox)
{
    last(outbox)->value_at = outbox->bytes.size;
    last(outbox)->has_value = true;
}

void outbox_end(struct outbox *outbox, rd_kafka_headers_t *headers)
{
    struct outbox_record *record = last(outbox);
    size_t key_end = record->has_value ? record->value_at : outbox->bytes.size;
    size_t value_size = record->has_value ? outbox->bytes.size - record->value_at : 0;

    require(!outbox->bytes.failed);
    require(key_end - record->key_at <= UINT32_MAX && value_size <= UINT32_MAX);
    record->key_size = (uint32_t)(key_end - record->key_at);
    record->value_size = (uint32_t)value_size;
    record->headers = headers;
}

void outbox_await(struct outbox *outbox)
{
    if (outbox->arrival_count == outbox->arrival_room) {
        outbox->arrival_room = outbox->arrival_room == 0 ? 16 : outbox->arrival_room * 2;
        outbox->arrivals =
            memory_resize(outbox->arrivals, outbox->arrival_room, sizeof(*outbox->arrivals));
    }
    last(outbox)->is_control = true;
    outbox->arrivals[outbox->arrival_count++] =
        (struct outbox_arrival){.partition = last(outbox)->partition, .offset = -1};
}

void outbox_clear(struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->count; i++)
        if (outbox->records[i].headers != NULL)
            rd_kafka_headers_destroy(outbox->records[i].headers);
    if (outbox->offsets != NULL)
        rd_kafka_topic_partition_list_destroy(outbox->offsets);
    buffer_clear(&outbox->bytes);
    outbox->count = outbox->arrival_count = 0;
    outbox->offsets = NULL;
    outbox->generation = NULL;
}

void outbox_release(struct outbox *outbox)
{
    outbox_clear(outbox);
    buffer_release(&outbox->bytes);
    free(outbox->records);
    free(outbox->arrivals);
    *outbox = (struct outbox){0};
}
