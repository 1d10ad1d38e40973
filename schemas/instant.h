/*
 * instant.h: points in time, RFC 3339 in and out, and durations such as "72h".
 *
 * All times are milliseconds since 1970-01-01T00:00:00Z, without leap seconds, as Kafka has them.
 */
#ifndef UPSHOT_SCHEMAS_INSTANT_H
#define UPSHOT_SCHEMAS_INSTANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INSTANT_SIZE = 24 }; /* 2026-11-23T10:00:00.000Z */

/*
 * RFC 3339 5.6: any offset, any number of digits in the fraction (cut after milliseconds),
 * upper or lower case T and Z, second 60 where a leap second can be (23:59:60 UTC on the last day
 * of a month), which reads as the second after. False for anything else, a date that does not
 * exist, or a time that leaves the years 0000 to 9999 in UTC.
 */
bool instant_parse(const char *text, size_t size, int64_t *ms);

/* Writes exactly INSTANT_SIZE bytes, no NUL. Times beyond year 9999 or before 0000 are clamped. */
void instant_format(int64_t ms, char out[INSTANT_SIZE]);

/*
 * "500ms", "60s", "10m", "72h", "14d": a whole number and a unit. False for anything else,
 * negative ones and those beyond DURATION_MAX_MS included; *why then says what is wrong.
 */
bool duration_parse(const char *text, int64_t *ms, const char **why);

#endif
