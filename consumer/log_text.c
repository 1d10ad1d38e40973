/* log_text.c: walks along a format, fills in one value after the other, and escapes it. */
#include "consumer/log_text.h"

#include "schemas/json.h"
#include "statemachine/require.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    END_ROOM = 32, /* kept free for the last words: unsaid, brace, line feed */
    CUT_ROOM = 4,  /* kept free in each value: three dots, quote */
};

/* Where we are in a format, and in what it is to be filled with. */
struct walk {
    const char *at;
    va_list args;
};

/* One value before it is escaped. */
struct value {
    size_t size;
    bool cut;    /* it was longer */
    bool quoted; /* in the format already */
    bool text;   /* more than digits came in */
    bool absent; /* its %s was NULL */
    char bytes[LOG_VALUE_MAX];
};

/* ---- what a value is made of -------------------------------------------------------------- */

static void add(struct value *value, const char *bytes, size_t size)
{
    size_t room = sizeof(value->bytes) - value->size;

    if (size > room) {
        value->cut = true;
        size = room;
    }
    memcpy(value->bytes + value->size, bytes, size);
    value->size += size;
}

/* %s and %.*s: bounded, not always ended by a zero. */
static void add_text(struct value *value, const char *text, size_t most)
{
    value->text = true;
    if (text == NULL)
        value->absent = true;
    else
        add(value, text, strnlen(text, most));
}

/* How long the integer is: the number of l, or 'z'. */
static int take_length(struct walk *walk)
{
    int length = 0;

    if (*walk->at == 'z') {
        walk->at++;
        return 'z';
    }
    for (; *walk->at == 'l'; walk->at++)
        length++;
    return length;
}

static long long take_signed(struct walk *walk, int length)
{
    switch (length) {
    case 0:
        return va_arg(walk->args, int);
    case 1:
        return va_arg(walk->args, long);
    case 'z':
        return va_arg(walk->args, ptrdiff_t);
    default:
        return va_arg(walk->args, long long);
    }
}

static unsigned long long take_unsigned(struct walk *walk, int length)
{
    switch (length) {
    case 0:
        return va_arg(walk->args, unsigned);
    case 1:
        return va_arg(walk->args, unsigned long);
    case 'z':
        return va_arg(walk->args, size_t);
    default:
        return va_arg(walk->args, unsigned long long);
    }
}

static void add_integer(struct walk *walk, struct value *value)
{
    char digits[32], conversion;
    int zeros = 0, length, size;

    for (; *walk->at >= '0' && *walk->at <= '9'; walk->at++)
        zeros = 10 * zeros + (*walk->at - '0');
    require(zeros < (int)sizeof(digits));
    length = take_length(walk);
    conversion = *walk->at++;
    require(conversion == 'd' || conversion == 'u' || conversion == 'x');
    if (conversion == 'd')
        size = snprintf(digits, sizeof(digits), "%lld", take_signed(walk, length));
    else if (conversion == 'u')
        size = snprintf(digits, sizeof(digits), "%llu", take_unsigned(walk, length));
    else
        size = snprintf(digits, sizeof(digits), "%0*llx", zeros, take_unsigned(walk, length));
    /* A digest is none the more a number where it has no letter. */
    value->text |= conversion == 'x';
    add(value, digits, (size_t)size);
}

/* Behind a percent sign. */
static void convert(struct walk *walk, struct value *value)
{
    int most;

    if (*walk->at == 's') {
        walk->at++;
        add_text(value, va_arg(walk->args, const char *), SIZE_MAX);
    } else if (strncmp(walk->at, ".*s", 3) == 0) {
        walk->at += 3;
        most = va_arg(walk->args, int);
        add_text(value, va_arg(walk->args, const char *), most < 0 ? SIZE_MAX : (size_t)most);
    } else {
        add_integer(walk, value);
    }
}

static void take_value(struct walk *walk, struct value *value)
{
    char end = ' ';

    *value = (struct value){.quoted = *walk->at == '"'};
    if (value->quoted) {
        end = '"';
        walk->at++;
    }
    while (*walk->at != 0 && *walk->at != end) {
        if (*walk->at == '%') {
            walk->at++;
            convert(walk, value);
        } else {
            value->text |= *walk->at < '0' || *walk->at > '9';
            add(value, walk->at++, 1);
        }
    }
    if (value->quoted) {
        require(*walk->at == '"');
        walk->at++;
    }
}

/* ---- how it is written -------------------------------------------------------------------- */

