/*
 * envelope.c: kcat's -J lines, in and out.
 *
 * Not cJSON's work: a payload may hold what cJSON cannot (a NUL, a lone surrogate), and must come
 * through as it was.
 */
#include "schemas/envelope.h"

#include "schemas/base64.h"
#include "schemas/json.h"
#include "statemachine/bounds.h"
#include "statemachine/require.h"

#include <string.h>

enum field {
    TOPIC,
    PARTITION,
    OFFSET,
    TS,
    HEADERS,
    HEADERS_B64,
    KEY,
    KEY_B64,
    PAYLOAD,
    PAYLOAD_B64,
    FIELD_COUNT,
    UNREAD
};

static const struct {
    const char *name;
    const char *twice;
    const char *wrong;
} fields[FIELD_COUNT] = {
#define FIELD(symbol, name, wrong) [symbol] = {name, name " is given twice", name " " wrong}
    FIELD(TOPIC, "topic", "is not a string of 1 to 4096 bytes"),
    FIELD(PARTITION, "partition", "is not an integer from 0 to 2147483647"),
    FIELD(OFFSET, "offset", "is not an integer from 0 on"),
    FIELD(TS, "ts", "is not an integer"),
    FIELD(HEADERS, "headers", "is not an array of at most 128 pairs of name and string or null"),
    FIELD(HEADERS_B64, "headers_b64",
          "is not an array of at most 128 pairs of name and base64 or null"),
    FIELD(KEY, "key", "is neither a string nor null"),
    FIELD(KEY_B64, "key_b64", "is neither base64 nor null"),
    FIELD(PAYLOAD, "payload", "could not be decoded"), /* without memory: every kind is taken */
    FIELD(PAYLOAD_B64, "payload_b64", "is neither base64 nor null"),
#undef FIELD
};

struct members {
    struct json_member rows[FIELD_COUNT];
    bool given[FIELD_COUNT];
    bool twice[FIELD_COUNT];
};

static enum field field_of(const struct json_member *member)
{
    for (enum field i = 0; i < FIELD_COUNT; i++)
        if (json_name_is(member, fields[i].name))
            return i;
    return UNREAD;
}

/* False where the line is no envelope. */
static bool read_members(const uint8_t *line, size_t size, struct members *members)
{
    struct json_object object;
    struct json_member member;

    memset(members->given, 0, sizeof(members->given));
    memset(members->twice, 0, sizeof(members->twice));
    json_begin(&object, line, size);
    while (json_next(&object, &member)) {
        enum field field;

        /* Most lines of a replay are bare events, and most of those begin with it. */
        if (json_name_is(&member, "type"))
            return false;
        field = field_of(&member);
        if (field == UNREAD)
            continue;
        members->twice[field] = members->given[field];
        members->given[field] = true;
        members->rows[field] = member;
    }
    return object.error == NULL && (members->given[PAYLOAD] || members->given[PAYLOAD_B64]);
}

/* ---- one member --------------------------------------------------------------------------- */

/*
 * The store, with room for all that a line can hold decoded, so that nothing borrowed from it
 * moves: twice the line, for base64 may be escaped too. Made at the first need.
 */
struct decoding {
    struct buffer *store;
    size_t line_size;
    bool has_room;
};

static bool make_room(struct decoding *decoding)
{
    if (!decoding->has_room)
        decoding->has_room = buffer_reserve(decoding->store, decoding->line_size * 2) != NULL;
    return decoding->has_room;
}

/* A string's bytes, escapes resolved. */
static bool string_of(struct decoding *decoding, const struct json_member *member,
                      struct span *bytes)
{
    if (!member->value_escaped) {
        *bytes = (struct span){member->value.bytes + 1, member->value.size - 2};
        return true;
    }
    if (!make_room(decoding))
        return false;
    bytes->bytes = decoding->store->bytes + decoding->store->size;
    bytes->size = json_decode_string(member, decoding->store->bytes + decoding->store->size);
    decoding->store->size += bytes->size;
    return true;
}

static bool base64_of(struct decoding *decoding, const struct json_member *member,
                      struct span *bytes)
{
    struct span text;
    size_t from;

    if (!make_room(decoding) || !string_of(decoding, member, &text))
        return false;
    from = decoding->store->size;
    if (!base64_decode(decoding->store, text.bytes, text.size))
        return false;
    *bytes = (struct span){decoding->store->bytes + from, decoding->store->size - from};
    return true;
}

/* A key or payload, plain or in base64; null is {NULL, 0}. */
static bool bytes_of(struct decoding *decoding, const struct json_member *member, bool is_base64,
                     struct span *bytes)
{
    *bytes = (struct span){0};
    if (member->kind == JSON_NULL)
        return true;
    if (member->kind != JSON_STRING)
        return false;
    return is_base64 ? base64_of(decoding, member, bytes) : string_of(decoding, member, bytes);
}

