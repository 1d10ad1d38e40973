/* envelope_test.c: kcat's -J lines, into a replay and out of it. */
#include "schemas/envelope.h"

#include "schemas/json.h"
#include "statemachine/bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) literal, sizeof(literal) - 1

static enum envelope_kind decode(const char *line, size_t size, struct buffer *store,
                                 struct envelope *envelope, const char **why)
{
    *why = NULL;
    return envelope_decode((const uint8_t *)line, size, store, envelope, why);
}

static void a_line_is_an_envelope_by_its_payload_and_for_want_of_a_type(void **state)
{
    static const struct {
        const char *line;
        enum envelope_kind kind;
        const char *why;
    } cases[] = {
        {"{\"payload\":\"x\"}", ENVELOPE_GOOD, "payload alone"},
        {"{\"payload\":null}", ENVELOPE_GOOD, "a tombstone"},
        {"{\"payload_b64\":\"eA==\"}", ENVELOPE_GOOD, "payload_b64 alone"},
        {" {\"\\u0070ayload\":\"x\"} ", ENVELOPE_GOOD, "an escaped name"},
        {"{\"other\":1,\"payload\":\"x\",\"broker\":1}", ENVELOPE_GOOD, "unknown members"},
        {"{\"type\":\"send\",\"payload\":\"x\"}", ENVELOPE_BARE, "an event with a payload"},
        {"{\"payload\":\"x\",\"type\":null}", ENVELOPE_BARE, "a type, wherever it stands"},
        {"{\"payload\":\"x\",\"\\u0074ype\":1}", ENVELOPE_BARE, "a type, however it is escaped"},
        {"{\"key\":\"k\",\"topic\":\"t\"}", ENVELOPE_BARE, "no payload"},
        {"{}", ENVELOPE_BARE, "an empty object"},
        {"[\"payload\"]", ENVELOPE_BARE, "no object"},
        {"{\"payload\":\"x\"", ENVELOPE_BARE, "no JSON"},
        {"{\"payload\":\"x\"}}", ENVELOPE_BARE, "no JSON"},
        {"garbage", ENVELOPE_BARE, "no JSON"},
        {"", ENVELOPE_BARE, "nothing"},
    };
    struct buffer store = {0};
    struct envelope envelope;
    const char *why;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (decode(cases[i].line, strlen(cases[i].line), &store, &envelope, &why) != cases[i].kind)
            fail_msg("%s: %s", cases[i].line, cases[i].why);
    buffer_release(&store);
}

static void assert_bytes(const uint8_t *bytes, size_t size, const char *expected,
                         size_t expected_size)
{
    assert_non_null(bytes);
    assert_int_equal(size, expected_size);
    assert_memory_equal(bytes, expected, size);
}

static void every_member_that_kcat_writes_is_read(void **state)
{
    static const char line[] =
        "{\"topic\":\"message.receipts\",\"partition\":3,\"offset\":812,\"tstype\":\"create\","
        "\"ts\":1795428000000,\"broker\":1,"
        "\"headers\":[\"a\",\"1\\n\", \"b\" , null,\"a\",\"\"],"
        "\"key\":\"m-1\",\"payload\":\"{\\\"type\\\":\\\"send\\\"}\"}";
    struct buffer store = {0};
    struct envelope envelope;
    const char *why;

    (void)state;
    assert_int_equal(decode(line, sizeof(line) - 1, &store, &envelope, &why), ENVELOPE_GOOD);
    assert_bytes(envelope.topic, envelope.topic_size, TEXT("message.receipts"));
    assert_int_equal(envelope.partition, 3);
    assert_int_equal(envelope.offset, 812);
    assert_int_equal(envelope.timestamp_ms, 1795428000000);
    assert_bytes(envelope.key, envelope.key_size, TEXT("m-1"));
    assert_bytes(envelope.value, envelope.value_size, TEXT("{\"type\":\"send\"}"));
    assert_int_equal(envelope.header_count, 3);
    assert_bytes(envelope.headers[0].name, envelope.headers[0].name_size, TEXT("a"));
    assert_bytes(envelope.headers[0].value, envelope.headers[0].value_size, TEXT("1\n"));
    assert_bytes(envelope.headers[1].name, envelope.headers[1].name_size, TEXT("b"));
    assert_null(envelope.headers[1].value);
    assert_bytes(envelope.headers[2].name, envelope.headers[2].name_size, TEXT("a"));
    assert_bytes(envelope.headers[2].value, envelope.headers[2].value_size, TEXT(""));
    buffer_release(&store);
}

