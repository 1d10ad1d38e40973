/* mutate.c: a list of small spites, and chance. */
#include "tests/hostile/mutate.h"

#include "statemachine/bounds.h"
#include "statemachine/require.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum { SECONDS_A_MESSAGE = 5, GIANT_LINE = 33 << 20 };

static size_t below(struct mutator *mutator, size_t bound)
{
    return random_below(&mutator->random, bound);
}

static bool one_in(struct mutator *mutator, size_t n)
{
    return below(mutator, n) == 0;
}

static const char *one_of(struct mutator *mutator, const char *const *words, size_t count)
{
    return words[below(mutator, count)];
}

#define ONE_OF(mutator, words) one_of(mutator, words, COUNT(words))

/* ---- bytes ------------------------------------------------------------------------------ */

/* Puts bytes where `cut` bytes were. */
static void splice(struct buffer *buffer, size_t at, size_t cut, const void *bytes, size_t size)
{
    struct buffer rest = {0};

    buffer_put(&rest, buffer->bytes + at + cut, buffer->size - at - cut);
    buffer->size = at;
    buffer_put(buffer, bytes, size);
    buffer_put(buffer, rest.bytes, rest.size);
    buffer_release(&rest);
}

static void splice_text(struct buffer *buffer, size_t at, size_t cut, const char *text)
{
    splice(buffer, at, cut, text, strlen(text));
}

static void repeat(struct buffer *buffer, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buffer_put_string(buffer, text);
}

static void flip(struct mutator *mutator, struct buffer *buffer)
{
    for (size_t n = 1 + below(mutator, 3); n > 0 && buffer->size > 0; n--)
        buffer->bytes[below(mutator, buffer->size)] ^= (uint8_t)(1u << below(mutator, 8));
}

static void truncate_it(struct mutator *mutator, struct buffer *buffer)
{
    buffer->size = below(mutator, buffer->size + 1);
}

static void cross(struct mutator *mutator, struct buffer *buffer)
{
    const struct buffer *other = &mutator->before;
    size_t from = other->size == 0 ? 0 : below(mutator, other->size);

    buffer->size = below(mutator, buffer->size + 1);
    buffer_put(buffer, other->bytes + from, other->size - from);
}

static void insert_bytes(struct mutator *mutator, struct buffer *buffer)
{
    static const char *const words[] = {
        "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xef\xbb\xbf", "\x01",
        "\t", "\r", "\n", "\r\n", "\n\n", "\x7f", "\xe2\x80\xa8", "\xf0\x9f\x98\x80", "\\", "\"",
        "{", "}", "[", "]", ",", ":", "//", "/**/", "'", " ", "NaN", "Infinity", "-", "+1", "0x1",
    };
    const char *word = ONE_OF(mutator, words);
    size_t at = below(mutator, buffer->size + 1);

    if (one_in(mutator, 12))
        splice(buffer, at, 0, "\0", 1);
    else
        splice_text(buffer, at, 0, word);
}

/* ---- members ---------------------------------------------------------------------------- */

static const char *const names[] = {"type", "message_id", "channel", "status", "at", "reason",
                                    "attributes"};

/* Where the value of a member is, as far as can be told of text that may be spoilt already. */
static bool find_value(const struct buffer *buffer, const char *name, size_t *at, size_t *size)
{
    char wanted[64];
    int length = snprintf(wanted, sizeof(wanted), "\"%s\":", name);
    const uint8_t *found = buffer->size == 0
                               ? NULL
                               : memmem(buffer->bytes, buffer->size, wanted, (size_t)length);
    const uint8_t *end = buffer->bytes + buffer->size, *value, *stop;

    if (found == NULL)
        return false;
    value = stop = found + length;
    if (value < end && *value == '"') {
        stop = memchr(value + 1, '"', (size_t)(end - value - 1));
        stop = stop == NULL ? end : stop + 1;
    } else {
        while (stop < end && *stop != ',' && *stop != '}')
            stop++;
    }
    *at = (size_t)(value - buffer->bytes);
    *size = (size_t)(stop - value);
    return true;
}

static void set_value(struct buffer *buffer, const char *name, const char *value)
{
    char member[128];
    size_t at, size;

    if (find_value(buffer, name, &at, &size)) {
        splice_text(buffer, at, size, value);
    } else if (buffer->size > 0) {
        snprintf(member, sizeof(member), "\"%s\":", name);
        splice_text(buffer, 1, 0, ",");
        splice_text(buffer, 1, 0, value);
        splice_text(buffer, 1, 0, member);
    }
}

