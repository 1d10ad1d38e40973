/*
 * json.c: a strict walk over one JSON object, without recursion and without memory.
 *
 * Every scan_*() takes a position and returns the one behind what it proved, or NULL with the
 * object's error set; so the first fault wins and nobody has to ask twice. It builds no tree and
 * decodes nothing that it is not asked for.
 */
#include "schemas/json.h"

#include "schemas/eight.h"
#include "statemachine/require.h"

#include <string.h>

static const uint8_t *fail(struct json_object *object, const uint8_t *where, const char *what)
{
    object->error = what;
    object->error_offset = (size_t)(where - object->start);
    return NULL;
}

/* ---- UTF-8 -------------------------------------------------------------------------------- */

static bool continues(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/*
 * Size of the character of two to four bytes that begins here, 0 where there is none: Unicode
 * table 3-7, which leaves out overlong forms, surrogates and what lies beyond U+10FFFF.
 */
static size_t utf8_size(const uint8_t *at, const uint8_t *end)
{
    size_t left = (size_t)(end - at);
    uint8_t lead = at[0];

    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    if (lead < 0xe0)
        return left >= 2 && continues(at[1]) ? 2 : 0;
    if (lead < 0xf0) {
        uint8_t least = lead == 0xe0 ? 0xa0 : 0x80;
        uint8_t most = lead == 0xed ? 0x9f : 0xbf;
        return left >= 3 && at[1] >= least && at[1] <= most && continues(at[2]) ? 3 : 0;
    }
    uint8_t least = lead == 0xf0 ? 0x90 : 0x80;
    uint8_t most = lead == 0xf4 ? 0x8f : 0xbf;
    if (left < 4 || at[1] < least || at[1] > most)
        return 0;
    return continues(at[2]) && continues(at[3]) ? 4 : 0;
}

bool utf8_valid(const uint8_t *bytes, size_t size)
{
    const uint8_t *at = bytes;
    const uint8_t *end = size > 0 ? bytes + size : bytes;

    while (at < end) {
        if (end - at >= 8 && eight_marks_beyond(eight_load(at)) == 0) {
            at += 8;
            continue;
        }
        size_t step = *at < 0x80 ? 1 : utf8_size(at, end);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

size_t utf8_cut(const uint8_t *bytes, size_t size, size_t limit)
{
    if (size <= limit)
        return size;
    while (limit > 0 && continues(bytes[limit]))
        limit--;
    return limit;
}

/* ---- strings ------------------------------------------------------------------------------ */

/* What a byte means inside of a string. */
enum { PLAIN, QUOTE, ESCAPE, CONTROL, LEAD };

#define EIGHT(class) class, class, class, class, class, class, class, class
#define THIRTY_TWO(class) EIGHT(class), EIGHT(class), EIGHT(class), EIGHT(class)

/* Rows of 32 bytes, from 0x00, 0x20, 0x40 and so on. */
/* clang-format off */
static const uint8_t classes[256] = {
    THIRTY_TWO(CONTROL),
    PLAIN, PLAIN, QUOTE, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
    EIGHT(PLAIN), EIGHT(PLAIN), EIGHT(PLAIN),
    EIGHT(PLAIN), EIGHT(PLAIN), EIGHT(PLAIN),
    PLAIN, PLAIN, PLAIN, PLAIN, ESCAPE, PLAIN, PLAIN, PLAIN,
    THIRTY_TWO(PLAIN),
    THIRTY_TWO(LEAD), THIRTY_TWO(LEAD), THIRTY_TWO(LEAD), THIRTY_TWO(LEAD),
};
/* clang-format on */

/* The first byte that is not plain ASCII. */
static inline const uint8_t *skip_plain(const uint8_t *at, const uint8_t *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t eight = eight_load(at);
        uint64_t marks = eight_marks_escaped(eight) | eight_marks_beyond(eight);
        if (marks != 0)
            return at + eight_before_mark(marks);
    }
    while (at < end && classes[*at] == PLAIN)
        at++;
    return at;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The value of four hexadecimal digits, -1 where there are no four. */
static int32_t hex_four(const uint8_t *at, const uint8_t *end)
{
    int32_t value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

static bool is_high(int32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(int32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* The low surrogate that is escaped right here, -1 where there is none. */
static int32_t low_escape(const uint8_t *at, const uint8_t *end)
{
    int32_t unit;

    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    unit = hex_four(at + 2, end);
    return is_low(unit) ? unit : -1;
}

struct string_facts {
    bool escaped;
    bool unkeepable;
};

/* On the backslash. */
static const uint8_t *scan_escape(struct json_object *object, const uint8_t *at,
                                  struct string_facts *facts)
{
    const uint8_t *end = object->end;
    int32_t unit;

    facts->escaped = true;
    if (end - at < 2)
        return fail(object, end, "a string does not end");
    if (at[1] != 'u')
        return memchr("\"\\/bfnrt", at[1], 8) != NULL
                   ? at + 2
                   : fail(object, at, "a backslash is followed by none of \"\\/bfnrtu");
    unit = hex_four(at + 2, end);
    if (unit < 0)
        return fail(object, at, "\\u is not followed by four hexadecimal digits");
    at += 6;
    if (is_high(unit) && low_escape(at, end) >= 0)
        return at + 6;
    if (unit == 0 || is_high(unit) || is_low(unit))
        facts->unkeepable = true;
    return at;
}

/* On the first byte of a string that is not plain ASCII; returns what is behind its end. */
static const uint8_t *scan_unusual(struct json_object *object, const uint8_t *at,
                                   struct string_facts *facts)
{
    const uint8_t *end = object->end;

    for (;; at = skip_plain(at, end)) {
        if (at == end)
            return fail(object, at, "a string does not end");
        switch (classes[*at]) {
        case QUOTE:
            return at + 1;
        case ESCAPE:
            at = scan_escape(object, at, facts);
            if (at == NULL)
                return NULL;
            break;
        case CONTROL:
            return fail(object, at, "a control character in a string is not escaped");
        default: {
            size_t size = utf8_size(at, end);
            if (size == 0)
                return fail(object, at, "not valid UTF-8");
            at += size;
        }
        }
    }
}

/* Behind the opening quote; returns what is behind the closing one. */
static inline const uint8_t *scan_string(struct json_object *object, const uint8_t *at,
                                         struct string_facts *facts)
{
    at = skip_plain(at, object->end);
    return at < object->end && *at == '"' ? at + 1 : scan_unusual(object, at, facts);
}

/* ---- the other values --------------------------------------------------------------------- */

static inline const uint8_t *skip_space(const uint8_t *at, const uint8_t *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

static const uint8_t *scan_number(struct json_object *object, const uint8_t *at)
{
    const uint8_t *end = object->end;
    const uint8_t *from = at;

    if (*at == '-')
        at++;
    if (at == end || !is_digit(*at))
        return fail(object, from, at > from ? "a minus sign without a number" : "no JSON value");
    if (*at == '0' && end - at > 1 && is_digit(at[1]))
        return fail(object, from, "a number with a leading zero");
    at = skip_digits(at, end);
    if (at < end && *at == '.') {
        from = ++at;
        at = skip_digits(at, end);
        if (at == from)
            return fail(object, at, "no digit behind the decimal point");
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        from = at;
        at = skip_digits(at, end);
        if (at == from)
            return fail(object, at, "no digit in the exponent");
    }
    return at;
}

static const uint8_t *scan_literal(struct json_object *object, const uint8_t *at, const char *word,
                                   size_t size)
{
    if ((size_t)(object->end - at) < size || memcmp(at, word, size) != 0)
        return fail(object, at, "no JSON value");
    return at + size;
}

/* A member's name and its colon; returns where its value begins. */
static const uint8_t *scan_name(struct json_object *object, const uint8_t *at, struct span *name,
                                struct string_facts *facts)
{
    const uint8_t *end = object->end;
    const uint8_t *from = at + 1;

    if (at == end)
        return fail(object, at, "the text ends inside of an object");
    if (*at != '"')
        return fail(object, at, "a member's name in quotes is missing");
    at = scan_string(object, from, facts);
    if (at == NULL)
        return NULL;
    *name = (struct span){from, (size_t)(at - 1 - from)};
    at = skip_space(at, end);
    if (at == end || *at != ':')
        return fail(object, at, "a colon is missing behind a name");
    return skip_space(at + 1, end);
}

static const uint8_t *scan_scalar(struct json_object *object, const uint8_t *at,
                                  struct string_facts *facts)
{
    switch (*at) {
    case '"':
        return scan_string(object, at + 1, facts);
    case 't':
        return scan_literal(object, at, "true", 4);
    case 'f':
        return scan_literal(object, at, "false", 5);
    case 'n':
        return scan_literal(object, at, "null", 4);
    default:
        return scan_number(object, at);
    }
}

/*
 * An object or array with all that is in it. `objects` is the stack: one bit for each level that
 * is open, set for an object, the innermost lowest. The top object is not among them.
 */
static const uint8_t *scan_container(struct json_object *object, const uint8_t *at,
                                     struct string_facts *facts)
{
    const uint8_t *end = object->end;
    uint64_t objects = 0;
    unsigned depth = 0;
    struct span name;

    for (;;) {
        if (at == end)
            return fail(object, at, "the text ends where a value should be");
        if (*at == '{' || *at == '[') {
            bool is_object = *at == '{';

            if (depth + 1 == JSON_DEPTH_MAX)
                return fail(object, at, "nested more than 64 levels deep");
            depth++;
            objects = objects << 1 | is_object;
            at = skip_space(at + 1, end);
            if (at == end || *at != (is_object ? '}' : ']')) {
                if (is_object)
                    at = scan_name(object, at, &name, facts);
                if (at == NULL)
                    return NULL;
                continue;
            }
        } else {
            at = scan_scalar(object, at, facts);
            if (at == NULL)
                return NULL;
            at = skip_space(at, end);
        }

        /* Here a value has ended, or stands on its closing bracket: close what closes. */
        while (at < end && *at == ((objects & 1) != 0 ? '}' : ']')) {
            at++;
            objects >>= 1;
            if (--depth == 0)
                return at;
            at = skip_space(at, end);
        }
        if (at == end)
            return fail(object, at, "the text ends inside of an object or array");
        if (*at != ',')
            return fail(object, at,
                        (objects & 1) != 0 ? "neither , nor } behind a value"
                                           : "neither , nor ] behind a value");
        at = skip_space(at + 1, end);
        if ((objects & 1) != 0)
            at = scan_name(object, at, &name, facts);
        if (at == NULL)
            return NULL;
    }
}

static enum json_kind kind_of(uint8_t first)
{
    switch (first) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

/* ---- the top object ----------------------------------------------------------------------- */

void json_begin(struct json_object *object, const uint8_t *bytes, size_t size)
{
    *object = (struct json_object){
        .start = bytes, .at = bytes, .end = size > 0 ? bytes + size : bytes, .first = true};
    if (size == 0)
        object->error = "no byte at all where a JSON object should be";
    else if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        object->error = "begins with a byte order mark";
}

/* The opening brace, or what stands between two members; NULL too where the object has ended. */
static const uint8_t *scan_to_member(struct json_object *object)
{
    const uint8_t *end = object->end;
    const uint8_t *at = skip_space(object->at, end);
    bool first = object->first;

    if (first) {
        if (at == end)
            return fail(object, at, "white space only, where a JSON object should be");
        if (*at != '{')
            return fail(object, at, "not a JSON object");
        at = skip_space(at + 1, end);
        object->first = false;
    }
    if (at == end)
        return fail(object, at, "the text ends inside of an object");
    if (*at == '}') {
        at = skip_space(at + 1, end);
        object->at = NULL; /* from here on json_next() stays at the end */
        return at == end ? NULL : fail(object, at, "something stands behind the object");
    }
    if (first)
        return at;
    if (*at != ',')
        return fail(object, at, "neither , nor } behind a value");
    return skip_space(at + 1, end);
}

bool json_next(struct json_object *object, struct json_member *member)
{
    struct string_facts name_facts = {0}, value_facts = {0};
    const uint8_t *at;

    if (object->error != NULL || object->at == NULL)
        return false;
    at = scan_to_member(object);
    if (at != NULL)
        at = scan_name(object, at, &member->name, &name_facts);
    if (at == NULL)
        return false;
    if (at == object->end) {
        fail(object, at, "the text ends where a value should be");
        return false;
    }

    member->value.bytes = at;
    member->kind = kind_of(*at);
    if (member->kind == JSON_OBJECT || member->kind == JSON_ARRAY)
        at = scan_container(object, at, &value_facts);
    else
        at = scan_scalar(object, at, &value_facts);
    if (at == NULL)
        return false;
    member->value.size = (size_t)(at - member->value.bytes);
    member->name_escaped = name_facts.escaped;
    member->value_escaped = member->kind == JSON_STRING && value_facts.escaped;
    member->unkeepable = value_facts.unkeepable;
    object->at = at;
    return true;
}

/* ---- decoding ----------------------------------------------------------------------------- */

/* Generalised UTF-8: a surrogate gets three bytes like any other unit. */
static size_t put_code_point(uint8_t *out, int32_t code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

static uint8_t short_escape(uint8_t letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default: /* the quote, the backslash and the slash stand for themselves */
        return letter;
    }
}

/* What stands between the quotes of a string that was proven; never longer than it was. */
static size_t decode_text(struct span text, uint8_t *out)
{
    const uint8_t *at = text.bytes;
    const uint8_t *end = at + text.size;
    size_t size = 0;

    while (at < end) {
        const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape != NULL ? escape : end) - at);
        int32_t unit, low;

        memcpy(out + size, at, plain);
        size += plain;
        at += plain;
        if (escape == NULL)
            break;
        if (at[1] != 'u') {
            out[size++] = short_escape(at[1]);
            at += 2;
            continue;
        }
        unit = hex_four(at + 2, end);
        at += 6;
        low = is_high(unit) ? low_escape(at, end) : -1;
        if (low >= 0) {
            unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
        size += put_code_point(out + size, unit);
    }
    return size;
}

size_t json_decode_string(const struct json_member *member, uint8_t *out)
{
    require(member->kind == JSON_STRING && member->value.size >= 2);
    return decode_text((struct span){member->value.bytes + 1, member->value.size - 2}, out);
}

bool json_name_is(const struct json_member *member, const char *name)
{
    enum { NAME_MAX_HERE = 40 };
    uint8_t decoded[NAME_MAX_HERE * 6]; /* each letter may be a \u with four digits */
    size_t size = strlen(name);

    require(size <= NAME_MAX_HERE);
    if (!member->name_escaped)
        return member->name.size == size && memcmp(member->name.bytes, name, size) == 0;
    if (member->name.size > size * 6)
        return false;
    return decode_text(member->name, decoded) == size && memcmp(decoded, name, size) == 0;
}

/* ---- integers ----------------------------------------------------------------------------- */

/* The exponent behind an e; beyond any number of digits that memory could hold it stays put. */
static int64_t exponent_of(const uint8_t *at, const uint8_t *end)
{
    const int64_t enough = INT64_C(1) << 56;
    bool negative = *at == '-';
    int64_t exponent = 0;

    if (*at == '-' || *at == '+')
        at++;
    for (; at < end; at++)
        if (exponent < enough)
            exponent = exponent * 10 + (*at - '0');
    return negative ? -exponent : exponent;
}

static bool append_digit(uint64_t *value, unsigned digit)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, digit, value);
}

bool json_integer(const struct json_member *member, int64_t *value)
{
    const uint8_t *end = member->value.bytes + member->value.size;
    const uint8_t *at = member->value.bytes;
    bool negative = *at == '-';
    bool fraction = false;
    uint64_t whole = 0;
    int64_t place; /* how many digits, from the first one on, stand before the decimal point */

    require(member->kind == JSON_NUMBER);
    if (negative)
        at++;

    const uint8_t *digits_end = skip_digits(at, end);
    const uint8_t *rest = digits_end;
    place = digits_end - at;
    if (rest < end && *rest == '.')
        rest = skip_digits(rest + 1, end);
    const uint8_t *mantissa_end = rest;
    if (rest < end)
        place += exponent_of(rest + 1, end);

    for (; at < mantissa_end; at++) {
        if (at == digits_end)
            continue;
        if (place <= 0)
            fraction = fraction || *at != '0';
        else if (!append_digit(&whole, (unsigned)(*at - '0')))
            return false;
        place--;
    }
    for (; place > 0 && whole > 0; place--)
        if (!append_digit(&whole, 0))
            return false;

    if (negative && fraction && whole <= INT64_MAX)
        whole++; /* the fraction is cut towards minus infinity */
    else if (negative && fraction)
        return false;
    if (whole > (uint64_t)INT64_MAX + negative)
        return false;
    *value = negative ? (int64_t)(0 - whole) : (int64_t)whole;
    return true;
}
