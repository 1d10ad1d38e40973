/* event_test.c: one record's bytes to one event, or to the first reason why not. */
#include "schemas/event.h"

#include "schemas/arena.h"
#include "schemas/buffer.h"

#include <inttypes.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TIMESTAMP_MS 1795428000123
#define EVENT_MAX 65536

static struct tables tables;

/* Two channels, so that a status of one can be asked of the other. */
static int make_tables(void **state)
{
    static const char *const then[] = {"DELIVRD", "delivered"};
    static const struct draft_status sms[] = {
        {"SENT", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 1000, &then[0], 1, "Handed on."},
        {"DELIVRD", PHASE_FINAL, OUTCOME_DELIVERED, 0, NULL, 0, "Arrived."},
    };
    static const struct draft_status email[] = {
        {"sent", PHASE_TRANSIT, OUTCOME_UNRESOLVED, 1000, &then[1], 1, "Handed on."},
        {"delivered", PHASE_FINAL, OUTCOME_DELIVERED, 0, NULL, 0, "Arrived."},
    };
    static const struct draft drafts[] = {
        {"sms", 1, 1000, 1000, 1000, OUTCOME_UNRESOLVED, sms, 2, 1},
        {"email", 1, 1000, 1000, 1000, OUTCOME_UNRESOLVED, email, 2, 2},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct table *table = table_new(&drafts[i]);
        if (table == NULL || !tables_take(&tables, table))
            return -1;
    }
    return 0;
}

static int drop_tables(void **state)
{
    (void)state;
    tables_release(&tables);
    arena_release();
    return 0;
}

/* A decoding with all that it borrows from. */
struct trial {
    uint8_t *value; /* at the very end of its memory, for the sanitizer */
    struct envelope_facts facts;
    struct event_buffer buffer;
    struct event event;
    enum reason reason;
};

static void try_facts(struct trial *trial, const char *value, size_t size,
                      const struct envelope_facts *facts)
{
    free(trial->value);
    trial->value = malloc(size > 0 ? size : 1);
    assert_non_null(trial->value);
    memcpy(trial->value, value, size);
    trial->facts = *facts;
    memset(&trial->buffer, 0x5a, sizeof(trial->buffer));
    trial->reason = event_decode(&tables, trial->value, size, EVENT_MAX, &trial->facts,
                                 &trial->buffer, &trial->event);
    if (memchr(trial->buffer.detail, '\0', DETAIL_MAX) == NULL)
        fail_msg("a detail without an end");
}

/* As a record with the key m-1 brings it. */
static void try_value(struct trial *trial, const char *value)
{
    struct envelope_facts facts = {
        .key = (const uint8_t *)"m-1",
        .key_size = 3,
        .timestamp_ms = TIMESTAMP_MS,
        .topic = text_of("message.receipts"),
        .offset = 812,
    };

    try_facts(trial, value, strlen(value), &facts);
}

static void assert_text(struct text text, const char *expected, const char *why)
{
    if (text.size != strlen(expected) ||
        (text.size > 0 && memcmp(text.bytes, expected, text.size) != 0))
        fail_msg("%s: \"%.*s\" instead of \"%s\"", why, (int)text.size, (const char *)text.bytes,
                 expected);
}

