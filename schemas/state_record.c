/*
 * state_record.c: records of the state topic to bytes and back.
 *
 * Value: version, body, checksum. Numbers are LEB128, times are zigzag distances from the life's
 * start, texts are their size and their bytes, words of closed lists are texts, so that no list
 * may ever need its order kept. The checksum is the lower half of XXH3 over all before it, least
 * byte first. A reader trusts nothing: what fell from a disk is as hostile as what came in.
 */
#include "schemas/state_record.h"

#include "schemas/pen.h"
#include "statemachine/require.h"

#include <endian.h>
#include <string.h>
#include <xxhash.h>

enum { CHECKSUM_SIZE = 4, KIND_MESSAGE = 'm', KIND_CONTROL = 'c' };

enum {
    FLAG_SEND = 1,
    FLAG_OUTCOME = 2,
    FLAG_EMITTED_SEND = 4,
    FLAG_EMITTED_CONFLICT = 8,
    FLAG_ATTRIBUTES = 16,
    FLAG_REASON = 32,
};

/* ---- writing ---------------------------------------------------------------------------- */

static void put_text(struct buffer *out, const void *bytes, size_t size)
{
    buffer_put_varint(out, size);
    buffer_put(out, bytes, size);
}

static void put_word(struct buffer *out, const char *word)
{
    put_text(out, word, strlen(word));
}

static void put_word64(struct buffer *out, uint64_t value)
{
    for (int byte = 0; byte < 8; byte++)
        buffer_put_byte(out, (uint8_t)(value >> (8 * byte)));
}

static void put_checksum(struct buffer *out, size_t from)
{
    uint32_t sum;

    if (out->failed)
        return;
    sum = (uint32_t)XXH3_64bits(out->bytes + from, out->size - from);
    for (int i = 0; i < CHECKSUM_SIZE; i++)
        buffer_put_byte(out, (uint8_t)(sum >> (8 * i)));
}

void state_key_message(struct buffer *out, const struct table *table, struct text id)
{
    uint8_t *at = buffer_reserve(out, (size_t)2 + table->channel_size + id.size);

    if (at == NULL)
        return;
    out->size += (size_t)2 + table->channel_size + id.size;
    at = pen_byte(at, KIND_MESSAGE);
    at = pen_bytes(at, table->channel, table->channel_size);
    at = pen_byte(at, 0);
    pen_bytes(at, id.bytes, id.size);
}

void state_key_control(struct buffer *out)
{
    buffer_put_byte(out, KIND_CONTROL);
    buffer_put_byte(out, 0);
}

enum {
    FIXED_MAX = 2 + 13 * PEN_VARINT_MAX + CHECKSUM_SIZE,
    A_NAME_MAX = PEN_VARINT_MAX + STATUS_NAME_MAX, /* with its size; no other word is longer */
    NAMES = 3,                                     /* of the state, and of what was emitted */
};

/* The most that a record takes. */
static size_t most(const struct record *record)
{
    size_t texts = record->topic.size + record->attributes.size + record->reason.size;

    return FIXED_MAX + texts + NAMES * (size_t)A_NAME_MAX +
           (size_t)record->seen_count * (A_NAME_MAX + PEN_VARINT_MAX);
}

static uint8_t *pen_text(uint8_t *at, const void *bytes, size_t size)
{
    return pen_bytes(pen_varint(at, size), bytes, size);
}

/* A status by its name; of none, the empty one. */
static uint8_t *pen_status(uint8_t *at, const struct table *table, uint8_t status)
{
    const char *name;

    if (status == STATUS_NONE)
        return pen_varint(at, 0);
    name = table_status_name(table, status);
    return pen_text(at, name, strlen(name));
}

static uint8_t *pen_emitted(uint8_t *at, const struct table *table, const struct record *record)
{
    const char *outcome = outcome_words[record->emitted.outcome];

    at = pen_varint(at, record->revision);
    at = pen_zigzag(at, record->forget_ms - record->life_ms);
    at = pen_text(at, outcome, strlen(outcome));
    return pen_status(at, table, record->emitted.status);
}

