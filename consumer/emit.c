/*
 * emit.c: effects become records of one transaction.
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

enum {
    LETTER_OVERHEAD = 2048, /* batch and record framing beside key, value and headers */
    CONTROL_KEY_MAX = 4,
};

void emit_open(struct inside *inside)
{
    rd_kafka_t *producer = inside->transaction.producer;

    inside->outcomes = rd_kafka_topic_new(producer, inside->config->outcomes_topic, NULL);
    inside->dead_letters = rd_kafka_topic_new(producer, inside->config->dead_letters_topic, NULL);
    inside->state = rd_kafka_topic_new(producer, inside->stage->state_topic, NULL);
    inside->outcome_headers = rd_kafka_headers_new(2);
    rd_kafka_header_add(inside->outcome_headers, "upshot-schema", -1, OUTCOME_SCHEMA, -1);
    rd_kafka_header_add(inside->outcome_headers, "content-type", -1, OUTCOME_CONTENT_TYPE, -1);
}

void emit_close(struct inside *inside)
{
    if (inside->outcomes == NULL)
        return;
    rd_kafka_topic_destroy(inside->outcomes);
    rd_kafka_topic_destroy(inside->dead_letters);
    rd_kafka_topic_destroy(inside->state);
    rd_kafka_headers_destroy(inside->outcome_headers);
    inside->outcomes = NULL;
}

static void on_outcome(void *context, const struct lane *lane, const struct happening *happening)
{
    struct inside *inside = context;

    buffer_clear(&inside->value);
    outcome_encode(&inside->value, happening->table, happening->id, &happening->record,
                   &happening->effects, lane->partition, false);
    require(!inside->value.failed);
    transaction_produce(&inside->transaction, inside->outcomes, lane->partition,
                        happening->id.bytes, happening->id.size, inside->value.bytes,
                        inside->value.size, rd_kafka_headers_copy(inside->outcome_headers));
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
    const rd_kafka_message_t *message = incoming->origin;
    const char *topic = rd_kafka_topic_name(message->rkt);
    struct cut cut = cut_to_fit(message, (size_t)inside->stage->facts.dead_letter_max_bytes);
    struct header ours[4];
    char full_size[32];
    size_t count;

    buffer_clear(&inside->header_store);
    count = dead_letter_headers(ours, &inside->header_store, reason, detail, (const uint8_t *)topic,
                                strlen(topic), message->partition, message->offset, message->len,
                                message->len);
    for (size_t i = 0; i < count; i++)
        rd_kafka_header_add(cut.headers, (const char *)ours[i].name, (ssize_t)ours[i].name_size,
                            ours[i].value, (ssize_t)ours[i].value_size);
    if (cut.cut) {
        snprintf(full_size, sizeof(full_size), "%zu", message->len);
        rd_kafka_header_add(cut.headers, HEADER_CUT, -1, full_size, -1);
    }
    transaction_produce(&inside->transaction, inside->dead_letters, lane->partition, message->key,
                        cut.key_size, message->payload, cut.value_size, cut.headers);
}

struct sink emit_sink(struct inside *inside)
{
    return (struct sink){on_outcome, on_dead_letter, inside};
}

bool emit_touch(struct inside *inside, struct holding *holding)
{
    if (inside->transaction.state != TRANSACTION_OPEN) {
        if (!transaction_begin(&inside->transaction))
            return false;
        inside->opened_ms = clock_monotonic_ms();
    }
    holding->touched = true;
    return true;
}

/* Where the control records lie: a snapshot begins at one. */
void emit_arrived(void *context, const rd_kafka_message_t *message)
{
    struct inside *inside = context;
    struct text channel, id;

    if (message->key_len > CONTROL_KEY_MAX ||
        state_key_decode(message->key, message->key_len, &channel, &id) != STATE_CONTROL ||
        strcmp(rd_kafka_topic_name(message->rkt), inside->stage->state_topic) != 0)
        return;
    for (size_t i = 0; i < inside->holding_count; i++)
        if (inside->holdings[i]->lane.partition == message->partition)
            inside->holdings[i]->arrived_offset = message->offset;
}

static void emit_control(struct inside *inside, struct holding *holding)
{
    static _Thread_local struct control control; /* 20 KiB: not for the stack of a thread */

    while (holding->lineage == 0) /* a state begins, or was written before there were any */
        holding->lineage = hash_seed();
    holding->arrived_offset = -1;
    memset(&control, 0, sizeof(control));
    holding_give_control(holding, &inside->tables, &control);
    buffer_clear(&inside->key);
    buffer_clear(&inside->value);
    state_key_control(&inside->key);
    control_encode(&inside->value, &control);
    transaction_produce(&inside->transaction, inside->state, holding->lane.partition,
                        inside->key.bytes, inside->key.size, inside->value.bytes,
                        inside->value.size, NULL);
}

static void emit_state(struct inside *inside, struct holding *holding)
{
    const struct store *store = holding->lane.task.store;
    struct message_key key;
    struct record record;

    for (size_t i = 0; i < store_touched(store); i++) {
        bool there = store_touched_at(store, i, &key, &record);
        const struct table *table = inside->tables.rows[key.channel];
        buffer_clear(&inside->key);
        buffer_clear(&inside->value);
        state_key_message(&inside->key, table, key.id);
        if (there)
            state_record_encode(&inside->value, table, &record);
        require(!inside->key.failed && !inside->value.failed);
        transaction_produce(&inside->transaction, inside->state, holding->lane.partition,
                            inside->key.bytes, inside->key.size, there ? inside->value.bytes : NULL,
                            there ? inside->value.size : 0, NULL);
    }
    emit_control(inside, holding);
}

/* Metadata: the transaction's number, and whose it is, for the next owner may count the same. */
static void add_offsets(const struct inside *inside, rd_kafka_topic_partition_list_t *offsets,
                        const struct holding *holding)
{
    char number[64];
    int size =
        snprintf(number, sizeof(number), "%" PRIu64 "/%s", holding->transaction + 1, inside->token);

    for (size_t i = 0; i < holding->inlet_count; i++) {
        rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_add(
            offsets, holding->inlets[i].topic, holding->lane.partition);
        row->offset = holding->inlets[i].next;
        row->metadata = strdup(number); /* freed with the list */
        row->metadata_size = (size_t)size;
    }
}

void emit_commit(struct inside *inside)
{
    rd_kafka_topic_partition_list_t *offsets =
        rd_kafka_topic_partition_list_new((int)(inside->holding_count * 2 + 1));

    tally_require_whole(&inside->pump.tally);
    for (size_t i = 0; i < inside->holding_count; i++)
        if (inside->holdings[i]->touched) {
            holding_require_whole(inside->holdings[i]);
            emit_state(inside, inside->holdings[i]);
            add_offsets(inside, offsets, inside->holdings[i]);
        }
    transaction_commit(&inside->transaction, offsets, inside->generation);
}
