/* parts_texts.c: bytes to structs and back. Beside a copy of the same bytes. */
#include "benchmarks/micro/floors.h"
#include "benchmarks/micro/parts.h"
#include "benchmarks/micro/sample.h"
#include "schemas/event.h"
#include "schemas/outcome.h"
#include "schemas/state_record.h"
#include "statemachine/pack.h"
#include "statemachine/require.h"

#include <stdio.h>

enum { EVENTS = 1024, TIMES = 200000, EVENT_MAX = 65536 };

static char texts[EVENTS][320];
static size_t sizes[EVENTS];
static double mean_size;

static void write_event(size_t i, bool send)
{
    uint8_t id[SAMPLE_ID_SIZE];
    int size;

    sample_id(i, id);
    if (send)
        size = snprintf(
            texts[i], sizeof(texts[i]),
            "{\"type\":\"send\",\"message_id\":\"%.36s\",\"channel\":\"sms\",\"at\":\"2026-"
            "11-23T10:%02zu:%02zu.%03zuZ\",\"attributes\":{\"campaign_id\":\"c-%03zu\","
            "\"tenant\":\"t-%02zu\"}}",
            (const char *)id, i % 60, i * 7 % 60, i * 31 % 1000, i % 200, i % 20);
    else
        size = snprintf(
            texts[i], sizeof(texts[i]),
            "{\"type\":\"receipt\",\"message_id\":\"%.36s\",\"channel\":\"sms\",\"status\":"
            "\"%s\",\"at\":\"2026-11-23T10:%02zu:%02zu.%03zuZ\",\"reason\":\"err:%03zu\","
            "\"provider\":\"carrier-%02zu\"}",
            (const char *)id, i % 3 == 0 ? "SENT" : "DELIVRD", i % 60, i * 7 % 60, i * 31 % 1000,
            i % 5, i % 30);
    sizes[i] = (size_t)size;
}

static void write_events(bool send)
{
    size_t sum = 0;

    for (size_t i = 0; i < EVENTS; i++) {
        write_event(i, send);
        sum += sizes[i];
    }
    mean_size = (double)sum / EVENTS;
}

static void decode(size_t i)
{
    struct envelope_facts facts = {.timestamp_ms = 1795428000000, .key_is_id = true};
    const char *text = texts[i % EVENTS];
    struct event_buffer buffer;
    struct event event;

    require(event_decode(&sample_tables, (const uint8_t *)text, sizes[i % EVENTS], EVENT_MAX,
                         &facts, &buffer, &event) == REASON_NONE);
    measure_use(&event);
}

void parts_decode(const struct ruler *ruler, uint64_t most)
{
    static const char *const names[] = {"decode a receipt", "decode a send"};

    (void)most;
    for (int send = 0; send < 2; send++) {
        struct figure figure = {.name = names[send], .floor = "copy of the same bytes"};
        write_events(send != 0);
        figure.bytes = mean_size;
        figure.ns = measure_each(ruler, TIMES, decode, NULL);
        figure.floor_ns = floor_copy(ruler, (size_t)mean_size);
        measure_print(ruler, &figure);
    }
}

/* ---- out -------------------------------------------------------------------------------- */

static struct task task;
static struct happening happening;
static struct buffer buffer;
static uint8_t id[SAMPLE_ID_SIZE];
static uint8_t packed[PACKED_MAX];
static size_t packed_size;
static struct intern intern;

/* A message of three statuses that has just settled. */
static void live_one(void)
{
    task_init(&task, &sample_tables, 1, sample_hash, 7);
    for (unsigned step = 0; step < sample_steps(SAMPLE_SETTLED, 1); step++) {
        struct event event = sample_event(SAMPLE_SETTLED, 1, step, id);
        sample_apply(&task, &event, &happening);
    }
    require(happening.effects.emits);
}

static void encode_outcome(size_t i)
{
    (void)i;
    buffer_clear(&buffer);
    outcome_encode(&buffer, happening.table, happening.id, &happening.record, &happening.effects, 3,
                   false);
    measure_use(buffer.bytes);
}

static void encode_state(size_t i)
{
    (void)i;
    buffer_clear(&buffer);
    state_record_encode(&buffer, happening.table, &happening.record);
    measure_use(buffer.bytes);
}

static void encode_key(size_t i)
{
    (void)i;
    buffer_clear(&buffer);
    state_key_message(&buffer, happening.table, happening.id);
    measure_use(buffer.bytes);
}

static void decode_state(size_t i)
{
    struct table *table = sample_tables.rows[happening.table->index];
    struct record record;

    (void)i;
    require(state_record_decode(buffer.bytes, buffer.size, table, false, &record) == STATE_GOOD);
    measure_use(&record);
}

static void pack(size_t i)
{
    struct packed_refs refs = {happening.record.attributes.ref, happening.record.reason.ref,
                               happening.record.topic.ref};

    (void)i;
    packed_size = record_pack(&happening.record, refs, packed);
    measure_use(packed);
}

static void unpack(size_t i)
{
    struct record record;

    (void)i;
    record_unpack(packed, &intern, &record);
    measure_use(&record);
}

/* The record's texts in a pool of ours, so that it can be unpacked. */
static void hold_texts(struct record *record)
{
    intern_init(&intern, sample_hash, 7);
    record->attributes.ref = record->reason.ref = record->topic.ref = 0;
    record->attributes = intern_hold(&intern, record->attributes);
    record->reason = intern_hold(&intern, record->reason);
    record->topic = intern_hold(&intern, record->topic);
}

void parts_encode(const struct ruler *ruler, uint64_t most)
{
    static const struct {
        const char *name;
        measure_one *one;
    } rows[] = {
        {"encode an outcome", encode_outcome},   {"encode a state record's key", encode_key},
        {"encode a state record", encode_state}, {"decode a state record", decode_state},
        {"pack a record for the store", pack},   {"unpack a record of the store", unpack},
    };

    (void)most;
    live_one();
    hold_texts(&happening.record);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct figure figure = {.name = rows[i].name, .floor = "copy of the same bytes"};
        figure.ns = measure_each(ruler, TIMES, rows[i].one, NULL);
        figure.bytes = (double)(i < 4 ? buffer.size : packed_size);
        figure.floor_ns = floor_copy(ruler, (size_t)figure.bytes);
        measure_print(ruler, &figure);
    }
    intern_release(&intern);
    task_release(&task);
    buffer_release(&buffer);
}