static uint8_t flags_of(const struct record *record)
{
    unsigned flags = 0;

    flags |= record->send_seen ? FLAG_SEND : 0;
    flags |= record->revision > 0 ? FLAG_OUTCOME : 0;
    flags |= record->revision > 0 && record->emitted.send_seen ? FLAG_EMITTED_SEND : 0;
    flags |= record->revision > 0 && record->emitted.conflict ? FLAG_EMITTED_CONFLICT : 0;
    flags |= record->attributes.size > 0 ? FLAG_ATTRIBUTES : 0;
    flags |= record->reason.size > 0 ? FLAG_REASON : 0;
    return (uint8_t)flags;
}

static uint8_t *pen_record(uint8_t *at, const struct table *table, const struct record *record)
{
    int64_t life_ms = record->life_ms;

    at = pen_byte(at, STATE_RECORD_VERSION);
    at = pen_byte(at, flags_of(record));
    at = pen_zigzag(at, life_ms);
    at = pen_zigzag(at, record->first_ts_ms - life_ms);
    at = pen_zigzag(at, record->offset);
    at = pen_text(at, record->topic.bytes, record->topic.size);
    at = pen_status(at, table, record->state);
    if (record->state != STATUS_NONE)
        at = pen_zigzag(at, record->state_ts_ms - life_ms);
    if (record->send_seen)
        at = pen_zigzag(at, record->sent_at_ms - life_ms);
    if (record->attributes.size > 0) {
        at = pen_zigzag(at, record->attributes_at_ms - life_ms);
        at = pen_text(at, record->attributes.bytes, record->attributes.size);
    }
    if (record->reason.size > 0) {
        at = pen_zigzag(at, record->reason_at_ms - life_ms);
        at = pen_text(at, record->reason.bytes, record->reason.size);
    }
    if (record->revision > 0)
        at = pen_emitted(at, table, record);
    at = pen_varint(at, record->seen_count);
    for (int i = 0; i < record->seen_count; i++) {
        at = pen_status(at, table, record->seen[i].status);
        at = pen_zigzag(at, record->seen[i].at_ms - life_ms);
    }
    return at;
}

void state_record_encode(struct buffer *out, const struct table *table, const struct record *record)
{
    size_t from = out->size, room = most(record);
    uint8_t *at = buffer_reserve(out, room), *end;

    if (at == NULL)
        return;
    end = pen_record(at, table, record);
    out->size += (size_t)(end - at);
    put_checksum(out, from);
    require(out->size - from <= room);
}

static void put_counts(struct buffer *out, const char *const *words, const uint64_t *counts,
                       size_t count)
{
    buffer_put_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        put_word(out, words[i]);
        buffer_put_varint(out, counts[i]);
    }
}

void control_encode(struct buffer *out, const struct control *control)
{
    size_t from = out->size;

    buffer_put_byte(out, CONTROL_VERSION);
    buffer_put_varint(out, control->transaction);
    buffer_put_zigzag(out, control->watermark_ms);
    buffer_put_varint(out, control->input_count);
    for (size_t i = 0; i < control->input_count; i++) {
        put_word(out, control->inputs[i].topic);
        buffer_put_zigzag(out, control->inputs[i].greatest_ms);
    }
    put_counts(out, arrival_words, control->arrivals, ARRIVAL_COUNT);
    put_counts(out, reason_words, control->dead_letters, REASON_COUNT);
    buffer_put_varint(out, control->table_count);
    for (size_t i = 0; i < control->table_count; i++) {
        put_word(out, control->tables[i].channel);
        put_word64(out, control->tables[i].digest);
    }
    put_word64(out, control->lineage);
    buffer_put_varint(out, control->live);
    for (size_t i = 0; i < control->input_count; i++)
        buffer_put_zigzag(out, control->inputs[i].next);
    put_checksum(out, from);
}

/* ---- reading ---------------------------------------------------------------------------- */

/* A cursor that remembers that it ran over; everything read after that is empty or zero. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static uint8_t take_byte(struct reader *in)
{
    if (in->at == in->end) {
        in->bad = true;
        return 0;
    }
    return *in->at++;
}

static uint64_t take_word64(struct reader *in)
{
    uint64_t value = 0;

    for (int byte = 0; byte < 8; byte++)
        value |= (uint64_t)take_byte(in) << (8 * byte);
    return value;
}

/*
 * Eight bytes at once, where there are so many (a checksum follows the body, but is not counted
 * on): the last one is the first without its top bit, and then seven bits each move together.
 */
