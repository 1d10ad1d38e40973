/*
 * view.h: what the views of a running stage (HTTP) have in common: cJSON objects, whose numbers are
 * whole ones of 64 bits and whose texts are bytes of others.
 *
 * Each adds a member to the object. One that finds no memory is left out, as cJSON does it;
 * view_print() then still gives valid JSON.
 */
#ifndef UPSHOT_CONSUMER_VIEW_H
#define UPSHOT_CONSUMER_VIEW_H

#include "schemas/buffer.h"

#include <cjson/cJSON.h>

/* "2026-11-23T10:00:00.000Z"; null for TIME_NONE and what RFC 3339 cannot write. */
void view_time(cJSON *object, const char *name, int64_t ms);

/* All digits, where cJSON's own doubles would round. */
void view_number(cJSON *object, const char *name, int64_t value);
void view_append_number(cJSON *array, int64_t value);

/* A string of bytes without an end; valid UTF-8, as every text that upshot keeps. */
void view_text(cJSON *object, const char *name, const void *bytes, size_t size);

/* The same of bytes that may be anything (a dead letter's key): what is no UTF-8 is U+FFFD. */
void view_foreign(cJSON *object, const char *name, const void *bytes, size_t size);

/* 16 hex digits, as outcomes have a table's digest. */
void view_digest(cJSON *object, const char *name, uint64_t digest);

/* JSON as it is. */
void view_raw(cJSON *object, const char *name, const void *bytes, size_t size);

/* Appends the object without spaces, and deletes it. */
void view_print(struct buffer *out, cJSON *object);

#endif
