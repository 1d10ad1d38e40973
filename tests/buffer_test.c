/* buffer_test.c: bytes that grow, base64, and the headers that a dead letter gets. */
#include "schemas/base64.h"
#include "schemas/buffer.h"
#include "schemas/dead_letter.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_content(const struct buffer *buffer, const char *expected, size_t size)
{
    assert_false(buffer->failed);
    if (buffer->size != size || memcmp(buffer->bytes, expected, size) != 0)
        fail_msg("expected %zu bytes: %s, got %zu: %.*s", size, expected, buffer->size,
                 (int)buffer->size, (const char *)buffer->bytes);
}

static void a_zeroed_buffer_is_empty_and_safe_to_release(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    buffer_release(&buffer);
    buffer_release(&buffer);
    assert_null(buffer.bytes);
}

static void what_was_put_comes_out_in_order_however_often_it_grew(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    for (unsigned i = 0; i < 100000; i++)
        buffer_put_byte(&buffer, (uint8_t)(i * 7));
    buffer_put(&buffer, NULL, 0);
    assert_false(buffer.failed);
    assert_int_equal(buffer.size, 100000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(buffer.bytes[i], (uint8_t)(i * 7));

    buffer_clear(&buffer);
    buffer_put_string(&buffer, "");
    buffer_put_string(&buffer, "again");
    assert_content(&buffer, "again", 5);
    buffer_release(&buffer);
}

static void a_failure_is_remembered_until_the_buffer_is_cleared(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    buffer_put_string(&buffer, "kept");
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer.failed);
    buffer_put_string(&buffer, "never");
    assert_true(buffer.failed);
    assert_int_equal(buffer.size, 4);
    buffer_clear(&buffer);
    buffer_put_string(&buffer, "anew");
    assert_content(&buffer, "anew", 4);
    buffer_release(&buffer);
}

static void decimals_are_exact_at_the_ends_of_their_range(void **state)
{
    static const int64_t numbers[] = {0, 1, -1, 9, 10, 1795428000000, INT64_MAX, INT64_MIN};
    struct buffer buffer = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "%" PRId64, numbers[i]);
        buffer_clear(&buffer);
        buffer_put_decimal(&buffer, numbers[i]);
        assert_content(&buffer, expected, strlen(expected));
    }
    buffer_release(&buffer);
}

static void a_format_is_written_whole_and_without_a_nul(void **state)
{
    struct buffer buffer = {0};
    char long_one[3000];

    (void)state;
    memset(long_one, 'x', sizeof(long_one) - 1);
    long_one[sizeof(long_one) - 1] = 0;
    buffer_printf(&buffer, "%s", "");
    assert_int_equal(buffer.size, 0);
    buffer_printf(&buffer, "%d%%, ", 50);
    buffer_printf(&buffer, "%s%c", "two", '.');
    assert_content(&buffer, "50%, two.", 9);
    buffer_clear(&buffer);
    buffer_printf(&buffer, "<%s>", long_one);
    assert_int_equal(buffer.size, sizeof(long_one) - 1 + 2);
    assert_int_equal(buffer.bytes[0], '<');
    assert_int_equal(buffer.bytes[buffer.size - 1], '>');
    buffer_release(&buffer);
}

static void json_strings_escape_what_must_be_escaped_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *expected;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain /'<>&", 11, "\"plain /'<>&\""},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
        {"\0\x01\x0b\x1f", 4, "\"\\u0000\\u0001\\u000b\\u001f\""},
        {"\x7f", 1, "\"\x7f\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"\"", 1, "\"\\\"\""},
        {"x\n", 2, "\"x\\n\""},
    };
    struct buffer buffer = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buffer_clear(&buffer);
        buffer_put_json_string(&buffer, cases[i].text, cases[i].size);
        assert_content(&buffer, cases[i].expected, strlen(cases[i].expected));
    }
    buffer_release(&buffer);
}

static void varints_take_seven_bits_a_byte_least_first(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    buffer_put_varint(&buffer, 0);
    buffer_put_varint(&buffer, 127);
    buffer_put_varint(&buffer, 128);
    buffer_put_varint(&buffer, 300);
    assert_content(&buffer, "\x00\x7f\x80\x01\xac\x02", 6);
    buffer_clear(&buffer);
    buffer_put_varint(&buffer, UINT64_MAX);
    assert_content(&buffer, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    buffer_clear(&buffer);
    buffer_put_zigzag(&buffer, 0);
    buffer_put_zigzag(&buffer, -1);
    buffer_put_zigzag(&buffer, 1);
    buffer_put_zigzag(&buffer, -65);
    assert_content(&buffer, "\x00\x01\x02\x81\x01", 5);
    buffer_clear(&buffer);
    buffer_put_zigzag(&buffer, INT64_MIN);
    assert_content(&buffer, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    buffer_release(&buffer);
}

/* RFC 4648 10. */
static void base64_passes_the_vectors_of_its_rfc_both_ways(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd\xfb", "//79+w=="},
    };
    struct buffer buffer = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *bytes = cases[i][0], *text = cases[i][1];

        buffer_clear(&buffer);
        base64_encode(&buffer, (const uint8_t *)bytes, strlen(bytes));
        assert_content(&buffer, text, strlen(text));
        buffer_clear(&buffer);
        assert_true(base64_decode(&buffer, (const uint8_t *)text, strlen(text)));
        assert_content(&buffer, bytes, strlen(bytes));
    }
    buffer_release(&buffer);
}

