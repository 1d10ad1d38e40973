/*
 * event.c: the seven members of an event, read and judged in the order of DESIGN 4.
 *
 * json.h proves the whole text and says where the members stand. A string without a backslash is
 * its own span, which is nearly every one; only the others are decoded, by cJSON in the thread's
 * arena. What cJSON would bend (a NUL ends the text, a lone surrogate is an error of syntax,
 * numbers pass through strtod and the locale) is refused or read elsewhere before it sees it.
 */
#include "schemas/event.h"

#include "schemas/arena.h"
#include "schemas/instant.h"
#include "statemachine/require.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* Less would be seconds: 10^11 ms is March 1973, 10^11 s the year 5138 (DESIGN 4). */
#define AT_LEAST_MS 100000000000

enum { WORD_SHOWN_MAX = 64 };

enum field { TYPE, MESSAGE_ID, CHANNEL, STATUS, AT, REASON, ATTRIBUTES, FIELD_COUNT, UNREAD };

static const struct {
    const char *name;
    size_t size;
} fields[FIELD_COUNT] = {
#define FIELD(symbol, name) [symbol] = {name, sizeof(name) - 1}
    FIELD(TYPE, "type"),
    FIELD(MESSAGE_ID, "message_id"),
    FIELD(CHANNEL, "channel"),
    FIELD(STATUS, "status"),
    FIELD(AT, "at"),
    FIELD(REASON, "reason"),
    FIELD(ATTRIBUTES, "attributes"),
#undef FIELD
};

/* A set of fields. */
typedef unsigned fields_set;

static fields_set only(enum field field)
{
    return 1U << field;
}

/* The first field of a set that is not empty. */
static enum field first_of(fields_set set)
{
    return (enum field)__builtin_ctz(set);
}

/* The members that are read, as the text has them. */
struct members {
    struct json_member rows[FIELD_COUNT];
    fields_set given;
    fields_set twice;
};

static bool is_given(const struct members *members, enum field field)
{
    return (members->given & only(field)) != 0;
}

/* No two names have both their size and their first letter in common. */
static enum field field_of(const struct json_member *member)
{
    for (enum field i = 0; i < FIELD_COUNT; i++) {
        if (member->name_escaped
                ? json_name_is(member, fields[i].name)
                : member->name.size == fields[i].size &&
                      member->name.bytes[0] == (uint8_t)fields[i].name[0] &&
                      memcmp(member->name.bytes, fields[i].name, fields[i].size) == 0)
            return i;
    }
    return UNREAD;
}

/* False with object->error set where the value is no JSON object. */
static bool read_members(struct json_object *object, struct members *members)
{
    struct json_member member;

    members->given = members->twice = 0;
    while (json_next(object, &member)) {
        enum field field = field_of(&member);

        if (field == UNREAD)
            continue;
        if (is_given(members, field))
            members->twice |= only(field);
        else
            members->rows[field] = member;
        members->given |= only(field);
    }
    return object->error == NULL;
}

/* ---- strings ------------------------------------------------------------------------------ */

/*
 * The text of a string member that is keepable. Lives as long as the value, or, where it was
 * escaped, as the arena stays open. False without memory.
 */
static bool string_of(const struct json_member *member, struct text *text)
{
    cJSON *decoded;

    if (!member->value_escaped) {
        *text = (struct text){.bytes = member->value.bytes + 1,
                              .size = (uint32_t)(member->value.size - 2)};
        return true;
    }
    decoded = cJSON_ParseWithLength((const char *)member->value.bytes, member->value.size);
    if (decoded == NULL)
        return false;
    *text = text_of(decoded->valuestring);
    return true;
}

static bool text_is(struct text text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.bytes, word, text.size) == 0;
}

/* Moves a text out of the arena, which closes before the event is used. */
static struct text keep(const struct json_member *member, struct text text, uint8_t *store)
{
    if (!member->value_escaped)
        return text;
    memcpy(store, text.bytes, text.size);
    return (struct text){.bytes = store, .size = text.size};
}

/* ---- details ------------------------------------------------------------------------------ */

static enum reason bad_field(struct event_buffer *buffer, enum field field, const char *what)
{
    snprintf(buffer->detail, sizeof(buffer->detail), "%s %s", fields[field].name, what);
    return REASON_BAD_FIELD;
}

/* An unknown word, shortened and with nothing in it that a terminal or a header could mind. */
static enum reason unknown_word(struct event_buffer *buffer, enum reason reason, const char *what,
                                struct text word)
{
    char shown[WORD_SHOWN_MAX + 1];
    uint32_t size = word.size < WORD_SHOWN_MAX ? word.size : WORD_SHOWN_MAX;

