/* log_text_test.c: what a peer says stays within its value, in logfmt and in JSON. */
#include "consumer/log_text.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct log_text text;

/* The pairs alone, without the line feed. */
__attribute__((format(printf, 2, 3))) static const char *pairs(enum log_style style,
                                                               const char *format, ...)
{
    va_list args;
    size_t head;

    log_text_begin(&text, style, "e", "info", "t");
    head = text.size;
    va_start(args, format);
    log_text_pairs(&text, format, args);
    va_end(args);
    text.bytes[text.size] = 0;
    return text.bytes + head + (text.size > head);
}

static void a_value_is_bare_where_it_can_be_and_quoted_where_it_must(void **state)
{
    static const struct {
        const char *in, *logfmt, *json, *why;
    } cases[] = {
        {"message.sends", "message.sends", "\"message.sends\"", "a word"},
        {"h1:9092,h2:9092", "h1:9092,h2:9092", "\"h1:9092,h2:9092\"", "an address"},
        {"", "\"\"", "\"\"", "empty"},
        {"17", "17", "\"17\"", "digits in a text are a text"},
        {"two words", "\"two words\"", "\"two words\"", "a blank ends a bare value"},
        {"a=b", "\"a=b\"", "\"a=b\"", "looks like a pair"},
        {"say \"no\"", "\"say \\\"no\\\"\"", "\"say \\\"no\\\"\"", "quotes"},
        {"a\\b", "\"a\\\\b\"", "\"a\\\\b\"", "a backslash"},
        {"x\nforged level=error", "\"x\\nforged level=error\"", "\"x\\nforged level=error\"",
         "a line of somebody else's"},
        {"a\tb\rc", "\"a\\tb\\rc\"", "\"a\\tb\\rc\"", "other white space"},
        {"\x1b[2J", "\"\\u001b[2J\"", "\"\\u001b[2J\"", "a terminal's escape"},
        {"\x7f", "\"\\u007f\"", "\"\\u007f\"", "delete"},
        {"\xc2\x9b", "\"\\u009b\"", "\"\\u009b\"", "a terminal's escape in one character"},
        {"\xe2\x80\xa8", "\"\\u2028\"", "\"\\u2028\"", "a line separator"},
        {"Z\xc3\xbcrich", "Z\xc3\xbcrich", "\"Z\xc3\xbcrich\"", "UTF-8 stays"},
        {"\xf0\x9f\x93\xa8", "\xf0\x9f\x93\xa8", "\"\xf0\x9f\x93\xa8\"", "of four bytes, too"},
        {"a\xff" "b", "\"a\xef\xbf\xbd" "b\"", "\"a\xef\xbf\xbd" "b\"", "no UTF-8"},
        {"\xc3", "\"\xef\xbf\xbd\"", "\"\xef\xbf\xbd\"", "half a character"},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"",
         "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", "a surrogate is no character"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char wanted[128];
        print_message("%s\n", cases[i].why);
        snprintf(wanted, sizeof(wanted), "key=%s", cases[i].logfmt);
        assert_string_equal(pairs(LOG_LOGFMT, "key=%s", cases[i].in), wanted);
        snprintf(wanted, sizeof(wanted), "\"key\":%s", cases[i].json);
        assert_string_equal(pairs(LOG_JSON, "key=%s", cases[i].in), wanted);
    }
}

static void what_the_format_quotes_stays_quoted(void **state)
{
    (void)state;
    assert_string_equal(pairs(LOG_LOGFMT, "hint=\"%s, or else\" n=%d", "yes", 1),
                        "hint=\"yes, or else\" n=1");
    assert_string_equal(pairs(LOG_LOGFMT, "error=\"%s\" n=%d", "a\" b=\"c", 1),
                        "error=\"a\\\" b=\\\"c\" n=1");
    assert_string_equal(pairs(LOG_JSON, "hint=\"%s\"", "17"), "\"hint\":\"17\"");
}

static void a_number_is_a_number_in_json_and_anything_else_a_string(void **state)
{
    (void)state;
    assert_string_equal(
        pairs(LOG_JSON, "a=%d b=%lld c=%" PRIu64 " d=%zu e=%u f=%ld", -5, -(1LL << 62), UINT64_MAX,
              (size_t)0, 7u, 8L),
        "\"a\":-5,\"b\":-4611686018427387904,\"c\":18446744073709551615,\"d\":0,\"e\":7,\"f\":8");
    assert_string_equal(pairs(LOG_JSON, "digest=%016" PRIx64, UINT64_C(0x1234567890)),
                        "\"digest\":\"0000001234567890\"");
    assert_string_equal(pairs(LOG_JSON, "digest=%016" PRIx64, UINT64_C(0x1234567890123456)),
                        "\"digest\":\"1234567890123456\"");
    assert_string_equal(pairs(LOG_JSON, "at=%s:%d", "step.c", 12), "\"at\":\"step.c:12\"");
    assert_string_equal(pairs(LOG_JSON, "range=%d-%d", 1, 2), "\"range\":\"1-2\"");
    assert_string_equal(pairs(LOG_LOGFMT, "digest=%016" PRIx64 " n=%d", UINT64_C(0xab), -1),
                        "digest=00000000000000ab n=-1");
}