static void a_good_event_is_read_whole(void **state)
{
    static const struct {
        const char *value;
        bool is_send;
        const char *channel, *status; /* "": none */
        int64_t at_ms;
        const char *reason, *attributes;
        const char *why;
    } cases[] = {
        {"{\"type\":\"send\",\"message_id\":\"m-1\",\"channel\":\"sms\","
         "\"at\":\"2026-11-23T10:00:00.000Z\",\"attributes\":{\"campaign_id\":\"c9\"}}",
         true, "sms", "", 1795428000000, "", "{\"campaign_id\":\"c9\"}", "the contract's send"},
        {"{\"type\":\"receipt\",\"message_id\":\"m-1\",\"channel\":\"sms\",\"status\":\"DELIVRD\","
         "\"at\":1795428001250,\"reason\":\"err:000\"}",
         false, "sms", "DELIVRD", 1795428001250, "err:000", "", "the contract's receipt"},
        {"{\"type\":\"receipt\",\"message_id\":\"m-1\",\"channel\":\"email\",\"status\":\"sent\"}",
         false, "email", "sent", TIMESTAMP_MS, "", "", "no at: the record's timestamp"},
        {"{\"type\":\"send\",\"message_id\":\"m-1\",\"channel\":\"sms\",\"status\":\"SENT\","
         "\"reason\":\"r\",\"attributes\":{}}",
         true, "sms", "SENT", TIMESTAMP_MS, "r", "{}", "a send and a receipt in one"},
        {"{\"type\":\"send\",\"message_id\":\"m-1\",\"channel\":\"sms\",\"reason\":\"r\"}", true,
         "sms", "", TIMESTAMP_MS, "", "", "a reason without a status is dropped"},
        {"{\"type\":\"receipt\",\"message_id\":\"m-1\",\"channel\":\"sms\",\"status\":\"SENT\","
         "\"attributes\":{\"a\":1}}",
         false, "sms", "SENT", TIMESTAMP_MS, "", "", "a receipt's attributes are dropped"},
        {"{\"type\":\"receipt\",\"message_id\":\"m-1\",\"channel\":\"sms\",\"status\":\"SENT\","
         "\"reason\":\"\"}",
         false, "sms", "SENT", TIMESTAMP_MS, "", "", "an empty reason is none"},
        {" {\t\"reason\" : \"r\" ,\n\"status\":\"SENT\",\r\"channel\":\"sms\","
         "\"message_id\":\"m-1\",\"type\":\"receipt\" } ",
         false, "sms", "SENT", TIMESTAMP_MS, "r", "", "any order, any white space"},
        {"{\"\\u0074ype\":\"re\\u0063eipt\",\"message_i\\u0064\":\"m\\u002d1\","
         "\"channel\":\"\\u0073ms\",\"status\":\"SEN\\u0054\","
         "\"at\":\"2026-11-23T10:00:00\\u005a\",\"reason\":\"\\u00e9\\n\\ud83d\\ude00\"}",
         false, "sms", "SENT", 1795428000000, "\xc3\xa9\n\xf0\x9f\x98\x80", "", "escaped"},
        {"{\"type\":\"send\",\"message_id\":\"m-1\",\"channel\":\"sms\","
         "\"attributes\":{ \"n\" : 1.10e400 , \"a\":[\"\\u00e9\", \"\xc3\xa9\"]}}",
         true, "sms", "", TIMESTAMP_MS, "",
         "{ \"n\" : 1.10e400 , \"a\":[\"\\u00e9\", \"\xc3\xa9\"]}", "attributes travel raw"},
        {"{\"type\":\"send\",\"message_id\":\"m-1\",\"channel\":\"sms\",\"recipient\":\"\\u0000\","
         "\"x\":{\"type\":\"y\",\"\\ud800\":[null]},\"x\":1,\"Type\":2,\"\\u0000\":3}",
         true, "sms", "", TIMESTAMP_MS, "", "", "unknown fields may be anything, also twice"},
        {"{\"type\":\"send\",\"message_id\":\"m-1\",\"channel\":\"sms\",\"at\":100000000000}", true,
         "sms", "", 100000000000, "", "", "the least epoch time"},
        {"{\"type\":\"send\",\"message_id\":\"m-1\",\"channel\":\"sms\",\"at\":253402300799999}",
         true, "sms", "", 253402300799999, "", "", "the greatest epoch time"},
        {"{\"type\":\"send\",\"message_id\":\"m-1\",\"channel\":\"sms\",\"at\":253402300799999.9}",
         true, "sms", "", 253402300799999, "", "", "its fraction is cut"},
        {"{\"type\":\"send\",\"message_id\":\"m-1\",\"channel\":\"sms\",\"at\":1.795428001250E12}",
         true, "sms", "", 1795428001250, "", "", "an exponent"},
        {"{\"type\":\"send\",\"message_id\":\"m-1\",\"channel\":\"sms\","
         "\"at\":\"0000-01-01T00:00:00Z\"}",
         true, "sms", "", TIME_MIN_MS, "", "", "RFC 3339 reaches further than epoch numbers"},
    };
    struct trial trial = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct event *event = &trial.event;
        const struct table *table;

        try_value(&trial, cases[i].value);
        if (trial.reason != REASON_NONE)
            fail_msg("%s: %s: %s", cases[i].why, reason_words[trial.reason], trial.buffer.detail);
        assert_string_equal(trial.buffer.detail, "");
        table = tables.rows[event->channel];
        assert_string_equal(table->channel, cases[i].channel);
        assert_string_equal(event->status == STATUS_NONE ? ""
                                                         : table_status_name(table, event->status),
                            cases[i].status);
        if (event->is_send != cases[i].is_send || event->at_ms != cases[i].at_ms ||
            event->timestamp_ms != TIMESTAMP_MS || event->offset != 812)
            fail_msg("%s: at %" PRId64, cases[i].why, event->at_ms);
        assert_text(event->id, "m-1", cases[i].why);
        assert_text(event->reason, cases[i].reason, cases[i].why);
        assert_text(event->attributes, cases[i].attributes, cases[i].why);
        assert_text(event->topic, "message.receipts", cases[i].why);
    }
    free(trial.value);
}