/* An integer as Kafka has them: digits, and no other way to write them. */
static bool integer_of(const struct json_member *member, int64_t *value)
{
    if (member->kind != JSON_NUMBER)
        return false;
    for (size_t i = 0; i < member->value.size; i++)
        if (strchr(".eE", member->value.bytes[i]) != NULL)
            return false;
    return json_integer(member, value);
}

static bool topic_of(struct decoding *decoding, const struct json_member *member,
                     struct envelope *envelope)
{
    struct span topic;

    /* It ends up in outcomes, which are valid UTF-8. */
    if (member->kind != JSON_STRING || member->unkeepable || !string_of(decoding, member, &topic) ||
        topic.size == 0 || topic.size > TOPIC_MAX)
        return false;
    envelope->topic = topic.bytes;
    envelope->topic_size = topic.size;
    return true;
}

/* ---- headers ------------------------------------------------------------------------------ */

/* The next element of an array's rest, which is known to be sound; false at its end. */
static bool next_element(struct span *rest, struct json_member *element)
{
    const uint8_t *at = rest->bytes;
    const uint8_t *end = at + rest->size;

    while (strchr(" \t\r\n,", *at) != NULL)
        at++;
    if (*at == ']')
        return false;
    *element = (struct json_member){.value.bytes = at, .kind = JSON_ARRAY};
    if (*at == 'n') {
        element->kind = JSON_NULL;
        at += 4;
    } else if (*at == '"') {
        element->kind = JSON_STRING;
        for (at++; *at != '"'; at++)
            if (*at == '\\') {
                element->value_escaped = true;
                at++;
            }
        at++;
    } else {
        at = end; /* no header has such an element: JSON_ARRAY stands for all that is refused */
    }
    element->value.size = (size_t)(at - element->value.bytes);
    *rest = (struct span){at, (size_t)(end - at)};
    return true;
}

static bool headers_of(struct decoding *decoding, const struct json_member *member, bool is_base64,
                       struct envelope *envelope)
{
    struct span rest = {member->value.bytes + 1, member->value.size - 1};
    struct json_member element;

    if (member->kind != JSON_ARRAY)
        return false;
    while (next_element(&rest, &element)) {
        struct header *header = &envelope->headers[envelope->header_count];
        struct span name, value;

        if (envelope->header_count == HEADERS_MAX || element.kind != JSON_STRING ||
            !string_of(decoding, &element, &name) || memchr(name.bytes, '\0', name.size) != NULL ||
            !utf8_valid(name.bytes, name.size))
            return false;
        if (!next_element(&rest, &element) || !bytes_of(decoding, &element, is_base64, &value))
            return false;
        *header = (struct header){name.bytes, name.size, value.bytes, value.size};
        envelope->header_count++;
    }
    return true;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static bool take_member(struct decoding *decoding, const struct members *members, enum field field,
                        struct envelope *envelope)
{
    const struct json_member *member = &members->rows[field];
    struct span bytes;
    int64_t number = 0;

    switch (field) {
    case TOPIC:
        return topic_of(decoding, member, envelope);
    case PARTITION:
        if (!integer_of(member, &number) || number < 0 || number > INT32_MAX)
            return false;
        envelope->partition = (int32_t)number;
        return true;
    case OFFSET:
        if (!integer_of(member, &number) || number < 0)
            return false;
        envelope->offset = number;
        return true;
    case TS:
        if (!integer_of(member, &number))
            return false;
        envelope->timestamp_ms = number < 0 ? -1 : number;
        return true;
    case HEADERS:
    case HEADERS_B64:
        return headers_of(decoding, member, field == HEADERS_B64, envelope);
    case KEY:
    case KEY_B64:
        if (!bytes_of(decoding, member, field == KEY_B64, &bytes))
            return false;
        envelope->key = bytes.bytes;
        envelope->key_size = bytes.size;
        return true;
    case PAYLOAD:
    case PAYLOAD_B64:
        bytes = member->value;
        if ((field == PAYLOAD_B64 || member->kind == JSON_STRING || member->kind == JSON_NULL) &&
            !bytes_of(decoding, member, field == PAYLOAD_B64, &bytes))
            return false;
        envelope->value = bytes.bytes;
        envelope->value_size = bytes.size;
        return true;
    case FIELD_COUNT:
    case UNREAD:
        break;
    }
    require(false);
    return false;
}

/* What is wrong with the members, NULL where nothing is. */
static const char *take_members(struct decoding *decoding, const struct members *members,
                                struct envelope *envelope)
{
    for (enum field i = 0; i < FIELD_COUNT; i++)
        if (members->twice[i])
            return fields[i].twice;
    if (members->given[KEY] && members->given[KEY_B64])
        return "both key and key_b64 are given";
    if (members->given[PAYLOAD] && members->given[PAYLOAD_B64])
        return "both payload and payload_b64 are given";
    if (members->given[HEADERS] && members->given[HEADERS_B64])
        return "both headers and headers_b64 are given";
    for (enum field i = 0; i < FIELD_COUNT; i++)
        if (members->given[i] && !take_member(decoding, members, i, envelope))
            return fields[i].wrong;
    return NULL;
}

enum envelope_kind envelope_decode(const uint8_t *line, size_t size, struct buffer *store,
                                   struct envelope *envelope, const char **why)
{
    struct decoding decoding = {.store = store, .line_size = size};
    struct members members;