static bool take_eight(struct reader *in, uint64_t *value)
{
    uint64_t word, ends;
    unsigned size;

    if (in->end - in->at < 8)
        return false;
    memcpy(&word, in->at, sizeof(word));
    word = le64toh(word);
    ends = ~word & UINT64_C(0x8080808080808080);
    if (ends == 0)
        return false; /* longer than that */
    size = (unsigned)__builtin_ctzll(ends) / 8 + 1;
    word &= UINT64_C(0x7f7f7f7f7f7f7f7f) >> (64 - 8 * size);
    word = (word & UINT64_C(0x007f007f007f007f)) | (word & UINT64_C(0x7f007f007f007f00)) >> 1;
    word = (word & UINT64_C(0x00003fff00003fff)) | (word & UINT64_C(0x3fff00003fff0000)) >> 2;
    word = (word & UINT64_C(0x000000000fffffff)) | (word & UINT64_C(0x0fffffff00000000)) >> 4;
    in->at += size;
    *value = word;
    return true;
}

static __attribute__((noinline)) uint64_t take_slow_varint(struct reader *in)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = take_byte(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    in->bad = true;
    return 0;
}

/* Most are sizes and small numbers: one byte. */
static inline uint64_t take_varint(struct reader *in)
{
    uint64_t value;

    if (in->at != in->end && *in->at < 0x80)
        return *in->at++;
    return take_eight(in, &value) ? value : take_slow_varint(in);
}