/* Members that make a good receipt, for cases that add or replace one. */
#define TYPE_ "\"type\":\"receipt\","
#define ID_ "\"message_id\":\"m-1\","
#define CHANNEL_ "\"channel\":\"sms\","
#define STATUS_ "\"status\":\"SENT\""
#define GOOD_ TYPE_ ID_ CHANNEL_ STATUS_

static void a_bad_field_is_named_with_what_is_wrong(void **state)
{
    static const struct {
        const char *members, *detail;
    } cases[] = {
        {"", "type is missing"},
        {ID_ CHANNEL_ STATUS_, "type is missing"},
        {TYPE_ CHANNEL_ STATUS_, "message_id is missing"},
        {TYPE_ ID_ STATUS_, "channel is missing"},
        {TYPE_ ID_ "\"channel\":\"sms\"", "status is missing"},
        {"\"type\":\"delivery\"," ID_ CHANNEL_ STATUS_, "type is neither send nor receipt"},
        {"\"type\":\"Send\"," ID_ CHANNEL_ STATUS_, "type is neither send nor receipt"},
        {"\"type\":\"\"," ID_ CHANNEL_ STATUS_, "type is neither send nor receipt"},
        {"\"type\":\"send\\u0000\"," ID_ CHANNEL_ STATUS_, "type has a NUL"},
        {"\"type\":1," ID_ CHANNEL_ STATUS_, "type is not a string"},
        {"\"type\":null," ID_ CHANNEL_ STATUS_, "type is not a string"},
        {TYPE_ "\"message_id\":\"\"," CHANNEL_ STATUS_, "message_id is empty"},
        {TYPE_ "\"message_id\":1," CHANNEL_ STATUS_, "message_id is not a string"},
        {TYPE_ "\"message_id\":null," CHANNEL_ STATUS_, "message_id is not a string"},
        {TYPE_ "\"message_id\":\"m-1\\u0000\"," CHANNEL_ STATUS_, "message_id has a NUL"},
        {TYPE_ "\"message_id\":\"\\ud83d\"," CHANNEL_ STATUS_, "message_id has a NUL or a lone"},
        {TYPE_ "\"message_id\":\"\\ude00\\ud83d\"," CHANNEL_ STATUS_, "message_id has a NUL or"},
        {TYPE_ ID_ "\"channel\":[]," STATUS_, "channel is not a string"},
        {TYPE_ ID_ "\"channel\":null," STATUS_, "channel is not a string"},
        {TYPE_ ID_ "\"channel\":\"\\u0000\"," STATUS_, "channel has a NUL"},
        {TYPE_ ID_ CHANNEL_ "\"status\":null", "status is not a string"},
        {TYPE_ ID_ CHANNEL_ "\"status\":true", "status is not a string"},
        {TYPE_ ID_ CHANNEL_ "\"status\":\"SENT\\u0000\"", "status has a NUL"},
        {"\"type\":\"send\"," ID_ CHANNEL_ "\"status\":null", "status is not a string"},
        {GOOD_ ",\"at\":null", "at is not a time"},
        {GOOD_ ",\"at\":true", "at is not a time"},
        {GOOD_ ",\"at\":{}", "at is not a time"},
        {GOOD_ ",\"at\":\"\"", "at is not a time"},
        {GOOD_ ",\"at\":\"yesterday\"", "at is not a time"},
        {GOOD_ ",\"at\":\"1795428001250\"", "at is not a time"},
        {GOOD_ ",\"at\":\"2026-11-23 10:00:00Z\"", "at is not a time"},
        {GOOD_ ",\"at\":\"2026-11-23T10:00:00Z\\u0000\"", "at has a NUL"},
        {GOOD_ ",\"at\":99999999999", "at is not a time"},
        {GOOD_ ",\"at\":99999999999.999", "at is not a time"},
        {GOOD_ ",\"at\":1795428001", "at is not a time"},
        {GOOD_ ",\"at\":253402300800000", "at is not a time"},
        {GOOD_ ",\"at\":-1795428001250", "at is not a time"},
        {GOOD_ ",\"at\":1e400", "at is not a time"},
        {GOOD_ ",\"at\":0", "at is not a time"},
        {GOOD_ ",\"reason\":null", "reason is not a string"},
        {GOOD_ ",\"reason\":7", "reason is not a string"},
        {GOOD_ ",\"reason\":\"a\\u0000\"", "reason has a NUL"},
        {GOOD_ ",\"reason\":\"\\udc00\"", "reason has a NUL or a lone surrogate"},
        {GOOD_ ",\"attributes\":null", "attributes is not an object"},
        {GOOD_ ",\"attributes\":[]", "attributes is not an object"},
        {GOOD_ ",\"attributes\":\"{}\"", "attributes is not an object"},
        {GOOD_ ",\"attributes\":{\"a\":[{\"b\":\"\\u0000\"}]}", "attributes has a NUL"},
        {GOOD_ ",\"attributes\":{\"\\ud800\":1}", "attributes has a NUL or a lone surrogate"},
        {"\"type\":\"send\"," ID_ CHANNEL_ "\"attributes\":{\"\\u0000\":1}", "attributes has a"},
        {GOOD_ ",\"type\":\"receipt\"", "type is given twice"},
        {GOOD_ ",\"message_id\":\"m-1\"", "message_id is given twice"},
        {GOOD_ ",\"message_\\u0069d\":\"m-1\"", "message_id is given twice"},
        {GOOD_ ",\"channel\":\"sms\"", "channel is given twice"},
        {GOOD_ ",\"status\":\"DELIVRD\"", "status is given twice"},
        {GOOD_ ",\"at\":1795428001250,\"\\u0061\\u0074\":1795428001250", "at is given twice"},
        {GOOD_ ",\"reason\":\"a\",\"x\":1,\"reason\":\"a\"", "reason is given twice"},
        {GOOD_ ",\"attributes\":{},\"attributes\":{}", "attributes is given twice"},
        {GOOD_ ",\"at\":1,\"at\":1,\"at\":1", "at is given twice"},
    };
    struct trial trial = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char value[512];

        snprintf(value, sizeof(value), "{%s}", cases[i].members);
        try_value(&trial, value);
        if (trial.reason != REASON_BAD_FIELD)
            fail_msg("%s should be: %s", value, cases[i].detail);
        if (strstr(trial.buffer.detail, cases[i].detail) != trial.buffer.detail)
            fail_msg("%s: \"%s\", not \"%s\"", value, trial.buffer.detail, cases[i].detail);
    }
    free(trial.value);
}