static void a_text_of_a_given_size_needs_no_end(void **state)
{
    static const char three[3] = {'a', 'b', 'c'};

    (void)state;
    assert_string_equal(pairs(LOG_LOGFMT, "topics=%.*s n=%d", 3, three, 1), "topics=abc n=1");
    assert_string_equal(pairs(LOG_LOGFMT, "topics=%.*s", 0, three), "topics=\"\"");
}

static void a_pair_without_a_text_is_left_out(void **state)
{
    const char *nothing = NULL;

    (void)state;
    assert_string_equal(pairs(LOG_LOGFMT, "a=%d hint=\"%s\" b=%d", 1, nothing, 2), "a=1 b=2");
    assert_string_equal(pairs(LOG_JSON, "hint=\"%s\" b=%d", nothing, 2), "\"b\":2");
    assert_string_equal(pairs(LOG_LOGFMT, "hint=%s", nothing), "");
}

static void begin_and_end(enum log_style style, unsigned unsaid)
{
    log_text_begin(&text, style, "waiting", "warn", "2026-11-23T10:00:00.000Z");
    log_text_end(&text, unsaid);
    text.bytes[text.size] = 0;
}

static void a_line_begins_with_its_event_and_ends_with_what_was_unsaid(void **state)
{
    (void)state;
    begin_and_end(LOG_LOGFMT, 0);
    assert_string_equal(text.bytes, "waiting level=warn time=2026-11-23T10:00:00.000Z\n");
    begin_and_end(LOG_LOGFMT, 1204);
    assert_string_equal(text.bytes,
                        "waiting level=warn time=2026-11-23T10:00:00.000Z unsaid=1204\n");
    begin_and_end(LOG_JSON, 1204);
    assert_string_equal(text.bytes, "{\"event\":\"waiting\",\"level\":\"warn\",\"time\":"
                                    "\"2026-11-23T10:00:00.000Z\",\"unsaid\":1204}\n");
}

/* As JSON it must still be JSON, and a hint is of more use than the end of a long text. */
static void a_long_value_is_cut_and_what_comes_behind_it_is_not(void **state)
{
    static char long_one[3 * LOG_VALUE_MAX];
    cJSON *tree;

    (void)state;
    memset(long_one, 'x', sizeof(long_one) - 1);
    pairs(LOG_JSON, "text=%s hint=\"%s\" n=%d", long_one, "look here", 5);
    log_text_end(&text, UINT32_MAX);
    tree = cJSON_ParseWithLength(text.bytes, text.size);
    assert_non_null(tree);
    assert_int_equal(strlen(cJSON_GetObjectItem(tree, "text")->valuestring), LOG_VALUE_MAX + 3);
    assert_string_equal(
        cJSON_GetObjectItem(tree, "text")->valuestring + LOG_VALUE_MAX - 1, "x...");
    assert_string_equal(cJSON_GetObjectItem(tree, "hint")->valuestring, "look here");
    assert_int_equal(cJSON_GetObjectItem(tree, "n")->valueint, 5);
    cJSON_Delete(tree);
}

static void a_cut_does_not_halve_a_character(void **state)
{
    static char long_one[LOG_VALUE_MAX + 10];

    (void)state;
    for (size_t i = 1; i + 2 < sizeof(long_one); i += 2)
        memcpy(long_one + i, "\xc3\xbc", 2);
    long_one[0] = 'x';
    pairs(LOG_LOGFMT, "text=%s", long_one);
    assert_string_equal(text.bytes + text.size - 6, "\xc3\xbc...\"");
}

static void a_full_line_is_a_whole_line(void **state)
{
    static char long_one[LOG_VALUE_MAX];
    cJSON *tree;

    (void)state;
    memset(long_one, '\x01', sizeof(long_one) - 1); /* six bytes each, escaped */
    pairs(LOG_JSON, "a=%s b=%s c=%lld d=%s", long_one, long_one, (long long)INT64_MIN, "x");
    log_text_end(&text, UINT32_MAX);
    assert_true(text.size <= LOG_TEXT_MAX);
    tree = cJSON_ParseWithLength(text.bytes, text.size);
    assert_non_null(tree);
    assert_non_null(cJSON_GetObjectItem(tree, "a"));
    assert_int_equal(cJSON_GetObjectItem(tree, "unsaid")->valuedouble, UINT32_MAX);
    cJSON_Delete(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_bare_where_it_can_be_and_quoted_where_it_must),
        cmocka_unit_test(what_the_format_quotes_stays_quoted),
        cmocka_unit_test(a_number_is_a_number_in_json_and_anything_else_a_string),
        cmocka_unit_test(a_text_of_a_given_size_needs_no_end),
        cmocka_unit_test(a_pair_without_a_text_is_left_out),
        cmocka_unit_test(a_line_begins_with_its_event_and_ends_with_what_was_unsaid),
        cmocka_unit_test(a_long_value_is_cut_and_what_comes_behind_it_is_not),
        cmocka_unit_test(a_cut_does_not_halve_a_character),
        cmocka_unit_test(a_full_line_is_a_whole_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
