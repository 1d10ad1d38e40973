/*
 * state_record_fuzz.c: any bytes as a record of the state topic, and what must hold of whatever is
 * believed (promise 8).
 *
 * The first byte says what the rest is: a key, or the body of a message's or a control record,
 * which gets its version and its checksum here; no search would ever guess one.
 */
#include "schemas/outcome.h"
#include "schemas/state_record.h"
#include "statemachine/require.h"

#include <string.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AS_KEY, AS_MESSAGE, AS_MESSAGE_STRICT, AS_CONTROL, WAYS };

static struct table *table;

/* A new one whenever ghosts have settled in the old one. */
static void make_table(void)
{
    static const char *const then[] = {"B", "C", "D"};
    static const struct draft_status statuses[] = {
        {"A", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 1000, then, 3, ""},
        {"B", PHASE_TRANSIT, OUTCOME_ACCEPTED, 1000, then + 1, 2, ""},
        {"C", PHASE_FINAL, OUTCOME_FAILED, 0, NULL, 0, ""},
        {"D", PHASE_FINAL, OUTCOME_DELIVERED, 0, NULL, 0, ""},
    };
    static const struct draft draft = {
        .channel = "sms",
        .version = 1,
        .retention_ms = DURATION_MAX_MS,
        .orphan_hold_ms = DURATION_MAX_MS,
        .initial_settle_after_ms = DURATION_MAX_MS,
        .initial_outcome = OUTCOME_UNRESOLVED,
        .statuses = statuses,
        .count = 4,
        .digest = 1,
    };

    if (table != NULL && table->ghost_count == 0)
        return;
    table_free(&table);
    table = table_new(&draft);
}

static bool within(struct text text, const uint8_t *bytes, size_t size)
{
    return text.size == 0 || (text.bytes >= bytes && text.bytes + text.size <= bytes + size);
}

static void sign(struct buffer *value)
{
    uint32_t sum = (uint32_t)XXH3_64bits(value->bytes, value->size);

    for (int i = 0; i < 4; i++)
        buffer_put_byte(value, (uint8_t)(sum >> (8 * i)));
}

static void check_record(const struct buffer *value, const struct record *record)
{
    uint8_t known = (uint8_t)(table->count + table->ghost_count);

    require(within(record->topic, value->bytes, value->size));
    require(within(record->reason, value->bytes, value->size));
    require(within(record->attributes, value->bytes, value->size));
    require(record->topic.size <= TOPIC_MAX && record->reason.size <= REASON_MAX);
    require(record->attributes.size <= ATTRIBUTES_MAX);
    require(record->seen_count <= SEEN_MAX);
    for (int i = 0; i < record->seen_count; i++) {
        require(record->seen[i].status < known);
        require(i == 0 || record->seen[i - 1].status < record->seen[i].status);
    }
    require(record->state == STATUS_NONE || table_has_vote(table, record->state));
    require(record->state == STATUS_NONE || record_find_seen(record, record->state) >= 0);
    require(record->revision == 0 || record->emitted.outcome < OUTCOME_COUNT);
    require(record->revision == 0 || record->emitted.status == STATUS_NONE ||
            record->emitted.status < known);
}

/* A step and an outcome find nothing in it that they cannot bear. */
static void use_record(struct record *record)
{
    struct effects effects;
    struct buffer out = {0};

    step_wake_ms(table, record);
    step_deadline(table, record, TIME_MAX_MS, &effects);
    outcome_encode(&out, table, text_of("m-1"), record, &effects, 0, true);
    require(!out.failed);
    buffer_release(&out);
}

static void try_message(const struct buffer *value, bool allow_ghosts)
{
    struct record record, again;
    struct buffer first = {0}, second = {0};
    enum state_fault fault =
        state_record_decode(value->bytes, value->size, table, allow_ghosts, &record);

    require(fault != STATE_TOO_NEW);
    require(allow_ghosts || table->ghost_count == 0);
    if (fault != STATE_GOOD)
        return;
    check_record(value, &record);
    /* Whatever odd way it was written in, there is one way in which we write it. */
    state_record_encode(&first, table, &record);
    require(state_record_decode(first.bytes, first.size, table, allow_ghosts, &again) ==
            STATE_GOOD);
    check_record(&first, &again);
    state_record_encode(&second, table, &again);
    require(first.size == second.size && memcmp(first.bytes, second.bytes, first.size) == 0);
    use_record(&record);
    buffer_release(&second);
    buffer_release(&first);
}

static void try_control(const struct buffer *value)
{
    static struct control control, again;
    struct buffer first = {0}, second = {0};
    enum state_fault fault = control_decode(value->bytes, value->size, &control);

    require(fault == STATE_GOOD || fault == STATE_CORRUPT);
    if (fault != STATE_GOOD)
        return;
    require(control.input_count <= INPUTS_MAX && control.table_count <= CHANNELS_MAX);
    for (size_t i = 0; i < control.input_count; i++)
        require(memchr(control.inputs[i].topic, 0, sizeof(control.inputs[i].topic)) != NULL);
    for (size_t i = 0; i < control.table_count; i++)
        require(memchr(control.tables[i].channel, 0, sizeof(control.tables[i].channel)) != NULL);
    control_encode(&first, &control);
    require(control_decode(first.bytes, first.size, &again) == STATE_GOOD);
    control_encode(&second, &again);
    require(first.size == second.size && memcmp(first.bytes, second.bytes, first.size) == 0);
    buffer_release(&second);
    buffer_release(&first);
}

static void try_key(const uint8_t *key, size_t size)
{
    struct text channel, id;
    enum state_kind kind = state_key_decode(key, size, &channel, &id);

    if (kind == STATE_BAD_KEY)
        return;
    require(within(channel, key, size) && within(id, key, size));
    require(kind != STATE_MESSAGE || (channel.size > 0 && id.size > 0));
    require(id.size <= MESSAGE_ID_MAX);
    require(1 + channel.size + 1 + id.size == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer value = {0};
    struct record record;

    if (size == 0)
        return 0;
    make_table();
    buffer_put_byte(&value, STATE_RECORD_VERSION);
    buffer_put(&value, data + 1, size - 1);
    sign(&value);
    switch (data[0] % WAYS) {
    case AS_KEY:
        try_key(data + 1, size - 1);
        /* Without a checksum of ours it is as good as never right. */
        state_record_decode(data + 1, size - 1, table, true, &record);
        break;
    case AS_MESSAGE:
        try_message(&value, true);
        break;
    case AS_MESSAGE_STRICT:
        try_message(&value, false);
        break;
    case AS_CONTROL:
        try_control(&value);
        break;
    }
    buffer_release(&value);
    return 0;
}
