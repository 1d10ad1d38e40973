/* pack.c: records to varints and back. What is packed here is never read from outside. */
#include "statemachine/pack.h"

enum {
    HAS_SEND = 1,
    HAS_CONFLICT = 2,
    HAS_OUTCOME = 4, /* an outcome was emitted */
    EMITTED_SEND = 8,
    EMITTED_CONFLICT = 16,
    /* What is nearly always so takes no byte: */
    EMITTED_STATE = 32,      /* the status last emitted is the state */
    ATTRIBUTES_OF_SEND = 64, /* their time is the earliest send's */
    REASON_OF_STATE = 128,   /* its time is the earliest of the state */
};

static uint8_t *put(uint8_t *out, uint64_t value)
{
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static uint8_t *put_signed(uint8_t *out, int64_t value)
{
    return put(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

static uint64_t take(const uint8_t **in)
{
    uint64_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*in)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
}

static int64_t take_signed(const uint8_t **in)
{
    uint64_t value = take(in);

    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* The earliest time of the state; of none, and of one that is not in the timeline, the life's. */
static int64_t state_at_ms(const struct record *record)
{
    int place = record_find_seen(record, record->state);

    return place < 0 ? record->life_ms : record->seen[place].at_ms;
}

static unsigned flags_of(const struct record *record)
{
    unsigned flags = 0;

    flags |= record->send_seen ? HAS_SEND : 0;
    flags |= record->conflict ? HAS_CONFLICT : 0;
    if (record->revision > 0) {
        flags |= HAS_OUTCOME;
        flags |= record->emitted.send_seen ? EMITTED_SEND : 0;
        flags |= record->emitted.conflict ? EMITTED_CONFLICT : 0;
        flags |= record->emitted.status == record->state ? EMITTED_STATE : 0;
    }
    if (record->send_seen && record->attributes_at_ms == record->sent_at_ms)
        flags |= ATTRIBUTES_OF_SEND;
    if (record->reason_at_ms == state_at_ms(record))
        flags |= REASON_OF_STATE;
    return flags;
}

size_t record_pack(const struct record *record, struct packed_refs refs, uint8_t packed[PACKED_MAX])
{
    unsigned flags = flags_of(record);
    uint8_t *out = packed;

    *out++ = (uint8_t)flags;
    out = put(out, refs.attributes); /* the refs come first: record_packed_refs() */
    out = put(out, refs.reason);
    out = put(out, refs.topic);
    *out++ = record->state;
    *out++ = record->seen_count;
    out = put_signed(out, record->life_ms);
    out = put_signed(out, record->first_ts_ms - record->life_ms);
    out = put_signed(out, record->offset);
    if (record->state != STATUS_NONE)
        out = put_signed(out, record->state_ts_ms - record->life_ms);
    if (record->send_seen)
        out = put_signed(out, record->sent_at_ms - record->life_ms);
    if (refs.attributes != 0 && (flags & ATTRIBUTES_OF_SEND) == 0)
        out = put_signed(out, record->attributes_at_ms - record->life_ms);
    if (refs.reason != 0 && (flags & REASON_OF_STATE) == 0)
        out = put_signed(out, record->reason_at_ms - record->life_ms);
    if (record->revision > 0) {
        out = put(out, record->revision);
        out = put_signed(out, record->forget_ms - record->life_ms);
        *out++ = record->emitted.outcome;
        if ((flags & EMITTED_STATE) == 0)
            *out++ = record->emitted.status;
    }
    for (int i = 0; i < record->seen_count; i++) {
        *out++ = record->seen[i].status;
        out = put_signed(out, record->seen[i].at_ms - record->life_ms);
    }
    return (size_t)(out - packed);
}

void record_unpack(const uint8_t *in, const struct intern *intern, struct record *record)
{
    unsigned flags = *in++;

    memset(record, 0, offsetof(struct record, seen)); /* seen[] is 2 KiB: only what is used */
    record->send_seen = (flags & HAS_SEND) != 0;
    record->conflict = (flags & HAS_CONFLICT) != 0;
    record->attributes = intern_text(intern, (uint32_t)take(&in));
    record->reason = intern_text(intern, (uint32_t)take(&in));
    record->topic = intern_text(intern, (uint32_t)take(&in));
    record->state = *in++;
    record->seen_count = *in++;
    record->life_ms = take_signed(&in);
    record->first_ts_ms = record->life_ms + take_signed(&in);
    record->offset = take_signed(&in);
    if (record->state != STATUS_NONE)
        record->state_ts_ms = record->life_ms + take_signed(&in);
    if (record->send_seen)
        record->sent_at_ms = record->life_ms + take_signed(&in);
    if (record->attributes.ref != 0)
        record->attributes_at_ms = (flags & ATTRIBUTES_OF_SEND) != 0
                                       ? record->sent_at_ms
                                       : record->life_ms + take_signed(&in);
    if (record->reason.ref != 0 && (flags & REASON_OF_STATE) == 0)
        record->reason_at_ms = record->life_ms + take_signed(&in);
    if ((flags & HAS_OUTCOME) != 0) {
        record->revision = (uint32_t)take(&in);
        record->forget_ms = record->life_ms + take_signed(&in);
        record->emitted.outcome = *in++;
        record->emitted.status = (flags & EMITTED_STATE) != 0 ? record->state : *in++;
        record->emitted.send_seen = (flags & EMITTED_SEND) != 0;
        record->emitted.conflict = (flags & EMITTED_CONFLICT) != 0;
    }
    for (int i = 0; i < record->seen_count; i++) {
        record->seen[i].status = *in++;
        record->seen[i].at_ms = record->life_ms + take_signed(&in);
    }
    if (record->reason.ref != 0 && (flags & REASON_OF_STATE) != 0)
        record->reason_at_ms = state_at_ms(record);
}

void record_packed_standing(const uint8_t *in, uint8_t *state, enum standing *standing)
{
    unsigned flags = *in++;

    for (int refs = 0; refs < 3; refs++)
        while (*in++ >= 0x80)
            ;
    *state = *in;
    *standing = (flags & HAS_OUTCOME) != 0 ? STANDING_SETTLED
                : (flags & HAS_SEND) != 0  ? STANDING_WAITING
                                           : STANDING_UNSENT;
}

struct packed_refs record_packed_refs(const uint8_t *in)
{
    struct packed_refs refs;

    in++;
    refs.attributes = (uint32_t)take(&in);
    refs.reason = (uint32_t)take(&in);
    refs.topic = (uint32_t)take(&in);
    return refs;
}
