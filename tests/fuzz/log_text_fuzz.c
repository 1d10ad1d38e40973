/*
 * log_text_fuzz.c: any bytes as what a peer says.
 *
 * A line is one line, whatever they are: valid UTF-8, no control character, the pairs that were
 * asked for and no other; in JSON it is one object (promise 8).
 */
#include "consumer/log_text.h"
#include "schemas/json.h"
#include "statemachine/require.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

__attribute__((format(printf, 3, 4))) static void write_line(struct log_text *text,
                                                             enum log_style style,
                                                             const char *format, ...)
{
    va_list args;

    log_text_begin(text, style, "said", "warn", "2026-11-23T10:00:00.000Z");
    va_start(args, format);
    log_text_pairs(text, format, args);
    va_end(args);
    log_text_end(text, 7);
}

static void check_bytes(const struct log_text *text)
{
    require(text->size <= LOG_TEXT_MAX);
    require(text->bytes[text->size - 1] == '\n');
    require(utf8_valid((const uint8_t *)text->bytes, text->size));
    for (size_t i = 0; i + 1 < text->size; i++)
        require((unsigned char)text->bytes[i] >= ' ' && text->bytes[i] != 0x7f);
}

static size_t json_members(const struct log_text *text)
{
    struct json_object object;
    struct json_member member;
    size_t count = 0;

    for (json_begin(&object, (const uint8_t *)text->bytes, text->size);
         json_next(&object, &member); count++)
        require(member.kind == JSON_STRING || member.kind == JSON_NUMBER);
    require(object.error == NULL);
    return count;
}

/* As a reader of logfmt does: bare up to the blank, or quoted with backslashes. */
static size_t logfmt_pairs(const struct log_text *text)
{
    const char *at = memchr(text->bytes, ' ', text->size);
    size_t count = 0;

    for (; *at == ' '; count++) {
        at++;
        require(strcspn(at, "= \"\n") > 0);
        at += strcspn(at, "= \"\n");
        require(*at++ == '=');
        if (*at != '"') {
            at += strcspn(at, "= \"\n");
            continue;
        }
        for (at++; *at != '"'; at++) {
            require(*at != '\n');
            at += *at == '\\';
        }
        at++;
    }
    require(at == text->bytes + text->size - 1);
    return count;
}

/* level, time, three of ours, unsaid; those that the line had no room for are not there. */
static void check(const char *first, const char *second, int number)
{
    static const char format[] = "first=%s second=\"it said %s\" number=%d";
    bool short_ones = strlen(first) + strlen(second) < 400; /* six bytes each at most */
    struct log_text text;

    write_line(&text, LOG_LOGFMT, format, first, second, number);
    check_bytes(&text);
    require(short_ones ? logfmt_pairs(&text) == 6 : logfmt_pairs(&text) <= 6);
    write_line(&text, LOG_JSON, format, first, second, number);
    check_bytes(&text);
    require(short_ones ? json_members(&text) == 7 : json_members(&text) <= 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *first = malloc(size + 2), *second;

    require(first != NULL);
    memcpy(first, data, size);
    first[size] = first[size + 1] = 0;
    second = first + strlen(first) + 1; /* what is behind the first zero, if it is there */
    check(first, second, (int)size);
    check(second, first, -(int)size);
    free(first);
    return 0;
}