static void put(struct log_text *text, const char *bytes, size_t size)
{
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

static void put_word(struct log_text *text, const char *word)
{
    put(text, word, strlen(word));
}

/* The size of the character that `bytes` begin with; 0 where they are no UTF-8. */
static size_t character(const char *bytes, size_t size)
{
    for (size_t i = 1; i <= 4 && i <= size; i++)
        if (utf8_valid((const uint8_t *)bytes, i))
            return i;
    return 0;
}

/* What moves a terminal's cursor, or what some reader takes for the end of a line. */
static unsigned harmful(const char *bytes, size_t size)
{
    const uint8_t *byte = (const uint8_t *)bytes;

    if (size == 1 && (byte[0] < 0x20 || byte[0] == 0x7f))
        return byte[0];
    if (size == 2 && byte[0] == 0xc2 && byte[1] < 0xa0)
        return byte[1];
    if (size == 3 && byte[0] == 0xe2 && byte[1] == 0x80 && (byte[2] == 0xa8 || byte[2] == 0xa9))
        return 0x2000u + (byte[2] & 0x3f);
    return 0;
}

struct piece {
    char bytes[8];
    size_t size;  /* of it, escaped */
    size_t taken; /* bytes of the value that it stands for */
};

static struct piece escape(const char *bytes, size_t size)
{
    static const char replacement[] = "\xef\xbf\xbd";
    struct piece piece = {.taken = character(bytes, size)};
    const char *text = bytes;

    piece.size = piece.taken;
    if (piece.taken == 0) {
        piece.taken = 1;
        piece.size = sizeof(replacement) - 1;
        text = replacement;
    } else if (*bytes == '"' || *bytes == '\\') {
        piece.size = 2;
        text = *bytes == '"' ? "\\\"" : "\\\\";
    } else if (*bytes == '\n' || *bytes == '\r' || *bytes == '\t') {
        piece.size = 2;
        text = *bytes == '\n' ? "\\n" : *bytes == '\r' ? "\\r" : "\\t";
    } else if (harmful(bytes, piece.taken) != 0) {
        piece.size = (size_t)snprintf(piece.bytes, sizeof(piece.bytes), "\\u%04x",
                                      harmful(bytes, piece.taken));
        return piece;
    }
    memcpy(piece.bytes, text, piece.size);
    return piece;
}

static bool stands_bare(const struct value *value)
{
    if (value->quoted || value->size == 0 || value->cut)
        return false;
    for (size_t i = 0; i < value->size;) {
        struct piece piece = escape(value->bytes + i, value->size - i);
        if (piece.size != piece.taken || piece.bytes[0] == ' ' || piece.bytes[0] == '=' ||
            memcmp(piece.bytes, value->bytes + i, piece.size) != 0)
            return false;
        i += piece.taken;
    }
    return true;
}

/* RFC 8259 knows no leading zeros; a value that ends beyond its digits is no number, either. */
static bool is_number(const struct value *value)
{
    size_t sign = value->size > 1 && value->bytes[0] == '-';

    return !value->quoted && !value->text && !value->cut && value->size > sign &&
           (value->bytes[sign] != '0' || value->size == sign + 1);
}

/* As much of it as there is room for. */
static void put_escaped(struct log_text *text, const struct value *value, size_t limit)
{
    bool cut = value->cut;

    for (size_t i = 0; i < value->size;) {
        struct piece piece = escape(value->bytes + i, value->size - i);
        if (text->size + piece.size + CUT_ROOM > limit) {
            cut = true;
            break;
        }
        /* A character that a cut has halved says nothing; the dots do. */
        if (value->cut && value->size - i < 4 && character(value->bytes + i, value->size - i) == 0)
            break;
        put(text, piece.bytes, piece.size);
        i += piece.taken;
    }
    if (cut)
        put_word(text, "...");
}

static void put_value(struct log_text *text, const struct value *value, size_t limit)
{
    bool bare = text->style == LOG_JSON ? is_number(value) : stands_bare(value);

    if (!bare)
        put(text, "\"", 1);
    put_escaped(text, value, limit);
    if (!bare)
        put(text, "\"", 1);
}

static void put_pair(struct log_text *text, const char *key, size_t key_size,
                     const struct value *value)
{
    size_t limit = sizeof(text->bytes) - END_ROOM;

    /* Digits are never cut: half a number is another number. */
    if (value->absent || text->size + key_size + (value->text ? 16 : value->size) + 16 > limit)
        return;
    if (text->style == LOG_JSON)
        put_word(text, text->size == 1 ? "\"" : ",\"");
    else if (text->size > 0)
        put(text, " ", 1);
    put(text, key, key_size);
    put_word(text, text->style == LOG_JSON ? "\":" : "=");
    put_value(text, value, limit);
}

/* ---- a line ------------------------------------------------------------------------------- */

static void put_text(struct log_text *text, const char *key, const char *word)
{
    struct value value = {.text = true};

    add(&value, word, strlen(word));
    put_pair(text, key, strlen(key), &value);
}

void log_text_begin(struct log_text *text, enum log_style style, const char *event,
                    const char *level, const char *time)
{
    text->style = style;
    text->size = 0;
    if (style == LOG_JSON) {
        put(text, "{", 1);
        put_text(text, "event", event);
    } else {
        put_word(text, event);
    }
    put_text(text, "level", level);
    put_text(text, "time", time);
}

void log_text_pairs(struct log_text *text, const char *format, va_list args)
{
    struct walk walk = {.at = format};
    struct value value;

    va_copy(walk.args, args);
    while (*walk.at != 0) {
        const char *key = walk.at;
        size_t size = strcspn(key, "= \"%");

        require(size > 0 && key[size] == '=');
        walk.at += size + 1;
        take_value(&walk, &value);
        put_pair(text, key, size, &value);
        if (*walk.at == ' ')
            walk.at++;
        else
            require(*walk.at == 0);
    }
    va_end(walk.args);
}

void log_text_end(struct log_text *text, unsigned unsaid)
{
    size_t room = sizeof(text->bytes) - text->size;

    if (unsaid > 0)
        text->size += (size_t)snprintf(text->bytes + text->size, room,
                                       text->style == LOG_JSON ? ",\"unsaid\":%u" : " unsaid=%u",
                                       unsaid);
    put_word(text, text->style == LOG_JSON ? "}\n" : "\n");
}