static void base64_that_is_not_canonical_is_refused_and_appends_nothing(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"Zg", "padding is missing"},
        {"Zg=", "half of the padding is missing"},
        {"Z===", "one letter is no byte"},
        {"====", "padding only"},
        {"Zh==", "bits that no byte takes are set"},
        {"Zm9=", "bits that no byte takes are set"},
        {"Zg==Zg==", "padding in the middle"},
        {"Zm9v\n", "a newline"},
        {"Zm 9", "white space"},
        {"Zm9-", "the alphabet of file names"},
        {"Zm9_", "the alphabet of file names"},
        {"Z=9v", "padding between letters"},
        {"Zm=v", "padding before a letter"},
        {"Zm9\xc3", "no ASCII"},
    };
    struct buffer buffer = {0};

    (void)state;
    buffer_put_string(&buffer, "x");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (base64_decode(&buffer, (const uint8_t *)cases[i].text, strlen(cases[i].text)) ||
            buffer.size != 1)
            fail_msg("accepted %s: %s", cases[i].text, cases[i].why);
    assert_content(&buffer, "x", 1);
    buffer_release(&buffer);
}

static void assert_header(const struct header *header, const char *name, const char *value)
{
    assert_int_equal(header->name_size, strlen(name));
    assert_memory_equal(header->name, name, header->name_size);
    assert_int_equal(header->value_size, strlen(value));
    assert_memory_equal(header->value, value, header->value_size);
}

static void a_dead_letter_says_why_what_where_from_and_how_much_was_cut(void **state)
{
    const uint8_t *topic = (const uint8_t *)"message.receipts";
    struct buffer store = {0};
    struct header headers[4];

    (void)state;
    assert_int_equal(dead_letter_headers(headers, &store, REASON_BAD_FIELD, "at is given twice",
                                         topic, 16, 3, 812, 70000, 65000),
                     4);
    assert_header(&headers[0], "upshot-reason", "bad_field");
    assert_header(&headers[1], "upshot-detail", "at is given twice");
    assert_header(&headers[2], "upshot-source", "message.receipts/3/812");
    assert_header(&headers[3], "upshot-cut", "70000");

    /* Neither an empty detail nor a value that is whole has a header. */
    buffer_clear(&store);
    assert_int_equal(
        dead_letter_headers(headers, &store, REASON_NO_VALUE, "", topic, 16, 0, 0, 5, 5), 2);
    assert_header(&headers[0], "upshot-reason", "no_value");
    assert_header(&headers[1], "upshot-source", "message.receipts/0/0");
    buffer_release(&store);
}

static void every_reason_has_the_word_of_the_contract(void **state)
{
    static const char *const words[] = {
        "skewed_time",  "no_value",        "too_large",       "not_json",       "bad_field",
        "key_mismatch", "wrong_partition", "unknown_channel", "unknown_status",
    };

    (void)state;
    assert_int_equal(REASON_COUNT, sizeof(words) / sizeof(words[0]));
    for (size_t i = 0; i < REASON_COUNT; i++)
        assert_string_equal(reason_words[i], words[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_buffer_is_empty_and_safe_to_release),
        cmocka_unit_test(what_was_put_comes_out_in_order_however_often_it_grew),
        cmocka_unit_test(a_failure_is_remembered_until_the_buffer_is_cleared),
        cmocka_unit_test(decimals_are_exact_at_the_ends_of_their_range),
        cmocka_unit_test(a_format_is_written_whole_and_without_a_nul),
        cmocka_unit_test(json_strings_escape_what_must_be_escaped_and_nothing_else),
        cmocka_unit_test(varints_take_seven_bits_a_byte_least_first),
        cmocka_unit_test(base64_passes_the_vectors_of_its_rfc_both_ways),
        cmocka_unit_test(base64_that_is_not_canonical_is_refused_and_appends_nothing),
        cmocka_unit_test(a_dead_letter_says_why_what_where_from_and_how_much_was_cut),
        cmocka_unit_test(every_reason_has_the_word_of_the_contract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