/* A receipt with one member of a given size, its letters repeated. */
static void put_sized(struct buffer *out, const char *before, const char *letter, size_t count,
                      const char *behind)
{
    buffer_clear(out);
    buffer_put_string(out, before);
    for (size_t i = 0; i < count; i++)
        buffer_put_string(out, letter);
    buffer_put_string(out, behind);
}

static void sizes_are_held_to_their_bounds_after_decoding(void **state)
{
    static const struct {
        const char *before, *letter;
        size_t count;
        const char *behind, *detail; /* NULL: good */
    } cases[] = {
        {"{" TYPE_ CHANNEL_ STATUS_ ",\"message_id\":\"", "m", 128, "\"}", NULL},
        {"{" TYPE_ CHANNEL_ STATUS_ ",\"message_id\":\"", "m", 129, "\"}", "message_id is longer"},
        {"{" TYPE_ CHANNEL_ STATUS_ ",\"message_id\":\"", "\\u006d", 128, "\"}", NULL},
        {"{" TYPE_ CHANNEL_ STATUS_ ",\"message_id\":\"", "\\u006d", 129, "\"}",
         "message_id is longer"},
        {"{" TYPE_ CHANNEL_ STATUS_ ",\"message_id\":\"", "\xc3\xa9", 64, "\"}", NULL},
        {"{" TYPE_ CHANNEL_ STATUS_ ",\"message_id\":\"", "\xc3\xa9", 65, "\"}",
         "message_id is longer"},
        {"{" TYPE_ CHANNEL_ STATUS_ ",\"message_id\":\"", "\\u00e9", 65, "\"}",
         "message_id is longer"},
        {"{" GOOD_ ",\"attributes\":{\"a\":\"", "x", 1016, "\"}}", NULL},
        {"{" GOOD_ ",\"attributes\":{\"a\":\"", "x", 1017, "\"}}", "attributes is larger"},
        {"{" GOOD_ ",\"attributes\":{", " ", 1022, "}}", NULL},
        {"{" GOOD_ ",\"attributes\":{", " ", 1023, "}}", "attributes is larger"},
        {"{" GOOD_ ",\"at\":\"2026-11-23T10:00:00.", "1", 5000, "Z\"}", NULL},
    };
    struct buffer value = {0};
    struct trial trial = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct envelope_facts facts = {.timestamp_ms = TIMESTAMP_MS, .key_is_id = true};

        put_sized(&value, cases[i].before, cases[i].letter, cases[i].count, cases[i].behind);
        try_facts(&trial, (const char *)value.bytes, value.size, &facts);
        if (trial.reason != (cases[i].detail == NULL ? REASON_NONE : REASON_BAD_FIELD) ||
            (cases[i].detail != NULL &&
             strstr(trial.buffer.detail, cases[i].detail) != trial.buffer.detail))
            fail_msg("case %zu, %zu times %s: %s", i, cases[i].count, cases[i].letter,
                     trial.buffer.detail);
    }
    buffer_release(&value);
    free(trial.value);
}

