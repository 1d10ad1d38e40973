/* outcome.c: the outcome event, field by field, in the order of DESIGN 4. */
#include "schemas/outcome.h"

#include "schemas/instant.h"
#include "schemas/pen.h"
#include "statemachine/require.h"

#include <string.h>

enum {
    FIXED_MAX = 1024, /* all names, numbers, times and words together take some 700 */
    A_SEEN_MAX = 64,  /* of the timeline, beside the status's name */
};

/* The most that an outcome takes: the id is written up to three times. */
static size_t most(struct text message_id, const struct record *record)
{
    size_t escaped = (size_t)3 * message_id.size + record->reason.size + record->topic.size;

    return FIXED_MAX + escaped * PEN_ESCAPED_MAX + record->attributes.size +
           (size_t)record->seen_count * (A_SEEN_MAX + STATUS_NAME_MAX);
}

static uint8_t *put_time(uint8_t *at, int64_t ms)
{
    at = pen_byte(at, '"');
    instant_format(ms, (char *)at);
    return pen_byte(at + INSTANT_SIZE, '"');
}

/* Words of our tables need no escape. */
static uint8_t *put_word(uint8_t *at, const char *word, size_t size)
{
    at = pen_byte(at, '"');
    at = pen_bytes(at, word, size);
    return pen_byte(at, '"');
}

static uint8_t *put_text(uint8_t *at, struct text text)
{
    at = pen_byte(at, '"');
    at = pen_escaped(at, text.bytes, text.size);
    return pen_byte(at, '"');
}

static uint8_t *put_flag(uint8_t *at, bool flag)
{
    return flag ? pen_literal(at, "true") : pen_literal(at, "false");
}

/* channel:id:life:revision */
static uint8_t *put_outcome_id(uint8_t *at, const struct table *table, struct text message_id,
                               int64_t life_ms, uint32_t revision)
{
    at = pen_byte(at, '"');
    at = pen_bytes(at, table->channel, table->channel_size);
    at = pen_byte(at, ':');
    at = pen_escaped(at, message_id.bytes, message_id.size);
    at = pen_byte(at, ':');
    at = pen_decimal(at, life_ms);
    at = pen_byte(at, ':');
    at = pen_decimal(at, revision);
    return pen_byte(at, '"');
}

/* Ordered by (at, strength); seen[] is ordered by strength already, so equal times stay in it. */
static uint8_t *put_timeline(uint8_t *at, const struct table *table, const struct record *record)
{
    uint8_t order[SEEN_MAX];

    for (int i = 0; i < record->seen_count; i++) {
        int place = i;
        for (; place > 0 && record->seen[order[place - 1]].at_ms > record->seen[i].at_ms; place--)
            order[place] = order[place - 1];
        order[place] = (uint8_t)i;
    }
    at = pen_byte(at, '[');
    for (int i = 0; i < record->seen_count; i++) {
        const struct seen *seen = &record->seen[order[i]];
        const char *name = table_status_name(table, seen->status);
        at = i == 0 ? pen_literal(at, "{\"status\":") : pen_literal(at, ",{\"status\":");
        at = put_word(at, name, strlen(name));
        at = pen_literal(at, ",\"at\":");
        at = put_time(at, seen->at_ms);
        at = pen_byte(at, '}');
    }
    return pen_byte(at, ']');
}

static uint8_t *put_attributes(uint8_t *at, struct text attributes, bool one_line)
{
    uint8_t *end = pen_bytes(at, attributes.bytes, attributes.size);

    if (one_line)
        for (; at < end; at++)
            if (*at == '\n' || *at == '\r')
                *at = ' ';
    return end;
}

static uint8_t *put_digest(uint8_t *at, uint64_t digest)
{
    static const char hex[] = "0123456789abcdef";

    at = pen_byte(at, '"');
    for (int i = 0; i < 16; i++)
        at = pen_byte(at, (uint8_t)hex[digest >> (60 - 4 * i) & 0xf]);
    return pen_byte(at, '"');
}

/* What is known of the state: its status, and when it was reported. */
static uint8_t *put_status(uint8_t *at, const struct status *status)
{
    if (status == NULL)
        return pen_literal(at, ",\"status\":null,\"phase\":null");
    at = pen_literal(at, ",\"status\":");
    at = put_word(at, status->name, status->name_size);
    at = pen_literal(at, ",\"phase\":");
    return put_word(at, phase_words[status->phase], strlen(phase_words[status->phase]));
}