    for (uint32_t i = 0; i < size; i++)
        shown[i] = word.bytes[i] >= 0x20 && word.bytes[i] < 0x7f ? (char)word.bytes[i] : '?';
    shown[size] = '\0';
    snprintf(buffer->detail, sizeof(buffer->detail), "%s \"%s\" is not in the tables", what, shown);
    return reason;
}

/* ---- judging ------------------------------------------------------------------------------ */

static bool at_of(const struct json_member *member, int64_t *at_ms)
{
    struct text text;

    if (member->kind == JSON_NUMBER)
        return json_integer(member, at_ms) && *at_ms >= AT_LEAST_MS && *at_ms <= TIME_MAX_MS;
    return member->kind == JSON_STRING && !member->unkeepable && string_of(member, &text) &&
           instant_parse((const char *)text.bytes, text.size, at_ms);
}

/* What the members say, before the tables are asked. Texts may live in the arena. */
struct reading {
    struct text type, id, channel, status, reason;
    int64_t at_ms;
};

/* What holds for every field alike: given once, nothing unkeepable in it, of its type. */
static enum reason check_shapes(const struct members *members, struct event_buffer *buffer)
{
    fields_set needed = only(TYPE) | only(MESSAGE_ID) | only(CHANNEL);
    fields_set missing = needed & ~members->given;

    if (members->twice != 0)
        return bad_field(buffer, first_of(members->twice), "is given twice");
    for (fields_set left = members->given; left != 0; left &= left - 1) {
        enum field i = first_of(left);
        const struct json_member *member = &members->rows[i];

        if (i == ATTRIBUTES ? member->kind != JSON_OBJECT : i != AT && member->kind != JSON_STRING)
            return bad_field(buffer, i, i == ATTRIBUTES ? "is not an object" : "is not a string");
        if (member->unkeepable)
            return bad_field(buffer, i, "has a NUL or a lone surrogate");
    }
    return missing != 0 ? bad_field(buffer, first_of(missing), "is missing") : REASON_NONE;
}

static enum reason read_strings(const struct members *members, struct event_buffer *buffer,
                                struct reading *reading)
{
    struct text *const texts[FIELD_COUNT] = {
        [TYPE] = &reading->type,
        [MESSAGE_ID] = &reading->id,
        [CHANNEL] = &reading->channel,
        [STATUS] = &reading->status,
        [REASON] = &reading->reason,
    };

    for (enum field i = 0; i < FIELD_COUNT; i++)
        if (texts[i] != NULL && is_given(members, i) && !string_of(&members->rows[i], texts[i]))
            return bad_field(buffer, i, "could not be decoded");
    return REASON_NONE;
}

static enum reason check_fields(const struct members *members, struct event_buffer *buffer,
                                struct reading *reading, struct event *event)
{
    enum reason reason = check_shapes(members, buffer);

    if (reason == REASON_NONE)
        reason = read_strings(members, buffer, reading);
    if (reason != REASON_NONE)
        return reason;

    event->is_send = text_is(reading->type, "send");
    if (!event->is_send && !text_is(reading->type, "receipt"))
        return bad_field(buffer, TYPE, "is neither send nor receipt");
    if (reading->id.size == 0)
        return bad_field(buffer, MESSAGE_ID, "is empty");
    if (reading->id.size > MESSAGE_ID_MAX)
        return bad_field(buffer, MESSAGE_ID, "is longer than 128 bytes");
    event->id = keep(&members->rows[MESSAGE_ID], reading->id, buffer->id);
    if (!event->is_send && !is_given(members, STATUS))
        return bad_field(buffer, STATUS, "is missing");
    if (is_given(members, AT) && !at_of(&members->rows[AT], &event->at_ms))
        return bad_field(buffer, AT, "is not a time (RFC 3339, or epoch milliseconds)");
    if (is_given(members, ATTRIBUTES) && members->rows[ATTRIBUTES].value.size > ATTRIBUTES_MAX)
        return bad_field(buffer, ATTRIBUTES, "is larger than 1024 bytes");
    return REASON_NONE;
}