static void a_long_reason_is_cut_at_a_character(void **state)
{
    static const struct {
        const char *letter;
        size_t count, expected;
    } cases[] = {
        {"r", 255, 255},         {"r", 256, 256},           {"r", 257, 256},
        {"r", 5000, 256},        {"\\u0072", 5000, 256},    {"\xc3\xa9", 128, 256},
        {"\xc3\xa9", 200, 256},  {"\xe2\x82\xac", 86, 255}, {"\\u20ac", 86, 255},
        {"\\u20ac", 10000, 255},
    };
    struct envelope_facts facts = {.timestamp_ms = TIMESTAMP_MS, .key_is_id = true};
    struct buffer value = {0};
    struct trial trial = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_sized(&value, "{" GOOD_ ",\"reason\":\"", cases[i].letter, cases[i].count, "\"}");
        try_facts(&trial, (const char *)value.bytes, value.size, &facts);
        assert_int_equal(trial.reason, REASON_NONE);
        if (trial.event.reason.size != cases[i].expected ||
            !utf8_valid(trial.event.reason.bytes, trial.event.reason.size))
            fail_msg("%zu times %s became %" PRIu32 " bytes", cases[i].count, cases[i].letter,
                     trial.event.reason.size);
    }
    buffer_release(&value);
    free(trial.value);
}

