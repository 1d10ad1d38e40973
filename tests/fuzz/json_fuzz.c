/*
 * json_fuzz.c: the strict reader against cJSON, on whole texts.
 *
 * What the reader accepts, cJSON accepts, and both see the same members with the same names, kinds
 * and values. What the reader refuses, cJSON refuses too, but for the few liberties that cJSON is
 * known to take: each is named here, by the reader's own word for it.
 */
#include "schemas/json.h"
#include "statemachine/require.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CJSON_NUMBER_MAX = 60 }; /* cJSON cuts numbers behind 63 characters */

static const char *const liberties[] = {
    "begins with a byte order mark",
    "a control character in a string is not escaped",
    "not valid UTF-8",
    "a number with a leading zero",
    "a minus sign without a number",
    "no digit behind the decimal point",
    "nested more than 64 levels deep",
    "\\u is not followed by four hexadecimal digits",
};

static bool is_liberty(const char *error)
{
    for (size_t i = 0; i < sizeof(liberties) / sizeof(*liberties); i++)
        if (strcmp(liberties[i], error) == 0)
            return true;
    return false;
}

/*
 * Texts on which cJSON has no opinion worth asking: control characters are white space to it, a
 * surrogate by itself ends the parse, \u0000 ends the string, and so does an endless number.
 */
static bool cjson_is_no_judge(const uint8_t *data, size_t size)
{
    size_t digits = 0;

    for (size_t i = 0; i < size; i++) {
        if (data[i] < 0x20 && data[i] != '\t' && data[i] != '\n' && data[i] != '\r')
            return true;
        digits = memchr("0123456789+-.eE", data[i], 15) != NULL ? digits + 1 : 0;
        if (digits > CJSON_NUMBER_MAX)
            return true;
        if (data[i] == '\\' && size - i >= 4 && data[i + 1] == 'u' &&
            ((data[i + 2] | 0x20) == 'd' || memcmp(data + i + 2, "00", 2) == 0))
            return true;
    }
    return false;
}

/* The whole text as one object, or NULL. */
static cJSON *parse(const uint8_t *data, size_t size)
{
    const char *end = NULL;
    cJSON *tree = cJSON_ParseWithLengthOpts((const char *)data, size, &end, false);

    if (tree == NULL)
        return NULL;
    while (end < (const char *)data + size && memchr(" \t\r\n", *end, 4) != NULL)
        end++;
    if (end == (const char *)data + size && cJSON_IsObject(tree))
        return tree;
    cJSON_Delete(tree);
    return NULL;
}

static void check_text(const struct json_member *member, const char *expected)
{
    uint8_t *decoded = malloc(member->value.size);
    size_t size;

    require(decoded != NULL);
    size = json_decode_string(member, decoded);
    require(strlen(expected) == size && memcmp(expected, decoded, size) == 0);
    free(decoded);
}

static void check_name(const struct json_member *member, const char *expected)
{
    /* Quotes stand around a name, too. */
    struct json_member name = {.value = {member->name.bytes - 1, member->name.size + 2},
                               .kind = JSON_STRING};

    check_text(&name, expected);
    require(member->name_escaped || member->name.size == strlen(expected));
}

static void check_number(const struct json_member *member, double expected)
{
    double near = 1.0 + (expected < 0 ? -1e-15 : 1e-15) * expected;
    int64_t value;

    if (json_integer(member, &value))
        require(expected - (double)value <= near && expected - (double)value >= -near);
}

static void check_object(const uint8_t *data, size_t size, const cJSON *tree);

static void check_value(const struct json_member *member, const cJSON *value)
{
    switch (member->kind) {
    case JSON_OBJECT:
        require(cJSON_IsObject(value));
        check_object(member->value.bytes, member->value.size, value);
        break;
    case JSON_ARRAY:
        require(cJSON_IsArray(value));
        break;
    case JSON_STRING:
        require(cJSON_IsString(value));
        check_text(member, value->valuestring);
        break;
    case JSON_NUMBER:
        require(cJSON_IsNumber(value));
        check_number(member, value->valuedouble);
        break;
    case JSON_TRUE:
        require(cJSON_IsTrue(value));
        break;
    case JSON_FALSE:
        require(cJSON_IsFalse(value));
        break;
    case JSON_NULL:
        require(cJSON_IsNull(value));
    }
}

/* The same members in the same order. */
static void check_object(const uint8_t *data, size_t size, const cJSON *tree)
{
    const cJSON *value = tree->child;
    struct json_object object;
    struct json_member member;

    for (json_begin(&object, data, size); json_next(&object, &member); value = value->next) {
        require(value != NULL && !member.unkeepable);
        check_name(&member, value->string);
        check_value(&member, value);
    }
    require(object.error == NULL && value == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_object object;
    struct json_member member;
    cJSON *tree;

    if (cjson_is_no_judge(data, size))
        return 0;
    for (json_begin(&object, data, size); json_next(&object, &member);)
        ;
    tree = parse(data, size);
    if (object.error == NULL) {
        require(tree != NULL);
        check_object(data, size, tree);
    } else {
        require(tree == NULL || is_liberty(object.error));
    }
    cJSON_Delete(tree);
    return 0;
}