static enum reason check_key(const struct envelope_facts *facts, struct event_buffer *buffer,
                             struct text id)
{
    if (!facts->key_is_id && facts->key == NULL) {
        snprintf(buffer->detail, sizeof(buffer->detail), "the record has no key");
        return REASON_KEY_MISMATCH;
    }
    if (!facts->key_is_id &&
        (facts->key_size != id.size || memcmp(facts->key, id.bytes, id.size) != 0)) {
        snprintf(buffer->detail, sizeof(buffer->detail), "the record's key is not its message_id");
        return REASON_KEY_MISMATCH;
    }
    if (facts->partition_is_right != NULL &&
        !facts->partition_is_right(id.bytes, id.size, facts->context)) {
        snprintf(buffer->detail, sizeof(buffer->detail),
                 "the partitioner would have put this key elsewhere");
        return REASON_WRONG_PARTITION;
    }
    return REASON_NONE;
}

static enum reason find_names(const struct tables *tables, const struct members *members,
                              const struct reading *reading, struct event_buffer *buffer,
                              struct event *event)
{
    const struct table *table = tables_find(tables, reading->channel.bytes, reading->channel.size);

    if (table == NULL)
        return unknown_word(buffer, REASON_UNKNOWN_CHANNEL, "channel", reading->channel);
    event->channel = table->index;
    if (!is_given(members, STATUS))
        return REASON_NONE;
    event->status = table_find_status(table, reading->status.bytes, reading->status.size);
    if (event->status == STATUS_NONE)
        return unknown_word(buffer, REASON_UNKNOWN_STATUS, "status", reading->status);
    return REASON_NONE;
}

static void take_carried(const struct members *members, const struct reading *reading,
                         struct event_buffer *buffer, struct event *event)
{
    struct text reason = reading->reason;

    if (event->status != STATUS_NONE && reason.size > 0) {
        reason.size = (uint32_t)utf8_cut(reason.bytes, reason.size, REASON_MAX);
        event->reason = keep(&members->rows[REASON], reason, buffer->reason);
    }
    if (event->is_send && is_given(members, ATTRIBUTES))
        event->attributes = (struct text){.bytes = members->rows[ATTRIBUTES].value.bytes,
                                          .size = (uint32_t)members->rows[ATTRIBUTES].value.size};
}

static enum reason decode_members(const struct tables *tables, const struct members *members,
                                  const struct envelope_facts *facts, struct event_buffer *buffer,
                                  struct event *event)
{
    struct reading reading = {0};
    enum reason reason = check_fields(members, buffer, &reading, event);

    if (reason == REASON_NONE)
        reason = check_key(facts, buffer, event->id);
    if (reason == REASON_NONE)
        reason = find_names(tables, members, &reading, buffer, event);
    if (reason == REASON_NONE)
        take_carried(members, &reading, buffer, event);
    return reason;
}

enum reason event_decode(const struct tables *tables, const uint8_t *value, size_t size,
                         size_t max_size, const struct envelope_facts *facts,
                         struct event_buffer *buffer, struct event *event)
{
    struct json_object object;
    struct members members;
    enum reason reason;

    *event = (struct event){
        .status = STATUS_NONE,
        .at_ms = facts->timestamp_ms,
        .timestamp_ms = facts->timestamp_ms,
        .topic = facts->topic,
        .offset = facts->offset,
    };
    buffer->detail[0] = '\0';

    if (value == NULL) {
        snprintf(buffer->detail, sizeof(buffer->detail), "the record has no value");
        return REASON_NO_VALUE;
    }
    /* A text counts its bytes in 32 bits; no record comes near. */
    if (size > max_size || size > UINT32_MAX) {
        snprintf(buffer->detail, sizeof(buffer->detail), "%zu bytes, more than event.max.bytes=%zu",
                 size, max_size);
        return REASON_TOO_LARGE;
    }
    json_begin(&object, value, size);
    if (!read_members(&object, &members)) {
        snprintf(buffer->detail, sizeof(buffer->detail), "at byte %zu: %s", object.error_offset,
                 object.error);
        return REASON_NOT_JSON;
    }

    arena_open();
    reason = decode_members(tables, &members, facts, buffer, event);
    arena_close();
    return reason;
}

bool event_peek_at(const uint8_t *value, size_t size, int64_t *at_ms)
{
    struct json_object object;
    struct members members;
    int64_t found;
    bool valid;

    if (size > UINT32_MAX)
        return false;
    json_begin(&object, value, size);
    if (!read_members(&object, &members) || !is_given(&members, AT) ||
        (members.twice & only(AT)) != 0)
        return false;
    arena_open();
    valid = at_of(&members.rows[AT], &found);
    arena_close();
    if (valid)
        *at_ms = found;
    return valid;
}
