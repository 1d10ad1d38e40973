/*
 * json.h: a strict reader of RFC 8259, one object at a time, that keeps nothing.
 *
 * cJSON accepts more than JSON (leading zeros, raw control characters, bytes that are no UTF-8)
 * and forgets where a value stood; so this reader goes first. It proves the text as it walks over
 * it and hands out each member of the top object as spans of the input; cJSON then decodes the
 * few values that are read.
 */
#ifndef UPSHOT_SCHEMAS_JSON_H
#define UPSHOT_SCHEMAS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 64 }; /* the top object is level 1; a 65th level is refused */

enum json_kind {
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct span {
    const uint8_t *bytes;
    size_t size;
};

struct json_member {
    struct span name;  /* between the quotes, escapes as written */
    struct span value; /* the whole value as written, quotes included */
    enum json_kind kind;
    bool name_escaped;  /* the name holds a backslash */
    bool value_escaped; /* the value, a string, holds a backslash */
    bool unkeepable;    /* somewhere in the value: \u0000 or a lone surrogate */
};

struct json_object {
    const uint8_t *start, *at, *end;
    const char *error;   /* NULL, or what is wrong, in a few words */
    size_t error_offset; /* byte of the input where it is wrong */
    bool first;
};

/* Starts on bytes that must be exactly one object, white space around it allowed. */
void json_begin(struct json_object *object, const uint8_t *bytes, size_t size);

/*
 * The next member; spans point into the input. False at the end of the object, when what follows
 * it has been proven to be white space only, and false with object->error set where the text
 * breaks a rule. Every byte is validated by the time it returns false.
 */
bool json_next(struct json_object *object, struct json_member *member);

/* True where the member has this name, whatever way its letters are escaped. */
bool json_name_is(const struct json_member *member, const char *name);

/*
 * Decodes a string member (escapes resolved) into `out`, which must have room for value.size
 * bytes. A lone surrogate becomes its three bytes of generalised UTF-8, \u0000 a zero byte: what
 * to think of them is the caller's. Returns the size.
 */
size_t json_decode_string(const struct json_member *member, uint8_t *out);

/*
 * An integer member's exact value: "-12", "1.5" (the fraction is cut, towards minus infinity),
 * "1e3". False where it does not fit an int64_t.
 */
bool json_integer(const struct json_member *member, int64_t *value);

/* True where all bytes are valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool utf8_valid(const uint8_t *bytes, size_t size);

/* The largest size <= limit at which `bytes`, valid UTF-8, ends between two characters. */
size_t utf8_cut(const uint8_t *bytes, size_t size, size_t limit);

#endif