static void twice(struct mutator *mutator, struct buffer *buffer)
{
    static const char *const members[] = {
        "\"type\":\"send\",", "\"message_id\":\"other\",", "\"status\":\"SENT\",",
        "\"stat\\u0075s\":\"SENT\",", "\"at\":1795428000000,", "\"channel\":\"email\",",
        "\"unknown\":1,\"unknown\":2,", "\"payload\":1,", "\"attributes\":{},", "\"\":\"\",",
    };

    if (buffer->size > 0)
        splice_text(buffer, 1, 0, ONE_OF(mutator, members));
}

static void without(struct mutator *mutator, struct buffer *buffer)
{
    const uint8_t *comma;
    size_t at;

    if (buffer->size == 0)
        return;
    at = below(mutator, buffer->size);
    comma = memchr(buffer->bytes + at, ',', buffer->size - at);
    if (comma == NULL)
        return;
    splice(buffer, at, (size_t)(comma - buffer->bytes) - at, "", 0);
}

static void wrong_type(struct mutator *mutator, struct buffer *buffer)
{
    static const char *const values[] = {
        "null", "true", "false", "[]", "{}", "1", "-1", "0", "\"\"", "\" \"", "1.5", "[[[]]]",
        "{\"a\":{\"a\":1}}", "\"send\"", "\"receipt\"", "\"DELIVRD\"", "\"sms\"", "01", "1.", ".5",
        "\"\\u0041\"", "nul", "\"\t\"", "{\"a\":1,\"a\":2}",
    };

    set_value(buffer, ONE_OF(mutator, names), ONE_OF(mutator, values));
}

static void odd_number(struct mutator *mutator, struct buffer *buffer)
{
    static const char *const numbers[] = {
        "1e999", "-1e999", "1e-999", "-0", "0.0", "99999999999", "100000000000", "253402300799999",
        "253402300800000", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
        "18446744073709551616", "123456789012345678901234567890123456789012345678901234567890",
        "1795428000000.9999999999", "1795428e6", "17954280000000e-1", "-1795428000000",
    };
    struct buffer digits = {0};

    if (one_in(mutator, 8)) {
        repeat(&digits, "9", below(mutator, 400) + 1);
        buffer_put_byte(&digits, 0);
        set_value(buffer, "at", (const char *)digits.bytes);
        buffer_release(&digits);
    } else {
        set_value(buffer, one_in(mutator, 4) ? ONE_OF(mutator, names) : "at",
                  ONE_OF(mutator, numbers));
    }
}

static void odd_date(struct mutator *mutator, struct buffer *buffer)
{
    static const char *const dates[] = {
        "\"9999-12-31T23:59:59.999Z\"", "\"0000-01-01T00:00:00Z\"", "\"0001-01-01T00:00:00Z\"",
        "\"2026-02-30T00:00:00Z\"", "\"2024-02-29T00:00:00Z\"", "\"2026-11-23T23:59:60Z\"",
        "\"2026-11-23T24:00:00Z\"", "\"2026-11-23T10:00:00+23:59\"", "\"2026-11-23 10:00:00Z\"",
        "\"2026-11-23T10:00:00\"", "\"2026-11-23T10:00:00.Z\"", "\"1970-01-01T00:00:00Z\"",
        "\"1969-12-31T23:59:59.999Z\"", "\"2099-01-01T00:00:00Z\"", "\"10000-01-01T00:00:00Z\"",
        "\"2026-11-23T10:00:00.00000000000000000000000000000000000000000000000001Z\"",
        "\"2026-11-23T10:00:00-00:00\"", "\"tomorrow\"",
    };

    set_value(buffer, "at", ONE_OF(mutator, dates));
}

static void long_id(struct mutator *mutator, struct buffer *buffer)
{
    static const size_t sizes[] = {0, 1, 127, 128, 129, 255, 256, 257, 1000, 5000};
    static const char *const letters[] = {"m", "\xc3\xa9", "\\u00e9", "\xf0\x9f\x98\x80"};
    const char *letter = ONE_OF(mutator, letters);
    size_t size = sizes[below(mutator, COUNT(sizes))];
    struct buffer text = {0};

    buffer_put_byte(&text, '"');
    repeat(&text, letter, size / (letter[0] == '\\' ? 2 : strlen(letter)));
    buffer_put_byte(&text, '"');
    buffer_put_byte(&text, 0);
    set_value(buffer, one_in(mutator, 3) ? ONE_OF(mutator, names) : "message_id",
              (const char *)text.bytes);
    buffer_release(&text);
}

