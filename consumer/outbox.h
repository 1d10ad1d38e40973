/*
 * outbox.h: what one transaction will write, ready to be produced.
 *
 * A batch is taken, stepped and encoded into an outbox while the transaction before it is still
 * under way; then the outbox goes to the committer, which produces it at once. Its bytes are handed
 * to librdkafka as they lie here, without a copy: an outbox may be used again only when its
 * transaction is over, landed or with its producer destroyed; until then it keeps its memory.
 */
#ifndef UPSHOT_CONSUMER_OUTBOX_H
#define UPSHOT_CONSUMER_OUTBOX_H

#include "schemas/buffer.h"

#include <librdkafka/rdkafka.h>

enum outbox_topic { OUTBOX_OUTCOMES, OUTBOX_DEAD_LETTERS, OUTBOX_STATE, OUTBOX_TOPICS };

struct outbox_record {
    size_t key_at, value_at; /* in bytes */
    uint32_t key_size, value_size;
    int32_t partition;
    uint8_t topic; /* enum outbox_topic */
    bool has_key, has_value, is_control;
    rd_kafka_headers_t *headers; /* its own, given to librdkafka with it; NULL: none */
};

/* Where the control record of a partition has come to lie. */
struct outbox_arrival {
    int32_t partition;
    int64_t offset; /* -1: it was not told */
};

struct outbox {
    struct buffer bytes;
    struct outbox_record *records;
    size_t count, room;
    struct outbox_arrival *arrivals; /* one for each control record, in their order */
    size_t arrival_count, arrival_room;
    rd_kafka_topic_partition_list_t *offsets;             /* to be committed with it */
    const rd_kafka_consumer_group_metadata_t *generation; /* under which; borrowed */
};

/*
 * Begins a record. What is put into `bytes` after outbox_key() is its key, after outbox_value() its
 * value; what it never gets is null, and without a value it is a tombstone.
 */
void outbox_begin(struct outbox *outbox, enum outbox_topic topic, int32_t partition);
void outbox_key(struct outbox *outbox);
void outbox_value(struct outbox *outbox);
/* Ends it. The headers, or NULL, become the outbox's. */
void outbox_end(struct outbox *outbox, rd_kafka_headers_t *headers);

/* The one that was just ended is its partition's control record: where it arrives will be kept. */
void outbox_await(struct outbox *outbox);

void outbox_clear(struct outbox *outbox);
void outbox_release(struct outbox *outbox);

#endif