static bool never_right(const uint8_t *key, size_t key_size, void *context)
{
    bool *asked = context;

    assert_int_equal(key_size, 3);
    assert_memory_equal(key, "m-1", 3);
    *asked = true;
    return false;
}

static bool always_right(const uint8_t *key, size_t key_size, void *context)
{
    return !never_right(key, key_size, context);
}

static void the_first_reason_that_fits_is_the_one(void **state)
{
    static const char good[] = "{" GOOD_ "}";
    static const char foreign[] = "{" TYPE_ ID_ "\"channel\":\"fax\"," STATUS_ "}";
    static const struct {
        const char *value; /* NULL: a tombstone */
        const char *key;   /* NULL: none */
        bool key_is_id, wrong_partition;
        enum reason reason;
        const char *detail;
    } cases[] = {
        {good, "m-1", false, false, REASON_NONE, ""},
        {NULL, "m-1", false, true, REASON_NO_VALUE, "the record has no value"},
        {NULL, NULL, false, true, REASON_NO_VALUE, "the record has no value"},
        {"", "m-1", false, false, REASON_NOT_JSON, "at byte 0: no byte at all"},
        {"{\"at\":1,\"at\":2,}", NULL, false, true, REASON_NOT_JSON, "at byte 15: a member's name"},
        {"{" GOOD_ ",\"at\":01}", "m-1", false, false, REASON_NOT_JSON, "at byte 74: a number"},
        {"{" GOOD_ "}\n{}", "m-1", false, false, REASON_NOT_JSON, "at byte 70: something"},
        {"{\"message_id\":\"\"}", NULL, false, true, REASON_BAD_FIELD, "type is missing"},
        {"{" TYPE_ ID_ "\"channel\":\"fax\"," STATUS_ ",\"at\":1}", NULL, false, true,
         REASON_BAD_FIELD, "at is not a time"},
        {foreign, NULL, false, true, REASON_KEY_MISMATCH, "the record has no key"},
        {foreign, "m-2", false, true, REASON_KEY_MISMATCH, "the record's key is not its message"},
        {good, "m-", false, false, REASON_KEY_MISMATCH, "the record's key is not its message"},
        {good, "m-11", false, false, REASON_KEY_MISMATCH, "the record's key is not its message"},
        {good, "", false, false, REASON_KEY_MISMATCH, "the record's key is not its message"},
        {good, NULL, true, false, REASON_NONE, ""},
        {good, "other", true, false, REASON_NONE, ""},
        {foreign, "m-1", false, true, REASON_WRONG_PARTITION, "the partitioner would have put"},
        {good, NULL, true, true, REASON_WRONG_PARTITION, "the partitioner would have put"},
        {foreign, "m-1", false, false, REASON_UNKNOWN_CHANNEL,
         "channel \"fax\" is not in the tables"},
        {"{" TYPE_ ID_ "\"channel\":\"fax\",\"status\":\"BUSY\"}", "m-1", false, false,
         REASON_UNKNOWN_CHANNEL, "channel \"fax\" is not in the tables"},
        {"{" TYPE_ ID_ "\"channel\":\"\"," STATUS_ "}", "m-1", false, false, REASON_UNKNOWN_CHANNEL,
         "channel \"\" is not in the tables"},
        {"{" TYPE_ ID_ "\"channel\":\"SMS\"," STATUS_ "}", "m-1", false, false,
         REASON_UNKNOWN_CHANNEL, "channel \"SMS\" is not in the tables"},
        {"{" TYPE_ ID_ CHANNEL_ "\"status\":\"delivered\"}", "m-1", false, false,
         REASON_UNKNOWN_STATUS, "status \"delivered\" is not in the tables"},
        {"{" TYPE_ ID_ CHANNEL_ "\"status\":\"\"}", "m-1", false, false, REASON_UNKNOWN_STATUS,
         "status \"\" is not in the tables"},
        {"{\"type\":\"send\"," ID_ CHANNEL_ "\"status\":\"sent\"}", "m-1", false, false,
         REASON_UNKNOWN_STATUS, "status \"sent\" is not in the tables"},
        {"{" TYPE_ ID_ CHANNEL_ "\"status\":\"\\n\\u007f\xc3\xa9%s\\\"\"}", "m-1", false, false,
         REASON_UNKNOWN_STATUS, "status \"????%s\"\" is not in the tables"},
        {"{" TYPE_ ID_ CHANNEL_ "\"status\":\"0123456789012345678901234567890123456789012345678901"
         "234567890123456789\"}",
         "m-1", false, false, REASON_UNKNOWN_STATUS,
         "status \"0123456789012345678901234567890123456789012345678901234567890123\" is not"},
    };
    struct trial trial = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool asked = false;
        struct envelope_facts facts = {
            .key = (const uint8_t *)cases[i].key,
            .key_size = cases[i].key != NULL ? strlen(cases[i].key) : 0,
            .timestamp_ms = TIMESTAMP_MS,
            .key_is_id = cases[i].key_is_id,
            .partition_is_right = cases[i].wrong_partition ? never_right : always_right,
            .context = &asked,
        };

        if (cases[i].value != NULL)
            try_facts(&trial, cases[i].value, strlen(cases[i].value), &facts);
        else
            trial.reason =
                event_decode(&tables, NULL, 0, EVENT_MAX, &facts, &trial.buffer, &trial.event);
        if (trial.reason != cases[i].reason)
            fail_msg("case %zu: %s became \"%s\"", i, cases[i].value, trial.buffer.detail);
        if (strstr(trial.buffer.detail, cases[i].detail) != trial.buffer.detail)
            fail_msg("case %zu: %s: \"%s\", not \"%s\"", i, cases[i].value, trial.buffer.detail,
                     cases[i].detail);
        if (asked && cases[i].reason < REASON_WRONG_PARTITION)
            fail_msg("case %zu: the partitioner was asked about a key that is not the id", i);
    }
    free(trial.value);
}

