/*
 * outcome.h: an outcome event as JSON, written into a buffer of ours without a tree (DESIGN 4).
 */
#ifndef UPSHOT_SCHEMAS_OUTCOME_H
#define UPSHOT_SCHEMAS_OUTCOME_H

#include "schemas/buffer.h"
#include "statemachine/step.h"

#define OUTCOME_SCHEMA "upshot.outcome/1"
#define OUTCOME_CONTENT_TYPE "application/json"

/*
 * Appends one JSON object, no newline behind it. The record is as step left it: its revision is
 * the outcome's. Field order is fixed, so the same facts give the same bytes. In the attributes,
 * which travel as the raw bytes they came in, `one_line` turns a raw line feed or carriage
 * return (white space between tokens, JSON allows no other) into a space.
 */
void outcome_encode(struct buffer *out, const struct table *table, struct text message_id,
                    const struct record *record, const struct effects *effects, int32_t partition,
                    bool one_line);

#endif
