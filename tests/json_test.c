/* json_test.c: the strict reader, where RFC 8259 draws its lines. */
#include "schemas/json.h"

#include "schemas/arena.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A copy at the very end of its memory, so that a sanitizer sees one byte too many. */
static uint8_t *exact(const char *text, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    memcpy(copy, text, size);
    return copy;
}

/* The error, or NULL where the whole text is one object. */
static const char *judge(const char *text, size_t size, size_t *offset)
{
    uint8_t *copy = exact(text, size);
    struct json_object object;
    struct json_member member;

    json_begin(&object, copy, size);
    while (json_next(&object, &member))
        if (member.value.bytes < copy || member.value.bytes + member.value.size > copy + size)
            fail_msg("a value lies outside of the text");
    if (json_next(&object, &member))
        fail_msg("something came after the end");
    *offset = object.error_offset;
    free(copy);
    return object.error;
}

#define TEXT(literal) literal, sizeof(literal) - 1

static void what_is_json_is_accepted(void **state)
{
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {TEXT("{}")},
        {TEXT(" \t\r\n{ \t\r\n} \t\r\n")},
        {TEXT("{\"a\":1}")},
        {TEXT("{ \"a\" : 1 , \"b\" : 2 }")},
        {TEXT("{\"\":\"\"}")},
        {TEXT("{\"a\":[]}")},
        {TEXT("{\"a\":[ ]}")},
        {TEXT("{\"a\":{}}")},
        {TEXT("{\"a\":{ }}")},
        {TEXT("{\"a\":[1,[2,{\"b\":[3]}],null,true,false,\"x\"],\"c\":{\"d\":{\"e\":[{}]}}}")},
        {TEXT("{\"a\":0,\"b\":-0,\"c\":0.0,\"d\":-1.5e-10,\"e\":1E+2,\"f\":10}")},
        {TEXT("{\"a\":123456789012345678901234567890.5e999999}")},
        {TEXT("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"}")},
        {TEXT("{\"a\":\"\\u0000\\ud800\\udc00\\udc00\\ud800\"}")},
        {TEXT("{\"a\":\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"}")},
        {TEXT("{\"a\":\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}")},
        {TEXT("{\"a\":1,\"a\":2}")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t offset;
        const char *error = judge(cases[i].text, cases[i].size, &offset);
        if (error != NULL)
            fail_msg("%s: at %zu: %s", cases[i].text, offset, error);
    }
}

static void what_is_not_json_is_refused_with_place_and_cause(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        size_t offset;
        const char *error;
    } cases[] = {
        {TEXT(""), 0, "no byte at all"},
        {TEXT(" \n "), 3, "white space only"},
        {TEXT("\xef\xbb\xbf{}"), 0, "byte order mark"},
        {TEXT("[]"), 0, "not a JSON object"},
        {TEXT("\"a\""), 0, "not a JSON object"},
        {TEXT("null"), 0, "not a JSON object"},
        {TEXT("\0{}"), 0, "not a JSON object"},
        {TEXT("\x0b{}"), 0, "not a JSON object"},
        {TEXT("\xc2\xa0{}"), 0, "not a JSON object"},
        {TEXT("{"), 1, "ends inside of an object"},
        {TEXT("{ "), 2, "ends inside of an object"},
        {TEXT("{\"a\""), 4, "colon is missing"},
        {TEXT("{\"a\":"), 5, "ends where a value should be"},
        {TEXT("{\"a\":1"), 6, "ends inside of an object"},
        {TEXT("{\"a\":1,"), 7, "ends inside of an object"},
        {TEXT("{\"a\":1,}"), 7, "name in quotes is missing"},
        {TEXT("{,}"), 1, "name in quotes is missing"},
        {TEXT("{a:1}"), 1, "name in quotes is missing"},
        {TEXT("{'a':1}"), 1, "name in quotes is missing"},
        {TEXT("{\"a\" 1}"), 5, "colon is missing"},
        {TEXT("{\"a\":1 \"b\":2}"), 7, "neither , nor } behind"},
        {TEXT("{\"a\":1]"), 6, "neither , nor } behind"},
        {TEXT("{\"a\":}"), 5, "no JSON value"},
        {TEXT("{} {}"), 3, "behind the object"},
        {TEXT("{}\0"), 2, "behind the object"},
        {TEXT("{}x"), 2, "behind the object"},
        {TEXT("{\"a\":01}"), 5, "leading zero"},
        {TEXT("{\"a\":-01}"), 5, "leading zero"},
        {TEXT("{\"a\":-}"), 5, "minus sign without"},
        {TEXT("{\"a\":+1}"), 5, "no JSON value"},
        {TEXT("{\"a\":.5}"), 5, "no JSON value"},
        {TEXT("{\"a\":1.}"), 7, "behind the decimal point"},
        {TEXT("{\"a\":1.e1}"), 7, "behind the decimal point"},
        {TEXT("{\"a\":1e}"), 7, "in the exponent"},
        {TEXT("{\"a\":1e+}"), 8, "in the exponent"},
        {TEXT("{\"a\":0x1}"), 6, "neither , nor } behind"},
        {TEXT("{\"a\":NaN}"), 5, "no JSON value"},
        {TEXT("{\"a\":Infinity}"), 5, "no JSON value"},
        {TEXT("{\"a\":True}"), 5, "no JSON value"},
        {TEXT("{\"a\":tru}"), 5, "no JSON value"},
        {TEXT("{\"a\":tru"), 5, "no JSON value"},
        {TEXT("{\"a\":nulll}"), 9, "neither , nor } behind"},
        {TEXT("{\"a\":1/**/}"), 6, "neither , nor } behind"},
        {TEXT("{\"a\":[1,]}"), 8, "no JSON value"},
        {TEXT("{\"a\":[,1]}"), 6, "no JSON value"},
        {TEXT("{\"a\":[1 2]}"), 8, "neither , nor ] behind"},
        {TEXT("{\"a\":[1}"), 7, "neither , nor ] behind"},
        {TEXT("{\"a\":{\"b\":1]}"), 11, "neither , nor } behind"},
        {TEXT("{\"a\":[[1]"), 9, "inside of an object or array"},
        {TEXT("{\"a\":["), 6, "ends where a value should be"},
        {TEXT("{\"a\":{\"b\":1,}}"), 12, "name in quotes is missing"},
        {TEXT("{\"a\":{1:2}}"), 6, "name in quotes is missing"},
        {TEXT("{\"a\":\"x}"), 8, "string does not end"},
        {TEXT("{\"a\":\"x\\\"}"), 10, "string does not end"},
        {TEXT("{\"a\":\"x\\"), 8, "string does not end"},
        {TEXT("{\"a\":\"\\x\"}"), 6, "a backslash is followed by"},
        {TEXT("{\"a\":\"\\\0\"}"), 6, "a backslash is followed by"},
        {TEXT("{\"a\":\"\\u12\"}"), 6, "four hexadecimal"},
        {TEXT("{\"a\":\"\\u12g4\"}"), 6, "four hexadecimal"},
        {TEXT("{\"a\":\"\\u123"), 6, "four hexadecimal"},
        {TEXT("{\"a\":\"\\ud83d\\u12\"}"), 12, "four hexadecimal"},
        {TEXT("{\"a\":\"\n\"}"), 6, "control character"},
        {TEXT("{\"a\":\"12345678\t\"}"), 14, "control character"},
        {TEXT("{\"a\":\"\0\"}"), 6, "control character"},
        {TEXT("{\"a\":\"\x1f\"}"), 6, "control character"},
        {TEXT("{\"a\":\"\x80\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"12345678\xff\"}"), 14, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xc0\xaf\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xc1\xbf\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xc3\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xc3"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xe0\x9f\xbf\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xe2\x82\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xed\xa0\x80\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xf0\x8f\xbf\xbf\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xf4\x90\x80\x80\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xf5\x80\x80\x80\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"a\":\"\xf0\x9f\x98\"}"), 6, "not valid UTF-8"},
        {TEXT("{\"\xff\":1}"), 2, "not valid UTF-8"},
        {TEXT("{\"a\":{\"\xff\":1}}"), 7, "not valid UTF-8"},
        {TEXT("{\"a\":1}\xff"), 7, "behind the object"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t offset;
        const char *error = judge(cases[i].text, cases[i].size, &offset);

        if (error == NULL)
            fail_msg("accepted %s, which should be: %s", cases[i].text, cases[i].error);
        if (strstr(error, cases[i].error) == NULL || offset != cases[i].offset)
            fail_msg("%s: \"%s\" at %zu, not \"%s\" at %zu", cases[i].text, error, offset,
                     cases[i].error, cases[i].offset);
    }
}

/* The reader takes eight bytes at once where it can: each byte, at each place in them. */
static void a_byte_means_the_same_wherever_it_stands(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++)
        for (size_t place = 0; place < 20; place++) {
            bool good = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
            char text[] = "{\"a\":\"xxxxxxxxxxxxxxxxxxxx\"}";
            size_t offset;

            text[6 + place] = (char)byte;
            if ((judge(text, sizeof(text) - 1, &offset) == NULL) != good)
                fail_msg("byte 0x%02x at %zu", byte, place);
        }
}