static void a_value_is_too_large_from_one_byte_over(void **state)
{
    static const char value[] = "{" GOOD_ "}";
    const size_t size = sizeof(value) - 1;
    struct envelope_facts facts = {.key_is_id = true};
    struct event_buffer buffer;
    struct event event;

    (void)state;
    assert_int_equal(
        event_decode(&tables, (const uint8_t *)value, size, size, &facts, &buffer, &event),
        REASON_NONE);
    assert_int_equal(
        event_decode(&tables, (const uint8_t *)value, size, size - 1, &facts, &buffer, &event),
        REASON_TOO_LARGE);
    assert_string_equal(buffer.detail, "69 bytes, more than event.max.bytes=68");
    assert_int_equal(event_decode(&tables, (const uint8_t *)"xxx", 3, 2, &facts, &buffer, &event),
                     REASON_TOO_LARGE);
}

static void the_locale_of_the_process_changes_nothing(void **state)
{
    struct trial trial = {0};

    (void)state;
    /* Where the machine has one that writes decimals with a comma; else this says little. */
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        setlocale(LC_ALL, "");
    try_value(&trial, "{" GOOD_ ",\"at\":1795428001250.75}");
    assert_int_equal(trial.reason, REASON_NONE);
    assert_int_equal(trial.event.at_ms, 1795428001250);
    setlocale(LC_ALL, "C");
    free(trial.value);
}