static void what_is_not_given_says_so(void **state)
{
    static const char line[] = "{\"payload\":null}";
    struct buffer store = {0};
    struct envelope envelope;
    const char *why;

    (void)state;
    assert_int_equal(decode(line, sizeof(line) - 1, &store, &envelope, &why), ENVELOPE_GOOD);
    assert_null(envelope.topic);
    assert_int_equal(envelope.partition, 0);
    assert_int_equal(envelope.offset, -1);
    assert_int_equal(envelope.timestamp_ms, -1);
    assert_null(envelope.key);
    assert_null(envelope.value);
    assert_int_equal(envelope.header_count, 0);
    buffer_release(&store);
}

static void values_come_through_as_the_bytes_they_were(void **state)
{
    static const struct {
        const char *member;
        const char *bytes; /* NULL: a tombstone */
        size_t size;
        const char *why;
    } cases[] = {
        {"\"payload\":\"\"", TEXT(""), "empty is not absent"},
        {"\"payload\":null", NULL, 0, "null is absent"},
        {"\"payload_b64\":null", NULL, 0, "null is absent in base64 too"},
        {"\"payload_b64\":\"\"", TEXT(""), "empty in base64"},
        {"\"payload_b64\":\"//4A\"", TEXT("\xff\xfe\0"), "no UTF-8"},
        {"\"payload_b64\":\"\\/\\/4A\"", TEXT("\xff\xfe\0"), "base64 with its slashes escaped"},
        {"\"payload\":\"a\\u0000b\"", TEXT("a\0b"), "a NUL"},
        {"\"payload\":\"\\ud83d\\ude00\"", TEXT("\xf0\x9f\x98\x80"), "a pair"},
        {"\"payload\":\"\\ud83d\"", TEXT("\xed\xa0\xbd"), "half a pair, generalised"},
        {"\"payload\": { \"a\" : 1 } ", TEXT("{ \"a\" : 1 }"), "a payload as JSON: raw"},
        {"\"payload\":[1,2]", TEXT("[1,2]"), "a payload as JSON: raw"},
        {"\"payload\":12.50", TEXT("12.50"), "a payload as JSON: raw"},
        {"\"payload\":true", TEXT("true"), "a payload as JSON: raw"},
    };
    struct buffer store = {0};
    struct envelope envelope;
    const char *why;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[256];

        buffer_release(&store); /* so that it has to grow, each time */
        snprintf(line, sizeof(line), "{%s,\"key\":\"k\\n\"}", cases[i].member);
        if (decode(line, strlen(line), &store, &envelope, &why) != ENVELOPE_GOOD)
            fail_msg("%s: %s", line, why ? why : cases[i].why);
        assert_bytes(envelope.key, envelope.key_size, TEXT("k\n"));
        if ((envelope.value == NULL) != (cases[i].bytes == NULL) ||
            envelope.value_size != cases[i].size ||
            (cases[i].size > 0 && memcmp(envelope.value, cases[i].bytes, cases[i].size) != 0))
            fail_msg("%s: %s", line, cases[i].why);
    }
    buffer_release(&store);
}

static void keys_are_read_like_values_but_only_from_strings(void **state)
{
    static const char line[] = "{\"key_b64\":\"/w==\",\"payload\":\"\\n\"}";
    struct buffer store = {0};
    struct envelope envelope;
    const char *why;

    (void)state;
    assert_int_equal(decode(line, sizeof(line) - 1, &store, &envelope, &why), ENVELOPE_GOOD);
    assert_bytes(envelope.key, envelope.key_size, TEXT("\xff"));
    assert_bytes(envelope.value, envelope.value_size, TEXT("\n"));
    buffer_release(&store);
}