static void sixty_four_levels_are_read_and_a_sixty_fifth_is_refused(void **state)
{
    static const char *const opening[] = {"[", "{\"a\":"};
    static const char closing[] = {']', '}'};

    (void)state;
    for (size_t levels = 2; levels <= 200; levels++)
        for (unsigned kind = 0; kind < 3; kind++) {
            char text[2048] = "{\"a\":";
            size_t size, offset;
            const char *error;

            /* Arrays, objects, and both by turns. */
            for (size_t i = 1; i < levels; i++)
                strcat(text, opening[kind < 2 ? kind : i % 2]);
            size = strlen(text);
            if (text[size - 1] == ':')
                text[size++] = '1';
            for (size_t i = levels - 1; i > 0; i--)
                text[size++] = closing[kind < 2 ? kind : i % 2];
            text[size++] = '}';
            error = judge(text, size, &offset);
            if ((error == NULL) != (levels <= JSON_DEPTH_MAX))
                fail_msg("%zu levels of kind %u: %s", levels, kind, error ? error : "accepted");
        }
}

static bool span_is(struct span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.bytes, text, span.size) == 0;
}

static void members_come_in_order_as_spans_of_the_text(void **state)
{
    static const struct {
        const char *name, *value;
        enum json_kind kind;
        bool name_escaped, value_escaped, unkeepable;
    } expected[] = {
        {"s", "\"x y\"", JSON_STRING, false, false, false},
        {"e", "\"\\n\"", JSON_STRING, false, true, false},
        {"\\u0061", "-1.5e3", JSON_NUMBER, true, false, false},
        {"o", "{ \"s\" : [ \"\\n\" ] }", JSON_OBJECT, false, false, false},
        {"l", "[1, 2]", JSON_ARRAY, false, false, false},
        {"t", "true", JSON_TRUE, false, false, false},
        {"f", "false", JSON_FALSE, false, false, false},
        {"n", "null", JSON_NULL, false, false, false},
        {"pair", "\"\\ud83d\\ude00\"", JSON_STRING, false, true, false},
        {"nul", "\"\\u0000\"", JSON_STRING, false, true, true},
        {"high", "\"\\ud83dx\"", JSON_STRING, false, true, true},
        {"low", "\"\\ude00\"", JSON_STRING, false, true, true},
        {"swapped", "\"\\ude00\\ud83d\"", JSON_STRING, false, true, true},
        {"three", "\"\\ud83d\\ud83d\\ude00\"", JSON_STRING, false, true, true},
        {"nested", "{\"a\":[{\"b\":\"\\ud800\"}]}", JSON_OBJECT, false, false, true},
        {"name", "{\"\\u0000\":1}", JSON_OBJECT, false, false, true},
        {"\\u0000", "1", JSON_NUMBER, true, false, false},
        {"upper", "\"\\uD83D\\uDE00\"", JSON_STRING, false, true, false},
    };
    char text[2048] = " { ";
    struct json_object object;
    struct json_member member;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\"%s\" : %s ",
                 i > 0 ? ", " : "", expected[i].name, expected[i].value);
    strcat(text, "} ");

    i = 0;
    for (json_begin(&object, (const uint8_t *)text, strlen(text)); json_next(&object, &member); i++)
        if (!span_is(member.name, expected[i].name) || !span_is(member.value, expected[i].value) ||
            member.kind != expected[i].kind || member.name_escaped != expected[i].name_escaped ||
            member.value_escaped != expected[i].value_escaped ||
            member.unkeepable != expected[i].unkeepable)
            fail_msg("member %s: %s", expected[i].name, expected[i].value);
    assert_null(object.error);
    assert_int_equal(i, sizeof(expected) / sizeof(expected[0]));
}