static void a_bad_event_still_tells_its_time(void **state)
{
    static const struct {
        const char *value;
        bool has_it;
        int64_t at_ms;
    } cases[] = {
        {"{\"at\":1795428001250}", true, 1795428001250},
        {"{\"at\":\"2026-11-23T10:00:00Z\",\"type\":7}", true, 1795428000000},
        {"{\"at\":\"2026-11-23T10:00:00\\u005a\"}", true, 1795428000000},
        {"{\"\\u0061t\":1795428001250.5}", true, 1795428001250},
        {"{\"at\":1795428001250,\"type\":\"a\",\"type\":\"a\"}", true, 1795428001250},
        {"{\"at\":1795428001250,\"at\":1795428001250}", false, 0},
        {"{\"at\":1795428001250", false, 0},
        {"{\"at\":1795428001250}x", false, 0},
        {"[{\"at\":1795428001250}]", false, 0},
        {"{\"x\":{\"at\":1795428001250}}", false, 0},
        {"{\"at\":5}", false, 0},
        {"{\"at\":null}", false, 0},
        {"{\"at\":\"\\ud800\"}", false, 0},
        {"{\"at\":\"2026-11-23T10:00:00Z\\u0000\"}", false, 0},
        {"{}", false, 0},
        {"", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t at_ms = 0;

        if (event_peek_at((const uint8_t *)cases[i].value, strlen(cases[i].value), &at_ms) !=
                cases[i].has_it ||
            at_ms != cases[i].at_ms)
            fail_msg("%s gave %" PRId64, cases[i].value, at_ms);
    }
}

/* Promise 8, in the small: a good event with any one byte changed, or cut anywhere. */
static void no_single_byte_stops_the_reader(void **state)
{
    static const char good[] = "{" GOOD_ ",\"at\":\"2026-11-23T10:00:00.5Z\",\"reason\":\"\\ud83d"
                               "\\ude00\",\"attributes\":{\"a\":[1.5e3,\"\xc3\xa9\"]}}";
    struct envelope_facts facts = {.timestamp_ms = TIMESTAMP_MS, .key_is_id = true};
    struct trial trial = {0};

    (void)state;
    for (size_t at = 0; at < sizeof(good) - 1; at++) {
        char value[sizeof(good)];

        memcpy(value, good, sizeof(good));
        for (unsigned byte = 0; byte < 256; byte++) {
            value[at] = (char)byte;
            try_facts(&trial, value, sizeof(good) - 1, &facts);
            if (trial.reason == REASON_NONE && trial.event.id.size > MESSAGE_ID_MAX)
                fail_msg("byte %zu as %u", at, byte);
        }
        try_facts(&trial, good, at, &facts);
        assert_int_equal(trial.reason, REASON_NOT_JSON);
    }
    free(trial.value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_event_is_read_whole),
        cmocka_unit_test(a_bad_field_is_named_with_what_is_wrong),
        cmocka_unit_test(sizes_are_held_to_their_bounds_after_decoding),
        cmocka_unit_test(a_long_reason_is_cut_at_a_character),
        cmocka_unit_test(the_first_reason_that_fits_is_the_one),
        cmocka_unit_test(a_value_is_too_large_from_one_byte_over),
        cmocka_unit_test(the_locale_of_the_process_changes_nothing),
        cmocka_unit_test(a_bad_event_still_tells_its_time),
        cmocka_unit_test(no_single_byte_stops_the_reader),
    };

    arena_hook_cjson();
    return cmocka_run_group_tests(tests, make_tables, drop_tables);
}