static inline int64_t take_zigzag(struct reader *in)
{
    uint64_t value = take_varint(in);

    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* A time within what this program can have written: sums with durations cannot overflow. */
static inline int64_t take_time(struct reader *in, int64_t base_ms)
{
    int64_t distance = take_zigzag(in);
    int64_t bound = 2 * (TIME_MAX_MS - TIME_MIN_MS) + 2 * DURATION_MAX_MS;

    if (distance > bound || distance < -bound) {
        in->bad = true;
        return base_ms;
    }
    return base_ms + distance;
}

static inline struct text take_text(struct reader *in, size_t max)
{
    uint64_t size = take_varint(in);
    struct text text = {.bytes = in->at, .size = (uint32_t)size};

    if (in->bad || size > max || size > (uint64_t)(in->end - in->at)) {
        in->bad = true;
        return (struct text){0};
    }
    in->at += size;
    return text;
}

static inline struct text take_status(struct reader *in)
{
    return take_text(in, STATUS_NAME_MAX);
}

static int take_word(struct reader *in, const char *const *words, int count)
{
    struct text text = take_text(in, 64);

    if (text.size == 0)
        return -1; /* no list has an empty word */
    for (int i = 0; i < count; i++)
        if (words[i][0] == (char)text.bytes[0] && text_equal(text, text_of(words[i])))
            return i;
    return -1;
}

static bool checksum_good(const uint8_t *value, size_t size)
{
    uint32_t sum;

    memcpy(&sum, value + size - CHECKSUM_SIZE, CHECKSUM_SIZE);
    return le32toh(sum) == (uint32_t)XXH3_64bits(value, size - CHECKSUM_SIZE);
}

static enum state_fault open_value(const uint8_t *value, size_t size, uint8_t newest,
                                   struct reader *in)
{
    if (size < 1 + CHECKSUM_SIZE || !checksum_good(value, size))
        return STATE_CORRUPT;
    if (value[0] == 0 || value[0] > newest)
        return STATE_TOO_NEW;
    *in = (struct reader){.at = value + 1, .end = value + size - CHECKSUM_SIZE};
    return STATE_GOOD;
}

enum state_kind state_key_decode(const uint8_t *key, size_t size, struct text *channel,
                                 struct text *id)
{
    const uint8_t *nul = size > 1 ? memchr(key + 1, 0, size - 1) : NULL;

    if (nul == NULL)
        return STATE_BAD_KEY;
    *channel = (struct text){.bytes = key + 1, .size = (uint32_t)(nul - key - 1)};
    *id = (struct text){.bytes = nul + 1, .size = (uint32_t)(key + size - nul - 1)};
    if (key[0] == KIND_CONTROL && channel->size == 0 && id->size == 0)
        return STATE_CONTROL;
    if (key[0] == KIND_MESSAGE && channel->size > 0 && id->size >= 1 && id->size <= MESSAGE_ID_MAX)
        return STATE_MESSAGE;
    return STATE_BAD_KEY;
}

bool state_key_is_of(const uint8_t *key, size_t size, const struct table *table, struct text *id)
{
    size_t prefix = (size_t)table->channel_size + 2; /* kind, name and NUL */

    if (size <= prefix || size > prefix + MESSAGE_ID_MAX || key[0] != KIND_MESSAGE ||
        memcmp(key + 1, table->channel, prefix - 1) != 0)
        return false;
    *id = (struct text){.bytes = key + prefix, .size = (uint32_t)(size - prefix)};
    return true;
}

/* A NUL would cut a ghost's name short, and two names could become one. */
static bool has_nul(struct text name)
{
    return name.size > 0 && memchr(name.bytes, 0, name.size) != NULL;
}

/*
 * Index of a name: of the table, or, where allowed, of the names that it lost. *gone: it has none,
 * *bad: it is no name.
 */
static uint8_t status_of(struct table *table, struct text name, bool allow_ghosts, bool *gone,
                         bool *bad)
{
    uint8_t status = table_find_status(table, name.bytes, name.size);

    if (status != STATUS_NONE)
        return status;
    *bad = *bad || has_nul(name);
    if (allow_ghosts && !*bad)
        status = table_add_ghost(table, name.bytes, name.size);
    *gone = *gone || status == STATUS_NONE;
    return status;
}

static void add_seen(struct record *record, uint8_t status, int64_t at_ms)
{
    int place = record->seen_count++;

    for (; place > 0 && record->seen[place - 1].status > status; place--)
        record->seen[place] = record->seen[place - 1];
    record->seen[place] = (struct seen){.at_ms = at_ms, .status = status};
}

enum state_fault state_record_decode(const uint8_t *value, size_t size, struct table *table,
                                     bool allow_ghosts, struct record *record)
{
    struct reader in;
    enum state_fault fault = open_value(value, size, STATE_RECORD_VERSION, &in);
    struct text state_name, emitted_name = {0};
    bool gone = false;
    unsigned flags;
    uint64_t count;

    if (fault != STATE_GOOD)
        return fault;
    memset(record, 0, offsetof(struct record, seen));
    flags = take_byte(&in);
    record->life_ms = take_time(&in, 0);
    record->first_ts_ms = take_time(&in, record->life_ms);
    record->offset = take_zigzag(&in);
    record->topic = take_text(&in, TOPIC_MAX);
    state_name = take_status(&in);
    if (state_name.size > 0)
        record->state_ts_ms = take_time(&in, record->life_ms);
    record->send_seen = (flags & FLAG_SEND) != 0;
    if (record->send_seen)
        record->sent_at_ms = take_time(&in, record->life_ms);
    if ((flags & FLAG_ATTRIBUTES) != 0) {
        record->attributes_at_ms = take_time(&in, record->life_ms);
        record->attributes = take_text(&in, ATTRIBUTES_MAX);
    }
    if ((flags & FLAG_REASON) != 0) {
        record->reason_at_ms = take_time(&in, record->life_ms);
        record->reason = take_text(&in, REASON_MAX);
    }
    if ((flags & FLAG_OUTCOME) != 0) {
        uint64_t revision = take_varint(&in);
        int outcome;
        record->forget_ms = take_time(&in, record->life_ms);
        outcome = take_word(&in, outcome_words, OUTCOME_COUNT);
        emitted_name = take_status(&in);
        if (outcome < 0 || revision == 0 || revision > UINT32_MAX)
            return STATE_CORRUPT;
        record->revision = (uint32_t)revision;
        record->emitted.outcome = (uint8_t)outcome;
        record->emitted.status = STATUS_NONE;
        record->emitted.send_seen = (flags & FLAG_EMITTED_SEND) != 0;
        record->emitted.conflict = (flags & FLAG_EMITTED_CONFLICT) != 0;
    }
    count = take_varint(&in);
    if (in.bad || count > SEEN_MAX || has_nul(state_name))
        return STATE_CORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        struct text name = take_status(&in);
        int64_t at_ms = take_time(&in, record->life_ms);
        uint8_t status;
        if (in.bad || name.size == 0)
            return STATE_CORRUPT;
        status = status_of(table, name, allow_ghosts, &gone, &in.bad);
        if (in.bad)
            return STATE_CORRUPT;
        if (gone)
            return STATE_NAMES_GONE;
        if (record_find_seen(record, status) >= 0)
            return STATE_CORRUPT;
        add_seen(record, status, at_ms);
    }
    if (in.bad || in.at != in.end)
        return STATE_CORRUPT;
    if (emitted_name.size > 0)
        record->emitted.status = status_of(table, emitted_name, allow_ghosts, &gone, &in.bad);
    if (in.bad)
        return STATE_CORRUPT;
    if (gone)
        return STATE_NAMES_GONE;

    record_recompute(table, record);
    /* Under a changed table another status may be the state: the reason was not about that one. */
    if (record->state == STATUS_NONE ||
        !text_equal(state_name,
                    (struct text){.bytes = (const uint8_t *)table->statuses[record->state].name,
                                  .size = table->statuses[record->state].name_size})) {
        record->reason = (struct text){0};
        if (state_name.size == 0)
            record->state_ts_ms = record->first_ts_ms;
    }
    return STATE_GOOD;
}