static void escapes(struct mutator *mutator, struct buffer *buffer)
{
    static const char *const words[] = {
        "\\u0000", "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\ude00\\ud83d", "\\ud83d\\u0041",
        "\\uZZZZ", "\\u00", "\\u", "\\", "\\x41", "\\\"", "\\/", "\\b", "\\u0022", "\\u005C",
        "\\uFFFF", "\\u2028",
    };
    const uint8_t *quote;
    size_t at;

    if (buffer->size == 0)
        return;
    at = below(mutator, buffer->size);
    quote = memchr(buffer->bytes + at, '"', buffer->size - at);
    splice_text(buffer, quote == NULL ? at : (size_t)(quote - buffer->bytes), 0,
                ONE_OF(mutator, words));
}

static void deep(struct mutator *mutator, struct buffer *buffer)
{
    size_t depth = one_in(mutator, 200) ? 30000 : 55 + below(mutator, 15);
    bool objects = one_in(mutator, 2), closed = !one_in(mutator, 4);
    struct buffer text = {0};

    buffer_put_string(&text, one_in(mutator, 2) ? "\"attributes\":" : "\"x\":");
    repeat(&text, objects ? "{\"x\":" : "[", depth);
    buffer_put_string(&text, objects ? "1" : "");
    if (closed)
        repeat(&text, objects ? "}" : "]", depth);
    buffer_put_byte(&text, ',');
    if (buffer->size > 0)
        splice(buffer, 1, 0, text.bytes, text.size);
    buffer_release(&text);
}

/* Around the bounds of attributes, of reasons, and of a whole event. */
static void fill(struct mutator *mutator, struct buffer *buffer)
{
    struct buffer text = {0};
    size_t kind = below(mutator, 40), size;

    if (kind == 0) {
        size = 65536 - (buffer->size < 64000 ? buffer->size : 64000) + below(mutator, 5) - 8;
        buffer_put_string(&text, "\"fill\":\"");
    } else if (kind < 20) {
        size = ATTRIBUTES_MAX - 18 + below(mutator, 12);
        buffer_put_string(&text, "\"attributes\":{\"campaign\":\"");
    } else {
        size = REASON_MAX - 4 + below(mutator, 8);
        buffer_put_string(&text, "\"reason\":\"");
    }
    repeat(&text, kind >= 30 ? "\xc3\xa9" : "x", kind >= 30 ? size / 2 : size);
    buffer_put_string(&text, kind > 0 && kind < 20 ? "\"}," : "\",");
    if (buffer->size > 0)
        splice(buffer, 1, 0, text.bytes, text.size);
    buffer_release(&text);
}

static void nothing_left(struct mutator *mutator, struct buffer *buffer)
{
    static const char *const words[] = {"", " ", "\r", "{}", "[]", "null", "\"\"", "1", "{\"\":0}",
                                        "\t \r", "\xef\xbb\xbf", "{\"payload\":null}"};

    buffer_clear(buffer);
    buffer_put_string(buffer, ONE_OF(mutator, words));
}

static void (*const spites[])(struct mutator *, struct buffer *) = {
    flip,      truncate_it, cross,    insert_bytes, twice,   without, wrong_type,
    odd_number, odd_date,    long_id, escapes,      deep,    fill,    nothing_left,
};

static void spoil(struct mutator *mutator, struct buffer *buffer)
{
    size_t times = one_in(mutator, 3) ? 2 + below(mutator, 3) : 1;

    for (size_t i = 0; i < times; i++)
        spites[below(mutator, COUNT(spites))](mutator, buffer);
}

/* ---- records ---------------------------------------------------------------------------- */

void mutator_init(struct mutator *mutator, uint64_t seed, int64_t start_ms)
{
    const struct lives_options options = {
        .seed = seed,
        .per_second = 1.0 / SECONDS_A_MESSAGE, /* days go by, so that deadlines fall due */
        .stretch_ms = 300000,
        .bad_per_mille = 20,
        .start_ms = start_ms,
    };

    *mutator = (struct mutator){.random = {.seed = seed, .state = random_mix(seed + 1)}};
    mutator->lives = lives_new(&options);
}

void mutator_release(struct mutator *mutator)
{
    lives_free(&mutator->lives);
    buffer_release(&mutator->value);
    buffer_release(&mutator->key);
    buffer_release(&mutator->line);
    buffer_release(&mutator->before);
    buffer_release(&mutator->header_store);
}

static int64_t odd_timestamp(struct mutator *mutator, int64_t usual_ms)
{
    static const int64_t odd[] = {
        1, 86400000, 4070908800000, 99999999999, 100000000000, INT64_C(253402300799999),
        INT64_C(253402300800000), INT64_MAX,
    };

    return one_in(mutator, 20) ? odd[below(mutator, COUNT(odd))] : usual_ms;
}