static void an_ill_typed_member_is_named(void **state)
{
    static const struct {
        const char *members, *why;
    } cases[] = {
        {"\"partition\":\"0\"", "partition is not"},
        {"\"partition\":-1", "partition is not"},
        {"\"partition\":2147483648", "partition is not"},
        {"\"partition\":1.5", "partition is not"},
        {"\"partition\":1e0", "partition is not"},
        {"\"partition\":null", "partition is not"},
        {"\"partition\":0,\"partition\":0", "partition is given twice"},
        {"\"partition\":0,\"p\\u0061rtition\":0", "partition is given twice"},
        {"\"offset\":-1", "offset is not"},
        {"\"offset\":1.0", "offset is not"},
        {"\"offset\":9223372036854775808", "offset is not"},
        {"\"offset\":\"7\"", "offset is not"},
        {"\"offset\":7,\"offset\":7", "offset is given twice"},
        {"\"ts\":\"1795428000000\"", "ts is not an integer"},
        {"\"ts\":1795428000000.5", "ts is not an integer"},
        {"\"ts\":null", "ts is not an integer"},
        {"\"ts\":1,\"ts\":1", "ts is given twice"},
        {"\"topic\":\"\"", "topic is not"},
        {"\"topic\":null", "topic is not"},
        {"\"topic\":7", "topic is not"},
        {"\"topic\":\"a\\u0000\"", "topic is not"},
        {"\"topic\":\"\\ud800\"", "topic is not"},
        {"\"topic\":\"t\",\"topic\":\"t\"", "topic is given twice"},
        {"\"key\":1", "key is neither"},
        {"\"key\":{}", "key is neither"},
        {"\"key\":\"a\",\"key\":\"a\"", "key is given twice"},
        {"\"key\":\"a\",\"key_b64\":\"YQ==\"", "both key and key_b64"},
        {"\"key_b64\":\"YQ\"", "key_b64 is neither"},
        {"\"key_b64\":1", "key_b64 is neither"},
        {"\"payload_b64\":\"eA==\"", "both payload and payload_b64"},
        {"\"payload\":\"y\"", "payload is given twice"},
        {"\"headers\":null", "headers is not"},
        {"\"headers\":{\"a\":\"b\"}", "headers is not"},
        {"\"headers\":[\"a\"]", "headers is not"},
        {"\"headers\":[\"a\",\"b\",\"c\"]", "headers is not"},
        {"\"headers\":[null,\"b\"]", "headers is not"},
        {"\"headers\":[1,\"b\"]", "headers is not"},
        {"\"headers\":[\"a\",1]", "headers is not"},
        {"\"headers\":[\"a\",true]", "headers is not"},
        {"\"headers\":[\"a\",[]]", "headers is not"},
        {"\"headers\":[[\"a\",\"b\"]]", "headers is not"},
        {"\"headers\":[\"a\\u0000\",\"b\"]", "headers is not"},
        {"\"headers\":[\"\\ud800\",\"b\"]", "headers is not"},
        {"\"headers\":[],\"headers\":[]", "headers is given twice"},
        {"\"headers\":[],\"headers_b64\":[]", "both headers and headers_b64"},
        {"\"headers_b64\":[\"a\",\"!\"]", "headers_b64 is not"},
        {"\"headers_b64\":\"a\"", "headers_b64 is not"},
    };
    struct buffer store = {0};
    struct envelope envelope;
    const char *why;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[256];

        snprintf(line, sizeof(line), "{\"payload\":\"x\",%s}", cases[i].members);
        if (decode(line, strlen(line), &store, &envelope, &why) != ENVELOPE_BAD)
            fail_msg("accepted %s, which should be: %s", line, cases[i].why);
        if (why == NULL || strstr(why, cases[i].why) != why)
            fail_msg("%s: \"%s\", not \"%s\"", line, why ? why : "nothing", cases[i].why);
    }
    assert_int_equal(decode(TEXT("{\"payload_b64\":\"e\"}"), &store, &envelope, &why),
                     ENVELOPE_BAD);
    assert_string_equal(why, "payload_b64 is neither base64 nor null");
    buffer_release(&store);
}