static void take_counts(struct reader *in, const char *const *words, uint64_t *counts, int known)
{
    uint64_t count = take_varint(in);

    if (count > 256)
        in->bad = true;
    for (uint64_t i = 0; i < count && !in->bad; i++) {
        int word = take_word(in, words, known);
        uint64_t value = take_varint(in);
        if (word < 0)
            in->bad = true;
        else
            counts[word] = value;
    }
}

static void take_name(struct reader *in, char *out, size_t room)
{
    struct text text = take_text(in, room - 1);

    if (text.size > 0)
        memcpy(out, text.bytes, text.size);
    out[text.size] = 0;
}

enum state_fault control_decode(const uint8_t *value, size_t size, struct control *control)
{
    struct reader in;
    enum state_fault fault = open_value(value, size, CONTROL_VERSION, &in);
    uint64_t count;

    if (fault != STATE_GOOD)
        return fault;
    memset(control, 0, sizeof(*control));
    control->transaction = take_varint(&in);
    control->watermark_ms = take_zigzag(&in);
    count = take_varint(&in);
    if (count > INPUTS_MAX)
        return STATE_CORRUPT;
    control->input_count = (size_t)count;
    for (size_t i = 0; i < control->input_count; i++) {
        take_name(&in, control->inputs[i].topic, sizeof(control->inputs[i].topic));
        control->inputs[i].greatest_ms = take_zigzag(&in);
        control->inputs[i].next = -1;
    }
    take_counts(&in, arrival_words, control->arrivals, ARRIVAL_COUNT);
    take_counts(&in, reason_words, control->dead_letters, REASON_COUNT);
    count = take_varint(&in);
    if (count > CHANNELS_MAX)
        return STATE_CORRUPT;
    control->table_count = (size_t)count;
    for (size_t i = 0; i < control->table_count; i++) {
        take_name(&in, control->tables[i].channel, sizeof(control->tables[i].channel));
        control->tables[i].digest = take_word64(&in);
    }
    if (value[0] >= 2) {
        control->lineage = take_word64(&in);
        control->live = take_varint(&in);
    }
    for (size_t i = 0; i < control->input_count && value[0] >= 3; i++) {
        control->inputs[i].next = take_zigzag(&in);
        in.bad = in.bad || control->inputs[i].next < -1;
    }
    return in.bad || in.at != in.end ? STATE_CORRUPT : STATE_GOOD;
}

const struct control_input *control_find_input(const struct control *control, const char *topic)
{
    for (size_t i = 0; i < control->input_count; i++)
        if (strcmp(control->inputs[i].topic, topic) == 0)
            return &control->inputs[i];
    return NULL;
}

void control_tell_time(const struct control *control, char *const *topics,
                       struct watermark *watermark)
{
    watermark_reach(watermark, control->watermark_ms);
    for (size_t i = 0; i < watermark->input_count; i++) {
        const struct control_input *input = control_find_input(control, topics[i]);
        if (input != NULL)
            watermark->inputs[i].greatest_ms = input->greatest_ms;
    }
}
