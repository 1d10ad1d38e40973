/* outcome.c: the outcome event, field by field, in the order of DESIGN 4. */
#include "schemas/outcome.h"

#include "schemas/instant.h"

#include <string.h>

static void put_time(struct buffer *out, const char *name, int64_t ms)
{
    char time[INSTANT_SIZE];

    instant_format(ms, time);
    buffer_put_string(out, name);
    buffer_put_byte(out, '"');
    buffer_put(out, time, sizeof(time));
    buffer_put_byte(out, '"');
}

static void put_word(struct buffer *out, const char *name, const char *word)
{
    buffer_put_string(out, name);
    buffer_put_byte(out, '"');
    buffer_put_string(out, word); /* words of our tables need no escape */
    buffer_put_byte(out, '"');
}

static void put_number(struct buffer *out, const char *name, int64_t number)
{
    buffer_put_string(out, name);
    buffer_put_decimal(out, number);
}

static void put_flag(struct buffer *out, const char *name, bool flag)
{
    buffer_put_string(out, name);
    buffer_put_string(out, flag ? "true" : "false");
}

static void put_text(struct buffer *out, const char *name, struct text text)
{
    buffer_put_string(out, name);
    buffer_put_json_string(out, text.bytes, text.size);
}

/* channel:id:life:revision, as the body of a JSON string. */
static void put_outcome_id(struct buffer *out, const char *name, const struct table *table,
                           struct text message_id, int64_t life_ms, uint32_t revision)
{
    size_t quote;

    buffer_put_string(out, name);
    buffer_put_byte(out, '"');
    buffer_put_string(out, table->channel);
    buffer_put_byte(out, ':');
    /* The id is escaped as a string of its own; its closing quote gives way to what follows. */
    quote = out->size;
    buffer_put_json_string(out, message_id.bytes, message_id.size);
    if (!out->failed) {
        memmove(out->bytes + quote, out->bytes + quote + 1, out->size - quote - 2);
        out->size -= 2;
    }
    buffer_put_byte(out, ':');
    buffer_put_decimal(out, life_ms);
    buffer_put_byte(out, ':');
    buffer_put_decimal(out, revision);
    buffer_put_byte(out, '"');
}

/* Ordered by (at, strength); seen[] is ordered by strength already, so equal times stay in it. */
static void put_timeline(struct buffer *out, const struct table *table, const struct record *record)
{
    uint8_t order[SEEN_MAX];

    for (int i = 0; i < record->seen_count; i++) {
        int place = i;
        for (; place > 0 && record->seen[order[place - 1]].at_ms > record->seen[i].at_ms; place--)
            order[place] = order[place - 1];
        order[place] = (uint8_t)i;
    }
    buffer_put_string(out, ",\"timeline\":[");
    for (int i = 0; i < record->seen_count; i++) {
        const struct seen *seen = &record->seen[order[i]];
        put_word(out,
                 i == 0 ? "{\"status\":" : ",{\"status\":", table_status_name(table, seen->status));
        put_time(out, ",\"at\":", seen->at_ms);
        buffer_put_byte(out, '}');
    }
    buffer_put_byte(out, ']');
}

static void put_attributes(struct buffer *out, struct text attributes, bool one_line)
{
    size_t from = out->size;

    buffer_put_string(out, ",\"attributes\":");
    buffer_put(out, attributes.bytes, attributes.size);
    if (!one_line || out->failed)
        return;
    for (; from < out->size; from++)
        if (out->bytes[from] == '\n' || out->bytes[from] == '\r')
            out->bytes[from] = ' ';
}

static void put_digest(struct buffer *out, uint64_t digest)
{
    static const char hex[] = "0123456789abcdef";
    char digits[16];

    for (int i = 0; i < 16; i++)
        digits[i] = hex[digest >> (60 - 4 * i) & 0xf];
    buffer_put_string(out, ",\"digest\":\"");
    buffer_put(out, digits, sizeof(digits));
    buffer_put_byte(out, '"');
}

void outcome_encode(struct buffer *out, const struct table *table, struct text message_id,
                    const struct record *record, const struct effects *effects, int32_t partition,
                    bool one_line)
{
    const struct status *status =
        record->state == STATUS_NONE ? NULL : &table->statuses[record->state];
    int state = status == NULL ? -1 : record_find_seen(record, record->state);
    int64_t status_at_ms = state < 0 ? 0 : record->seen[state].at_ms;

    put_word(out, "{\"schema\":", OUTCOME_SCHEMA);
    put_outcome_id(out, ",\"outcome_id\":", table, message_id, record->life_ms, record->revision);
    put_text(out, ",\"message_id\":", message_id);
    put_word(out, ",\"channel\":", table->channel);
    put_number(out, ",\"life\":", record->life_ms);
    put_word(out, ",\"outcome\":", outcome_words[record->emitted.outcome]);
    if (status != NULL) {
        put_word(out, ",\"status\":", status->name);
        put_word(out, ",\"phase\":", phase_words[status->phase]);
    } else {
        buffer_put_string(out, ",\"status\":null,\"phase\":null");
    }
    put_number(out, ",\"revision\":", record->revision);
    if (record->revision > 1)
        put_outcome_id(out, ",\"supersedes\":", table, message_id, record->life_ms,
                       record->revision - 1);
    put_word(out, ",\"settled_by\":", settled_by_words[effects->settled_by]);
    put_time(out, ",\"settled_at\":", effects->settled_at_ms);
    put_flag(out, ",\"send_seen\":", record->send_seen);
    put_flag(out, ",\"conflict\":", record->conflict);
    if (record->send_seen)
        put_time(out, ",\"sent_at\":", record->sent_at_ms);
    if (state >= 0)
        put_time(out, ",\"status_at\":", status_at_ms);
    if (record->send_seen && state >= 0)
        put_number(out, ",\"latency_ms\":", status_at_ms - record->sent_at_ms);
    else
        buffer_put_string(out, ",\"latency_ms\":null");
    if (record->reason.size > 0)
        put_text(out, ",\"reason\":", record->reason);
    put_timeline(out, table, record);
    if (record->attributes.size > 0)
        put_attributes(out, record->attributes, one_line);
    put_text(out, ",\"source\":{\"topic\":", record->topic);
    put_number(out, ",\"partition\":", partition);
    put_number(out, ",\"offset\":", record->offset);
    put_number(out, "},\"table\":{\"version\":", table->version);
    put_digest(out, table->digest);
    buffer_put_string(out, "}}");
}