static struct json_member first_member(const char *text, size_t size)
{
    struct json_object object;
    struct json_member member;

    json_begin(&object, (const uint8_t *)text, size);
    if (!json_next(&object, &member))
        fail_msg("%s: %s", text, object.error);
    return member;
}

static void a_name_is_the_same_however_it_is_escaped(void **state)
{
    static const struct {
        const char *text;
        bool same;
    } cases[] = {
        {"{\"at\":1}", true},
        {"{\"\\u0061t\":1}", true},
        {"{\"\\u0061\\u0074\":1}", true},
        {"{\"At\":1}", false},
        {"{\"a\":1}", false},
        {"{\"att\":1}", false},
        {"{\"\":1}", false},
        {"{\"at\\u0000\":1}", false},
        {"{\"\\u0041t\":1}", false},
        {"{\"\\u0061\\u0074\\u0074\":1}", false},
        {"{\"\\\\at\":1}", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_member member = first_member(cases[i].text, strlen(cases[i].text));
        if (json_name_is(&member, "at") != cases[i].same)
            fail_msg("%s should%s be called at", cases[i].text, cases[i].same ? "" : " not");
    }
}

static void strings_decode_to_their_bytes(void **state)
{
    static const struct {
        const char *text;
        const char *decoded;
        size_t size;
    } cases[] = {
        {"{\"a\":\"\"}", TEXT("")},
        {"{\"a\":\"plain\"}", TEXT("plain")},
        {"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", TEXT("\"\\/\b\f\n\r\t")},
        {"{\"a\":\"x\\u0041y\\u00e9z\\u20AC\"}", TEXT("xAy\xc3\xa9z\xe2\x82\xac")},
        {"{\"a\":\"\\ud83d\\ude00\"}", TEXT("\xf0\x9f\x98\x80")},
        {"{\"a\":\"\\udbff\\udfff\"}", TEXT("\xf4\x8f\xbf\xbf")},
        {"{\"a\":\"a\\u0000b\"}", TEXT("a\0b")},
        {"{\"a\":\"\\ud800\"}", TEXT("\xed\xa0\x80")},
        {"{\"a\":\"\\udfff!\"}", TEXT("\xed\xbf\xbf!")},
        {"{\"a\":\"\\ud83d\\ud83d\\ude00\"}", TEXT("\xed\xa0\xbd\xf0\x9f\x98\x80")},
        {"{\"a\":\"\\ud83d\\n\"}", TEXT("\xed\xa0\xbd\n")},
        {"{\"a\":\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"}",
         TEXT("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_member member = first_member(cases[i].text, strlen(cases[i].text));
        uint8_t *out = malloc(member.value.size);
        size_t size;

        assert_non_null(out);
        size = json_decode_string(&member, out);
        if (size != cases[i].size || memcmp(out, cases[i].decoded, size) != 0)
            fail_msg("%s", cases[i].text);
        free(out);
    }
}

static void integers_are_exact_and_fractions_are_cut_towards_the_past(void **state)
{
    static const struct {
        const char *number;
        int64_t value;
        bool fits;
    } cases[] = {
        {"0", 0, true},
        {"-0", 0, true},
        {"1795428001250", 1795428001250, true},
        {"9223372036854775807", INT64_MAX, true},
        {"-9223372036854775808", INT64_MIN, true},
        {"9223372036854775808", 0, false},
        {"-9223372036854775809", 0, false},
        {"18446744073709551616", 0, false},
        {"99999999999999999999999999999999", 0, false},
        {"9007199254740993", 9007199254740993, true},
        {"9007199254740993.0", 9007199254740993, true},
        {"1.5", 1, true},
        {"-1.5", -2, true},
        {"-1.0", -1, true},
        {"-0.5", -1, true},
        {"-0.0", 0, true},
        {"0.999999999999999999999999999", 0, true},
        {"1e3", 1000, true},
        {"1E+3", 1000, true},
        {"1.795428001250e12", 1795428001250, true},
        {"1.7954280012505e12", 1795428001250, true},
        {"17954280012505e-1", 1795428001250, true},
        {"-15e-1", -2, true},
        {"-20e-1", -2, true},
        {"0.001e3", 1, true},
        {"12345e-5", 0, true},
        {"-1e-5", -1, true},
        {"1e18", 1000000000000000000, true},
        {"1e19", 0, false},
        {"0e99999999999999999999", 0, true},
        {"1e99999999999999999999", 0, false},
        {"1e-99999999999999999999", 0, true},
        {"-1e-99999999999999999999", -1, true},
        {"9223372036854775807.9", INT64_MAX, true},
        {"-9223372036854775808.0", INT64_MIN, true},
        {"-9223372036854775808.1", 0, false},
        {"-9223372036854775807.1", INT64_MIN, true},
        {"92233720368547758070e-1", INT64_MAX, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_member member;
        int64_t value = 0;
        char text[128];
        bool fits;

        snprintf(text, sizeof(text), "{\"a\":%s}", cases[i].number);
        member = first_member(text, strlen(text));
        fits = json_integer(&member, &value);
        if (fits != cases[i].fits || (fits && value != cases[i].value))
            fail_msg("%s gave %" PRId64 ", not %" PRId64, cases[i].number, value, cases[i].value);
    }
}

static void utf8_is_judged_byte_by_byte_as_unicode_has_it(void **state)
{
    (void)state;
    /* All code points, encoded by hand, surrogates and what lies beyond included. */
    for (uint32_t code = 0x80; code < 0x200000; code++) {
        uint8_t bytes[12] = "12345678";
        size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        bool expected = code < 0xd800 || (code > 0xdfff && code <= 0x10ffff);
        uint32_t rest = code;

        for (size_t i = size - 1; i > 0; i--, rest >>= 6)
            bytes[8 + i] = (uint8_t)(0x80 | (rest & 0x3f));
        bytes[8] = (uint8_t)((0xf00 >> size & 0xff) | rest);
        if (utf8_valid(bytes, 8 + size) != expected)
            fail_msg("U+%04X", code);
        if (utf8_valid(bytes, 8 + size - 1))
            fail_msg("U+%04X cut", code);
    }
    assert_true(utf8_valid(NULL, 0));
    assert_true(utf8_valid((const uint8_t *)"a\0b", 3));
}

static void a_cut_never_goes_through_a_character(void **state)
{
    static const struct {
        const char *text;
        size_t limit, expected;
    } cases[] = {
        {"abc", 3, 3},
        {"abc", 9, 3},
        {"abc", 2, 2},
        {"abc", 0, 0},
        {"a\xc3\xa9", 2, 1},
        {"a\xc3\xa9", 3, 3},
        {"\xe2\x82\xac", 2, 0},
        {"\xe2\x82\xac", 1, 0},
        {"ab\xf0\x9f\x98\x80z", 5, 2},
        {"ab\xf0\x9f\x98\x80z", 6, 6},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(
            utf8_cut((const uint8_t *)cases[i].text, strlen(cases[i].text), cases[i].limit),
            cases[i].expected);
}

static void an_arena_serves_cjson_and_forgets_at_once(void **state)
{
    char *large = malloc(3 << 20);
    cJSON *outside, *inside;

    (void)state;
    assert_non_null(large);
    memset(large, 'x', 3 << 20);
    memcpy(large, "\"\\n", 3);
    large[(3 << 20) - 1] = '"';

    outside = cJSON_Parse("{\"a\":[1,2,3]}"); /* before it opens, plain malloc */
    for (int i = 0; i < 100; i++) {
        arena_open();
        inside = cJSON_Parse("[\"many\",{\"small\":\"pieces\"},null]");
        assert_non_null(inside);
        if (i % 10 == 0) {
            cJSON *giant = cJSON_ParseWithLength(large, 3 << 20);
            assert_non_null(giant);
            assert_int_equal(strlen(giant->valuestring), (3 << 20) - 3);
        }
        for (int j = 0; j < 2000; j++)
            assert_non_null(cJSON_CreateString("a text that fills chunk after chunk"));
        assert_string_equal(cJSON_GetArrayItem(inside, 0)->valuestring, "many");
        arena_close();
        if (i == 50) {
            arena_open();
            cJSON_Delete(cJSON_Parse("[\"deleted in an open arena\"]"));
            cJSON_Delete(outside); /* what malloc gave goes back there, also from inside */
            arena_close();
        }
    }
    arena_release();
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json_is_accepted),
        cmocka_unit_test(what_is_not_json_is_refused_with_place_and_cause),
        cmocka_unit_test(a_byte_means_the_same_wherever_it_stands),
        cmocka_unit_test(sixty_four_levels_are_read_and_a_sixty_fifth_is_refused),
        cmocka_unit_test(members_come_in_order_as_spans_of_the_text),
        cmocka_unit_test(a_name_is_the_same_however_it_is_escaped),
        cmocka_unit_test(strings_decode_to_their_bytes),
        cmocka_unit_test(integers_are_exact_and_fractions_are_cut_towards_the_past),
        cmocka_unit_test(utf8_is_judged_byte_by_byte_as_unicode_has_it),
        cmocka_unit_test(a_cut_never_goes_through_a_character),
        cmocka_unit_test(an_arena_serves_cjson_and_forgets_at_once),
    };

    arena_hook_cjson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
