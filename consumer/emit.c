/*
 * emit.c: effects become the records of one batch, in its outbox.
 *
 * Outcomes and dead letters as they happen; at its end one state record for each message that it
 * touched, one control record for each task, and the next offset of every input of every touched
 * task, moved or not (DESIGN 5).
 */
#include "consumer/clock.h"
#include "consumer/hash.h"
#include "consumer/log.h"
#include "consumer/summary.h"
#include "consumer/worker_inside.h"
#include "schemas/dead_letter.h"
#include "schemas/outcome.h"
#include "statemachine/require.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LETTER_OVERHEAD = 2048 /* batch and record framing beside key, value and headers */ };

/* A batch is bounded in bytes, too: what comes next waits for the next one. */
static void look_at_size(struct inside *inside)
{
    if (inside->outbox->bytes.size >= BATCH_BYTES_MOST)
        inside->pump.budget = 0;
}

static void on_outcome(void *context, const struct lane *lane, const struct happening *happening)
{
    struct inside *inside = context;
    struct outbox *outbox = inside->outbox;

    outbox_begin(outbox, OUTBOX_OUTCOMES, lane->partition);
    outbox_key(outbox);
    buffer_put(&outbox->bytes, happening->id.bytes, happening->id.size);
    outbox_value(outbox);
    outcome_encode(&outbox->bytes, happening->table, happening->id, &happening->record,
                   &happening->effects, lane->partition, false);
    outbox_end(outbox, NULL);
    look_at_size(inside);
}

static size_t headers_size(const rd_kafka_headers_t *headers)
{
    size_t total = 0, size;
    const char *name;
    const void *value;

    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
        total += strlen(name) + size + 10;
    return total;
}

/* What of a record fits into the dead-letter topic: all of it, nearly always. */
struct cut {
    size_t key_size, value_size;
    rd_kafka_headers_t *headers; /* the original ones, or none where they do not fit */
    bool cut;
};

static struct cut cut_to_fit(const rd_kafka_message_t *message, size_t most)
{
    struct cut cut = {.key_size = message->key_len, .value_size = message->len};
    rd_kafka_headers_t *original;
    size_t room = most > LETTER_OVERHEAD ? most - LETTER_OVERHEAD : 0;
    size_t headers_bytes;

    if (rd_kafka_message_headers(message, &original) == RD_KAFKA_RESP_ERR_NO_ERROR)
        cut.headers = rd_kafka_headers_copy(original);
    else
        cut.headers = rd_kafka_headers_new(5);
    headers_bytes = headers_size(cut.headers);
    if (headers_bytes > room) {
        rd_kafka_headers_destroy(cut.headers);
        cut.headers = rd_kafka_headers_new(5);
        headers_bytes = 0;
        cut.cut = true;
    }
    room -= headers_bytes;
    if (cut.key_size > room) {
        cut.key_size = room;
        cut.cut = true;
    }
    room -= cut.key_size;
    if (cut.value_size > room) {
        cut.value_size = room;
        cut.cut = true;
    }
    return cut;
}

static void on_dead_letter(void *context, const struct lane *lane, const struct incoming *incoming,
                           enum reason reason, const char *detail)
{
    struct inside *inside = context;
    struct outbox *outbox = inside->outbox;
    const rd_kafka_message_t *message = incoming->origin;
    const char *topic = rd_kafka_topic_name(message->rkt);
    struct cut cut = cut_to_fit(message, (size_t)inside->stage->facts.dead_letter_max_bytes);
    struct header ours[4];
    char number[32];
    size_t count;