static void a_negative_timestamp_is_none(void **state)
{
    struct buffer store = {0};
    struct envelope envelope;
    const char *why;

    (void)state;
    assert_int_equal(decode(TEXT("{\"ts\":-5,\"payload\":\"\"}"), &store, &envelope, &why),
                     ENVELOPE_GOOD);
    assert_int_equal(envelope.timestamp_ms, -1);
    assert_int_equal(decode(TEXT("{\"ts\":0,\"payload\":\"\"}"), &store, &envelope, &why),
                     ENVELOPE_GOOD);
    assert_int_equal(envelope.timestamp_ms, 0);
    buffer_release(&store);
}

static void bounds_are_met_and_no_more(void **state)
{
    struct buffer line = {0}, store = {0};
    struct envelope envelope;
    const char *why;

    (void)state;
    for (size_t count = HEADERS_MAX - 1; count <= HEADERS_MAX + 1; count++) {
        buffer_clear(&line);
        buffer_put_string(&line, "{\"payload\":null,\"headers\":[");
        for (size_t i = 0; i < count; i++)
            buffer_put_string(&line, i > 0 ? ",\"n\",\"v\"" : "\"n\",\"v\"");
        buffer_put_string(&line, "]}");
        assert_int_equal(decode((const char *)line.bytes, line.size, &store, &envelope, &why),
                         count <= HEADERS_MAX ? ENVELOPE_GOOD : ENVELOPE_BAD);
        if (count <= HEADERS_MAX)
            assert_int_equal(envelope.header_count, count);
    }
    for (size_t size = TOPIC_MAX; size <= TOPIC_MAX + 1; size++) {
        buffer_clear(&line);
        buffer_put_string(&line, "{\"payload\":null,\"topic\":\"");
        for (size_t i = 0; i < size; i++)
            buffer_put_byte(&line, 't');
        buffer_put_string(&line, "\"}");
        assert_int_equal(decode((const char *)line.bytes, line.size, &store, &envelope, &why),
                         size <= TOPIC_MAX ? ENVELOPE_GOOD : ENVELOPE_BAD);
    }
    buffer_release(&line);
    buffer_release(&store);
}

static void what_was_decoded_first_does_not_move_when_more_comes(void **state)
{
    struct buffer line = {0}, store = {0};
    struct envelope envelope;
    const char *why;

    (void)state;
    buffer_put_string(&line, "{\"topic\":\"t\\u0074\",\"key\":\"k\\n\",\"payload_b64\":\"");
    for (size_t i = 0; i < 10000; i++)
        buffer_put_string(&line, "\\/\\/\\/\\/");
    buffer_put_string(&line, "\",\"headers\":[\"n\\t\",\"v\\t\"]}");
    assert_int_equal(decode((const char *)line.bytes, line.size, &store, &envelope, &why),
                     ENVELOPE_GOOD);
    assert_bytes(envelope.topic, envelope.topic_size, TEXT("tt"));
    assert_bytes(envelope.key, envelope.key_size, TEXT("k\n"));
    assert_bytes(envelope.headers[0].name, envelope.headers[0].name_size, TEXT("n\t"));
    assert_bytes(envelope.headers[0].value, envelope.headers[0].value_size, TEXT("v\t"));
    assert_int_equal(envelope.value_size, 30000);
    for (size_t i = 0; i < envelope.value_size; i++)
        assert_int_equal(envelope.value[i], 0xff);
    buffer_release(&line);
    buffer_release(&store);
}

static struct header header(const char *name, const char *value)
{
    return (struct header){(const uint8_t *)name, strlen(name), (const uint8_t *)value,
                           value != NULL ? strlen(value) : 0};
}