    if (!read_members(line, size, &members))
        return ENVELOPE_BARE;
    envelope->topic = NULL;
    envelope->topic_size = 0;
    envelope->partition = 0;
    envelope->offset = -1;
    envelope->timestamp_ms = -1;
    envelope->key = envelope->value = NULL;
    envelope->key_size = envelope->value_size = 0;
    envelope->header_count = 0;
    *why = take_members(&decoding, &members, envelope);
    return *why == NULL ? ENVELOPE_GOOD : ENVELOPE_BAD;
}

/* ---- writing ------------------------------------------------------------------------------ */

/*
 * A name or topic, which has no base64 to go into. Kafka takes any bytes for a header's name;
 * those that are no UTF-8 become U+FFFD, for the line must be JSON.
 */
static void put_text(struct buffer *out, const uint8_t *bytes, size_t size)
{
    struct buffer clean = {0};

    if (utf8_valid(bytes, size)) {
        buffer_put_json_string(out, bytes, size);
        return;
    }
    for (size_t at = 0; at < size;) {
        size_t step = 1;

        while (step < 4 && at + step < size && !utf8_valid(bytes + at, step))
            step++;
        if (utf8_valid(bytes + at, step)) {
            buffer_put(&clean, bytes + at, step);
            at += step;
        } else {
            buffer_put_string(&clean, "\xef\xbf\xbd");
            at++;
        }
    }
    buffer_put_json_string(out, clean.bytes, clean.size);
    out->failed = out->failed || clean.failed;
    buffer_release(&clean);
}

static void put_base64(struct buffer *out, const uint8_t *bytes, size_t size)
{
    buffer_put_byte(out, '"');
    base64_encode(out, bytes, size);
    buffer_put_byte(out, '"');
}

/* `,"key":` and the bytes; or `,"key_b64":` where they are no UTF-8. */
static void put_bytes(struct buffer *out, const char *name, const uint8_t *bytes, size_t size)
{
    bool plain = bytes == NULL || utf8_valid(bytes, size);

    buffer_put_string(out, ",\"");
    buffer_put_string(out, name);
    buffer_put_string(out, plain ? "\":" : "_b64\":");
    if (bytes == NULL)
        buffer_put_string(out, "null");
    else if (plain)
        buffer_put_json_string(out, bytes, size);
    else
        put_base64(out, bytes, size);
}

static void put_headers(struct buffer *out, const struct envelope *envelope)
{
    bool plain = true;

    if (envelope->header_count == 0)
        return;
    for (size_t i = 0; i < envelope->header_count; i++)
        plain = plain && (envelope->headers[i].value == NULL ||
                          utf8_valid(envelope->headers[i].value, envelope->headers[i].value_size));
    buffer_put_string(out, plain ? ",\"headers\":[" : ",\"headers_b64\":[");
    for (size_t i = 0; i < envelope->header_count; i++) {
        const struct header *header = &envelope->headers[i];

        if (i > 0)
            buffer_put_byte(out, ',');
        put_text(out, header->name, header->name_size);
        buffer_put_byte(out, ',');
        if (header->value == NULL)
            buffer_put_string(out, "null");
        else if (plain)
            buffer_put_json_string(out, header->value, header->value_size);
        else
            put_base64(out, header->value, header->value_size);
    }
    buffer_put_byte(out, ']');
}

void envelope_encode(struct buffer *out, const struct envelope *envelope)
{
    buffer_put_byte(out, '{');
    if (envelope->topic != NULL) {
        buffer_put_string(out, "\"topic\":");
        put_text(out, envelope->topic, envelope->topic_size);
        buffer_put_byte(out, ',');
    }
    buffer_put_string(out, "\"partition\":");
    buffer_put_decimal(out, envelope->partition);
    if (envelope->offset >= 0) {
        buffer_put_string(out, ",\"offset\":");
        buffer_put_decimal(out, envelope->offset);
    }
    if (envelope->timestamp_ms >= 0) {
        buffer_put_string(out, ",\"tstype\":\"create\",\"ts\":");
        buffer_put_decimal(out, envelope->timestamp_ms);
    }
    put_headers(out, envelope);
    put_bytes(out, "key", envelope->key, envelope->key_size);
    put_bytes(out, "payload", envelope->value, envelope->value_size);
    buffer_put_byte(out, '}');
}
