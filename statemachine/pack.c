/* pack.c: records to varints and back. What is packed here is never read from outside. */
#include "statemachine/pack.h"

enum {
    HAS_SEND = 1,
    HAS_CONFLICT = 2,
    HAS_OUTCOME = 4, /* an outcome was emitted */
    EMITTED_SEND = 8,
    EMITTED_CONFLICT = 16,
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

static uint8_t flags_of(const struct record *record)
{
    unsigned flags = 0;

    flags |= record->send_seen ? HAS_SEND : 0;
    flags |= record->conflict ? HAS_CONFLICT : 0;
    if (record->revision > 0) {
        flags |= HAS_OUTCOME;
        flags |= record->emitted.send_seen ? EMITTED_SEND : 0;
        flags |= record->emitted.conflict ? EMITTED_CONFLICT : 0;
    }
    return (uint8_t)flags;
}

size_t record_pack(const struct record *record, struct packed_refs refs, uint8_t packed[PACKED_MAX])
{
    uint8_t *out = packed;

    *out++ = flags_of(record);
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
    if (refs.attributes != 0)
        out = put_signed(out, record->attributes_at_ms - record->life_ms);
    if (refs.reason != 0)
        out = put_signed(out, record->reason_at_ms - record->life_ms);
    if (record->revision > 0) {
        out = put(out, record->revision);
        out = put_signed(out, record->forget_ms - record->life_ms);
        *out++ = record->emitted.outcome;
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
    uint8_t flags = *in++;

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
        record->attributes_at_ms = record->life_ms + take_signed(&in);
    if (record->reason.ref != 0)
        record->reason_at_ms = record->life_ms + take_signed(&in);
    if ((flags & HAS_OUTCOME) != 0) {
        record->revision = (uint32_t)take(&in);
        record->forget_ms = record->life_ms + take_signed(&in);
        record->emitted.outcome = *in++;
        record->emitted.status = *in++;
        record->emitted.send_seen = (flags & EMITTED_SEND) != 0;
        record->emitted.conflict = (flags & EMITTED_CONFLICT) != 0;
    }
    for (int i = 0; i < record->seen_count; i++) {
        record->seen[i].status = *in++;
        record->seen[i].at_ms = record->life_ms + take_signed(&in);
    }
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