static void a_line_is_written_in_one_order_and_in_base64_where_it_must_be(void **state)
{
    struct envelope full = {
        .topic = (const uint8_t *)"t\"",
        .topic_size = 2,
        .partition = 3,
        .offset = 812,
        .timestamp_ms = 1795428000000,
        .key = (const uint8_t *)"m-1",
        .key_size = 3,
        .value = (const uint8_t *)"{}\n",
        .value_size = 3,
        .headers = {header("a", "1"), header("b", NULL), header("c", "")},
        .header_count = 3,
    };
    struct envelope bare = {.offset = -1, .timestamp_ms = -1};
    struct envelope wild = {
        .offset = 0,
        .timestamp_ms = 0,
        .key = (const uint8_t *)"\xff",
        .key_size = 1,
        .value = (const uint8_t *)"\xed\xa0\xbd",
        .value_size = 3,
        .headers = {header("a", "1"), header("b", NULL), header("x\xff\xe2\x82\xac", "\xfe")},
        .header_count = 3,
    };
    const struct {
        const struct envelope *envelope;
        const char *line;
    } cases[] = {
        {&full, "{\"topic\":\"t\\\"\",\"partition\":3,\"offset\":812,\"tstype\":\"create\","
                "\"ts\":1795428000000,\"headers\":[\"a\",\"1\",\"b\",null,\"c\",\"\"],"
                "\"key\":\"m-1\",\"payload\":\"{}\\n\"}"},
        {&bare, "{\"partition\":0,\"key\":null,\"payload\":null}"},
        {&wild, "{\"partition\":0,\"offset\":0,\"tstype\":\"create\",\"ts\":0,"
                "\"headers_b64\":[\"a\",\"MQ==\",\"b\",null,\"x\xef\xbf\xbd\xe2\x82\xac\","
                "\"/g==\"],\"key_b64\":\"/w==\",\"payload_b64\":\"7aC9\"}"},
    };
    struct buffer out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buffer_clear(&out);
        envelope_encode(&out, cases[i].envelope);
        assert_false(out.failed);
        buffer_put_byte(&out, '\0');
        assert_string_equal((const char *)out.bytes, cases[i].line);
    }
    buffer_release(&out);
}

/* All bytes, alone and in pairs, as key, payload and header: what goes out comes back. */
static void encode_and_decode_are_each_others_inverse(void **state)
{
    struct buffer out = {0}, store = {0};

    (void)state;
    for (unsigned pair = 0; pair < 0x10000; pair += 7) {
        const uint8_t bytes[2] = {(uint8_t)(pair >> 8), (uint8_t)pair};
        struct envelope back,
            envelope = {
                .topic = (const uint8_t *)"t",
                .topic_size = 1,
                .partition = (int32_t)pair,
                .offset = (int64_t)pair << 32,
                .timestamp_ms = pair,
                .key = bytes,
                .key_size = 2,
                .value = bytes,
                .value_size = 1,
                .headers = {{(const uint8_t *)"n", 1, bytes, 2}, {(const uint8_t *)"", 0, NULL, 0}},
                .header_count = 2,
            };
        const char *why;

        buffer_clear(&out);
        buffer_clear(&store);
        envelope_encode(&out, &envelope);
        if (decode((const char *)out.bytes, out.size, &store, &back, &why) != ENVELOPE_GOOD)
            fail_msg("%.*s: %s", (int)out.size, (const char *)out.bytes, why ? why : "bare");
        assert_int_equal(back.partition, envelope.partition);
        assert_int_equal(back.offset, envelope.offset);
        assert_int_equal(back.timestamp_ms, envelope.timestamp_ms);
        assert_bytes(back.topic, back.topic_size, "t", 1);
        assert_bytes(back.key, back.key_size, (const char *)bytes, 2);
        assert_bytes(back.value, back.value_size, (const char *)bytes, 1);
        assert_int_equal(back.header_count, 2);
        assert_bytes(back.headers[0].value, back.headers[0].value_size, (const char *)bytes, 2);
        assert_int_equal(back.headers[1].name_size, 0);
        assert_null(back.headers[1].value);
    }
    buffer_release(&out);
    buffer_release(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_an_envelope_by_its_payload_and_for_want_of_a_type),
        cmocka_unit_test(every_member_that_kcat_writes_is_read),
        cmocka_unit_test(what_is_not_given_says_so),
        cmocka_unit_test(values_come_through_as_the_bytes_they_were),
        cmocka_unit_test(keys_are_read_like_values_but_only_from_strings),
        cmocka_unit_test(an_ill_typed_member_is_named),
        cmocka_unit_test(a_negative_timestamp_is_none),
        cmocka_unit_test(bounds_are_met_and_no_more),
        cmocka_unit_test(what_was_decoded_first_does_not_move_when_more_comes),
        cmocka_unit_test(a_line_is_written_in_one_order_and_in_base64_where_it_must_be),
        cmocka_unit_test(encode_and_decode_are_each_others_inverse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