static void put_headers(struct mutator *mutator)
{
    static const char *const header_names[] = {
        "trace", "upshot-reason", "upshot-source", "\xc3\xa9", "", "upshot-cut"};
    static const char *const values[] = {"", "1", "not_json", "\xff\xfe", "a/0/1", "\n", "\"\\"};
    struct envelope *envelope = &mutator->envelope;
    size_t count = one_in(mutator, 4) ? below(mutator, 4) : 0;

    if (one_in(mutator, 500))
        count = HEADERS_MAX - below(mutator, 5);
    envelope->header_count = count;
    for (size_t i = 0; i < count; i++) {
        const char *name = ONE_OF(mutator, header_names), *value = ONE_OF(mutator, values);
        bool none = one_in(mutator, 6);
        envelope->headers[i] = (struct header){
            (const uint8_t *)name, strlen(name), none ? NULL : (const uint8_t *)value,
            none ? 0 : strlen(value)};
    }
}

void mutator_record(struct mutator *mutator)
{
    struct envelope *envelope = &mutator->envelope;
    struct life_event event;

    require(lives_next(mutator->lives, &event));
    buffer_clear(&mutator->before);
    buffer_put(&mutator->before, mutator->value.bytes, mutator->value.size);
    if (mutator->before.size > 4096)
        mutator->before.size = 4096; /* what was spliced once does not grow for ever */
    buffer_clear(&mutator->value);
    buffer_put(&mutator->value, event.value, event.value_size);
    buffer_clear(&mutator->key);
    buffer_put(&mutator->key, event.key, event.key_size);
    if (!one_in(mutator, 3))
        spoil(mutator, &mutator->value);
    if (one_in(mutator, 10))
        spoil(mutator, &mutator->key);
    envelope->topic = NULL;
    envelope->topic_size = 0;
    envelope->partition = (int32_t)below(mutator, 4);
    envelope->offset = (int64_t)mutator->made++;
    envelope->timestamp_ms = odd_timestamp(mutator, event.timestamp_ms);
    envelope->key = one_in(mutator, 50) ? NULL : mutator->key.bytes;
    envelope->key_size = envelope->key == NULL ? 0 : mutator->key.size;
    envelope->value = one_in(mutator, 50) ? NULL : mutator->value.bytes;
    envelope->value_size = envelope->value == NULL ? 0 : mutator->value.size;
    put_headers(mutator);
}

/* ---- lines ------------------------------------------------------------------------------ */

static void spoil_envelope(struct mutator *mutator)
{
    static const char *const members[] = {"topic", "partition", "offset", "ts", "key", "payload",
                                          "headers", "key_b64", "payload_b64", "headers_b64"};
    static const char *const values[] = {
        "-1", "0", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "null",
        "\"\"", "[]", "[1]", "[\"a\"]", "[\"a\",\"b\",\"c\"]", "{}", "1e3", "1.5", "true",
        "\"====\"", "\"YQ==\"", "\"YQ=\"", "\"!\"", "\"\\u0000\"", "\"\\ud800\"", "253402300800000",
    };

    switch (below(mutator, 4)) {
    case 0:
        set_value(&mutator->line, ONE_OF(mutator, members), ONE_OF(mutator, values));
        break;
    case 1:
        flip(mutator, &mutator->line);
        break;
    case 2:
        insert_bytes(mutator, &mutator->line);
        break;
    default:
        spoil(mutator, &mutator->line);
        break;
    }
}

static void giant_line(struct mutator *mutator)
{
    buffer_clear(&mutator->line);
    buffer_put_string(&mutator->line, "{\"type\":\"send\",\"message_id\":\"");
    repeat(&mutator->line, "xxxxxxxxxxxxxxxx", (GIANT_LINE + below(mutator, 100)) / 16);
    buffer_put_string(&mutator->line, "\",\"channel\":\"sms\"}");
}

enum hostile_line mutator_line(struct mutator *mutator)
{
    static const char exact[] = "exact", mutant[] = "mutant";
    enum hostile_line kind = one_in(mutator, 2)   ? HOSTILE_BARE
                             : one_in(mutator, 2) ? HOSTILE_EXACT
                                                  : HOSTILE_MUTANT;

    mutator_record(mutator);
    buffer_clear(&mutator->line);
    if (one_in(mutator, 100000)) {
        giant_line(mutator);
        return HOSTILE_BARE;
    }
    if (kind == HOSTILE_BARE) {
        buffer_put(&mutator->line, mutator->value.bytes, mutator->value.size);
        return kind;
    }
    mutator->envelope.topic = (const uint8_t *)(kind == HOSTILE_EXACT ? exact : mutant);
    mutator->envelope.topic_size = strlen((const char *)mutator->envelope.topic);
    envelope_encode(&mutator->line, &mutator->envelope);
    if (kind == HOSTILE_MUTANT)
        spoil_envelope(mutator);
    return kind;
}