static uint8_t *put_times(uint8_t *at, const struct record *record)
{
    int state = record->state == STATUS_NONE ? -1 : record_find_seen(record, record->state);

    if (record->send_seen) {
        at = pen_literal(at, ",\"sent_at\":");
        at = put_time(at, record->sent_at_ms);
    }
    if (state >= 0) {
        at = pen_literal(at, ",\"status_at\":");
        at = put_time(at, record->seen[state].at_ms);
    }
    at = pen_literal(at, ",\"latency_ms\":");
    return record->send_seen && state >= 0
               ? pen_decimal(at, record->seen[state].at_ms - record->sent_at_ms)
               : pen_literal(at, "null");
}

static uint8_t *put_source(uint8_t *at, const struct record *record, int32_t partition)
{
    at = pen_literal(at, ",\"source\":{\"topic\":");
    at = put_text(at, record->topic);
    at = pen_literal(at, ",\"partition\":");
    at = pen_decimal(at, partition);
    at = pen_literal(at, ",\"offset\":");
    at = pen_decimal(at, record->offset);
    return pen_byte(at, '}');
}

static uint8_t *put_table(uint8_t *at, const struct table *table)
{
    at = pen_literal(at, ",\"table\":{\"version\":");
    at = pen_decimal(at, table->version);
    at = pen_literal(at, ",\"digest\":");
    at = put_digest(at, table->digest);
    return pen_byte(at, '}');
}

static uint8_t *put_outcome(uint8_t *at, const struct table *table, struct text message_id,
                            const struct record *record, const struct effects *effects,
                            int32_t partition, bool one_line)
{
    const char *outcome = outcome_words[record->emitted.outcome];
    const char *settled_by = settled_by_words[effects->settled_by];

    at = pen_literal(at, "{\"schema\":\"" OUTCOME_SCHEMA "\",\"outcome_id\":");
    at = put_outcome_id(at, table, message_id, record->life_ms, record->revision);
    at = pen_literal(at, ",\"message_id\":");
    at = put_text(at, message_id);
    at = pen_literal(at, ",\"channel\":");
    at = put_word(at, table->channel, table->channel_size);
    at = pen_literal(at, ",\"life\":");
    at = pen_decimal(at, record->life_ms);
    at = pen_literal(at, ",\"outcome\":");
    at = put_word(at, outcome, strlen(outcome));
    at = put_status(at, record->state == STATUS_NONE ? NULL : &table->statuses[record->state]);
    at = pen_literal(at, ",\"revision\":");
    at = pen_decimal(at, record->revision);
    if (record->revision > 1) {
        at = pen_literal(at, ",\"supersedes\":");
        at = put_outcome_id(at, table, message_id, record->life_ms, record->revision - 1);
    }
    at = pen_literal(at, ",\"settled_by\":");
    at = put_word(at, settled_by, strlen(settled_by));
    at = pen_literal(at, ",\"settled_at\":");
    at = put_time(at, effects->settled_at_ms);
    at = pen_literal(at, ",\"send_seen\":");
    at = put_flag(at, record->send_seen);
    at = pen_literal(at, ",\"conflict\":");
    at = put_flag(at, record->conflict);
    at = put_times(at, record);
    if (record->reason.size > 0) {
        at = pen_literal(at, ",\"reason\":");
        at = put_text(at, record->reason);
    }
    at = pen_literal(at, ",\"timeline\":");
    at = put_timeline(at, table, record);
    if (record->attributes.size > 0) {
        at = pen_literal(at, ",\"attributes\":");
        at = put_attributes(at, record->attributes, one_line);
    }
    at = put_source(at, record, partition);
    at = put_table(at, table);
    return pen_byte(at, '}');
}

void outcome_encode(struct buffer *out, const struct table *table, struct text message_id,
                    const struct record *record, const struct effects *effects, int32_t partition,
                    bool one_line)
{
    size_t room = most(message_id, record);
    uint8_t *at = buffer_reserve(out, room), *end;

    if (at == NULL)
        return;
    end = put_outcome(at, table, message_id, record, effects, partition, one_line);
    require((size_t)(end - at) <= room);
    out->size += (size_t)(end - at);
}