    buffer_clear(&inside->header_store);
    count = dead_letter_headers(ours, &inside->header_store, reason, detail, (const uint8_t *)topic,
                                strlen(topic), message->partition, message->offset, message->len,
                                message->len);
    for (size_t i = 0; i < count; i++)
        rd_kafka_header_add(cut.headers, (const char *)ours[i].name, (ssize_t)ours[i].name_size,
                            ours[i].value, (ssize_t)ours[i].value_size);
    snprintf(number, sizeof(number), "%" PRId64, incoming->timestamp_ms);
    rd_kafka_header_add(cut.headers, HEADER_TIMESTAMP, -1, number, -1);
    if (cut.cut) {
        snprintf(number, sizeof(number), "%zu", message->len);
        rd_kafka_header_add(cut.headers, HEADER_CUT, -1, number, -1);
    }
    outbox_begin(outbox, OUTBOX_DEAD_LETTERS, lane->partition);
    if (message->key != NULL) {
        outbox_key(outbox);
        buffer_put(&outbox->bytes, message->key, cut.key_size);
    }
    if (message->payload != NULL) {
        outbox_value(outbox);
        buffer_put(&outbox->bytes, message->payload, cut.value_size);
    }
    outbox_end(outbox, cut.headers);
    show_letter(inside, reason, detail, message);
    look_at_size(inside);
}

struct sink emit_sink(struct inside *inside)
{
    return (struct sink){on_outcome, on_dead_letter, inside};
}

void emit_touch(struct inside *inside, struct holding *holding)
{
    if (!inside->batch_open)
        inside->opened_ms = clock_monotonic_ms();
    inside->batch_open = true;
    holding->touched = true;
}

static void emit_control(struct inside *inside, struct holding *holding)
{
    static _Thread_local struct control control; /* 20 KiB: not for the stack of a thread */
    struct outbox *outbox = inside->outbox;

    while (holding->lineage == 0) /* a state begins, or was written before there were any */
        holding->lineage = hash_seed();
    memset(&control, 0, sizeof(control));
    holding_give_control(holding, &inside->tables, &control);
    outbox_begin(outbox, OUTBOX_STATE, holding->lane.partition);
    outbox_key(outbox);
    state_key_control(&outbox->bytes);
    outbox_value(outbox);
    control_encode(&outbox->bytes, &control);
    outbox_end(outbox, NULL);
    outbox_await(outbox);
}

static void emit_state(struct inside *inside, struct holding *holding)
{
    const struct store *store = holding->lane.task.store;
    struct outbox *outbox = inside->outbox;
    struct message_key key;
    struct record record;

    for (size_t i = 0; i < store_touched(store); i++) {
        bool there = store_touched_at(store, i, &key, &record);
        const struct table *table = inside->tables.rows[key.channel];
        outbox_begin(outbox, OUTBOX_STATE, holding->lane.partition);
        outbox_key(outbox);
        state_key_message(&outbox->bytes, table, key.id);
        if (there) {
            outbox_value(outbox);
            state_record_encode(&outbox->bytes, table, &record);
        }
        outbox_end(outbox, NULL);
    }
    emit_control(inside, holding);
}

/* Metadata: the transaction's number, and whose it is, for the next owner may count the same. */
static void add_offsets(const struct inside *inside, rd_kafka_topic_partition_list_t *offsets,
                        const struct holding *holding)
{
    char number[64];
    int size = snprintf(number, sizeof(number), "%" PRIu64 "/%s", holding_next_transaction(holding),
                        inside->token);

    for (size_t i = 0; i < holding->inlet_count; i++) {
        rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_add(
            offsets, holding->inlets[i].topic, holding->lane.partition);
        row->offset = holding->inlets[i].next;
        row->metadata = strdup(number); /* freed with the list */
        row->metadata_size = (size_t)size;
    }
}

void emit_close(struct inside *inside)
{
    inside->outbox->offsets =
        rd_kafka_topic_partition_list_new((int)(inside->holding_count * 2 + 1));
    tally_require_whole(&inside->pump.tally);
    for (size_t i = 0; i < inside->holding_count; i++)
        if (inside->holdings[i]->touched) {
            holding_require_whole(inside->holdings[i]);
            emit_state(inside, inside->holdings[i]);
            add_offsets(inside, inside->outbox->offsets, inside->holdings[i]);
        }
    inside->batch_closed = true;
}
